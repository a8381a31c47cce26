"""Exports of labelling tools beside their pictures: which picture is meant, sizes, frames of videos, and drafts."""

import io
import json

import numpy as np
import pytest
from gmai_data.ledger import Ledger, SourceError
from gmai_data.phantoms.files import write_video
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.labelling_tool import LabellingTool
from gmai_data.sources.reading import read_pictures
from PIL import Image

RECT = [{"label": "a", "points": [[9, 8], [1, 2]], "shape_type": "rectangle"}]


def layout(tool, **more):
    return {"kind": "labelling_tool", "tool": tool, "annotations": "**/*.json", **more}


def labelme(shapes, name="1.png", size=(32, 24), **more):
    return json.dumps({"shapes": shapes, "imagePath": name, "imageWidth": size[0], "imageHeight": size[1], **more})


def boxes(picture):
    return [(box.label, box.xyxy) for box in picture.boxes]


@pytest.mark.parametrize(
    ("json_file", "image", "name", "images"),
    [
        ("a/1.json", "a/1.png", "1.png", "{parent}"),
        ("ann/1.json", "img/1.png", "..\\img\\1.png", "img"),
        ("ann/1.json", "img/1.png", "C:/Users/me/1.png", "img"),
        ("ann/1.json", "img/sub/1.png", "D:\\all\\sub\\1.png", "img"),
        ("ann/1.json", "img/1.jpg", "old-name.png", "img"),
        ("p7/ann/1.json", "p7/img/1.png", "1.png", "{above}/img"),
    ],
)
def test_the_picture_of_a_labelme_file(put, read, toy, json_file, image, name, images):
    put(image)
    put(json_file, labelme(RECT, name))
    card = toy(layout=layout("labelme", images=images), task="2d_detection")
    pictures, reasons = read(card)
    assert reasons == {}
    assert boxes(pictures[json_file][0]) == [("alpha", (1, 2, 9, 8))]
    assert pictures[json_file][0].more_files == (image,)


def test_a_picture_that_is_missing_and_a_file_of_another_tool(put, read, toy):
    put("a/1.json", labelme(RECT, "1.png"))
    put("a/2.json", '{"images": []}')
    put("a/3.json", "{")
    _, reasons = read(toy(layout=layout("labelme"), task="2d_detection"))
    assert [reason.split(":")[0] for reason in reasons.values()] == [
        "file missing", "no annotation of the tool", "annotation unreadable"
    ]  # fmt: skip


def turned(orientation):
    """Return a JPEG of 32×24 as stored that is shown turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(data, "JPEG", exif=exif)
    return data.getvalue()


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((24, 32), (1, 2, 9, 8)),  # annotated as it is shown
        ((32, 24), (16, 1, 22, 9)),  # annotated as it is stored; a quarter turn brings (x, y) to (24 - y, x)
        ((48, 64), (0, 1, 5, 4)),  # twice as large, as shown
    ],
)
def test_sizes_and_turned_pictures(put, read, toy, size, box):
    put("1.jpg", turned(6))
    put("1.json", labelme(RECT, "1.jpg", size))
    ((picture,),) = read(toy(layout=layout("labelme"), task="2d_detection"))[0].values()
    assert boxes(picture) == [("alpha", box)]


def test_another_size_is_refused(put, read, toy):
    put("1.png")
    put("1.json", labelme(RECT, "1.png", (40, 24)))
    (reason,) = read(toy(layout=layout("labelme"), task="2d_detection"))[1].values()
    assert reason.startswith("annotated at another size: it was annotated at 40×24, but the picture is 32×24")


def test_points_are_refused_or_left_out_by_name(put, read, toy):
    put("1.png")
    put("1.json", labelme([*RECT, {"label": "b", "points": [[1, 2]], "shape_type": "point"}]))
    for left_out, dropped in (((), {}), (("point",), {"a point": 1})):
        ledger = Ledger()
        card = toy(layout=layout("labelme", leave_out=left_out), task="2d_detection")
        ((picture,),) = read(card, ledger)[0].values()
        assert (boxes(picture), picture.labels) == ([("alpha", (1, 2, 9, 8))], ("alpha", "beta"))
        assert (picture.incomplete, dict(ledger.boxes.dropped)) == (("beta",), dropped)
        assert len(ledger.quarantine) == (not left_out)


def test_labels_of_the_whole_picture(put, read, toy):
    put("1.png")
    put("1.json", labelme([], flags={"c": True, "d": False}))
    assert read(toy(layout=layout("labelme")))[0]["1.json"][0].labels == ("gamma",)
    assert read(toy(layout=layout("labelme", tags=False)))[0]["1.json"][0].labels == ()
    put("1.json", labelme([], flags={"other": True}))
    assert read(toy(layout=layout("labelme")))[1]["1.json"].startswith('label not in the map: "other"')


def test_many_pictures_in_a_file(put, read, toy, tmp_path):
    for name in ("img/1.png", "img/sub/2.png"):
        put(name)
    put(
        "cvat.xml",
        '<annotations><image name="1.png" width="32" height="24"><box label="a" xtl="1" ytl="2" xbr="9" ybr="8"/>'
        '</image><image name="task/sub/2.png" width="32" height="24"/><image name="no.png"/></annotations>',
    )
    card = toy(layout=layout("cvat", annotations="cvat.xml", images="img"), task="2d_detection")
    pictures, reasons = read(card)
    assert {key: boxes(found[0]) for key, found in pictures.items()} == {
        "img/1.png": [("alpha", (1, 2, 9, 8))], "img/sub/2.png": []
    }  # fmt: skip
    assert list(reasons) == ["img/no.png"]
    assert [item.raw_labels for item in card.layout.list_items(card, tmp_path)] == [("a",), (), ()]
    put("v.json", json.dumps({"k": {"filename": "1.png", "regions": [
        {"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 8, "height": 6}, "region_attributes": {"q": "b"}}
    ]}}))  # fmt: skip
    card = toy(layout=layout("via", annotations="v.json", images="img"), task="2d_detection")
    assert boxes(read(card)[0]["img/1.png"][0]) == [("beta", (1, 2, 9, 8))]
    put("e.ndjson", json.dumps({"data_row": {"external_id": "1.png"}, "projects": {}}))
    card = toy(layout=layout("labelbox", annotations="e.ndjson", images="img"), task="2d_detection")
    assert read(card)[1] == {"img/1.png": "not annotated"}


def test_a_supervisely_project(put, read, toy):
    for name in ("train/img/1.jpg", "train/img/2.png"):
        put(name)
    rectangle = {"classTitle": "a", "geometryType": "rectangle", "points": {"exterior": [[1, 2], [8, 7]]}}
    document = json.dumps({"size": {"width": 32, "height": 24}, "tags": [], "objects": [rectangle]})
    put("train/ann/1.jpg.json", document)
    put("train/ann/2.json", document)
    put("meta.json", "{}")
    card = toy(layout=layout("supervisely", annotations="*/ann/*.json", images="{above}/img"), task="2d_detection")
    pictures, reasons = read(card)
    assert reasons == {}
    assert {key: (boxes(found[0]), found[0].name) for key, found in pictures.items()} == {
        "train/ann/1.jpg.json": ([("alpha", (1, 2, 9, 8))], "1.jpg"),
        "train/ann/2.json": ([("alpha", (1, 2, 9, 8))], "2.png"),
    }


TRACKS = (
    "<annotations><meta><task><size>6</size></task></meta><track id='0' label='a'>"
    + "".join(f"<box frame='{n}' outside='{int(n == 4)}' xtl='{n}' ytl='2' xbr='{n + 8}' ybr='8'/>" for n in range(5))
    + "</track></annotations>"
)


def test_frames_of_a_video(put, read, toy, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (6, 24, 32), dtype=np.uint8)
    write_video(tmp_path / "v/one.avi", list(noise), 10)
    put("ann/one.xml", TRACKS)
    card = toy(layout=layout("cvat", annotations="ann/*.xml", images="v/{stem}.avi", every_n=2), task="2d_detection")
    pictures, reasons = read(card)
    assert reasons == {}
    assert [(each.name, boxes(each)) for each in pictures["ann/one.xml"]] == [
        ("one.avi_frame000000", [("alpha", (0, 2, 8, 8))]),
        ("one.avi_frame000002", [("alpha", (2, 2, 10, 8))]),
        ("one.avi_frame000004", []),
    ]
    put("ann/one.xml", TRACKS.replace("<size>6", "<size>9"))
    assert read(card)[1]["ann/one.xml"].startswith("video ends early: 2 annotated frames are not in it, the first is 6")


def test_frames_as_pictures_are_one_group(put, read, toy, tmp_path):
    for number in range(3):
        put(f"v1/images/frame_{number:06d}.png")
    put("v1/a.json", json.dumps({"0": [{"label": "a", "bbox": [1, 2, 8, 6]}], "2": [], "5": []}))
    card = toy(
        layout=layout("frames", annotations="*/a.json", images="{parent}/images/frame_{frame:06d}.png"),
        task="2d_detection",
    )
    pictures, reasons = read(card)
    assert {key: boxes(found[0]) for key, found in pictures.items()} == {
        "v1/images/frame_000000.png": [("alpha", (1, 2, 9, 8))], "v1/images/frame_000002.png": []
    }  # fmt: skip
    assert list(reasons) == ["v1/images/frame_000005.png"]
    assert {item.group for item in card.layout.list_items(card, tmp_path)} == {"v1/a.json"}


def test_what_looks_like_it(put, tmp_path):
    assert LabellingTool.recognise(Folder(tmp_path)) is None
    put("a/1.png")
    put("a/1.json", labelme([*RECT, {"label": "b", "points": [[1, 1], [5, 1], [5, 5]]}]))
    guess = LabellingTool.recognise(Folder(tmp_path))
    assert (guess.description, guess.task, guess.labels) == ("annotations of LabelMe", "2d_detection", ["a", "b"])
    assert guess.layout == layout("labelme", annotations="a/*.json", images="{parent}")


def test_what_looks_like_cvat(put, tmp_path):
    put("images/1.png")
    put("annotations.xml", '<annotations><image name="1.png"><tag label="x"/><polygon label="b" points="1,2;3,4;5,1"/>'
        "</image></annotations>")  # fmt: skip
    guess = LabellingTool.recognise(Folder(tmp_path))
    assert guess.layout == layout("cvat", annotations="annotations.xml", images="images")
    assert guess.labels == ["b", "x"]


def test_pictures_of_regions_lie_in_one_of_several_folders(put, read, toy):
    vertices = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in [(2, 2), (12, 2), (12, 9), (2, 9)])
    text = f'<Annotations><Annotation Id="1"><Region Type="0">{vertices}</Region></Annotation></Annotations>'
    for name in ("train/xml/a.xml", "test/b.xml", "test/c.xml"):
        put(name, text)
    for name in ("train/pictures/a.png", "test/b.png"):
        put(name)
    layout = {"kind": "labelling_tool", "tool": "regions", "annotations": "**/*.xml"}
    card = toy(layout={**layout, "images": ["{parent}", "{above}/pictures"]}, labels={"1": "alpha"})
    pictures, reasons = read(card)
    assert {key: [box.xyxy for box in found[0].boxes] for key, found in pictures.items()} == {
        "train/xml/a.xml": [(2, 2, 12, 9)],
        "test/b.xml": [(2, 2, 12, 9)],
    }
    assert reasons["test/c.xml"].startswith("file missing")


def test_an_export_of_label_studio_finds_uploads_under_their_own_names(put, read, toy, tmp_path):
    for name in ("img/1.png", "img/0a1b2c3d-2.png", "img/deep/3.png"):
        put(name)

    def task(image):
        value = {"x": 3.125, "y": 100 * 2 / 24, "width": 25, "height": 25, "rotation": 0, "rectanglelabels": ["a"]}
        result = {"type": "rectanglelabels", "original_width": 32, "original_height": 24, "value": value}
        return {"data": {"image": image}, "annotations": [{"result": [result]}]}

    images = ("/data/upload/4/1b2c3d4e-1.png", "/data/upload/4/0a1b2c3d-2.png", "/data/local-files/?d=all/deep/3.png")
    put("export.json", json.dumps([task(image) for image in images]))
    guess = LabellingTool.recognise(Folder(tmp_path))
    assert (guess.description, guess.labels) == ("annotations of Label Studio", ["a"])
    assert guess.layout == layout("label_studio", annotations="export.json", images="img")
    pictures, reasons = read(toy(layout=guess.layout, task="2d_detection"))
    assert reasons == {}
    assert list(pictures) == ["img/1.png", "img/0a1b2c3d-2.png", "img/deep/3.png"]
    assert all(boxes(found[0]) == [("alpha", (1, 2, 9, 8))] for found in pictures.values())


DOCUMENTS = {
    "superannotate": ("annotations/1.png.json", "annotations/*.json", {
        "metadata": {"name": "1.png", "width": 32, "height": 24},
        "instances": [{"type": "bbox", "className": "a", "points": {"x1": 3, "y1": 2, "x2": 12, "y2": 10}}],
    }),
    "darwin": ("annotations/1.json", "annotations/*.json", {
        "version": "2.0", "item": {"name": "1.png", "slots": [{"type": "image", "width": 32, "height": 24}]},
        "annotations": [{"id": "i", "name": "a", "bounding_box": {"x": 3, "y": 2, "w": 9, "h": 8}}],
    }),
    "datumaro": ("annotations/train.json", "annotations/train.json", {
        "categories": {"label": {"labels": [{"name": "a"}]}},
        "items": [{"id": "1", "image": {"path": "1.png", "size": [24, 32]},
                   "annotations": [{"type": "bbox", "label_id": 0, "bbox": [3, 2, 9, 8]}]}],
    }),
}  # fmt: skip


@pytest.mark.parametrize("tool", list(DOCUMENTS))
@pytest.mark.parametrize("place", ["images", "images/train"])
def test_a_draft_of_other_tools_reads_their_boxes(put, read, toy, tmp_path, tool, place):
    file, pattern, document = DOCUMENTS[tool]
    put(f"{place}/1.png")
    put(file, json.dumps(document))
    guess = LabellingTool.recognise(Folder(tmp_path))
    assert guess.layout == {"kind": "labelling_tool", "tool": tool, "annotations": pattern, "images": place}
    assert guess.labels == ["a"]
    ((picture,),) = read(toy(layout=dict(guess.layout)))[0].values()
    assert [(box.label, box.xyxy) for box in picture.boxes] == [("alpha", (3, 2, 12, 10))]


@pytest.mark.parametrize(
    ("names", "images", "size"),
    [
        ([f"frames/frame_{number:06d}.png" for number in range(4)], "frames/frame_{frame:06d}.png", 4),
        ([f"frames/{number}.png" for number in range(4)], "frames/{frame}.png", 4),
        ([f"f{number:04d}.png" for number in range(9)], "f{frame:04d}.png", 4),
        ([f"f{number:02d}.png" for number in range(12)], "f{frame:02d}.png", 12),
        ([f"f{number}.png" for number in range(12)], "f{frame}.png", 12),
        (["v/clip.mp4"], "v/clip.mp4", 4),
        ([f"frames/{number}.png" for number in range(3)], "TODO", 4),  # not all are there
        (["a.mp4", "b.mp4"], "TODO", 4),
    ],
)
def test_where_the_frames_of_tracks_are(put, tmp_path, names, images, size):
    for name in names:
        put(name, b"x")
    box = '<box frame="{}" outside="0" keyframe="1" xtl="1" ytl="1" xbr="9" ybr="9" />'
    size = f"<meta><task><size>{size}</size></task></meta>"
    track = f'<track id="0" label="polyp">{box.format(0)}{box.format(1)}</track>'
    put("annotations.xml", f"<annotations>{size}{track}</annotations>")
    guess = LabellingTool.recognise(Folder(tmp_path))
    assert guess.layout["images"] == images
    assert bool(guess.notes) is (images == "TODO")


BROKEN = {
    "cvat": '<annotations><image name="1.png" width="32" height="24"><mask label="a" rle="1" left="x"/></image>'
    '<track label="a"><box frame="x"/></track></annotations>',
    "labelme": json.dumps({"shapes": [1], "imagePath": "1.png"}),
    "via": json.dumps({"1.png": {"filename": "1.png", "regions": 5}}),
    "supervisely": json.dumps({"objects": [3], "size": {"height": 24, "width": 32}, "tags": []}),
    "datumaro": json.dumps({"categories": {"label": {"labels": [1]}}, "items": [{"annotations": 4}]}),
    "label_studio": json.dumps([{"data": {"image": "1.png"}, "annotations": [{"result": [2]}]}]),
}


@pytest.mark.parametrize("tool", list(BROKEN))
def test_a_file_that_its_reader_did_not_expect_is_a_reason(put, toy, tmp_path, tool):
    put("1.png")
    put("1.json", BROKEN[tool])
    card = toy(layout=layout(tool), task="2d_detection")
    for item in card.layout.list_items(card, tmp_path):
        with pytest.raises(SourceError, match=r"^(?!reading failed)"):
            list(read_pictures(item, card, tmp_path, Ledger()))
    LabellingTool.recognise(Folder(tmp_path))
