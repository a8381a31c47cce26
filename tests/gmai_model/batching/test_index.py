import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from gmai_formats.errors import UserError
from gmai_formats.state import read_state
from gmai_model.batching import index
from gmai_model.batching.index import index_path, is_current, seal_path, write_index


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
    import pyarrow.parquet as pq

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
