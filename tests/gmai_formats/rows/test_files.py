import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.rows.files import columns_of, format_by_name, format_of, is_mixing_list, read_batches, read_rows
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
    ("known", "caption"),
    [(b'{"key": "1", "status": "success"}', "A cat."), (b'{"caption": "A cat.\\n"}', "A cat.\n")],
)
def test_a_caption_beside_what_is_known_of_the_image_is_read(tmp_path: Path, known: bytes, caption: str) -> None:
    """https://docs.nvidia.com/nemo/curator/latest/curate-images/load-data/webdataset.html has both files."""
    ((_, row),) = read_rows(tar(tmp_path / "a.tar", {"1.jpg": b"j", "1.json": known, "1.txt": b"A cat."}), "webdataset")
    assert row["caption"] == caption


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
        ({"1.json": b"{}", "1.jpg": b"x", "1.seg.png": b"x"}, "the member `seg.png` is not read"),
        ({"1.json": b"{}", "1.left.jpg": b"x"}, "the member `left.jpg` is not read"),
        ({"1.json": b"{}", "1.npy": b"x"}, "the member `npy` is not read"),
        ({"1.json": b"{}", "1.nii.gz": b"x"}, "the member `nii.gz` is not read"),
        ({"1.JPG": b"x", "1.jpg": b"y"}, "the sample has two members `jpg`"),
        (
            {"1.jpg": b"x", "1.txt": b"A cat.", "1.json": b'{"caption": "A dog."}'},
            "`txt` and `caption` of the json differ, and which is meant is not known",
        ),
    ],
)
def test_odd_members_are_problems(members: dict[str, bytes], found: str, tmp_path: Path) -> None:
    ((number, problem),) = read_rows(tar(tmp_path / "a.tar", members), "webdataset")
    assert (number, problem.found) == (0, found)


def test_a_sample_without_pictures_keeps_the_names_of_its_images(tmp_path: Path) -> None:
    ((_, row),) = read_rows(tar(tmp_path / "a.tar", {"1.json": b'{"image": "b.png"}', "1.cls": b"3"}), "webdataset")
    assert row["image"] == "b.png"
    assert row[".cls"].read() == b"3"  # filled, so that both commands name it


def test_a_tar_that_was_cut_says_so(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"1.json": b'{"a": 1}', "2.json": b'{"a": 2}'})
    path.write_bytes(path.read_bytes()[:1024])  # header and content of the first member
    (_, first), (number, problem) = read_rows(path, "webdataset")
    assert first["a"] == 1
    assert (number, problem) == (1, Problem("file", "the archive has no end mark: it was cut", ends=True))


def test_a_header_without_end_ends_a_tar(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"0.json": b"{}"})
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, 3 << 30
    with path.open("wb") as file:
        file.write(head.tobuf(tarfile.USTAR_FORMAT))
        file.truncate((3 << 30) + 2048)
    *_, (_, problem) = read_rows(path, "webdataset")
    assert problem.ends
    assert "it claims 3,221,225,472 bytes for itself" in problem.found


@pytest.mark.parametrize("at", [0, 1024])
@pytest.mark.parametrize("size", [-1, -512, -1024, -(2**62)])
def test_a_size_below_zero_ends_a_tar(tmp_path: Path, size: int, at: int) -> None:
    path = tar(tmp_path / "a.tar", {"1.json": b'{"a": 1}', "2.json": b'{"a": 2}'})
    content = bytearray(path.read_bytes())
    content[at + 124 : at + 136] = size.to_bytes(12, "big", signed=True)
    content[at + 148 : at + 156] = b"%06o\0 " % (
        sum(content[at : at + 148]) + 8 * 32 + sum(content[at + 156 : at + 512])
    )
    path.write_bytes(content)
    *_, (_, problem) = read_rows(path, "webdataset")
    assert isinstance(problem, Problem)
    assert problem.ends
    assert problem.found.startswith("cannot be read on (")


@pytest.mark.parametrize("member", [1, 2, 3])
@pytest.mark.parametrize("byte", [0, 100, 124, 148, 156, 257, 344])
def test_a_flipped_bit_in_a_header_does_not_end_the_archive_in_silence(tmp_path: Path, member: int, byte: int) -> None:
    path = tar(tmp_path / "a.tar", {f"{number}.json": b'{"a": 1}' for number in range(4)})
    content = bytearray(path.read_bytes())
    content[member * 1024 + byte] ^= 1
    path.write_bytes(content)
    *before, (_, problem) = read_rows(path, "webdataset")
    assert isinstance(problem, Problem), "tarfile takes such a header for the end"
    assert problem.found == f"cannot be read on (damaged header: no member begins at byte {member * 1024:,})"
    assert [value for _, value in before] == [{"a": 1}] * (member - 1)


@pytest.mark.parametrize("zeros", [0, 512, 20480, 3 << 20])
def test_an_archive_behind_an_archive_is_not_left_out_in_silence(tmp_path: Path, zeros: int) -> None:
    one = tar(tmp_path / "a.tar", {"1.json": b'{"a": 1}'}).read_bytes()
    (tmp_path / "a.tar").write_bytes(one + bytes(zeros))
    assert [value for _, value in read_rows(tmp_path / "a.tar", "webdataset")] == [{"a": 1}]
    (tmp_path / "a.tar").write_bytes(one + bytes(zeros) + one)  # cat a.tar b.tar
    *_, (_, problem) = read_rows(tmp_path / "a.tar", "webdataset")
    assert isinstance(problem, Problem)
    assert "more lies behind the archive's end at byte 1,024" in problem.found


@pytest.mark.parametrize("holes", [b"1\n0\n5\n", b"99999\n" + b"0\n1\n" * 400, b"x\n", b"-1\n"])
def test_a_member_with_holes_is_not_read_as_one_piece(tmp_path: Path, holes: bytes) -> None:
    """https://www.gnu.org/software/tar/manual/html_node/PAX-1.html: what lies there is a map, and then the pieces."""
    head = tarfile.TarInfo("1.json")
    body = holes + bytes(-len(holes) % 512) + b"{}"
    head.size = len(body)
    head.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "5"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(head, io.BytesIO(body))
    ((_, problem),) = read_rows(tmp_path / "a.tar", "webdataset")
    assert isinstance(problem, Problem)
    assert problem.found.startswith("cannot be read on (")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_in_a_tar_is_named(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("1.jpg")
        link.type, link.linkname = kind, "../secret.jpg"
        archive.addfile(link)
        text = tarfile.TarInfo("1.json")
        text.size = 2
        archive.addfile(text, io.BytesIO(b"{}"))
    (_, problem), _ = read_rows(tmp_path / "a.tar", "webdataset")
    assert isinstance(problem, Problem)
    assert problem.found == "the member '1.jpg' is a link or device, and not read"


def test_a_size_that_nothing_has_ends_a_tar(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"1.json": b'{"a": 1}', "2.json": b'{"a": 2}'})
    content = bytearray(path.read_bytes())
    # https://www.gnu.org/software/tar/manual/html_node/Standard.html: a size in base 256
    content[1024 + 124 : 1024 + 136] = b"\x80\0\0\0" + b"\x7f" + b"\xff" * 7
    content[1024 + 148 : 1024 + 156] = b" " * 8
    content[1024 + 148 : 1024 + 156] = b"%06o\0 " % sum(content[1024:1536])
    path.write_bytes(content)
    *_, (_, problem) = read_rows(path, "webdataset")
    assert problem.ends
    assert "damaged header" in problem.found


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


def test_a_text_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    head = tarfile.TarInfo("a.json")
    head.size = 2**36
    with (tmp_path / "a.tar").open("wb") as file:
        file.write(head.tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + 2**36 + 10240)
    ((_, found),) = read_rows(tmp_path / "a.tar", "webdataset")
    assert found == Problem("json", "a member of more than 256 MB")


def test_members_of_a_sample_that_lie_apart_are_not_read_as_a_sample_without_pictures(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"1.jpg": b"x", "2.jpg": b"x", "1.json": b'{"question": "Q", "answer": "A"}'})
    *_, (number, problem) = read_rows(path, "webdataset")
    assert (number, problem.found) == (2, "the sample's members do not lie next to one another in the archive")


@pytest.mark.parametrize("name", ["jpg", "0.jpg", "image.jpg", "img_2.png", "page-10.webp"])
def test_names_of_a_samples_own_pictures(name: str, tmp_path: Path) -> None:
    ((_, row),) = read_rows(tar(tmp_path / "a.tar", {f"1.{name}": b"x", "1.json": b"{}"}), "webdataset")
    assert len(row["images"]) == 1


def test_a_caption_may_stand_in_both_members(tmp_path: Path) -> None:
    members = {"1.jpg": b"x", "1.txt": b"A cat.", "1.json": b'{"caption": "A cat.", "url": "u"}'}
    ((_, row),) = read_rows(tar(tmp_path / "a.tar", members), "webdataset")
    assert (row["caption"], len(row["images"])) == ("A cat.", 1)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = text(tmp_path / "a.csv", "question,answer,answer\nQ,A,B\n")
    assert columns_of(path) == ["question", "answer", "answer"]
    ((_, problem),) = read_rows(path, "csv")
    assert problem == Problem("file", "has two columns `answer`", ends=True)
