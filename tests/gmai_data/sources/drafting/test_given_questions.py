"""Files of questions with answers about pictures."""

import json

import pytest
from gmai_data.sources.drafting.given_questions import entries, given_questions, picture_finder
from gmai_data.sources.files.folder import Folder

ROWS = [("a.jpg", "Is it there?", "yes"), ("b", "How many?", "3")]


def written(root, name, names=("image", "question", "answer")):
    records = [dict(zip(names, row, strict=True)) for row in ROWS]
    text = {
        "q.csv": "\n".join(",".join(row) for row in [names, *ROWS]),
        "q.json": json.dumps(records),
        "q.jsonl": "\n".join(map(json.dumps, records)),
        "in.json": json.dumps({"info": "x", "data": records}),
    }[name]
    (root / name).write_text(text)
    (root / "images").mkdir()
    for picture in ("a.jpg", "b.jpg"):
        (root / "images" / picture).touch()
    return Folder(root)


@pytest.mark.parametrize("name", ["q.csv", "q.json", "q.jsonl", "in.json"])
def test_entries_of_every_kind_of_file(tmp_path, name):
    folder = written(tmp_path, name, ("image_name", "Question", "Answer"))
    (given,) = given_questions(folder)
    assert (given.image, given.question, given.answer) == ("image_name", "Question", "Answer")
    assert [(each.image, each.question, each.answer) for each in entries(given, folder)] == ROWS
    assert next(iter(entries(given, folder))).place.startswith(name)


@pytest.mark.parametrize("names", [("image", "label", "answer"), ("image", "question", "label"), ("x", "q1", "a1")])
def test_other_columns_are_no_questions(tmp_path, names):
    assert given_questions(written(tmp_path, "q.csv", names)) == []


def test_a_column_that_names_no_picture_of_the_folder(tmp_path):
    folder = written(tmp_path, "q.json")
    for picture in (tmp_path / "images").iterdir():
        picture.rename(picture.with_name(f"other-{picture.name}"))
    assert given_questions(Folder(folder.root)) == []


def test_a_name_that_two_pictures_have_finds_none(tmp_path):
    folder = written(tmp_path, "q.csv")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.jpg").touch()
    found = picture_finder(Folder(folder.root))
    assert "a.jpg" not in found
    assert found["more/a.jpg"].name == "a.jpg"
    assert found["b"].name == "b.jpg"
