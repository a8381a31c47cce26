import contextlib
import json
from pathlib import Path
from random import Random

import pytest
from gmai_formats import files
from gmai_formats.state import (
    DamagedError,
    append_line,
    damage,
    framed,
    read_lines,
    read_state,
    rewrite_lines,
    seal,
    unframed,
    write_state,
)

VALUES = {"step": 6, "files": {"a": [1, 2.5, None]}, "name": "Schräge ☤"}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_state(tmp_path / "mark.json", VALUES)
    assert read_state(tmp_path / "mark.json") == VALUES


def test_an_absent_file_is_not_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "mark.json")


def test_values_are_compared_as_json_stores_them(tmp_path: Path) -> None:
    write_state(tmp_path / "mark.json", {"pair": (1, 2), "of": {3: Path("x")}})
    assert read_state(tmp_path / "mark.json") == {"pair": [1, 2], "of": {"3": "x"}}


@pytest.mark.parametrize("seed", range(40))
def test_every_flipped_bit_is_noticed(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "mark.json"
    write_state(path, VALUES)
    content = bytearray(path.read_bytes())
    random = Random(seed)
    place = random.randrange(len(content))
    content[place] ^= 1 << random.randrange(8)
    path.write_bytes(content)
    found = None
    with contextlib.suppress(DamagedError):
        found = read_state(path)
    assert found in (None, VALUES)  # white space between values holds nothing


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (bytes(200), "not JSON"),
        (b'{"step": 6', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "nested too deeply|not JSON"),
        (b"[]", "no digest"),
        (b'{"step": 6}', "no digest"),
        (b'{"step": 6, "sha256": "0"}', "differs from its digest"),
    ],
)
def test_damage_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "mark.json").write_bytes(content)
    with pytest.raises(DamagedError, match=reason):
        read_state(tmp_path / "mark.json")


def test_a_sealed_file_is_whole_until_it_is_altered(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(1000))
    sealed = seal(path)
    assert damage(path, sealed) == ""
    path.write_bytes(bytes(999) + b"\1")
    assert damage(path, sealed) == "the content of weights differs from its digest"
    path.write_bytes(bytes(10))
    assert damage(path, sealed) == "weights has 10 bytes instead of 1,000"
    path.unlink()
    assert damage(path, sealed) == "weights cannot be read: No such file or directory"


def test_a_digest_computed_while_writing_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert seal(tmp_path / "x", "its digest")["sha256"] == "its digest"


def test_lines_are_appended(tmp_path: Path) -> None:
    for number in range(3):
        append_line(tmp_path / "log.jsonl", {"n": number, "text": "é\n"})
    assert read_lines(tmp_path / "log.jsonl") == ([{"n": n, "text": "é\n"} for n in range(3)], 0)


def test_an_absent_file_has_no_lines(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "log.jsonl") == ([], 0)


@pytest.mark.parametrize("tail", [b'{"n": 1', bytes(40), b"\xff\xff", b'"n"', b'{"other": 2}'])
def test_a_torn_end_costs_itself_alone(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "log.jsonl"
    append_line(path, {"n": 0})
    with path.open("ab") as file:
        file.write(tail)
    append_line(path, {"n": 2})
    assert read_lines(path, needs=["n"]) == ([{"n": 0}, {"n": 2}], 1)


def test_a_line_that_is_too_long_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST_LINE_BYTES", 100)
    path = tmp_path / "lines.jsonl"
    append_line(path, {"a": 1})
    append_line(path, {"a": "b" * 1000})
    append_line(path, {"a": 2})
    assert read_lines(path) == ([{"a": 1}, {"a": 2}], 1)


def test_a_state_file_of_gigabytes_is_damaged_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with path.open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(DamagedError, match=r"is damaged: it has 8,589,934,592 bytes"):
        read_state(path)


def test_rewriting_leaves_the_good_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n": 0}\n\0\0\0\n{"n": 1}\n{"n":')
    good, damaged = read_lines(path)
    assert damaged == 2
    rewrite_lines(path, good)
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [0, 1]


@pytest.mark.parametrize("seed", range(60))
def test_a_flipped_bit_of_a_framed_line_never_gives_other_values(seed: int) -> None:
    random = Random(seed)
    line = json.dumps(VALUES, ensure_ascii=False).encode()
    whole = framed(line)
    assert unframed(whole) == line
    assert json.loads(whole).items() > VALUES.items()  # any program reads it
    content = bytearray(whole[:-1])
    place = random.randrange(len(content))
    content[place] ^= 1 << random.randrange(8)
    found: dict[str, object] = {}
    with contextlib.suppress(ValueError):
        found = json.loads(unframed(bytes(content)) or b"")
    assert not found or found.items() >= VALUES.items()


@pytest.mark.parametrize("end", [1, 5, 12, 19, 30])
def test_a_torn_line_is_damaged(end: int) -> None:
    torn = unframed(framed(b'{"a": 1, "b": "some text that is longer"}')[:-end]) or b""
    try:
        json.loads(torn)
    except ValueError:
        assert end > 1
    else:
        assert end == 1


def test_a_line_of_an_earlier_version_has_no_check() -> None:
    assert unframed(b'{"a": 1}\n') == b'{"a": 1}'
