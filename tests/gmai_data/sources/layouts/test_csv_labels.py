"""Labels in a table: cells, several rows of an image, patients, splits, and what a draft makes of it."""

import numpy as np
import pydicom
import pytest
from gmai_data.ledger import Ledger
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.csv_labels import CsvLabels
from gmai_data.sources.listing import listed_items
from gmai_formats.errors import UserError
from pydantic import ValidationError

LAYOUT = {"kind": "csv_labels", "table": "t.csv", "image_column": "image", "label_column": "dx"}
ONE_HOT = {"kind": "csv_labels", "table": "t.csv", "image_column": "image", "label_columns": ["a", "b"]}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"label_column": None}, "give either label_column"),
        ({"label_columns": ["a"]}, "give either label_column"),
        ({"encoding": "utf-9"}, 'unknown encoding "utf-9"; give one such as utf-8, cp1252, gb18030'),
        ({"delimiter": "::"}, "at most 1 character"),
        ({"listed": True, "separator": "|"}, "listed cells are those of label_column"),
        ({"readers": 2, "marks": {"run_lengths": "rle"}}, "readers of boxes are told apart by"),
        (
            {"label_column": None, "label_columns": ["a"], "marks": {"run_lengths": "rle"}},
            "boxes and masks of a table have their label in label_column",
        ),
    ],
)
def test_settings_that_contradict_each_other(fields, words):
    with pytest.raises(ValidationError, match=words):
        CsvLabels.model_validate({**LAYOUT, **fields})


@pytest.mark.parametrize(
    ("cell", "labels", "uncertain"),
    [
        ("1", ("alpha",), ()), ("1.0", ("alpha",), ()), ("TRUE", ("alpha",), ()), (" yes ", ("alpha",), ()),
        ("0", (), ()), ("0.00", (), ()), ("No", (), ()), ("-1.0", (), ("alpha",)), ("", (), ("alpha",)),
        ("NaN", (), ("alpha",)),
    ],
)  # fmt: skip
def test_cells_of_a_one_hot_table(put, read, toy, cell, labels, uncertain):
    put("1.png")
    put("t.csv", f"image,a,b\n1.png,{cell},0\n")
    ((picture,),) = read(toy(layout=ONE_HOT))[0].values()
    assert (picture.labels, picture.uncertain) == (labels, uncertain)


def test_a_cell_that_is_neither(put, read, toy):
    put("1.png")
    put("t.csv", "image,a,b\n1.png,maybe,1\n")
    assert read(toy(layout=ONE_HOT))[1] == {
        "1.png": 'label cell unreadable: "a: maybe" is neither yes, no nor open; name it in `positive`, `negative` or '
        "`uncertain`"
    }
    card = toy(layout={**ONE_HOT, "positive": ["maybe"], "negative": ["1"]})
    assert read(card)[0]["1.png"][0].labels == ("alpha",)


def test_rows_of_an_image_are_put_together(put, read, toy):
    put("i/1.png")
    put("i/2.png")
    put("t.csv", "image;dx\n1;a|c\n2;d\n1;b|a\n")
    card = toy(layout={**LAYOUT, "images": "i", "image_suffix": ".png", "separator": "|"})
    labels = {key: found[0].labels for key, found in read(card)[0].items()}
    assert labels == {"i/1.png": ("alpha", "gamma", "beta"), "i/2.png": ("delta",)}


def test_an_image_of_two_patients_is_refused_and_splits_are_mapped(put, read, tmp_path, toy):
    for name in "12":
        put(f"{name}.png")
    put("t.csv", "image,dx,who,set\n1.png,a,p,T\n2.png,a,q,V\n1.png,b,r,T\n")
    split = {"names": {"T": "train", "V": "validation"}}
    card = toy(layout={**LAYOUT, "group_column": "who", "split_column": "set"}, split=split)
    second = list(card.layout.list_items(card, tmp_path))[1]
    assert (second.group, second.split) == ("q", "validation")
    assert read(card)[1] == {
        "1.png": "one picture, two groups or splits: data rows 1 and 3; an image belongs to one: correct the table"
    }


def test_a_row_without_a_label(put, read, toy):
    put("1.png")
    put("t.csv", "image,dx\n1.png, \n")
    assert read(toy(layout=LAYOUT))[1] == {"1.png": "row without a label: data row 1; fill the label"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"image,label\n1.png,a\n", r't\.csv:1: no column "dx", which recipe toy reads\.'),
        (b"image,dxx\n1.png,a\n", r'no column "dx", .* Did you mean "dxx"\? Fix the table or the card\.'),
        (b"image,dx\n", r"the table has a header but no rows\. Give a table with one row per image\."),
        (b"image,dx\n\xe4.png,a\n", r"not UTF-8 text \(invalid continuation byte at byte 9\)\. Save it as UTF-8, or"),
        (b'image,dx\n1.png,a\n"2.png,b\n3.png,a\n', r"not readable as a table: unexpected end of data\. Save it as"),
    ],
)
def test_a_table_that_is_none(put, tmp_path, toy, text, words):
    put("t.csv", text)
    card = toy(layout=LAYOUT)
    with pytest.raises(UserError, match=words):
        list(card.layout.list_items(card, tmp_path))


def test_a_name_that_no_file_can_have(put, read, toy):
    put("t.csv", f"image,dx\n{'x' * 140_000}.png,a\n")
    (reason,) = read(toy(layout=LAYOUT))[1].values()
    assert reason.startswith("file missing: the source lists it")


def test_a_table_that_is_missing_or_in_another_encoding(put, read, tmp_path, toy):
    card = toy(layout=LAYOUT)
    with pytest.raises(UserError, match=r"t\.csv: no such file\. Recipe toy reads its labels there\. Check --root\."):
        list(card.layout.list_items(card, tmp_path))
    put("ä.png")
    put("t.csv", "image,dx\nä.png,a\n".encode("cp1252"))
    assert read(toy(layout={**LAYOUT, "encoding": "cp1252"}))[0]["ä.png"][0].labels == ("alpha",)


def test_boxes_in_the_table(put, read, toy):
    put("1.png")
    put("2.png")
    put("t.csv", "image,x,y,w,h,dx\n1.png,2,3,5,6,a\n1.png,4,4,0,6,b\n2.png,,,,,none\n")
    marks = {"box": ["x", "y", "w", "h"], "form": "xywh"}
    card = toy(layout={**LAYOUT, "marks": marks, "negative": ["none"]}, task="2d_detection")
    ledger = Ledger()
    pictures, reasons = read(card, ledger)
    assert reasons == {}
    first, second = (found[0] for found in pictures.values())
    assert [(box.label, box.xyxy) for box in first.boxes] == [("alpha", (2, 3, 7, 9))]
    assert (first.labels, first.incomplete) == (("alpha", "beta"), ("beta",))
    assert (second.labels, second.boxes) == ((), ())
    assert ledger.quarantine[0]["reason"].startswith("degenerate box: data row 2 ")


@pytest.mark.parametrize(
    ("text", "layout", "task"),
    [
        ("image,dx\nx1,a\nx2,b\n", {"image_column": "image", "image_suffix": ".png", "label_column": "dx"}, "2d_class"),
        ("image,a,b\nx1.png,1,0\nx2.png,0,-1\n", {"image_column": "image", "label_columns": ["a", "b"]}, "2d_class"),
        (
            "image,Patient ID,dx\nx1.png,p,a\nx2.png,q,b\n",
            {"image_column": "image", "group_column": "Patient ID", "label_column": "dx"},
            "2d_class",
        ),
    ],
)
def test_what_looks_like_it(put, tmp_path, text, layout, task):
    put("i/x1.png")
    put("i/x2.png")
    put("t.csv", text)
    guess = CsvLabels.recognise(Folder(tmp_path))
    assert guess.layout == {"kind": "csv_labels", "table": "t.csv", "images": "i", **layout}
    assert guess.labels == ["a", "b"]
    assert guess.task.startswith(task)


def test_a_table_about_something_else(put, tmp_path):
    put("i/x1.png")
    put("t.csv", "site,count\nA,3\nB,4\n")
    assert CsvLabels.recognise(Folder(tmp_path)) is None


def pictures_in(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_pictures_in_several_folders_are_found_and_two_of_one_name_are_refused(toy, tmp_path):
    pictures_in(
        tmp_path, "images_001/images/a.png", "images_002/images/b.png", "images_002/images/c.png", "images/c.png"
    )
    (tmp_path / "t.csv").write_text("image,dx\na.png,a\nb.png,b\nc.png,a\nd.png,a\n")
    layout = {"kind": "csv_labels", "table": "t.csv", "image_column": "image", "label_column": "dx",
              "images": ["images", "images_*/images", "elsewhere"]}  # fmt: skip
    recipe = toy(layout=layout)
    found = {item.key: item.problem for item in recipe.layout.list_items(recipe, tmp_path)}
    assert list(found) == ["images_001/images/a.png", "images_002/images/b.png", "images/c.png", "images/d.png"]
    assert found["images/c.png"] == (
        "picture in two folders",
        "images/c.png and images_002/images/c.png; keep one of them",
    )
    assert found["images_001/images/a.png"] is None
    recipe = toy(layout={**layout, "images": ["elsewhere", "nowhere"]})
    with pytest.raises(UserError, match="finds no folder elsewhere, nowhere of pictures"):
        list(recipe.layout.list_items(recipe, tmp_path))


def test_each_of_several_tables_has_its_own_pictures(toy, tmp_path):
    for split, label in (("Training", "a"), ("Test", "b")):
        pictures_in(tmp_path, f"{split}_Set/{split}/1.png")
        (tmp_path / f"{split}_Set" / f"{split}_Labels.csv").write_text(f"ID,dx\n1,{label}\n")
    layout = {"kind": "csv_labels", "table": "*_Set/*.csv", "images": "{parent}/*", "image_column": "ID",
              "image_suffix": ".png", "label_column": "dx"}  # fmt: skip
    recipe = toy(layout=layout)
    found = {item.key: item.raw_labels for item in recipe.layout.list_items(recipe, tmp_path)}
    assert found == {"Test_Set/Test/1.png": ("b",), "Training_Set/Training/1.png": ("a",)}


@pytest.fixture
def book(tmp_path):
    """Return a function of a name and sheets, each a list of rows, that saves a workbook."""

    def save(name, **sheets):
        openpyxl = pytest.importorskip("openpyxl")
        document = openpyxl.Workbook()
        document.remove(document.active)
        for title, rows in sheets.items():
            sheet = document.create_sheet(title)
            for row in rows:
                sheet.append(row)
        document.save(tmp_path / name)

    return save


def test_a_workbook(put, read, toy, book):
    for name in ("1.png", "002.png"):
        put(name)
    book("t.xlsx", about=[["read me"]], data=[["image", "dx", "x", "y", "w", "h"], [1, "a", 2, 3, 5.0, 6],
                                              ["002", "b", None, None, None, None]])  # fmt: skip
    layout = {**LAYOUT, "table": "t.xlsx", "image_suffix": ".png"}
    assert {key: found[0].labels for key, found in read(toy(layout=layout))[0].items()} == {
        "1.png": ("alpha",), "002.png": ("beta",)
    }  # fmt: skip
    card = toy(layout={**layout, "marks": {"box": ["x", "y", "w", "h"]}}, task="2d_detection")
    assert [box.xyxy for box in read(card)[0]["1.png"][0].boxes] == [(2, 3, 7, 9)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_tables_that_say_their_encoding_need_no_setting(put, read, toy, encoding):
    put("ä.png")
    put("t.csv", "image;dx\nä.png;a\n".encode(encoding))
    assert read(toy(layout=LAYOUT))[0]["ä.png"][0].labels == ("alpha",)


def test_a_row_that_is_longer_than_the_header_goes_to_the_quarantine_alone(put, read, toy):
    for name in "12":
        put(f"{name}.png")
    put("t.csv", "image,dx\n1.png,a, b\n2.png,b\n,a\n")
    pictures, reasons = read(toy(layout=LAYOUT))
    assert list(pictures) == ["2.png"]
    assert reasons == {
        "1.png": "row unreadable: data row 1 has 3 cells, the header 2; correct it",
        "t.csv/row 0000003": "row without a picture: data row 3; fill image",
    }


def test_a_path_of_several_columns_and_one_of_several_endings(put, read, toy, tmp_path):
    for name in ("s1/a.png", "s1/b.jpg", "s2/a.jpg"):
        put(f"i/{name}")
    put("t.csv", "study,image,dx\ns1,a,a\ns1,b,b\ns2,a,c\ns3,a,d\n,x,a\n")
    card = toy(layout={**LAYOUT, "images": "i", "image_column": "{study}/{image}", "image_suffix": [".png", ".jpg"],
                       "group_column": "study"})  # fmt: skip
    pictures, reasons = read(card)
    assert {key: found[0].labels for key, found in pictures.items()} == {
        "i/s1/a.png": ("alpha",), "i/s1/b.jpg": ("beta",), "i/s2/a.jpg": ("gamma",)
    }  # fmt: skip
    assert [reason.split(":")[0] for reason in reasons.values()] == ["file missing", "row without a picture"]
    put("i/s1/a.jpg")
    assert read(card)[1]["i/s1/a.png"].startswith("picture in two folders: i/s1/a.png and i/s1/a.jpg; keep one")


def test_a_number_of_a_path_is_filled_up_with_zeros(put, read, toy):
    put("i/000007_01/012.png")
    put("t.csv", "patient,study,slice,dx\n7,1,12,a\n")
    column = "{patient:06d}_{study:02d}/{slice:03d}"
    card = toy(layout={**LAYOUT, "images": "i", "image_column": column, "image_suffix": ".png"})
    assert {key: found[0].labels for key, found in read(card)[0].items()} == {"i/000007_01/012.png": ("alpha",)}


@pytest.mark.parametrize(("column", "suffix"), [("{id:01d}", ".png"), ("p{id:03d}", ".png"), ("{id:01d}", ".*")])
def test_numbers_that_pandas_wrote_as_floats_name_pictures_and_patients(put, read, toy, tmp_path, column, suffix):
    name = "p007" if column.startswith("p") else "7"
    put(f"i/{name}.png")
    put("t.csv", "id,dx,patient\n7.0,a,12.0\n")
    fields = {"images": "i", "image_column": column, "image_suffix": suffix, "group_column": "patient"}
    card = toy(layout={**LAYOUT, **fields})
    assert list(read(card)[0]) == [f"i/{name}.png"]
    assert [item.group for item in card.layout.list_items(card, tmp_path)] == ["12"]


@pytest.mark.parametrize("suffix", ["", ".png"])
def test_a_table_without_a_header_is_refused_until_its_columns_are_named(put, read, toy, suffix):
    for name in "12":
        put(f"i/{name}.png")
    put("t.csv", "".join(f"{name}{'' if suffix else '.png'},{label}\n" for name, label in ("1a", "2b")))
    fields = {**LAYOUT, "images": "i", "image_suffix": suffix}
    first = "1" if suffix else "1.png"
    with pytest.raises(UserError, match=r"the table has no header: its first line names the picture"):
        read(toy(layout={**fields, "image_column": first, "label_column": "a"}))
    pictures, _ = read(toy(layout={**fields, "columns": ["image", "dx"], "image_column": "image"}))
    assert {key: found[0].labels for key, found in pictures.items()} == {
        "i/1.png": ("alpha",), "i/2.png": ("beta",)
    }  # fmt: skip


def test_a_part_of_a_name_that_the_table_does_not_have(put, read, toy):
    for name in ("1_p1_R.png", "1_p1_R.txt", "10_p2_R.png", "2_p3_L.png", "2_p3_R.png"):
        put(f"i/{name}")
    put("t.csv", "image,dx\n1,a\n10,b\n2,a\n3,a\n")
    pictures, reasons = read(toy(layout={**LAYOUT, "images": "i", "image_suffix": "_*.png"}))
    assert {key: found[0].labels for key, found in pictures.items()} == {
        "i/1_p1_R.png": ("alpha",),
        "i/10_p2_R.png": ("beta",),
    }
    assert reasons["i/2_p3_L.png"].startswith("picture in two folders: i/2_p3_L.png and i/2_p3_R.png")
    assert reasons["i/3_*.png"].startswith("file missing")


def test_a_label_holds_where_enough_readers_saw_it(put, read, toy):
    for name in "123":
        put(f"{name}.png")
    rows = ["1.png,r1,1,0", "1.png,r2,1,1", "1.png,r3,0,0", "2.png,r1,0,1", "3.png,r1,0,0", "3.png,r2,x,0"]
    put("t.csv", "\n".join(["image,reader,a,b", *rows]))
    pictures, reasons = read(toy(layout={**ONE_HOT, "readers": 2}))
    assert {key: (found[0].labels, found[0].uncertain) for key, found in pictures.items()} == {
        "1.png": (("alpha",), ("beta",)),
        "2.png": (("beta",), ()),  # one reading: it decides
    }
    assert reasons["3.png"].startswith('label cell unreadable: "a: x" is neither')


ROW_PER_LABEL = {
    "kind": "csv_labels", "table": "t.csv", "image_column": "image", "image_suffix": ".png", "label_column": "label",
    "holds_column": "Label", "parts": {"ID": r"(?P<image>ID_\d+)_(?P<label>[a-z]+)"},
}  # fmt: skip


def test_a_row_for_each_label_of_an_image(put, read, toy):
    for name in "123":
        put(f"ID_{name}.png")
    rows = ["ID_1_a,1", "ID_1_b,0", "ID_1_c,-1", "ID_2_a,0", "ID_2_b,0.0", "ID_3_a,0.5"]
    put("t.csv", "\n".join(["ID,Label", *rows]))
    pictures, reasons = read(toy(layout=ROW_PER_LABEL))
    assert {key: (found[0].labels, found[0].uncertain) for key, found in pictures.items()} == {
        "ID_1.png": (("alpha",), ("gamma",)),
        "ID_2.png": ((), ()),
    }
    assert reasons["ID_3.png"].startswith('label cell unreadable: data row 6: "0.5" is neither yes, no nor open')
    put("t.csv", "ID,Label\nID_1_a,1\nID_x,1\n")
    pictures, reasons = read(toy(layout=ROW_PER_LABEL))
    assert list(pictures) == ["ID_1.png"]
    ((_, reason),) = reasons.items()
    assert "data row 2: ID is 'ID_x', which" in reason


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"parts": {"ID": "(a"}}, r"parts of ID: '\(a' is no regular expression"),
        ({"parts": {"ID": "a"}}, "parts of ID: 'a' names no part; write one as"),
        ({"label_column": None, "label_columns": ["a"]}, "holds_column says whether the label of label_column holds"),
    ],
)
def test_parts_and_what_holds_are_checked(fields, words):
    with pytest.raises(ValidationError, match=words):
        CsvLabels.model_validate({**ROW_PER_LABEL, **fields})


def test_a_part_needs_its_column(put, read, toy):
    put("t.csv", "Id,Label\nID_1_a,1\n")
    with pytest.raises(UserError, match=r't\.csv:1: no column "ID", which recipe toy reads\. Did you mean "Id"\?'):
        read(toy(layout=ROW_PER_LABEL))


ONLY = {
    **ROW_PER_LABEL,
    "table": "kinds.csv",
    "image_column": "image",
    "parts": {},
    "rows": {"kind": ["near", "nearer"]},
}


def test_only_rows_with_wished_cells_are_read(put, read, toy):
    for name in "123":
        put(f"{name}.png")
    layout = {**ONLY, "holds_column": None, "joins": [{"table": "of_lesion.csv", "key": "lesion"}]}
    put("kinds.csv", "image,lesion,kind\n1,L1,near\n2,L1,far\n3,L2,nearer\n")
    put("of_lesion.csv", "lesion,label\nL1,a\nL2,b\n")
    pictures, reasons = read(toy(layout=layout))
    assert {key: found[0].labels for key, found in pictures.items()} == {"1.png": ("alpha",), "3.png": ("beta",)}
    assert not reasons


def test_a_table_without_a_wished_row_is_refused(put, read, toy):
    put("kinds.csv", "image,label,kind,Label\n1,a,far,1\n")
    with pytest.raises(UserError, match=r"kinds\.csv: no row whose kind is near or nearer, which recipe toy reads"):
        read(toy(layout=ONLY))
    put("kinds.csv", "image,label,Label\n1,a,1\n")
    with pytest.raises(UserError, match=r'kinds\.csv:1: no column "kind", which recipe toy reads'):
        read(toy(layout=ONLY))


def test_columns_of_several_readers(put, read, toy):
    for name in "1234":
        put(f"{name}.png")
    put("t.csv", "image,R1:a,R2:a,R3:a,R1:b,R2:b,R3:b\n1.png,1,1,0,0,0,0\n2.png,0,1,0,1,1,1\n3.png,0,0,,0,0,0\n"
        "4.png,x,0,0,0,0,0\n")  # fmt: skip
    layout = {**ONE_HOT, "reader_columns": "R{reader}:{label}", "readers": 2}
    pictures, reasons = read(toy(layout=layout))
    found = {key: (picture.labels, picture.uncertain) for key, (picture,) in pictures.items()}
    assert found == {"1.png": (("alpha",), ()), "2.png": (("beta",), ("alpha",)), "3.png": ((), ("alpha",))}
    assert '"a: x" is neither yes, no nor open' in reasons["4.png"]
    with pytest.raises(UserError, match="3 columns called as"):
        read(toy(layout={**layout, "readers": 4}))
    with pytest.raises(ValidationError, match="reader_columns is how columns of label_columns are called"):
        CsvLabels.model_validate({**ONE_HOT, "reader_columns": "{label}"})


def test_a_row_labels_each_picture_that_its_name_fits(put, read, toy):
    for name in ("s1/a.png", "s1/b.png", "s2/a.png"):
        put(name)
    put("t.csv", "image,dx\ns1,x\ns2,y\n")
    layout = {**LAYOUT, "image_suffix": "/*.png"}
    card = toy(layout={**layout, "each": True}, labels={"x": "x", "y": "y"})
    items = list(card.layout.list_items(card, put("s1/a.png").parents[1]))
    assert [(item.key, item.group, item.raw_labels) for item in items] == [
        ("s1/a.png", "row s1", ("x",)), ("s1/b.png", "row s1", ("x",)), ("s2/a.png", "", ("y",)),
    ]  # fmt: skip
    assert not read(card)[1]
    assert "picture in two folders" in read(toy(layout=layout, labels={"x": "x", "y": "y"}))[1]["s1/a.png"]


def test_cells_that_are_lists(toy, tmp_path):
    (tmp_path / "t.csv").write_text("image,dx\na.png,\"['x', ' y ']\"\nb.png,[]\nc.png,x\n")
    recipe = toy(layout={**LAYOUT, "listed": True}, labels={"x": "x", "y": "y"})
    items = list(recipe.layout.list_items(recipe, tmp_path))
    assert [item.raw_labels for item in items[:2]] == [("x", "y"), ()]
    assert items[2].problem == ("label cell unreadable", 'data row 3: "x" is no list')


def test_patients_of_dicom_headers(toy, tmp_path):
    for name, patient in (("1", "P1"), ("2", "P1"), ("3", "P2")):
        folder = tmp_path / f"series {name}"
        series(folder, patient, slices=1)
        (file,) = folder.iterdir()
        file.rename(tmp_path / f"{name}.dcm")
    (tmp_path / "t.csv").write_text("image,dx\n1,a\n2,a\n3,b\n")
    card = toy(layout={**LAYOUT, "image_suffix": ".dcm", "group_of_header": True})
    groups = [item.group for item in listed_items(Source(card, tmp_path))]
    assert groups[0] == groups[1] != groups[2]
    assert all(groups)


def test_labels_and_patients_in_further_tables(put, read, toy, tmp_path):
    for name in "123":
        put(f"{name}.png")
    put("t.csv", "image,study\n1.png,s1\n2.png,s2\n3.png,s3\n")
    put("labels.csv", "study_id;dx\ns1;a\ns1;b\ns2;c\n")
    put("people.tsv", "study_id\tpatient\ns1\tp\ns2\tq\n")
    joins = [{"table": "labels.csv", "key": "study_id", "on": "study"}, {"table": "people.tsv", "key": "study_id"}]
    card = toy(layout={**LAYOUT, "joins": joins, "group_column": "patient"})
    pictures, reasons = read(card)
    assert {key: found[0].labels for key, found in pictures.items()} == {
        "1.png": ("alpha", "beta"), "2.png": ("gamma",)
    }  # fmt: skip
    assert reasons == {"3.png": 'row unreadable: data row 3: study "s3" is not in labels.csv'}
    assert [item.group for item in card.layout.list_items(card, tmp_path)] == ["p", "q", ""]


def test_usual_names_of_splits_need_no_map_and_others_are_refused(put, read, toy, tmp_path):
    for name in "123":
        put(f"{name}.png")
    put("t.csv", "image,dx,set\n1.png,a,train\n2.png,b,val\n3.png,c,fold7\n")
    card = toy(layout={**LAYOUT, "split_column": "set"})
    assert [item.split for item in card.layout.list_items(card, tmp_path)] == ["train", "validation", None]
    assert read(card)[1] == {
        "3.png": 'not in the official split: data row 3: "fold7" is no known split; name it in `split.names`'
    }


def test_labels_of_volumes(put, read, toy, nifti, tmp_path):
    values = np.random.default_rng(0).integers(0, 900, (20, 24, 5)).astype(np.int16)
    nifti("v/s1.nii.gz", values)
    nifti("v/s2/scan.nii", values)
    np.save(tmp_path / "v" / "s3.npy", values.transpose(2, 1, 0))
    put("t.csv", "image,dx,lesion\ns1,a,1\ns2/scan,b,0\ns3,c,-1\n")
    layout = {**LAYOUT, "images": "v", "image_suffix": [".nii.gz", ".nii", ".npy"]}
    changes = {"task": "3d_classification", "modality": "MR", "slices": {"rule": "every_n", "n": 2}}
    pictures, reasons = read(toy(layout=layout, **changes))
    assert reasons == {}
    assert {key: (len(found), {each.labels for each in found}) for key, found in pictures.items()} == {
        "v/s1.nii.gz": (3, {("alpha",)}), "v/s2/scan.nii": (3, {("beta",)}), "v/s3.npy": (3, {("gamma",)})
    }  # fmt: skip
    flags = {**layout, "label_column": None, "label_columns": ["lesion"]}
    pictures, _ = read(toy(layout=flags, labels={"lesion": "lesion"}, **changes))
    assert [found[0].labels for found in pictures.values()] == [("lesion",), (), ()]
    assert pictures["v/s3.npy"][0].uncertain == ("lesion",)


def series(folder, patient, slices=4):
    """Write an MR series of noise."""
    folder.mkdir(parents=True)
    for number in range(slices):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{patient}.{number + 1}"
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = f"1.2.4.{patient}", f"1.2.5.{patient}"
        dataset.PatientID, dataset.Modality, dataset.ImageType = str(patient), "MR", ["ORIGINAL", "PRIMARY"]
        dataset.Rows, dataset.Columns, dataset.PixelSpacing, dataset.SliceThickness = 24, 32, [1, 1], 2
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 2 * number], [1, 0, 0, 0, 1, 0]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.InstanceNumber = 1, "MONOCHROME2", number
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        noise = np.random.default_rng(number).integers(0, 900, (24, 32)).astype(np.uint16)
        dataset.PixelData = noise.tobytes()
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)


def test_labels_of_studies_in_dicom(put, read, toy, tmp_path):
    for patient in (1, 2):
        series(tmp_path / f"dicom/study{patient}/axial", patient)
    put("t.csv", "study,plane,dx\nstudy1,axial,a\nstudy2,axial,b\nstudy3,axial,a\n")
    layout = {**LAYOUT, "images": "dicom", "image_column": "{study}/{plane}"}
    pictures, reasons = read(toy(layout=layout, task="3d_classification", modality="MR"))
    assert {key: (len(found), {each.labels for each in found}) for key, found in pictures.items()} == {
        "dicom/study1/axial": (4, {("alpha",)}), "dicom/study2/axial": (4, {("beta",)})
    }  # fmt: skip
    assert list(reasons) == ["dicom/study3/axial"]
