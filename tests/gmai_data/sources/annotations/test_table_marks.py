"""Boxes and run lengths of tables, as challenges publish them."""

import math

import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.annotations.table_marks import (
    TableMarks,
    box_columns,
    objects_column,
    run_length_column,
)
from gmai_data.sources.reading import read_pictures
from gmai_formats.errors import UserError
from pydantic import ValidationError

TABLE = {"kind": "csv_labels", "table": "t.csv", "image_column": "image", "image_suffix": ".png"}
MASK = np.zeros((24, 32), np.uint8)
MASK[4:10, 10:18] = 1


@pytest.fixture
def table(tmp_path, toy):
    """Return a function of a table's text and settings: pictures by image, reasons, ledger."""

    def make(text, marks, encoding="utf-8", labels=None, **layout):
        (tmp_path / "t.csv").write_bytes(text.encode(encoding))
        for number, name in enumerate("abc"):
            pixels = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
            (tmp_path / f"{name}.png").write_bytes(encode_png(pixels))
        settings = {**TABLE, "marks": marks, "label_column": "label", "encoding": encoding, **layout}
        card = toy(layout=settings, task="2d_detection", labels=labels or {"1": "alpha", "m": "beta"})
        found, reasons, ledger = {}, {}, Ledger()
        for item in card.layout.list_items(card, tmp_path):
            try:
                (found[item.key[0]],) = read_pictures(item, card, tmp_path, ledger)
            except SourceError as problem:
                reasons[item.key[0]] = str(problem)
        return found, reasons, ledger

    return make


def boxes(picture):
    return [(box.label, box.xyxy) for box in picture.boxes]


def test_rows_of_boxes_and_rows_of_healthy_patients(table):
    text = "image,x,y,width,height,label\na,10,4,8,6,1\na,1,2,3,4,1\nb,,,,,0\nc,5.5,5.5,2,2,1\n"
    found, reasons, _ = table(text, {"box": ["x", "y", "width", "height"]})
    assert reasons == {}
    assert {name: boxes(picture) for name, picture in found.items()} == {
        "a": [("alpha", (10, 4, 18, 10)), ("alpha", (1, 2, 4, 6))],
        "b": [],
        "c": [("alpha", (5, 5, 8, 8))],
    }
    assert [found[name].labels for name in "abc"] == [("alpha",), (), ("alpha",)]


READERS = {"box": ["x1", "y1", "x2", "y2"], "form": "xyxy", "reader": "who"}


def test_boxes_of_three_readers_count_where_two_agree(table):
    text = (
        "image,who,label,x1,y1,x2,y2\n"
        "a,R1,1,2,2,12,12\na,R2,1,4,4,14,14\na,R3,1,20,18,30,22\na,R3,m,1,1,5,5\n"
        "b,R1,m,1,1,5,5\nb,R2,m,20,10,25,15\nb,R3,1,1,1,2,2\n"
        "c,R1,1,0,0,8,8\n"
    )
    found, reasons, ledger = table(text, READERS, readers=2)
    assert reasons == {}
    assert boxes(found["a"]) == [("alpha", (4, 4, 12, 12))]
    assert (found["a"].labels, found["a"].uncertain) == (("alpha",), ("beta",))
    assert (found["b"].labels, found["b"].uncertain, boxes(found["b"])) == (("beta",), ("alpha",), [])
    assert found["b"].incomplete == ("beta",), "two readers saw it, at two places: nothing to count"
    assert ledger.boxes.dropped == {"readers marked no common place": 1}
    assert boxes(found["c"]) == [("alpha", (0, 0, 8, 8))], "one reader only"


def test_a_misspelt_column_of_readers_is_no_consensus(table):
    with pytest.raises(UserError, match='has a column "who", which tells its readers apart'):
        table("image,rad,label,x1,y1,x2,y2\na,R1,1,2,2,12,12\n", READERS, readers=2)


@pytest.mark.parametrize("cells", ["10,0;4,0;18,0;10,0", "10;4,00;18;10", "9,6;4,2;18,4;9,8"])
def test_decimal_commas(table, cells):
    columns = {"box": ["x1", "y1", "x2", "y2"], "form": "xyxy"}
    text = f"image;x1;y1;x2;y2;label\na;{cells};1\n"
    refused, _, ledger = table(text, columns)
    assert (refused["a"].boxes, refused["a"].incomplete) == ((), ("alpha",))
    assert "a box has four numbers. Set `decimal: ','` where" in ledger.quarantine[0]["reason"]
    found, _, _ = table(text, {**columns, "decimal": ","})
    left, top, right, bottom = (float(cell.replace(",", ".")) for cell in cells.split(";"))
    assert boxes(found["a"]) == [("alpha", (int(left), int(top), math.ceil(right), math.ceil(bottom)))]


def test_decimal_commas_are_for_four_columns():
    with pytest.raises(ValidationError, match="decimal is for the four columns"):
        TableMarks(box=("bbox",), decimal=",")


@pytest.mark.parametrize(
    ("header", "cells", "marks"),
    [
        ("x1,y1,x2,y2", "10,4,18,10", {"box": ["x1", "y1", "x2", "y2"], "form": "xyxy"}),
        ("cx,cy,w,h", "14,7,8,6", {"box": ["cx", "cy", "w", "h"], "form": "cxcywh"}),
        ("bbox", '"[10.0, 4, 8, 6]"', {"box": ["bbox"]}),
        ("bbox", "10 4 18 10", {"box": ["bbox"], "form": "xyxy"}),
        ("bbox", '"{""x"": 10, ""y"": 4, ""w"": 8, ""h"": 6}"', {"box": ["bbox"]}),
        ("x,y,w,h,W,H", "40,16,32,24,128,96", {"box": ["x", "y", "w", "h"], "width": "W", "height": "H"}),
    ],
)
def test_forms_of_a_box(table, header, cells, marks):
    found, reasons, _ = table(f"image,{header},label\na,{cells},m\n", marks)
    assert reasons == {}
    assert boxes(found["a"]) == [("beta", (10, 4, 18, 10))]


def test_a_box_that_cannot_be_read_keeps_its_label_and_the_others(table):
    text = "image,x,y,w,h,label\na,1,2,3,4,1\na,x,2,3,4,1\na,30,2,9,4,m\n"
    found, _, ledger = table(text, {"box": ["x", "y", "w", "h"]})
    assert boxes(found["a"]) == [("alpha", (1, 2, 4, 6))]
    assert (found["a"].labels, found["a"].incomplete) == (("alpha", "beta"), ("alpha", "beta"))
    assert [entry["reason"].split(":")[0] for entry in ledger.quarantine] == ["box unreadable", "box outside the image"]


def test_a_size_that_does_not_fit_refuses_its_picture_alone(table):
    text = "image,x,y,w,h,W,H,label\na,1,2,3,4,99,24,1\nb,1,2,3,4,32,24,1\nc,1,2,3,4,32,24,1\nc,1,2,3,4,64,48,1\n"
    found, reasons, _ = table(text, {"box": ["x", "y", "w", "h"], "width": "W", "height": "H"})
    assert list(found) == ["b"]
    assert "annotated at 99×24, but the picture is 32×24" in reasons["a"]
    assert reasons["c"] == "annotated at another size: data rows 3 and 4 differ"


def runs(mask, *, order, first, relative=False):
    flat = np.concatenate([[0], mask.ravel(order=order), [0]])
    starts, ends = np.flatnonzero(np.diff(flat) == 1), np.flatnonzero(np.diff(flat) == -1)
    shown = starts - np.concatenate([[0], ends[:-1]]) if relative else starts
    shown = shown + (np.arange(len(shown)) == 0) * first if relative else shown + first
    return " ".join(f"{start} {length}" for start, length in zip(shown, ends - starts, strict=True))


@pytest.mark.parametrize(("order", "name"), [("F", "columns"), ("C", "rows")])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("relative", [False, True])
def test_run_lengths(table, order, name, first, relative):
    cell = runs(MASK, order=order, first=first, relative=relative)
    settings = {"run_lengths": "rle", "order": name, "first": first, "relative": relative}
    found, reasons, _ = table(f"image,rle,label\na,{cell},1\nb,-1,0\nc,,0\n", settings)
    assert reasons == {}
    assert boxes(found["a"]) == [("alpha", (10, 4, 18, 10))]
    assert (found["b"].labels, found["c"].labels) == ((), ())


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("1 2 3", "run lengths unreadable: data row 1 has 3 numbers"),
        ("1 0", "run lengths unreadable: data row 1 has 2 numbers"),
        ("1 x", "run lengths unreadable: data row 1: invalid literal"),
        ("700 100", "run lengths outside the image: data row 1 reaches from pixel 699 to 799 of 32×24"),
        ("10 5 12 5", "run lengths outside the image"),
        ("99999999999999999999 5", "run lengths unreadable: data row 1: "),
        ("0 5", "run lengths outside the image: data row 1 reaches from pixel -1"),
    ],
)
def test_run_lengths_that_cannot_be_right(table, cell, reason):
    found, _, ledger = table(f"image,rle,label\na,{cell},1\n", {"run_lengths": "rle"})
    assert (found["a"].boxes, found["a"].incomplete) == ((), ("alpha",))
    assert ledger.quarantine[0]["reason"].startswith(reason)


def test_a_box_without_a_label_and_a_label_without_a_name(table):
    _, reasons, _ = table("image,x,y,w,h,label\na,1,2,3,4,\nb,1,2,3,4,z\n", {"box": ["x", "y", "w", "h"]})
    assert reasons["a"].startswith("row without a label: data row 1")
    assert reasons["b"].startswith('label not in the map: "z"')


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "gb18030"])
def test_tables_in_other_encodings(table, encoding):
    name = "läsion" if encoding == "cp1252" else "病变"
    text = f"image,x,y,w,h,label\na,1,2,3,4,{name}\n"
    found, _, _ = table(text, {"box": ["x", "y", "w", "h"]}, encoding, {name: "alpha"})
    assert found["a"].labels == ("alpha",)


def test_settings_that_cannot_be_meant(toy):
    for marks, message in (
        ({}, "give one of box"),
        ({"box": ["x"], "run_lengths": "r"}, "give one of box"),
        ({"box": ["x", "y"]}, "box names 2 columns"),
        ({"box": ["x"], "width": "w"}, "give both width and height"),
    ):
        with pytest.raises(ValidationError, match=message):
            toy(layout={**TABLE, "label_column": "label", "marks": marks})
    with pytest.raises(ValidationError, match='unknown encoding "latin-99"'):
        toy(layout={**TABLE, "label_column": "label", "encoding": "latin-99"})


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["patientId", "x", "y", "width", "height", "Target"], (("x", "y", "width", "height"), "xywh")),
        (["image_id", "x_min", "y_min", "x_max", "y_max"], (("x_min", "y_min", "x_max", "y_max"), "xyxy")),
        (["Image Index", "Bbox [x", "y", "w", "h]"], None),
        (["image", "age", "sex"], None),
    ],
)
def test_columns_that_are_a_box(names, found):
    assert box_columns(names) == found


def test_a_column_of_run_lengths():
    rows = [{"id": "1", "n": "3 4", "EncodedPixels": "12 3 100 5"}, {"id": "2", "n": "", "EncodedPixels": "-1"}]
    assert run_length_column(rows) == "EncodedPixels"
    assert run_length_column([{"id": "1", "n": "3 4"}]) is None


@pytest.mark.parametrize(
    ("cell", "marks"),
    [
        ('"[0.3125, 0.25, 0.25, 0.25]"', {"box": ["bbox"], "unit": "shares"}),
        ("31.25 25 56.25 50", {"box": ["bbox"], "unit": "percent", "form": "xyxy"}),
        ("0.4375 0.375 0.25 0.25", {"box": ["bbox"], "unit": "shares", "form": "cxcywh"}),
        ("5 11 12 18", {"box": ["bbox"], "form": "yxyx", "first": 1, "ends": "included"}),
        ("6 10 11 17", {"box": ["bbox"], "form": "yxyx", "ends": "included"}),
        ("11 7 8 6", {"box": ["bbox"], "first": 1}),
    ],
)
def test_units_and_ends(table, cell, marks):
    """Each is the box from x 10 to 18 and y 6 to 12 of a picture of 32×24."""
    if marks.get("first") == 1 and marks.get("form") == "yxyx":
        cell = "7 11 12 18"
    found, reasons, ledger = table(f"image,bbox,label\na,{cell},m\n", marks)
    assert (reasons, ledger.quarantine) == ({}, [])
    assert boxes(found["a"]) == [("beta", (10, 6, 18, 12))]


@pytest.mark.parametrize(
    "cell",
    [
        '"[[1, 2, 4, 6], [10, 4, 18, 10]]"',
        "1 2 4 6 10 4 18 10",
        "\"[{'x1': 1, 'y1': 2, 'x2': 4, 'y2': 6}, {'y2': 10, 'y1': 4, 'x2': 18, 'x1': 10}]\"",
    ],
)
def test_several_boxes_in_a_cell(table, cell):
    found, _, _ = table(f"image,bbox,label\na,{cell},m\n", {"box": ["bbox"], "form": "xyxy"})
    assert boxes(found["a"]) == [("beta", (1, 2, 4, 6)), ("beta", (10, 4, 18, 10))]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("\"{'x': 1, 'y': 2, 'w': 4, 'h': 6}\"", "its names give no box of the form xyxy"),
        ("\"{'a': 1, 'b': 2}\"", "its names give no box"),
        ("1 2 3", "a box has four numbers"),
        ("1 2 3 4 5", "a box has four numbers"),
        ("0.1 0.2 0.3 0.4", "within one pixel; set `unit: shares` where these are shares"),
    ],
)
def test_cells_that_hold_no_box(table, cell, words):
    found, _, ledger = table(f"image,bbox,label\na,{cell},m\n", {"box": ["bbox"], "form": "xyxy"})
    assert (found["a"].labels, found["a"].incomplete, boxes(found["a"])) == (("beta",), ("beta",), [])
    assert words in ledger.quarantine[0]["reason"]


@pytest.mark.parametrize("order", ["columns", "rows"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("relative", [False, True])
def test_run_lengths_are_those_of_pycocotools(table, order, first, relative):
    masks = pytest.importorskip("pycocotools.mask")
    shapes = np.zeros((24, 32), np.uint8)
    shapes[2:9, 3:30] = 1
    shapes[12:20, 5:12] = 1
    shapes[14:17, 7:10] = 0
    # COCO's runs go down the columns and begin with background: of the transposed mask they go along the rows.
    of = shapes if order == "columns" else shapes.T
    counts = _counts(masks.encode(np.asfortranarray(of))["counts"], of.shape, masks)
    ends = np.cumsum(counts)
    starts, lengths = ends[:-1:2] + first, counts[1::2]
    if relative:
        starts = counts[::2][: len(lengths)] + np.array([first, *[0] * (len(lengths) - 1)])
    text = " ".join(f"{start} {length}" for start, length in zip(starts, lengths, strict=True))
    found, _, _ = table(
        f"image,rle,label\na,{text},m\n",
        {"run_lengths": "rle", "order": order, "first": first, "relative": relative},
    )
    regions = [shapes[:10], shapes[10:]]
    wanted = [masks.toBbox(masks.encode(np.asfortranarray(part))) for part in regions]
    corners = [
        (int(x), int(y + top), int(x + w), int(y + top + h)) for (x, y, w, h), top in zip(wanted, (0, 10), strict=True)
    ]
    assert [box for _, box in boxes(found["a"])] == corners


def _counts(packed, shape, masks):
    flat = masks.decode({"counts": packed, "size": list(shape)}).ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]])))
    return np.diff(np.concatenate([[0], edges, [flat.size]]))


def test_a_label_without_run_lengths_is_not_there(table):
    """As in the tables of challenges that have a row for each picture and class."""
    rows = "image,rle,label\na,1 20,m\na,,n\nb,,m\nb,,n\nc,,healthy\n"
    found, reasons, _ = table(rows, {"run_lengths": "rle"}, labels={"m": "mass", "n": "nodule", "healthy": "healthy"})
    assert reasons == {}
    assert [picture.labels for picture in found.values()] == [("mass",), (), ("healthy",)]


def by_hand(cell, size, form):
    """Parse a cell of objects by itself: (label, confidence, corners or None for a stand-in)."""
    words, found = cell.split(), []
    while words:
        (*head, a, b, c, d), words = words[:size], words[size:]
        a, b, c, d = map(float, (a, b, c, d))
        box = None if (a, b, c, d) == (0, 0, 1, 1) else (a, b, c, d) if form == "xyxy" else (a, b, a + c, b + d)
        found.append((*head, box))
    return found


@pytest.mark.parametrize(
    ("cells", "words", "form", "settings"),
    [
        (["1 1.0 10 4 18 10 m 1 1 2 3 6", "1 1 5 5 9 9", "m 1 0 0 1 1"], "label confidence box", "xyxy", {}),
        (["1 10 4 8 6 m 1 2 2 4", "", "m 3 3 4 4"], "label box", "xywh", {}),
        (["1 0.9 10 4 18 10 m 1 1 2 3 6", "none 1 0 0 1 1", "1 1 5 5 9 9"], "label confidence box", "xyxy",
         {"negative": ["none"]}),
        (["1 1 2 3 4 5 1 1 10 3 4 5 m 1 20 3 4 5"] * 3, "label confidence box", "xywh", {}),
    ],
)  # fmt: skip
def test_objects_listed_in_a_cell(table, cells, words, form, settings):
    text = "image,PredictionString\n" + "".join(f"{name},{cell}\n" for name, cell in zip("abc", cells, strict=True))
    marks = {"objects": "PredictionString", "words": words, "form": form}
    found, reasons, ledger = table(text, marks, label_column=None, **settings)
    assert reasons == {}
    names, guesses = {"1": "alpha", "m": "beta"}, 0
    for name, cell in zip("abc", cells, strict=True):
        expected = by_hand(cell, len(words.split()) + 3, form)
        sure = [each for each in expected if len(each) == 2 or float(each[1]) == 1]
        guesses += len(expected) - len(sure)
        assert boxes(found[name]) == [(names[each[0]], each[-1]) for each in sure if each[-1]]
        assert set(found[name].labels) == {names[each[0]] for each in sure if each[0] in names}
    assert ledger.boxes.dropped == ({"confidence below 1": guesses} if guesses else {})


def test_a_guess_leaves_its_label_open_and_counts_where_the_card_says_so(table):
    text = "image,PredictionString\na,0.9 10 4 8 6 0.5 1 1 3 3\nb,0.4 1 1 3 3\nc,\n"
    settings = {"objects": "PredictionString", "words": "confidence box"}
    found, reasons, ledger = table(text + "", {**settings, "min_confidence": 0.8}, label_column=None)
    assert sorted(reasons) == ["a", "b"]
    assert "row without a label" in reasons["a"]
    text = "image,label,PredictionString\na,1,0.9 10 4 8 6 0.5 1 1 3 3\nb,1,0.4 1 1 3 3\nc,0,\n"
    found, reasons, ledger = table(text, {**settings, "min_confidence": 0.8})
    assert (boxes(found["a"]), found["a"].incomplete) == ([("alpha", (10, 4, 18, 10))], ("alpha",))
    assert (boxes(found["b"]), found["b"].labels, found["b"].uncertain) == ([], (), ("alpha",))
    assert (found["c"].labels, found["c"].uncertain, reasons) == ((), (), {})
    assert ledger.boxes.dropped == {"confidence below 0.8": 2}


@pytest.mark.parametrize(
    "cell", ["1 1.0 10 4 18", "1 2.5 10 4 18 10", "1 1.0 a 4 18 10", "0 0.9 eNoLCTA0zMxJ", "1 1 nan 1 2 3"]
)
def test_a_cell_that_is_no_list_of_objects(table, cell):
    marks = {"objects": "PredictionString", "form": "xyxy"}
    _, reasons, _ = table(f"image,PredictionString\na,{cell}\n", marks, label_column=None)
    assert "objects unreadable: data row 1" in reasons["a"]
    assert "label confidence box" in reasons["a"]


@pytest.mark.parametrize(
    ("cells", "marks", "labels"),
    [
        (["0 1.0 10 20 40 50 3 1 50 10 70 30", "14 1 0 0 1 1"],
         {"objects": "s", "words": "label confidence box", "form": "xyxy"}, ["0", "14", "3"]),
        (["opacity 1 10 20 40 50", "none 1 0 0 1 1"],
         {"objects": "s", "words": "label confidence box", "form": "xyxy"}, ["none", "opacity"]),
        (["1.0 834 222 56 36 1.0 226 548 130 58", ""], {"objects": "s", "words": "confidence box", "form": "xywh"}, []),
        (["a 1 0.1 0.2 0.4 0.5", "b 1 0.2 0.2 0.9 0.9"],
         {"objects": "s", "words": "label confidence box", "form": "xyxy", "unit": "shares"}, ["a", "b"]),
    ],
)  # fmt: skip
def test_a_column_of_objects_is_known_by_its_cells(cells, marks, labels):
    found = objects_column([{"image": "a", "s": cell} for cell in cells])
    assert found is not None
    assert found[:2] == (marks, labels)


@pytest.mark.parametrize("cell", ["mass", "1 2 3 4", "0 0.9 eNoLCTA0zMxJ", "a b c d e f", "12 4 30 4 60 4"])
def test_other_cells_list_no_objects(cell):
    assert objects_column([{"image": "a", "s": cell}]) is None


@pytest.mark.parametrize(
    ("names", "form"),
    [
        ("x y Breite Höhe", "xywh"), ("X Y Breite Hoehe", "xywh"), ("x y largeur hauteur", "xywh"),
        ("gauche haut droite bas", "xyxy"), ("x y ancho alto", "xywh"), ("x y 宽 高", "xywh"), ("左 上 右 下", "xyxy"),
        ("links oben rechts unten", "xyxy"), ("x y Länge Höhe", None),
    ],
)  # fmt: skip
def test_columns_of_a_box_in_other_languages(names, form):
    found = box_columns(["Datei", *names.split()])
    assert found == (None if form is None else (tuple(names.split()), form))
