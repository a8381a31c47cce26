import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_bench.benchmarks.hub import HubSource, cache_folder, fetch
from gmai_cli.errors import UserError

SOURCE = HubSource("someone/set", ("data/test-*",))


def test_the_revision_of_the_first_download_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heads = iter(["a" * 40, "b" * 40])
    asked: list[dict[str, object]] = []

    def snapshot(repo_id: str, **options: object) -> str:
        asked.append({"repo_id": repo_id, **options})
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_: SimpleNamespace(sha=next(heads)))
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert fetch(SOURCE, "set") == (tmp_path, "a" * 40)
    assert f"pinned someone/set at {'a' * 40}" in capsys.readouterr().err
    assert fetch(SOURCE, "set") == (tmp_path, "a" * 40)  # the Hub has moved on, this machine has not
    due = {"repo_id": "someone/set", "repo_type": "dataset", "revision": "a" * 40, "allow_patterns": ["data/test-*"]}
    assert asked == [due, due]


def test_a_broken_list_of_pins_is_named() -> None:
    cache_folder().mkdir(parents=True)
    (cache_folder() / "hub-revisions.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"hub-revisions\.json: not readable as JSON .*Repair or remove it"):
        fetch(SOURCE, "set")
    (cache_folder() / "hub-revisions.json").write_text(json.dumps({"someone/set": "c" * 40}), encoding="utf-8")
