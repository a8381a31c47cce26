"""Images of rows: what counts as one, and where a path may lead."""

import base64
from pathlib import Path

import pytest
from gmai_formats.rows.images import FilePart, NamedImage, find_image, images_of, read_named
from gmai_formats.rows.rules import Problem

PNG = b"\x89PNG\r\n\x1a\n\0\xff"
PNG_URI = f"data:;base64,{base64.b64encode(PNG).decode()}"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, []),
        ("", []),
        ([], []),
        ("a.png", ["a.png"]),
        ({"bytes": None, "path": "a.png"}, ["a.png"]),
        ([{"bytes": b"x", "path": "a.png"}, "b.png"], [b"x", "b.png"]),
        (list(PNG), [PNG_URI]),
        ([number - 256 if number > 127 else number for number in PNG], [PNG_URI]),
        ([list(PNG), {"bytes": list(PNG), "path": "a.png"}, {"type": "Buffer", "data": list(PNG)}], [PNG_URI] * 3),
    ],
)
def test_images_of_a_column(value: object, found: list) -> None:
    assert images_of(value) == found


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (5, "images"),
        ([None], "images"),
        ([137, 80, 300], "images"),
        ([3, 7], "images"),
        ([[[0, 0], [9, 9]]], "images"),
        ([*PNG[:8], None], "images"),
        ({"bytes": b""}, "images"),
        ("a/../b.png", "path"),
        ("s3://a/b.png", "path"),
    ],
)
def test_what_is_no_image(value: object, rule: str) -> None:
    problem = images_of(value)
    assert isinstance(problem, Problem)
    assert problem.rule == rule


def test_a_path_is_looked_for_in_each_folder_and_nowhere_else(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir()
    first.mkdir()
    (second / "a.png").write_bytes(b"x")
    (second / "folder.png").mkdir()
    assert find_image("a.png", (first, second)) == second / "a.png"
    assert find_image(str(second / "a.png"), (first, second)) == second / "a.png"
    for name, words in (("b.png", "b.png is missing"), ("/etc/hostname", "leads out"), ("folder.png", "is no file")):
        problem = find_image(name, (first, second))
        assert isinstance(problem, Problem)
        assert words in problem.found
    with pytest.raises(FileNotFoundError, match=r"b\.png is missing: it is not in"):
        NamedImage("b.png", (first,)).read()


def test_a_uri_holds_its_image(tmp_path: Path) -> None:
    uri = "data:image/png;base64," + base64.b64encode(b"picture").decode()
    assert read_named(uri, ()) == b"picture"
    assert isinstance(read_named("data:image/png;base64,?", ()), Problem)
    (tmp_path / "a").write_bytes(b"0123456789")
    assert FilePart(tmp_path / "a", 2, 3).read() == b"234"


@pytest.mark.parametrize("size", [-1, 2**35])
def test_what_is_no_size_of_an_image_is_not_read(size: int, tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(2**36)
    with pytest.raises(OSError, match=r"more than 1,073,741,824 is none.*a\.png"):
        FilePart(tmp_path / "a.png", 0, size).read()
    assert FilePart(tmp_path / "a.png", 2**36 - 3).read() == bytes(3)
