"""A table of labels: its names, the folders of its pictures, the column that labels them; what is open is a TODO."""

import re
import unicodedata

import pytest
from gmai_data.sources.drafting.table_guess import label_column, table_guess
from gmai_data.sources.files.folder import Folder


def guess(root, tables, *pictures):
    for name in pictures:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, text in tables.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return table_guess(Folder(root))


def rows(text):
    names, *lines = [line.split(",") for line in text.split()]
    return [dict(zip(names, line, strict=True)) for line in lines]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("file,offset,finding a,1,x b,3,y c,1,x", "finding"),
        ("file,lesion_id,diagnostic a,15,NEV b,17,BCC", "diagnostic"),
        ("file,age,sex,dx a,1,f,mel b,2,m,nv", "dx"), ("file,x,y,label a,1,2,p b,3,4,q", "label"),
        ("file,left,right a,1,2 b,3,4", "TODO"), ("file,kind,shape a,u,v b,w,z", "TODO"), ("file,kind a,u b,w", "kind"),
        ("file,grade,days a,1,10 b,2,20", "grade"),
    ],
)  # fmt: skip
def test_the_column_of_the_label(text, column):
    found, notes = label_column(rows(text), {"file"})
    assert found == column
    assert column != "TODO" or "candidates are" in notes[0]


def test_pictures_in_several_folders_are_all_named(tmp_path):
    layout = guess(tmp_path, {"t.csv": "id,dx\na,x\nb,y\n"}, "part_1/a.jpg", "part_2/b.jpg").layout
    assert (layout["images"], layout["image_suffix"]) == (["part_1", "part_2"], ".jpg")


@pytest.mark.parametrize(
    ("columns", "cells", "size"),
    [
        ("x,y,w,h,image_width,image_height", "1,2,3,4,80,64", {"width": "image_width", "height": "image_height"}),
        ("width,height,xmin,ymin,xmax,ymax", "80.0,64.0,1,2,3,4", {"width": "width", "height": "height"}),
        ("x,y,width,height,Img Width,Img Height", "1,2,3,4,80,64", {"width": "Img Width", "height": "Img Height"}),
        ("x,y,width,height,age,sex", "1,2,3,4,80,64", {}),
        ("x1,y1,x2,y2,weight,height", "1,2,3,4,80,164", {}),
    ],
)
def test_the_size_of_the_annotated_picture_is_read_beside_its_boxes(tmp_path, columns, cells, size):
    found = guess(tmp_path, {"t.csv": f"f,dx,{columns}\na,p,{cells}\nb,q,{cells}\n"}, "a.png", "b.png")
    assert {name: found.layout["marks"][name] for name in size} == size
    assert set(found.layout["marks"]) == {"box", "form", *size}


@pytest.mark.parametrize(
    ("columns", "cells", "words"),
    [
        ("x1,y1,x2,y2", ("60,10,20,50", "10,20,30,40"), "in 1 of 2 rows"),
        ("X1,Y1,X2,Y2", ("10,50,20,10", "10,60,20,11"), "in 2 of 2 rows"),
        ("left,top,right,bottom", ("9,9,1,1", "9,9,1,1"), "in 2 of 2 rows"),
        ("x1,y1,x2,y2,x3,y3", ("1,2,3,4,5,6", "1,2,3,4,5,6"), "are points"),
    ],
)
def test_landmarks_are_no_corners_of_boxes(tmp_path, columns, cells, words):
    found = guess(tmp_path, {"t.csv": f"f,dx,{columns}\na,p,{cells[0]}\nb,q,{cells[1]}\n"}, "a.png", "b.png")
    assert found.layout["marks"] == {"box": "TODO"}
    assert any(words in note for note in found.notes)


def test_decimal_commas_of_boxes(tmp_path):
    text = "f;dx;x1;y1;x2;y2\na;p;1,5;2;3;4\nb;q;1;2;3;4\n"
    assert guess(tmp_path, {"t.csv": text}, "a.png", "b.png").layout["marks"]["decimal"] == ","


def test_labels_of_rows_without_a_box_are_labels_but_for_words_that_say_no(tmp_path):
    text = "f,dx,x1,y1,x2,y2\na,Nodule,1,2,3,4\nb,No finding,,,,\nc,0,,,,\n"
    assert list(guess(tmp_path, {"t.csv": text}, "a.png", "b.png", "c.png").labels) == ["Nodule", "No finding"]


@pytest.mark.parametrize(
    ("names", "cells", "column"),
    [
        (("7", "8"), ("7.0", "8.0"), "{f:01d}"), (("007", "008"), ("7.0", "8.0"), "{f:03d}"),
        (("7", "8"), ("7", "8"), "f"), (("007", "018"), ("7", "18"), "{f:03d}"),
        (("a", "b"), ("C:\\d\\a.png", "C:\\d\\b.png"), "name_in_path"),
    ],
)  # fmt: skip
def test_names_that_a_program_spelled_anew(tmp_path, names, cells, column):
    text = "f,dx\n" + "".join(f"{cell},{'pq'[at]}\n" for at, cell in enumerate(cells))
    found = guess(tmp_path, {"t.csv": text}, *(f"{name}.png" for name in names))
    assert found.layout["image_column"] == column
    assert ("parts" in found.layout) == (column == "name_in_path")


def test_a_table_takes_the_pictures_below_its_own_folder(tmp_path):
    pictures = [f"{split}/im/{number}.png" for split in ("Training", "Validation") for number in (1, 2)]
    text = "ID,dx\n1,x\n2,y\n"
    found = guess(tmp_path, {"Training/t.csv": text, "Validation/v.csv": text}, *pictures)
    assert found.layout["table"] == ["Training/t.csv", "Validation/v.csv"]
    assert found.layout["images"] == ["Training/im", "Validation/im"]
    assert found.split == {"pattern": "^([^/]+)/", "names": {"Training": "train", "Validation": "validation"}}


def test_a_table_of_a_split_does_not_take_another_splits_pictures(tmp_path):
    text = "ID,dx\n1,x\n2,y\n"
    found = guess(tmp_path, {"train.csv": text}, "train/1.png", "train/2.png", "test/1.png", "test/2.png")
    assert found.layout["images"] == "train"


def test_only_another_splits_pictures_are_none(tmp_path):
    assert guess(tmp_path, {"train.csv": "ID,dx\n1,x\n2,y\n"}, "test/1.png", "test/2.png") is None


def test_one_name_in_two_folders_is_a_todo(tmp_path):
    found = guess(tmp_path, {"t.csv": "ID,dx\n1,x\n2,y\n"}, "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    assert found.layout["images"] == "TODO"
    assert "the same names lie in a, b" in found.notes[0]


def test_separated_labels_and_columns_of_flags(tmp_path):
    one = guess(tmp_path / "one", {"t.csv": "f,Finding Labels,n\na.png,A|B,0\nb.png,B,1\n"}, "one/a.png", "one/b.png")
    assert (one.layout["label_column"], one.layout["separator"], list(one.labels)) == (
        "Finding Labels",
        "|",
        ["A", "B"],
    )
    two = guess(tmp_path / "two", {"t.csv": "f,MEL,NV,\na.png,1,0,\nb.png,0,1,\n"}, "a.png", "b.png")
    assert two.layout["label_columns"] == ["MEL", "NV"]


def test_a_second_table_has_the_patient(tmp_path):
    tables = {"labels.csv": "image,A,B\na,1,0\nb,0,1\n", "meta.csv": "image,lesion_id\na,L1\nb,L1\n"}
    found = guess(tmp_path, tables, "a.png", "b.png")
    assert found.split == {"group_table": {"table": "meta.csv", "key": "image", "value": "lesion_id"}}


def test_a_column_of_splits(tmp_path):
    found = guess(tmp_path, {"t.csv": "f,dx,split\na,x,train\nb,y,test\n"}, "a.png", "b.png")
    assert found.layout["split_column"] == "split"


@pytest.mark.parametrize("cells", [("\\train\\1\\a.png", "\\train\\1\\b.png"), ("train/a.png", "test/b.png")])
def test_a_column_of_paths_is_none_of_splits(tmp_path, cells):
    rows = "".join(f"{name},{cell},{label}\n" for name, cell, label in zip("ab", cells, "xy", strict=True))
    found = guess(tmp_path, {"t.csv": f"image_id,image_path,dx\n{rows}"}, "a.png", "b.png")
    assert "split_column" not in found.layout
    assert not found.split


@pytest.mark.parametrize(
    ("cells", "suffix"),
    [
        (("a", "b", "c"), [".jpg", ".png"]),
        (("a", "b.png", "c"), ["", ".jpg"]),
        (("a.jpg", "b.png", "c.jpg"), None),
    ],
)
def test_pictures_of_several_endings_are_all_found(tmp_path, cells, suffix):
    table = "id,dx\n" + "\n".join(f"{cell},{'xy'[at % 2]}" for at, cell in enumerate(cells))
    layout = guess(tmp_path, {"t.csv": table}, "p/a.jpg", "p/b.png", "p/c.jpg").layout
    assert layout.get("image_suffix") == suffix


@pytest.mark.parametrize("name", ["COVID", "probCOVID", "thyroid", "carotid"])
def test_a_label_that_ends_like_an_identifier_is_one(name):
    rows = [{"imageid": "1", name: "0"}, {"imageid": "2", name: "1"}]
    assert label_column(rows, set()) == (name, [])


@pytest.mark.parametrize(
    ("cells", "labels", "layout"),
    [
        (["0 1.0 10 20 40 50", "14 1 0 0 1 1"], ["0", "14"], {}),
        (["opacity 1 10 20 40 50", "none 1 0 0 1 1"], ["opacity"], {"negative": ["0", "false", "no", "none"]}),
        (["0.9 10 20 5 5 0.5 50 10 5 5", ""], ["object"], {}),
    ],
)
def test_objects_listed_in_cells_are_boxes_and_no_labels(tmp_path, cells, labels, layout):
    text = "id,PredictionString\n" + "".join(f"{name},{cell}\n" for name, cell in zip("ab", cells, strict=True))
    found = guess(tmp_path, {"t.csv": text}, "a.png", "b.png")
    assert found.labels == labels
    assert found.layout["marks"]["objects"] == "PredictionString"
    assert {name: found.layout[name] for name in layout} == layout
    assert "label_column" not in found.layout
    assert found.card == ({"labels_of_every_image": ["object"]} if labels == ["object"] else {})


@pytest.mark.parametrize(
    "cells", [["10 20 40 50 60", "1 2 3 4 5"], ["0 0.9 eNoLCTA0", "1 0.8 eNoLCTA1"], ["1,2,3,4;5", "6,7,8,9;1"]]
)
def test_places_and_codes_are_no_labels(tmp_path, cells):
    text = "id\tPredictionString\n" + "".join(f"{name}\t{cell}\n" for name, cell in zip("ab", cells, strict=True))
    found = guess(tmp_path, {"t.tsv": text}, "a.png", "b.png")
    assert found.layout["label_column"] == "TODO"
    assert found.labels == []


@pytest.mark.parametrize(
    ("front", "folders", "above", "images"),
    [
        ("CheXpert-v1.0-small/train", ["train/p1/s1", "train/p2/s1"], 1, "."),
        ("data/set/train", ["train/p1/s1", "train/p2/s1"], 2, "."),
        ("files", ["img/p1/s1", "img/p2/s1"], 1, "img"),
        ("/home/u/data/train", ["train/p1/s1", "train/p2/s1"], 3, "."),
        ("./set/train", ["train/p1/s1", "train/p2/s1"], 1, "."),
    ],
)
def test_paths_that_begin_above_the_folder_are_read_from_where_it_begins(tmp_path, front, folders, above, images):
    rows = "".join(f"{front}/p{number}/s1/view1.jpg,{'xy'[number % 2]}\n" for number in (1, 2))
    found = guess(tmp_path, {"t.csv": f"Path,dx\n{rows}"}, *(f"{folder}/view1.jpg" for folder in folders))
    assert found.layout["images"] == images
    assert found.layout["image_column"] == "place_in_path"
    pattern = found.layout["parts"]["Path"]
    assert pattern == rf"(?:\.?/)*(?:[^/]+/){{{above}}}(?P<place_in_path>.+)"
    assert (tmp_path / images / re.fullmatch(pattern, f"{front}/p1/s1/view1.jpg")["place_in_path"]).is_file()


@pytest.mark.parametrize(
    ("header", "cells", "marks"),
    [
        ("ImageId,EncodedPixels", ["1 2 40 3", "-1"], {"run_lengths": "EncodedPixels"}),
        ("image,x,y,w,h", ["1,2,3,4", ",,,"], {"box": ["x", "y", "w", "h"], "form": "xywh"}),
    ],
)
def test_marks_without_a_label_are_of_one_object(tmp_path, header, cells, marks):
    text = f"{header}\n1,{cells[0]}\n2,{cells[1]}\n"
    found = guess(tmp_path, {"t.csv": text}, "1.png", "2.png")
    assert "label_column" not in found.layout
    assert (found.layout["marks"], found.labels) == (marks, ["object"])
    assert found.card == {"labels_of_every_image": ["object"]}


def test_of_pictures_of_one_name_the_one_with_the_most_folders_is_meant(tmp_path):
    rows = "".join(f"set/p{number}/s1/view1.png,{'xy'[number % 2]}\n" for number in range(4))
    pictures = [f"img/{split}/p{number}/s1/view1.jpg" for split in ("x", "y") for number in range(2)]
    layout = guess(
        tmp_path, {"t.csv": f"Path,dx\n{rows}"}, *pictures, "img/x/p2/s1/view1.jpg", "img/x/p3/s2/view1.jpg"
    ).layout
    assert layout["label_column"] == "dx"


@pytest.mark.parametrize("empty", ["#N/A", "#REF!", "#DIV/0!", "nan", "NaN", "N/A", "<NA>", "null"])
def test_a_cell_without_a_value_is_no_label(tmp_path, empty):
    found = guess(tmp_path, {"t.csv": f"f,dx\na,p\nb,{empty}\nc,q\n"}, "a.png", "b.png", "c.png")
    assert found.labels == ["p", "q"]
    assert any(f'"{empty}" is taken for a cell without a label' in note for note in found.notes)


@pytest.mark.parametrize("empty", ["NA", "NaN", "#N/A", "n/a"])
def test_one_hot_columns_with_cells_that_say_nothing(tmp_path, empty):
    table = f"f,edema,mass\na,1,{empty}\nb,{empty},0\nc,0,1\n"
    found = guess(tmp_path, {"t.csv": table}, "a.png", "b.png", "c.png")
    assert found.layout["label_columns"] == ["edema", "mass"]
    assert empty.lower() in {cell.lower() for cell in found.layout.get("uncertain", ["nan"])}


def test_columns_of_words_beside_na_are_not_one_hot(tmp_path):
    found = guess(tmp_path, {"t.csv": "f,edema,mass\na,yes,NA\nb,NA,NA\n"}, "a.png", "b.png")
    assert "label_columns" not in found.layout


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["edema, mass", "mass", "normal"], ","),
        (["edema/mass", "mass", "edema"], "/"),
        (["mass + edema", "edema", "x"], "+"),
        (["carcinoma in situ, ductal", "normal", "x"], None),
        (["n/a b", "mass", "x"], None),
        (["edema|mass", "mass", "x"], None),
    ],
)
def test_a_draft_asks_whether_a_cell_holds_several_labels(tmp_path, cells, sign):
    lines = "".join(f'{name},"{cell}"\n' for name, cell in zip("abc", cells, strict=True))
    found = guess(tmp_path, {"t.csv": f"f,dx\n{lines}"}, "a.png", "b.png", "c.png")
    asked = [note for note in found.notes if "hold several labels" in note]
    assert [f'Then set `separator: "{sign}"`' in note for note in asked] == [True] * (sign is not None)


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
def test_letters_with_their_accents_apart_name_the_same_picture(tmp_path, on_disk, in_table):
    names = ["Müller1", "é2"]
    lines = "".join(f"{unicodedata.normalize(in_table, name)}.png,{name[-1]}\n" for name in names)
    pictures = [f"images/{unicodedata.normalize(on_disk, name)}.png" for name in names]
    found = guess(tmp_path, {"t.csv": f"f,dx\n{lines}"}, *pictures)
    assert (found.layout["image_column"], found.layout["images"]) == ("f", "images")
