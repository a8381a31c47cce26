"""A table of labels: its names, the folders of its pictures, the column that labels them; what is open is a TODO."""

import pytest
from gmai_data.sources.folder import Folder
from gmai_data.sources.table_guess import label_column, table_guess


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
