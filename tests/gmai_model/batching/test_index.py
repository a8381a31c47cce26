import base64
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.errors import UserError
from gmai_formats.rows.files import read_rows
from gmai_formats.rows.images import read_named
from gmai_formats.rows.rules import Problem
from gmai_formats.rows.sample import read_row
from gmai_formats.state import read_state
from gmai_model.batching import index
from gmai_model.batching.images import ParquetImages
from gmai_model.batching.index import index_path, is_current, seal_path, write_index
from gmai_model.batching.samples import SampleTable
from gmai_model.batching.sources import SourceFiles
from PIL import Image


def row(name: str, question: str = "Q", answer: str = "A", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": name, "messages": messages, **more}


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


def test_an_index_is_named_by_content_and_version(tmp_path: Path) -> None:
    assert index_path(tmp_path, "d1") == tmp_path / f"index/d1-v{index.VERSION}.arrow"
    assert seal_path(index_path(tmp_path, "d1")) == tmp_path / f"index/d1-v{index.VERSION}.json"


@pytest.mark.parametrize(("count", "batches"), [(1, [1]), (2, [2]), (5, [2, 2, 1])])
def test_every_batch_but_the_last_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, batches: list[int]
) -> None:
    monkeypatch.setattr(index, "ROWS_PER_BATCH", 2)
    write_index(lines(tmp_path / "a.jsonl", *(row(str(i)) for i in range(count))), "d", tmp_path / "x.arrow")
    reader = pa.ipc.open_file(pa.memory_map(str(tmp_path / "x.arrow")))
    assert [len(reader.get_batch(number)) for number in range(reader.num_record_batches)] == batches


def test_an_image_that_was_missing_makes_the_index_old_when_it_comes(tmp_path: Path) -> None:
    boxes = {"images": ["a.png"], "objects": {"ref": [], "bbox": [[1, 1, 2, 2]]}}
    file = lines(tmp_path / "a.jsonl", row("1", "<image>Where?", "<bbox>", **boxes), row("2", image="b.png"))
    to = tmp_path / "cache/x.arrow"
    assert not is_current(to, (tmp_path,))
    write_index(file, "d", to, (tmp_path,))
    assert read_state(seal_path(to))["missing"] == ["a.png"]
    assert is_current(to, (tmp_path,))
    (tmp_path / "b.png").touch()
    assert is_current(to, (tmp_path,))
    (tmp_path / "a.png").touch()
    assert not is_current(to, (tmp_path,))
    lines(file, row("1"))
    write_index(file, "d", to, (tmp_path,))
    assert read_state(seal_path(to))["missing"] == []
    assert is_current(to, (tmp_path,))


def test_a_file_of_something_else_is_refused_with_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "a.parquet")
    with pytest.raises(
        UserError, match=r"dataset d: .*a\.parquet holds no samples: its columns are `a`, `b`\. Samples have"
    ):
        write_index(tmp_path / "a.parquet", "d", tmp_path / "x.arrow")
    assert not (tmp_path / "x.arrow").exists()


def test_a_file_that_is_not_whole_leaves_no_index(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(f"[{json.dumps(row('1'))}, {{")
    with pytest.raises(
        UserError, match=r"dataset d: .*a\.json row 1: .*Nothing after it can be read\. Build or download"
    ):
        write_index(tmp_path / "a.json", "d", tmp_path / "x.arrow")
    assert not (tmp_path / "x.arrow").exists()


@pytest.mark.parametrize("damage", ["cut", "zeroed", "one bit"])
@pytest.mark.parametrize("of", ["index", "its seal"])
def test_a_damaged_index_is_said_and_written_again(
    tmp_path: Path, of: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    to = index_path(tmp_path, "d1")
    file = lines(tmp_path / "a.jsonl", row("a"), row("b"))
    write_index(file, "d", to)
    whole = to.read_bytes()
    damaged = to if of == "index" else seal_path(to)
    content = damaged.read_bytes()
    turned = content[:-20] + bytes([content[-20] ^ 4]) + content[-19:]
    damaged.write_bytes({"cut": content[:-1], "zeroed": bytes(len(content)), "one bit": turned}[damage])
    assert not is_current(to, ())
    assert "the samples are indexed again" in capsys.readouterr().err
    write_index(file, "d", to)
    assert is_current(to, ())
    assert to.read_bytes() == whole


def _encoded(colour: int) -> bytes:
    content = io.BytesIO()
    Image.new("L", (5, 4), colour).save(content, "PNG")
    return content.getvalue()


P, Q = _encoded(9), _encoded(200)
HELD = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
IMAGE_COLUMNS = {
    "binary": pa.array([P, Q]),
    "large": pa.array([P, None], pa.large_binary()),
    "view": pa.array([P, Q], pa.binary_view()),
    "of one size": pa.array([P, P], pa.binary(len(P))),
    "dictionary": pa.array([P, P]).dictionary_encode(),
    "numbers": pa.array([list(P), list(Q)], pa.list_(pa.uint8())),
    "wide numbers": pa.array([list(P), []], pa.list_(pa.int64())),
    "signed numbers": pa.array([[n - 256 if n > 127 else n for n in P], None], pa.list_(pa.int8())),
    "other numbers": pa.array([[3, 7], list(Q)], pa.list_(pa.int64())),
    "lists of numbers": pa.array([[list(P)], [list(Q), list(P)]], pa.list_(pa.list_(pa.uint8()))),
    "pixels": pa.array([[[[0, 0, 0]]], [[[255, 1, 2]]]], pa.list_(pa.list_(pa.list_(pa.uint8())))),
    "grey pixels": pa.array([[[0, 0], [1, 1]], [[255, 1], [2, 3]]], pa.list_(pa.list_(pa.uint8()))),
    "object": pa.array([{"bytes": P, "path": None}, {"bytes": None, "path": "b.png"}], HELD),
    "object of numbers": pa.array(
        [{"bytes": list(P), "path": "a.png"}, {"bytes": None, "path": "b.png"}],
        pa.struct([("bytes", pa.list_(pa.uint8())), ("path", pa.string())]),
    ),
    "object of another key": pa.array([{"data": P}, {"data": Q}]),
    "object of a key that says nothing": pa.array([{"scan": P}, {"scan": Q}]),
    "size beside": pa.array([{"bytes": P, "height": 4}, {"bytes": Q, "height": 4}]),
    "list": pa.array([[P], [Q, P]]),
    "list with null": pa.array([[P], [Q, None]]),
    "list of objects": pa.array([[{"bytes": P, "path": "x"}], None], pa.list_(HELD)),
    "base64": pa.array([base64.b64encode(P).decode(), None]),
    "paths": pa.array(["b.png", "../b.png"]).dictionary_encode(),
    "map": pa.array([[("bytes", P)], None], pa.map_(pa.string(), pa.binary())),
    "whole numbers": pa.array([1, None]),
    "nothing": pa.nulls(2),
}  # fmt: skip


@pytest.mark.parametrize("kind", IMAGE_COLUMNS)
@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_images_of_every_type_of_column_are_those_that_validate_finds(
    tmp_path: Path, kind: str, compression: str
) -> None:
    """`gmai data validate` reads rows one by one, training reads columns; both say the same, or refuse alike."""
    file, folders = tmp_path / "a.parquet", (tmp_path,)
    (tmp_path / "b.png").write_bytes(Q)
    pq.write_table(
        pa.table({"image": IMAGE_COLUMNS[kind], "question": ["Q", "R"], "answer": ["A", "B"]}), file,
        compression=compression,
    )  # fmt: skip
    verdicts = [read_row(value, folders) for _, value in read_rows(file, "parquet")]
    path = index_path(tmp_path / "cache", "d")
    path.parent.mkdir(parents=True)
    write_index(file, "d", path, folders)
    ParquetImages(tmp_path / "cache", "d", file).write()
    table = SampleTable(SourceFiles("d", (file,), folders), ["d"], tmp_path / "cache")
    for sample, verdict in zip((table[0], table[1]), verdicts, strict=True):
        if isinstance(verdict, Problem):
            assert sample.problem == f"{verdict.rule}: {verdict.found}"
            continue
        assert sample.problem is None
        assert sample.messages == verdict.messages
        contents = [image if isinstance(image, bytes) else read_named(str(image), folders) for image in verdict.images]
        assert [image.read() for image in sample.images] == contents
