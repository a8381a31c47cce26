"""Pushing results: `tests/servers/hub.py` answers the real client, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.run import Settings, score_file
from gmai_bench.tools.push import BEGIN, END, push
from gmai_formats.errors import UserError
from gmai_formats.state import read_state, write_state

README = "---\nlicense: apache-2.0\n---\n# Tiny\n\nA model.\n"
SHA = "a" * 40
OWNER, READER = "hf_owner00000000", "hf_reader0000000"
Push = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def result(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> Path:
    file = inputs.write_predictions(tmp_path / "a.jsonl", {r["id"]: "CT" for r in inputs.held_out_rows()})
    score_file(file, [DeclaredBenchmark(held_out)], tmp_path / "out", Settings(), model="m")
    card = tmp_path / "out/held_out/option-text/benchmark.json"
    kept = read_state(card)
    kept["card"] |= {"hub": "someone/held-out", "source": f"someone/held-out@{SHA[:12]}", "revision": SHA}
    write_state(card, kept)
    return tmp_path / "out"


@pytest.fixture
def gmai_push(hub_server: Any, result: Path, tmp_path: Path) -> Push:
    def run(*words: str, token: str | None = OWNER, to: str = "me/tiny") -> "subprocess.CompletedProcess[str]":
        environment = {name: text for name, text in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        environment |= hub_server.environment(tmp_path / "hf", token=token)
        command = [str(Path(sys.executable).with_name("gmai")), "bench", "push", str(result), to, *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        for secret in (OWNER, READER, "hf_unknown000000"):
            assert secret not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def test_results_reach_the_repository_in_one_commit(gmai_push: Push, hub_server: Any) -> None:
    repository = hub_server.create("model", "me/tiny", {"README.md": README.encode()})
    before = len(repository.commits)
    done = gmai_push()
    assert done.returncode == 0, done.stderr
    assert "me/tiny: wrote .eval_results/gmai-bench.yaml" in done.stdout
    (entry,) = yaml.safe_load(repository.files[".eval_results/gmai-bench.yaml"])
    assert entry["dataset"] == {"id": "someone/held-out", "task_id": "option-text", "revision": SHA}
    assert entry["value"] == 33.33
    assert (
        "protocol held_out/option-text v1, n = 12, micro accuracy in percent, 95 % interval 13.8–60.9 %"
        in entry["notes"]
    )
    readme = repository.files["README.md"].decode()
    assert readme.startswith(README)
    assert "| `held_out/option-text` v1 | 12 | 33.3 % | 13.8–60.9 % |" in readme
    assert [commit.title for commit in repository.commits[before:]] == ["Add evaluation results: held_out/option-text"]
    assert gmai_push().returncode == 0
    readme = repository.files["README.md"].decode()
    assert (readme.count(BEGIN), readme.count(END)) == (1, 1)


def test_a_dry_run_asks_the_hub_for_nothing(gmai_push: Push, hub_server: Any) -> None:
    done = gmai_push("--dry-run")
    assert done.returncode == 0, done.stderr
    assert "--- .eval_results/gmai-bench.yaml" in done.stdout
    assert "| `held_out/option-text` v1 | 12 | 33.3 % |" in done.stdout
    assert hub_server.requests == []


def test_a_busy_hub_is_waited_for(gmai_push: Push, hub_server: Any) -> None:
    repository = hub_server.create("model", "me/tiny", {"README.md": README.encode()})
    hub_server.fault("POST", "*/commit/main", 429, headers={"Retry-After": "1"})
    done = gmai_push()
    assert done.returncode == 0, done.stderr
    assert "the Hub answered 429; trying again in 1 s" in done.stderr
    assert BEGIN in repository.files["README.md"].decode()


@pytest.mark.parametrize(
    ("token", "to", "message"),
    [
        (None, "me/tiny", "needs a token and there is none"),
        ("hf_unknown000000", "me/tiny", "the Hub does not accept the token"),
        (READER, "me/tiny", "the token may not do this with model me/tiny"),
        (OWNER, "me/none", "the Hub knows no model me/none"),
    ],
)
def test_a_refusal_is_one_line_with_the_remedy(
    gmai_push: Push, hub_server: Any, token: str | None, to: str, message: str
) -> None:
    hub_server.create("model", "me/tiny", {"README.md": README.encode()}, private=token is None)
    refused = gmai_push(token=token, to=to)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_partial_results_are_not_published(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> None:
    file = inputs.write_predictions(tmp_path / "a.jsonl", {"q0-0": "CT"})
    score_file(file, [DeclaredBenchmark(held_out)], tmp_path / "out", Settings(limit=1), model="m")
    with pytest.raises(UserError, match=r"held_out/option-text is partial.*Only whole results are published"):
        push(tmp_path / "out", "me/tiny", dry_run=True)
