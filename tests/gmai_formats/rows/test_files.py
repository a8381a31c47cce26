import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.rows.files import format_by_name, format_of, is_mixing_list, read_batches, read_rows
from gmai_formats.rows.images import FilePart
from gmai_formats.rows.rules import Problem

ROW = {"question": "Q", "answer": "A"}


def text(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.json", json.dumps([ROW]), "json"),
        ("a.json", json.dumps(ROW) + "\n" + json.dumps(ROW), "jsonl"),
        ("a.json", '{"a": {"annotations": "x"}}', "mixture"),
        ("a.json", '{"a": 1}', None),
        ("a.json", "[{", "json"),
        ("a.jsonl", json.dumps(ROW), "jsonl"),
        ("a.jsonl", '{"a": 1}', None),
        ("a.csv", "question,answer\n", "csv"),
        ("a.tsv", "question\tanswer\n", "csv"),
        ("a.csv", "question\tanswer\n", None),
        ("a.tar", "", "webdataset"),
        ("a.txt", "", None),
        ("a.parquet", "broken", "parquet"),
    ],
)
def test_a_file_is_known_by_its_name_and_first_entry(name: str, content: str, form: str | None, tmp_path: Path) -> None:
    assert format_of(text(tmp_path / name, content)) == form


@pytest.mark.parametrize(
    ("name", "form"), [("a.json", "json"), ("a.jsonl", "jsonl"), ("a.tar", "webdataset"), ("a.csv", None)]
)
def test_a_file_that_was_named_is_read_by_its_name(name: str, form: str | None, tmp_path: Path) -> None:
    assert format_by_name(text(tmp_path / name, "3")) == form


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": {"annotation": "x"}, "b": {}}, True),
        ({}, False),
        ({"a": {}}, False),
        ({"a": {"annotation": 1}, "b": 2}, False),
        ([], False),
    ],
)
def test_a_mixing_list_is_known_by_its_annotations(value: Any, expected: bool) -> None:
    assert is_mixing_list(value) == expected


def test_an_empty_cell_is_a_missing_value_and_a_short_row_a_problem(tmp_path: Path) -> None:
    path = text(tmp_path / "a.csv", '\ufeffquestion,answer\nQ,\n"a,b",c\nshort\n1,2,3\n')
    due = Problem("columns", "the row has not as many cells as the header, which has 2")
    assert list(read_rows(path, "csv")) == [
        (0, {"question": "Q", "answer": None}), (1, {"question": "a,b", "answer": "c"}), (2, due), (3, due),
    ]  # fmt: skip


def test_rows_are_numbered_from_0_and_lines_from_1(tmp_path: Path) -> None:
    assert list(read_rows(text(tmp_path / "a.json", "[1, 2]"), "json")) == [(0, 1), (1, 2)]
    assert list(read_rows(text(tmp_path / "a.jsonl", "1\n\n2"), "jsonl")) == [(1, 1), (3, 2)]


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_neighbours_of_one_name_are_a_sample_with_its_pictures_in_order(tmp_path: Path) -> None:
    path = tar(
        tmp_path / "a.tar",
        {"d.x/1.10.png": b"ten", "d.x/1.2.png": b"two", "d.x/1.json": b'{"image": "gone"}', "2.jpg": b"j",
         "2.txt": b"A cat."},
    )  # fmt: skip
    (_, first), (_, second) = read_rows(path, "webdataset")
    assert [part.read() for part in first["images"]] == [b"two", b"ten"]
    assert "image" not in first
    assert second["caption"] == "A cat."
    assert isinstance(second["images"][0], FilePart)


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"1.png": b"x"}, "the sample has png, but no json"),
        ({"1.json": b"{}", "1.b.json": b"{}"}, "the sample has 2 json members"),
        ({"noname": b""}, "the member 'noname' is not KEY.SUFFIX"),
        ({"../1.json": b"{}"}, "the member '../1.json' is not KEY.SUFFIX"),
        ({"/1.json": b"{}"}, "the member '/1.json' is not KEY.SUFFIX"),
        ({"1.json": b"{}", "1.png": b"x", "1.mask.png": b"x"}, "the member `mask.png` is not read"),
        ({"1.json": b"{}", "1.MP4": b"x"}, "the member `mp4` is not read"),
    ],
)
def test_odd_members_are_problems(members: dict[str, bytes], found: str, tmp_path: Path) -> None:
    ((number, problem),) = read_rows(tar(tmp_path / "a.tar", members), "webdataset")
    assert (number, problem.found) == (0, found)


def test_a_sample_without_pictures_keeps_the_names_of_its_images(tmp_path: Path) -> None:
    ((_, row),) = read_rows(tar(tmp_path / "a.tar", {"1.json": b'{"image": "b.png"}', "1.cls": b"3"}), "webdataset")
    assert row == {"image": "b.png", ".cls": None}


def test_a_tar_that_was_cut_says_so(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"1.json": b'{"a": 1}', "2.json": b'{"a": 2}'})
    path.write_bytes(path.read_bytes()[:1024])  # header and content of the first member
    (_, first), (number, problem) = read_rows(path, "webdataset")
    assert first["a"] == 1
    assert (number, problem) == (1, Problem("file", "the archive has no end mark: it was cut", ends=True))


def test_a_table_that_cannot_be_read_ends_with_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"question": ["Q"], "answer": ["A"]}), path)
    assert list(read_rows(path, "parquet")) == [(0, ROW)]
    (batch,) = read_batches(path, "parquet")
    assert not isinstance(batch, Problem)
    path.write_bytes(path.read_bytes()[:-9])
    ((number, problem),) = read_rows(path, "parquet")
    assert (number, problem.rule, problem.ends) == (0, "file", True)
    assert problem.found.startswith("cannot be read on (")
    assert list(read_batches(path, "parquet")) == [problem]
