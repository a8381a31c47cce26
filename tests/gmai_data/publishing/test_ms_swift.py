"""ms-swift rows: boxes leave the text and fill its placeholders in order."""

import json

import pytest
from gmai_data.publishing.ms_swift import MsSwiftFolder, grounded
from gmai_data.vocabulary import Split


def written(folder, rows):
    with MsSwiftFolder(folder).open("NAME", Split.TRAIN) as files:
        reasons = [files.add(row) for row in rows]
    return reasons, {
        path.name: [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for path in sorted(folder.glob("*.jsonl"))
    }


def message(content):
    return [{"role": "assistant", "content": content}]


def test_a_box_of_the_sample_gets_its_own_pixels_and_another_the_nearest():
    text = "<ref>liver</ref><box>[[100, 200, 500, 600]]</box> and <ref>cyst</ref><box>[[0, 0, 1000, 1000]]</box>"
    boxes = [{"label": "liver", "xyxy": [20, 20, 100, 60]}]
    messages, objects = grounded(message(text), boxes, (200, 100))
    assert messages == message("<ref-object><bbox> and <ref-object><bbox>")
    assert objects == {"ref": ["liver", "cyst"], "bbox": [[20, 20, 100, 60], [0, 0, 200, 100]]}


def test_several_boxes_of_a_label_and_texts_without():
    text = "<ref>cell</ref><box>[[0, 0, 500, 500], [500, 500, 1000, 1000]]</box>"
    messages, objects = grounded(message(text), [], (100, 100))
    assert messages == message("<ref-object><bbox><bbox>")
    assert objects == {"ref": ["cell"], "bbox": [[0, 0, 50, 50], [50, 50, 100, 100]]}
    assert grounded(message("No box."), [], (9, 9)) == (message("No box."), {"ref": [], "bbox": []})


def test_rows_with_boxes_have_a_file_of_their_own(tmp_path, sample):
    text = "<ref>a</ref><box>[[0, 0, 500, 500]]</box>"
    rows = [sample(1), sample(2, messages=message(text)), sample(3, images=[])]
    reasons, files = written(tmp_path, rows)
    assert reasons == [None] * 3
    plain, grounding = files["NAME-train.jsonl"], files["NAME-train-grounding.jsonl"]
    assert [row["id"] for row in plain] == ["s#1", "s#3"]
    assert all(list(row) == ["id", "messages", "images"] for row in plain)
    assert plain[0]["images"][0].startswith("images/")
    assert plain[1]["images"] == []
    (row,) = grounding
    assert list(row) == ["id", "messages", "images", "objects"]
    assert row["objects"]["ref"] == ["a"]


@pytest.mark.parametrize("placeholder", ["<ref-object>", "<bbox>"])
def test_a_text_with_a_placeholder_is_refused(tmp_path, sample, placeholder):
    reasons, files = written(tmp_path, [sample(messages=message(f"x {placeholder} y"))])
    assert reasons == ["the text holds a placeholder of ms-swift"]
    assert files == {}


def test_several_images_with_a_box_and_what_is_no_picture_are_refused(tmp_path, sample, picture):
    boxed = sample(images=[picture(), picture(1)], messages=message("<ref>a</ref><box>[[0, 0, 500, 500]]</box>"))
    reasons, files = written(tmp_path, [boxed, sample(images=[b"x"])])
    assert reasons == [
        "boxes of a row with several images do not say which image they are of",
        "the image is not PNG, JPEG, TIFF, WebP or BMP",
    ]
    assert files == {}


def test_several_images_without_a_box_are_written_in_order(tmp_path, sample, picture):
    reasons, files = written(tmp_path, [sample(1, images=[picture(2), picture(1)])])
    assert reasons == [None]
    ((row,),) = files.values()
    assert [(tmp_path / name).read_bytes() for name in row["images"]] == [picture(2), picture(1)]
