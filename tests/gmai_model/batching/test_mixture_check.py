"""What of a mixture is there, what is missing, and how to get it."""

import json
from pathlib import Path
from typing import Any

from gmai_formats.rows.mixtures import Mixture
from gmai_model.batching.mixture import preset_text
from gmai_model.batching.mixture_check import RemoteFiles, Row, check_mixture


def check(root: Path, *entries: dict[str, Any], **options: Any) -> list[Row]:
    mixture = Mixture.model_validate({"datasets": [{"name": f"d{n}", **entry} for n, entry in enumerate(entries)]})
    return list(check_mixture(mixture, root, cache=root / "cache", **options))


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_is_there_is_ready_and_what_is_left_out_is_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"question": "Q", "answer": "A"})
    ready, skipped, no_share = check(
        tmp_path, {"path": "a.jsonl", "adapter": "question_answer"}, {"skip": True}, {"ratio": {3: 1}}, stage=1
    )
    assert (ready.state, ready.words) == ("ready", str(tmp_path / "a.jsonl"))
    assert (skipped.state, no_share.state, no_share.words) == ("left out", "left out", "its ratio is 0")
    assert not any(row.stops for row in (ready, skipped, no_share))


def test_what_is_missing_says_how_to_get_it(tmp_path: Path) -> None:
    empty, gone, bare = check(
        tmp_path,
        {"access": "on request", "note": "A form."},
        {"path": "gone.jsonl", "access": "gated", "note": "PhysioNet."},
        {},
    )
    assert (empty.state, empty.words) == ("missing", "neither `path` nor `hub`: ask its owners for it. A form.")
    assert "gone.jsonl is not there: accept its terms, or get credentials" in gone.words
    assert gone.words.endswith("PhysioNet.")
    assert bare.stops


def test_another_file_than_the_adapter_expects_is_wrong(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"question": "Q", "answer": "A"})
    write(tmp_path / "b.jsonl", {"weather": "fine"})
    other, none = check(tmp_path, {"path": "a.jsonl", "adapter": "caption"}, {"path": "b.jsonl"})
    assert "the rows are not `caption`" in other.words
    assert (none.state, "none of the first 1 rows can be read: row" in none.words) == ("wrong", True)


def test_pictures_that_are_still_packed_are_named_with_their_archive(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"image": "images/1.jpg", "caption": "A scan."})
    (tmp_path / "images_0.zip").touch()
    (row,) = check(tmp_path, {"path": "a.jsonl", "archives": "images_*.zip"})
    assert row.words.endswith(f"names images/1.jpg, which is not there; unpack {tmp_path / 'images_0.zip'}")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").touch()
    assert check(tmp_path, {"path": "a.jsonl"})[0].state == "ready"


def test_the_hub_is_asked_for_revision_file_and_access(tmp_path: Path) -> None:
    def remote(repository: str, revision: str | None) -> RemoteFiles | str:
        if repository == "o/gone":
            return "there is no such dataset any more, or it is private"
        if repository == "o/silent":
            return "no answer from the Hub (ConnectError: …)"
        return RemoteFiles("abc123", frozenset({"train.json", "data/train-0.parquet"}), repository == "o/gated")

    rows = check(
        tmp_path, {"hub": "o/a@main", "path": "train.json"}, {"hub": "o/a@abc123", "path": "data"},
        {"hub": "o/a", "path": "other.json"}, {"hub": "o/gated"}, {"hub": "o/gone"}, {"hub": "o/silent"}, remote=remote,
    )  # fmt: skip
    assert [row.state for row in rows] == [
        "on the Hub",
        "on the Hub",
        "wrong",
        "on the Hub",
        "missing",
        "not looked at",
    ]
    assert rows[0].words.endswith("pin it: o/a@abc123")
    assert "pin" not in rows[1].words
    assert rows[2].words == "o/a has no other.json; it has data/train-0.parquet, train.json"
    assert "accept its terms at huggingface.co/datasets/o/gated" in rows[3].words
    assert check(tmp_path, {"hub": "o/a"})[0].words.startswith("o/a is not downloaded, and the Hub was not asked")


def test_a_downloaded_repository_is_looked_at_like_a_folder(tmp_path: Path) -> None:
    pulled = tmp_path / "cache" / "hub" / "o--a@main"
    write(pulled / "a.jsonl", {"input": "Q", "target": "A"})
    (pulled / ".complete").touch()
    (row,) = check(tmp_path, {"hub": "o/a@main", "path": "a.jsonl", "adapter": "input_target"})
    assert row.state == "ready"


def test_table_7_has_a_word_for_each_of_its_rows(tmp_path: Path) -> None:
    (tmp_path / "mix.yaml").write_text(preset_text("table7"), encoding="utf-8")
    from gmai_formats.rows.mixtures import load_mixture

    rows = list(check_mixture(load_mixture(tmp_path / "mix.yaml")[0], tmp_path, cache=tmp_path))
    assert len(rows) == 47
    assert all(len(row.words) > 20 for row in rows)
    assert {row.state for row in rows} == {"missing", "not looked at"}
