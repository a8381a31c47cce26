"""LLaVA JSON by the keys that GMAI-VL-5.5M was published with."""

import json

import pytest
from gmai_data.publishing.llava import SPEAKERS, LlavaFolder
from gmai_data.vocabulary import Split, SubDataset


def written(folder, rows):
    with LlavaFolder(folder).open("NAME", Split.TRAIN) as file:
        reasons = [file.add(row) for row in rows]
    return reasons, json.loads((folder / "NAME-train.json").read_text("utf-8"))


def test_rows_with_and_without_an_image(tmp_path, sample, picture):
    messages = [{"role": role, "content": role} for role in ("system", "user", "assistant")]
    reasons, entries = written(tmp_path, [sample(2), sample(3, images=[], messages=messages)])
    assert reasons == [None, None]
    first, second = entries
    assert list(first) == ["image", "conversations", "id", "width", "height"]
    assert (first["id"], first["width"], first["height"]) == ("s#2", 42, 30)
    assert (tmp_path / "images" / first["image"]).read_bytes() == picture(2)
    assert second == {
        "conversations": [
            {"from": "system", "value": "system"}, {"from": "human", "value": "user"},
            {"from": "gpt", "value": "assistant"},
        ],
        "id": "s#3",
    }  # fmt: skip
    assert SPEAKERS == {"system": "system", "user": "human", "assistant": "gpt"}


def test_rows_that_it_cannot_hold_are_refused_and_leave_no_trace(tmp_path, sample, picture):
    rows = [sample(1, images=[picture(), b"no picture"]), sample(2, images=[b"no picture"]), sample(3)]
    reasons, entries = written(tmp_path, rows)
    assert reasons == [*["the image is not PNG, JPEG, TIFF, WebP or BMP"] * 2, None]
    assert [entry["id"] for entry in entries] == ["s#3"]


def test_a_row_with_two_images_has_lists(tmp_path, sample, picture):
    reasons, (entry,) = written(tmp_path, [sample(1, images=[picture(1), picture(2)])])
    assert reasons == [None]
    assert list(entry) == ["image", "conversations", "id", "width_list", "height_list"]
    assert [(tmp_path / "images" / name).read_bytes() for name in entry["image"]] == [picture(1), picture(2)]
    assert (entry["width_list"], entry["height_list"]) == ([41, 42], [30, 30])


def test_a_file_without_rows_is_an_empty_list(tmp_path):
    assert written(tmp_path, []) == ([], [])


@pytest.mark.parametrize(("stage", "names"), [(1, 1), (2, 1), (3, 2)])
def test_mixing_lists_have_the_shares_of_their_stage(tmp_path, stage, names):
    LlavaFolder(tmp_path).finish({SubDataset.CAPTION: 5, SubDataset.TEXT_MULTI: 7})
    found = json.loads((tmp_path / f"mixture_stage{stage}.json").read_text())
    assert len(found) == names
    assert found["GMAI-MM-Caption"] == {
        "image_dir": "images", "annotations": "GMAI-MM-Caption-train.json", "sample_ratio": 1.0, "length": 5,
        "data_augment": False,
    }  # fmt: skip
    if stage == 3:
        assert found["GMAI-Text-Multi"]["length"] == 7
