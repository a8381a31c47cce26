"""Pictures ▶ annotations: what is stated absent, what is dropped and why."""

import json

import numpy as np
import pytest
from gmai_data.annotating import TOOL, annotations_of
from gmai_data.checks.leakage import Benchmarks
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger
from gmai_data.vocabulary import Split
from gmai_formats.fingerprints.listed import ListedQuestion, write_list

TABLE = {"kind": "csv_labels", "table": "t.csv", "image_column": "image", "label_column": "label", "separator": "|"}
NAMES = {"no": "no finding", "m": "mass", "n": "nodule"}


@pytest.fixture
def annotated(tmp_path, toy):
    """Return a function of the table's label cells: (annotations by image, ledger)."""

    def make(*cells, **changes):
        card = toy(**{"layout": TABLE, "labels": NAMES, **changes})
        rows = ["image,label"]
        for number, cell in enumerate(cells):
            pixels = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
            (tmp_path / f"{number}.png").write_bytes(encode_png(pixels))
            rows.append(f"{number}.png,{cell}")
        (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
        ledger, found = Ledger(), {}
        for item in card.layout.list_items(card, tmp_path):
            for annotation in annotations_of(item, card, tmp_path, ledger, None):
                found[item.key] = annotation
        return found, ledger

    return make


def test_present_and_absent_labels_never_meet(annotated):
    found, _ = annotated("no", "m", "m|n")
    assert {key: (each.labels, each.absent) for key, each in found.items()} == {
        "0.png": (("no finding",), ("mass", "nodule")),
        "1.png": (("mass",), ("no finding", "nodule")),
        "2.png": (("mass", "nodule"), ("no finding",)),
    }


def test_a_row_that_contradicts_itself_is_dropped_with_its_reason(annotated):
    found, ledger = annotated("m|no", "m", "no|n|m")
    assert list(found) == ["1.png"]
    assert ledger.images.dropped == {"labels contradict one another": 2}
    assert [line["detail"] for line in ledger.dropped] == ['"no finding" and "mass"', '"no finding" and "nodule"']


def test_flat_pictures_are_dropped(tmp_path, toy):
    card = toy(labels={"a": "alpha"})
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.png").write_bytes(encode_png(np.full((24, 32), 7, np.uint8)))
    (item,), ledger = card.layout.list_items(card, tmp_path), Ledger()
    assert list(annotations_of(item, card, tmp_path, ledger, None)) == []
    assert ledger.images.dropped == {"near-constant image": 1}


def test_a_picture_of_a_benchmark_is_left_out_and_named(tmp_path, toy):
    card = toy(labels={"a": "alpha"})
    (tmp_path / "a").mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
        (tmp_path / "a" / f"{number}.png").write_bytes(encode_png(pixels))
    items = list(card.layout.list_items(card, tmp_path))
    (known,) = annotations_of(items[0], card, tmp_path, Ledger(), None)
    write_list(tmp_path / "list.jsonl", [ListedQuestion("vqa/closed", "q", "which", {known.sha256: None})])
    benchmarks, ledger = Benchmarks(tmp_path / "list.jsonl"), Ledger()
    kept = [each.id for item in items for each in annotations_of(item, card, tmp_path, ledger, benchmarks)]
    assert kept == ["2d#cls#dermoscopy#toy#a#alpha#1.png"]
    assert (ledger.images.read, ledger.images.kept) == (2, 1)
    assert ledger.images.dropped == {"image of a benchmark: vqa/closed": 1}
    assert [line["id"] for line in ledger.dropped] == [known.id]


def test_an_annotation_says_where_it_comes_from(annotated):
    found, ledger = annotated("m")
    each = found["0.png"]
    assert (each.width_px, each.height_px, each.split, each.source, each.license) == (
        32, 24, Split.TRAIN, "toy", "CC0-1.0",
    )  # fmt: skip
    told = each.provenance
    assert (told["item"], told["image_sha256"], told["tool"]) == ("0.png", each.sha256, TOOL)
    assert "0.png" in json.dumps(told["files"])
    assert "uncertain" not in told
    assert len(each.thumbnail) == 64 * 64
    assert (ledger.images.read, ledger.images.kept) == (1, 1)
