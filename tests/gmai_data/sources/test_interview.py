"""A folder of one's own ▶ a draft ▶ answers ▶ a build with held-out questions, for folders of many kinds."""

import csv
import json

import nibabel
import numpy as np
import pyarrow.parquet as pq
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.sources.cards.catalogue import resolve
from gmai_data.sources.cards.drafts import draft
from gmai_data.sources.interview import interview
from gmai_formats.errors import UserError
from PIL import Image

ANSWERS = ["modality=CT", "department=Oncology", "clinical_task=Disease Diagnosis", "anatomy=chest", "labels.1=liver"]


def picture(number, place=(8, 8)):
    noise = np.random.default_rng(number).integers(0, 160, (64, 64, 3), np.uint8)
    drawn = Image.fromarray(noise)
    drawn.paste((200, 40, 40), (*place, place[0] + 20, place[1] + 20))
    return drawn


def saved(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def two_classes(root):
    for number in range(40):
        label = ("NORMAL", "PNEUMONIA")[number % 2]
        saved(picture(number), root / label / f"{number}.png")


def one_mask(root):
    for number in range(40):
        left = 4 if number % 2 else 38
        mask = Image.new("L", (64, 64))
        mask.paste(255, (left, 8, left + 20, 28))
        saved(picture(number, (left, 8)), root / "images" / f"{number}.png")
        saved(mask, root / "masks" / f"{number}.png")


def yolo_without_test(root):
    for number in range(40):
        part = "val" if number % 3 == 0 else "train"
        saved(picture(number), root / "images" / part / f"{number}.jpg")
        text = root / "labels" / part / f"{number}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(f"{number % 2} 0.28 0.28 0.31 0.31\n")
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [polyp, clip]\n")


def volume(root, number):
    draw = np.random.default_rng(number)
    grid = draw.normal(300, 60, (32, 32, 14)).astype(np.int16)
    name = f"sub-{number:02d}"
    (root / name / "anat").mkdir(parents=True)
    nibabel.save(nibabel.Nifti1Image(grid, np.diag([3, 3, 6, 1])), root / name / "anat" / f"{name}_T1w.nii.gz")
    return name


def bids_with_participants(root):
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Clinic", "License": "CC0"}))
    rows = [("participant_id", "age", "diagnosis")]
    rows += [(volume(root, number), "40", ("control", "ill")[number % 2]) for number in range(24)]
    with (root / "participants.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(rows)


def bids_without_a_label(root):
    root.mkdir()
    (root / "dataset_description.json").write_text("{}")
    for number in range(16):
        volume(root, number)


@pytest.mark.parametrize(
    ("make", "kinds"),
    [
        (two_classes, {"label"}),
        (one_mask, {"side liver", "height liver"}),
        (yolo_without_test, {"label"}),
        (bids_with_participants, {"label"}),
        (bids_without_a_label, {"two_images higher"}),
    ],
)
def test_a_folder_gives_held_out_questions_with_no_more_than_answers(tmp_path, make, kinds, capsys):
    root, card = tmp_path / "own", tmp_path / "card.yaml"
    make(root)
    card.write_text(draft(root)[1])
    assert not interview(card, root, [], "gmai init own")
    said = capsys.readouterr().err
    assert "filled in, and to be corrected there if it is wrong" in said
    last = said.rstrip().splitlines()[-1]
    assert last.startswith("gmai init own --set ")
    asked = [part.partition("=")[0] for part in last.split("--set ")[1:]]
    given = [answer for answer in ANSWERS if answer.partition("=")[0] in asked]
    assert len(given) == len(asked), "nothing is asked that these answers do not say"
    assert interview(card, root, given, "gmai init own")
    build(resolve([str(card)], root), tmp_path / "out", BuildSettings())
    rows = pq.read_table(tmp_path / "out/benchmarks/held_out.parquet").to_pylist()
    assert rows
    assert {row["asks"] for row in rows} <= kinds
    assert len({row["reference"] for row in rows}) > 1


def test_a_card_that_is_not_there_or_no_yaml(tmp_path):
    (tmp_path / "own").mkdir()
    with pytest.raises(UserError, match="no such card"):
        interview(tmp_path / "card.yaml", tmp_path / "own", [], "")
    for text in (b"a: [", b"\xff\xfe\xff"):
        (tmp_path / "card.yaml").write_bytes(text)
        with pytest.raises(UserError, match="not readable as YAML"):
            interview(tmp_path / "card.yaml", tmp_path / "own", [], "")
