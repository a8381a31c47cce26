"""What gmai-data writes is what gmai-model reads."""

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

FORMATS = Path(__file__).parents[2] / "docs" / "reference" / "formats.md"


def read_samples(build: Path, split: str) -> list[dict]:
    files = sorted(build.glob(f"samples/*/{split}-*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def documented_columns() -> set[str]:
    section = FORMATS.read_text("utf-8").split("## Samples (Parquet)")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section, re.MULTILINE)
    return {name for cell in first_cells for name in re.findall(r"\w+", cell)}


def make_source(build: Path, tmp_path: Path, *, stage: int, split: str = "train"):
    from gmai_formats.rows.mixtures import load_mixture
    from gmai_model.batching.prepare import open_source

    mixture, root = load_mixture(build / "mix.yaml")
    return open_source(mixture, root, stage=stage, split=split, seed=0, cache=tmp_path)


def test_samples_have_the_documented_columns(build: Path) -> None:
    files = list(build.glob("samples/*/*.parquet"))
    assert files
    for file in files:
        assert set(pq.read_schema(file).names) == documented_columns(), file


def test_all_six_kinds_and_both_languages_are_there(build: Path) -> None:
    samples = read_samples(build, "train")
    assert {sample["kind"] for sample in samples} == {
        "image_caption", "region_caption", "free_instruction", "dialogue", "visual_perception", "text_only",
    }  # fmt: skip
    assert {sample["language"] for sample in samples} == {"en", "zh"}


def test_placeholders_match_images_and_roles_alternate(build: Path) -> None:
    for sample in read_samples(build, "train") + read_samples(build, "validation"):
        roles = [message["role"] for message in sample["messages"] if message["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2), sample["id"]
        placeholders = sum(message["content"].count("<image>") for message in sample["messages"])
        assert placeholders == len(sample["images"]), sample["id"]


def test_boxes_lie_inside_their_image(build: Path) -> None:
    from gmai_model.batching.collate import decode_image

    boxed = [sample for sample in read_samples(build, "train") if sample["boxes"]]
    assert boxed
    for sample in boxed:
        width, height = decode_image(sample["images"][0]["bytes"]).size
        for box in sample["boxes"]:
            x1, y1, x2, y2 = box["xyxy"]
            assert 0 <= x1 < x2 <= width, sample["id"]
            assert 0 <= y1 < y2 <= height, sample["id"]


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_a_stage_sees_what_table_7_gives_it(build: Path, tmp_path: Path, stage: int) -> None:
    source = make_source(build, tmp_path, stage=stage)
    kinds = {sample["id"]: sample["kind"] for sample in read_samples(build, "train")}
    seen = [source[number].id for number in range(len(source))]
    texts = {name for name, kind in kinds.items() if kind == "text_only"}
    assert set(seen) == (set(kinds) if stage == 3 else set(kinds) - texts)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_trainer_rejects_no_sample(build: Path, checkpoint: Path, tmp_path: Path, split: str) -> None:
    from gmai_model.batching.tokens import Encoder
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    encoder = Encoder(tokenizer, tokens_per_image=64, max_tokens=2048)
    source = make_source(build, tmp_path, stage=3, split=split)
    assert len(source) > 0
    for number in range(len(source)):
        sample = source[number]
        encoded = encoder(sample)  # raises Rejected with the reason
        assert encoded.n_images == len(sample.images)
        assert encoded.cut_turns == 0
        learned = tokenizer.decode(encoded.input_ids[encoded.supervised])
        for message in sample.messages:
            if message["role"] == "assistant":
                assert message["content"].strip() in learned, sample.id


def test_the_mixture_names_only_what_is_there(build: Path) -> None:
    mixture = yaml.safe_load((build / "mix.yaml").read_text("utf-8"))
    for entry in mixture["datasets"]:
        assert list((build / entry["path"]).glob("train-*.parquet")), entry
        assert set(entry["ratio"]) == {1, 2, 3}


def test_the_trainer_reads_pictures_where_they_lie(build: Path, tmp_path: Path) -> None:
    from gmai_model.batching.images import ParquetImage, ParquetImages

    files = sorted(build.glob("samples/*/train-*.parquet"))
    assert files
    for number, file in enumerate(files):
        images = ParquetImages(tmp_path, str(number), file)
        images.write()
        expected = [image["bytes"] for row in pq.read_table(file).column("images").to_pylist() for image in row or []]
        assert [ParquetImage(images, n).read() for n in range(len(expected))] == expected
    assert list(tmp_path.rglob("*.bin")) == []
