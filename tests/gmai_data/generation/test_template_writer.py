"""What the samples of a whole phantom build say: true, in form, and of all six kinds."""

import re
from collections import Counter, defaultdict

import pyarrow.parquet as pq
import pytest
from gmai_data.annotation import Box
from gmai_data.generation.naming import named
from gmai_data.generation.template_writer import TemplateWriter
from gmai_data.sources.cards.catalogue import bundled_names, find_recipe
from gmai_data.vocabulary import Kind, Modality

OPTION_TEXT = re.compile(
    r"<image>\n(?P<question>[^\n]+)\nOptions: (?P<options>[^\n]+)\.\nAnswer with one of the options\."
)
OPTION_LETTER = re.compile(
    r"<image>\n(?P<question>[^\n]+)\n(?P<options>(?:[A-D]\. [^\n]+\n)+)"
    r"Answer with the option's letter from the given choices directly\."
)


@pytest.fixture(scope="module")
def samples(phantom_build):
    return [
        row
        for path in sorted((phantom_build / "samples").rglob("*.parquet"))
        for row in pq.ParquetFile(path).read().to_pylist()
    ]


@pytest.fixture(scope="module")
def english_perception(samples):
    return [row for row in samples if row["kind"] == "visual_perception" and row["language"] == "en"]


def test_all_six_kinds_and_a_share_of_chinese(samples):
    assert {row["kind"] for row in samples} == set(Kind)
    image_rows = [row for row in samples if row["images"]]
    chinese = sum(row["language"] == "zh" for row in image_rows) / len(image_rows)
    assert chinese == pytest.approx(0.2, abs=0.06)


def test_form_of_every_sample(samples):
    assert len({row["id"] for row in samples}) == len(samples)
    for row in samples:
        contents = [message["content"] for message in row["messages"]]
        assert sum(content.count("<image>") for content in contents) == len(row["images"])
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"] * (len(contents) // 2)
        assert all(content.strip() for content in contents)
        assert "{" not in "".join(contents)
        if row["images"]:
            assert contents[0].startswith("<image>\n" * len(row["images"]))
        else:
            assert row["kind"] == "text_only"


def test_option_text_is_exactly_as_documented(english_perception):
    styles = Counter()
    for row in english_perception:
        question, answer = (message["content"] for message in row["messages"])
        if found := OPTION_TEXT.fullmatch(question):
            options = found["options"].split("; ")
            styles["text"] += 1
            assert answer in options
        elif found := OPTION_LETTER.fullmatch(question):
            options = found["options"].splitlines()
            styles["letter"] += 1
            assert answer in "ABCD"[: len(options)]
        else:
            assert "Options" not in question
            continue
        assert 2 <= len(set(options)) == len(options) <= 4
    assert styles["text"] > styles["letter"] > 3


def test_negatives_and_wrong_options_are_truly_absent(english_perception):
    maps = {name: find_recipe(name).label_names for name in bundled_names()}
    asked = Counter()
    for row in english_perception:
        question, answer = (message["content"] for message in row["messages"])
        if answer in ("Yes", "No"):
            label = max((name for name in maps[row["source"]] if named(name).any in question), key=len)
            assert (label in row["labels"]) == (answer == "Yes"), row["id"]
            asked[answer] += 1
        elif (found := OPTION_TEXT.fullmatch(question)) and not row["boxes"]:
            wrong = set(found["options"].split("; ")) - {answer}
            assert answer in (*row["labels"], row["modality"])
            assert not wrong & {*row["labels"], row["modality"]}, row["id"]
            assert wrong <= {*maps[row["source"]], *Modality}
    assert asked["Yes"] == pytest.approx(asked["No"], rel=0.3)


def test_counts_and_boxes_agree_with_the_record(samples, phantom_build):
    (path,) = (phantom_build / "annotations").glob("*.parquet")
    boxes = {row["id"]: row["boxes"] for row in pq.ParquetFile(path).read().to_pylist()}
    checked = 0
    for row in samples:
        for box in row["boxes"]:
            x1, y1, x2, y2 = box["xyxy"]
            assert 0 <= x1 < x2 <= 112
            assert 0 <= y1 < y2 <= 112
        answer = row["messages"][1]["content"]
        if row["kind"] == "visual_perception" and answer.isdigit():
            own = [box for box in boxes[row["id"].rsplit("#", 2)[0]] if box["label"] == row["boxes"][0]["label"]]
            assert int(answer) == len(own) == len(row["boxes"])
            checked += 1
    assert checked > 4


def test_held_out_images_and_groups_appear_in_no_sample(samples, phantom_build):
    (path,) = (phantom_build / "annotations").glob("*.parquet")
    groups = defaultdict(set)
    for row in pq.ParquetFile(path).read(columns=["source", "group", "split"]).to_pylist():
        groups[row["source"], row["group"]].add(row["split"])
    assert all(len(splits) == 1 for splits in groups.values())
    questions = pq.ParquetFile(phantom_build / "benchmarks" / "held_out.parquet").read().to_pylist()
    held_out = {row["images"][0]["bytes"] for row in questions}
    assert not held_out & {image["bytes"] for row in samples for image in row["images"]}


@pytest.mark.parametrize("boxed", [False, True])
def test_of_5000_captions_and_instructions_at_most_a_twentieth_says_what_another_says(toy, annotation, boxed):
    """The hardest case is two classes, one per picture, and nothing else known; with boxes each picture differs."""
    card = toy(
        task="2d_detection" if boxed else "2d_classification", exhaustive=boxed,
        labels={"a": {"en": "platelet", "zh": "血小板"}, "b": {"en": "white blood cell", "zh": "白细胞"}},
        anatomy={"en": "blood smear", "zh": "血涂片"}, label_noun={"en": "cell", "zh": "细胞"},
    )  # fmt: skip
    kinds = (Kind.IMAGE_CAPTION, Kind.FREE_INSTRUCTION, Kind.DIALOGUE)
    writer = TemplateWriter(0.3, 0.0, (), 0, kinds)
    said = defaultdict(list)
    for number in range(5001 // len(kinds)):
        label = ("platelet", "white blood cell")[number % 2]
        left = number * 7 % 80
        boxes = (Box(label, (left, 10, left + 9, 30)), Box(label, (left, 50, left + 9, 70))) if boxed else ()
        record = annotation(id=f"2d#cls#{number}", labels=(label,), absent=(), boxes=boxes, provenance={}, image=b"")
        for sample in writer.samples(record, card):
            said[sample.kind].append(sample.turns)
    assert sum(map(len, said.values())) == 5001
    for kind, turns in said.items():
        assert 1 - len(set(turns)) / len(turns) <= 0.05, kind
