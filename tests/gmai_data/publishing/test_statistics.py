"""What a build holds, as tables and beside Fig. 3 of the paper."""

import json
import re

import pytest
from gmai_data.cli import app
from gmai_data.publishing.statistics import (
    PAPER_SHARES,
    RINGS,
    catalogue_fig3,
    fig3,
    print_build,
    print_preview,
    print_statistics,
    read_manifest,
    untrained_labels,
    write_fig3,
)
from gmai_data.sources.cards.overview import real_recipes
from gmai_data.tables import ANNOTATIONS, TableFiles
from gmai_formats.errors import UserError
from typer.testing import CliRunner


def row(number, **changes):
    """Return an annotated image of 40×30 px."""
    return {
        "id": f"i#{number}", "image": None, "width": 40, "height": 30, "sha256": "", "modality": "CT",
        "department": "Urology", "clinical_task": "Disease Diagnosis", "anatomy": "a", "task": "2d_classification",
        "labels": ["cyst"], "absent": [], "incomplete": [], "boxes": [], "split": "train", "group": "g",
        "source": "s", "license": "MIT", "provenance": "{}",
    } | changes  # fmt: skip


@pytest.fixture
def built(tmp_path, picture):
    """Return a function of annotated images, and of changes to the manifest's one source, that makes a build."""

    def make(*rows, benchmark=None, **changes):
        with TableFiles(tmp_path / "annotations", "s", ANNOTATIONS) as files:
            files.add_rows([each | {"image": {"bytes": picture(), "path": "1.png"}} for each in rows])
        line = {"read": 3, "kept": 2, "dropped": {"blank": 1}, "quarantined": 0}
        entry = {
            **dict.fromkeys(("items", "images", "boxes", "samples"), line), "uncertain": {},
            "samples_by": {"kind": {"dialogue": 3, "report": 1}, "language": {"en": 4}},
        } | changes  # fmt: skip
        benchmark = benchmark or {"questions": 0, "dropped": {}}
        (tmp_path / "manifest.json").write_text(json.dumps({"recipes": {"s": entry}, "benchmark": benchmark}))
        return tmp_path

    return make


def test_labels_that_no_training_image_shows(built):
    out = built(
        row(1),
        row(2, labels=["mass", "cyst"], split="held_out"),
        row(3, labels=["nodule"], split="validation"),
        row(4, labels=["rare"], split="held_out", source="benchmark"),
    )
    assert untrained_labels(out) == {"s": ["mass", "nodule"]}


def test_fig3_counts_images(phantom_build, tmp_path):
    rings = fig3(phantom_build)
    assert sum(share for _, _, share, _ in rings["task"]) == pytest.approx(100)
    assert next(row for row in rings["modality"] if row[0] == "PET")[1:] == (0, 0.0, 0.2)
    write_fig3(rings, "images", "a build", tmp_path / "f.html")
    assert "paper 26.8 %" in (tmp_path / "f.html").read_text()
    shares = {name: (images, paper) for name, images, _, paper in rings["clinical_task"]}
    organs = sum(images for name, (images, _) in shares.items() if name.startswith("Organ Recognition - "))
    assert shares["Organ Recognition (all four)"] == (organs, 16.0)
    assert shares["Disease Diagnosis"][1] == 40.4
    assert {name: paper for name, _, _, paper in rings["department"]}["Orthopedic Surgery"] == 12.9


def test_shares_of_images_and_of_the_four_organ_tasks(built):
    rings = fig3(built(
        row(1), row(2, modality="MR", clinical_task="Organ Recognition - Abdomen"),
        row(3, clinical_task="Organ Recognition - Head and Neck"), row(4, modality="MR", task="2d_detection"),
    ))  # fmt: skip
    assert rings["modality"][:2] == [("CT", 2, 50.0, 26.8), ("MR", 2, 50.0, 24.7)]
    assert rings["modality"][2:] == [(name, 0, 0.0, share) for name, share in PAPER_SHARES["modality"].items()][2:]
    assert rings["task"][:2] == [("2d_classification", 3, 75.0, 50.4), ("2d_detection", 1, 25.0, 6.6)]
    assert rings["department"][0] == ("Urology", 4, 100.0, 0.7)
    assert ("Organ Recognition (all four)", 2, 50.0, 16.0) in rings["clinical_task"]
    assert list(rings) == list(RINGS) == ["task", "modality", "department", "clinical_task"]


def test_the_catalogue_is_counted_in_cards_beside_the_paper(tmp_path):
    ran = CliRunner().invoke(app, ["stats", "--html", str(tmp_path / "cards.html")])
    assert ran.exit_code == 0, ran.output
    rings = catalogue_fig3()
    real = len(real_recipes())
    assert all(sum(count for name, count, *_ in rings[of] if "all four" not in name) == real for of in rings)
    cards, share, paper = next(row[1:] for row in rings["modality"] if row[0] == "CT")
    assert re.search(rf"^CT +{cards} +{share:.1f}% +{paper}%$", ran.stdout, re.MULTILINE)
    assert "the catalogue" in (tmp_path / "cards.html").read_text()


def test_tasks_of_the_paper_add_up():
    assert sum(PAPER_SHARES["task"].values()) == pytest.approx(100)


def test_a_build_without_a_manifest(tmp_path):
    with pytest.raises(
        UserError, match=r"no build \(it has no manifest\.json\)\. Give the --out of a finished `gmai data build`"
    ):
        read_manifest(tmp_path)


def test_a_line_for_each_recipe_and_the_odds(built, capsys):
    odds = {"questions": 8, "chance": 0.25, "prior_accuracy": 0.3, "dropped": {}}
    print_build(built(benchmark=odds, uncertain={"cyst": 2}))
    out = capsys.readouterr().out
    assert "held-out questions: 8 (chance 25.0%, best guess from the options alone 30.0%)" in out
    assert "s: left open by the source, so neither present nor absent, in so many images: cyst 2" in out


@pytest.mark.parametrize(
    ("dropped", "words"),
    [({}, "none (no image is held out)"), ({"too few answers": 2, "x": 1}, "none (too few answers: 2, x: 1)")],
)
def test_why_there_are_no_questions(built, capsys, dropped, words):
    print_build(built(benchmark={"questions": 0, "dropped": dropped}))
    assert f"held-out questions: {words}" in capsys.readouterr().out


@pytest.mark.parametrize("of", [None, "items", "boxes", "samples"])
def test_a_quarantine_is_pointed_at(built, capfd, of):
    line = {"read": 1, "kept": 0, "dropped": {}, "quarantined": 1}
    print_build(built(**({of: line} if of else {})))
    captured = capfd.readouterr()
    assert ("Some input could not be used" in captured.out + captured.err) is (of is not None)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"items": {"read": 1, "kept": 0, "dropped": {"of modality CT": 1}, "quarantined": 0}}, "of modality CT: 1"),
        ({"items": {"read": 1, "kept": 0, "dropped": {}, "quarantined": 1}}, "its input could not be used"),
        ({"items": {"read": 1, "kept": 1, "dropped": {}, "quarantined": 0}}, "all of it is held out"),
    ],
)
def test_a_source_that_teaches_nothing_is_warned_of(built, capfd, changes, why):
    none = {"read": 0, "kept": 0, "dropped": {}, "quarantined": 0}
    print_build(built(**{**dict.fromkeys(("images", "boxes", "samples"), none), **changes}))
    captured = capfd.readouterr()
    assert f"warning: s: no sample to train on ({why})." in captured.out + captured.err


def test_samples_by_column(built, capsys):
    print_statistics(built(row(1)))
    out = capsys.readouterr().out
    assert "75.0%" in out
    assert "dialogue" in out
    assert "Fig. 3: modality" in out


def test_the_preview(capsys):
    print_preview([("toy", 9, 5, 2, {"train": 7, "validation": 2})])
    assert "train 7, validation 2" in capsys.readouterr().out
