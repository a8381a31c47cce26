import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gmai_formats.errors import UserError
from gmai_formats.rows.rules import PLACED
from gmai_model.batching import index
from gmai_model.batching.index import index_path, write_index
from gmai_model.batching.samples import SampleSource, SampleTable
from gmai_model.batching.sources import SourceFiles


def row(name: str | None, question: str = "Q", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": "A"}]
    return {**({"id": name} if name else {}), "messages": messages, **more}


def table_of(folder: Path, *files: list[dict[str, Any]], name: str = "d") -> SampleTable:
    paths: list[Path] = []
    digests: list[str] = []
    for number, rows in enumerate(files):
        path = folder / f"{name}-{number}.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
        digests.append(f"{name}{number}")
        paths.append(path)
        write_index(path, name, index_path(folder / "cache", digests[-1]), (folder,))
    return SampleTable(SourceFiles(name, tuple(paths), (folder,)), digests, folder / "cache")


def test_rows_are_numbered_over_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "ROWS_PER_BATCH", 2)
    monkeypatch.setattr("gmai_model.batching.samples.ROWS_PER_BATCH", 2)
    table = table_of(tmp_path, [row("0"), row("1"), row("2")], [], [row("3"), row(None)])
    assert len(table) == 5
    assert [table[number].id for number in range(5)] == ["0", "1", "2", "3", "d-2.jsonl#1"]
    assert [table.place(number) for number in (0, 2, 3, 4)] == [(0, 0), (0, 2), (2, 0), (2, 1)]
    assert list(table.ids) == ["0", "1", "2", "3", "d-2.jsonl#1"]
    assert (len(table.ids), "2" in table.ids, "9" in table.ids) == (5, True, False)


def test_rows_read_together_are_those_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "ROWS_PER_BATCH", 2)
    monkeypatch.setattr("gmai_model.batching.samples.ROWS_PER_BATCH", 2)
    table = table_of(tmp_path, [row(f"a{n}") for n in range(5)], [row(f"b{n}") for n in range(4)])
    for chosen in ([], [0], [1, 2, 4, 5, 8], list(range(9))):
        assert table.read(np.array(chosen, dtype=np.int64)) == [table[n] for n in chosen]


def test_a_row_that_cannot_be_used_says_why_and_notes_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    unlearned = row("u")
    unlearned["messages"] += [{"role": "user", "content": "R"}, {"role": "assistant", "content": "B", "loss": False}]
    table = table_of(tmp_path, [row("0", image="a.png"), row("1", " "), unlearned])
    assert table[0].images[0].read() == b"picture"
    assert table[0].messages[0]["content"] == "<image>\nQ"
    assert (table[1].problem, table[1].messages) == ("messages: message 1 is empty", [])
    assert (table[2].problem, table[2].unlearned) == (None, (3,))
    assert table.notes == {PLACED: 1}
    assert table.unread == []


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    table = table_of(tmp_path, [{**row("0"), "rationale": "because"}, {**row("1"), "rationale": None, "score": 1}])
    assert table.unread == ["rationale", "score"]


def test_an_index_that_is_not_there_asks_for_a_shared_cache(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not there, though a process of this run wrote it.*Set GMAI_CACHE to one"):
        SampleTable(SourceFiles("d", (tmp_path / "a.jsonl",), ()), ["gone"], tmp_path)


def test_a_source_draws_from_its_tables(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    first = table_of(tmp_path, [row("0", image="a.png"), row("1", image="gone.png")])
    second = table_of(tmp_path, [row("2"), row("3", image="data:image/png;base64,eA==")], name="e")
    source = SampleSource([first, second], np.array([1, 0, 0, 1]), np.array([0, 1, 0, 1]))
    assert [source[number].id for number in range(len(source))] == ["2", "1", "0", "3"]
    assert source.origin(3) == (tmp_path / "e-0.jsonl", 1)
    looked_at, missing = source.missing_images(4)
    assert (looked_at, len(missing)) == (2, 1)
    assert "gone.png" in missing[0]
    assert SampleSource([], np.array([]), np.array([])).missing_images(5) == (0, [])


def test_an_image_file_is_known_again_by_its_size_and_beginning(tmp_path: Path) -> None:
    table = table_of(tmp_path, [row("0", image="a.png"), row("1", image="gone.png"), row("2", image="b.png")])
    source = SampleSource([table], np.zeros(3, int), np.arange(3))

    def marks(a: bytes) -> dict[str, int]:
        (tmp_path / "a.png").write_bytes(a)
        return source.image_marks(9)

    (tmp_path / "b.png").touch()
    first = marks(b"picture")
    assert first["gone.png"] == 0
    assert first["a.png"] != 0 != first["b.png"]
    assert marks(b"picture") == first
    assert len({marks(content)["a.png"] for content in (b"picture", b"pictury", b"", bytes(5000), bytes(5001))}) == 5
