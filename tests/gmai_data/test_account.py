"""What was dropped is listed, one by one, under the reasons that the manifest counts, and alike in every run."""

import json
from collections import Counter

import numpy as np
import pydicom
import pytest
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.imaging.raster import encode_png
from gmai_data.sources.catalogue import Source
from pydicom.data import get_testdata_file


def noise(seed):
    return np.random.default_rng(seed).integers(0, 255, (40, 40), dtype=np.uint8)


@pytest.fixture
def sources(toy, tmp_path):
    """Return a source of pictures, one of DICOM files and one of texts, each with things to drop."""
    pictures, files, texts = (tmp_path / name for name in ("pictures", "files", "texts"))
    (pictures / "a").mkdir(parents=True)
    for name, pixels in (("1", noise(1)), ("2", noise(1)), ("3", noise(3)), ("flat", np.full((40, 40), 9, np.uint8))):
        (pictures / "a" / f"{name}.png").write_bytes(encode_png(pixels))
    files.mkdir()
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    dataset.save_as(files / "good.dcm")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.save_as(files / "scout.dcm")
    texts.mkdir()
    asked = ("What is a scan?", "I am reachable at jane.roe@example.org, what is a scan?", "How long is it?")
    lines = [{"turns": [{"question": text, "answer": "It takes some minutes."}]} for text in asked]
    (texts / "q.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return [
        Source(toy(name="pictures"), pictures),
        Source(toy(name="files", layout={"kind": "dicom"}, labels_of_every_image=["a"]), files),
        Source(toy(name="texts", layout={"kind": "qa_text"}, task="text", labels={}), texts),
    ]


def lines(out):
    return [json.loads(line) for line in (out / "dropped.jsonl").read_text("utf-8").splitlines()]


def test_each_thing_that_counts_as_dropped_is_listed(sources, tmp_path):
    build(sources, tmp_path / "out", BuildSettings())
    listed = lines(tmp_path / "out")
    recipes = json.loads((tmp_path / "out" / "manifest.json").read_text())["recipes"]
    for recipe, account in recipes.items():
        assert "dropped" not in account, "the list is a file of its own"
        for of in ("items", "images", "samples"):
            kinds = {"items": {"item"}, "images": {"image"}}.get(of)
            found = Counter(
                line["check"]
                for line in listed
                if line["recipe"] == recipe and (line["kind"] in kinds if kinds else "language" in line)
            )
            counted = Counter(account[of]["dropped"])
            counted.pop("of a duplicate image", None)  # the image itself is listed
            assert found == counted, (recipe, of)
    by_check = {line["check"]: line for line in listed}
    assert by_check["near-constant image"]["id"] == "2d#cls#dermoscopy#pictures#a#alpha#flat.png"
    assert by_check["no picture left"] == {
        "recipe": "pictures", "id": "a/flat.png", "kind": "item", "check": "no picture left", "detail": "",
    }  # fmt: skip
    assert by_check["duplicate image"]["detail"] == "of 2d#cls#dermoscopy#pictures#a#alpha#1.png"
    assert (by_check["localizer"]["id"], by_check["localizer"]["kind"]) == ("scout.dcm", "item")
    assert by_check["identifier"]["id"].startswith("text#qa#dermoscopy#texts#q.jsonl#none#000001#text_only")
    assert by_check["identifier"]["detail"] == "jan… at character 18"
    assert len(listed) == 5


def test_what_may_name_a_person_is_not_copied(sources, tmp_path):
    build(sources, tmp_path / "out", BuildSettings())
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or b"jane.roe" not in path.read_bytes(), path


def test_the_list_is_the_same_in_every_run(sources, tmp_path):
    build(sources, tmp_path / "one", BuildSettings())
    build(sources, tmp_path / "two", BuildSettings(), RunOptions(share=(0, 2)))
    build(sources, tmp_path / "two", BuildSettings(), RunOptions(workers=2))
    assert lines(tmp_path / "one") == lines(tmp_path / "two")
