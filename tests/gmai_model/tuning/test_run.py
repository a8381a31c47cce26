"""Stage 4 as a user starts it: both methods, killed and gone on with, refused."""

import json
import os
import signal
import time
import warnings

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.tuning.run import COMPLETE, find_latest
from safetensors.torch import load_file

from tests.gmai_model.tuning.conftest import make_tasks, write_tasks

pytest.importorskip("trl", reason="needs TRL: pip install 'gmai-model[rl]'")
SETTINGS = ("precision=fp32", "activation_checkpointing=false", "max_steps=4", "save_every_steps=2", "answer_tokens=4",
            "global_batch_size=2", "micro_batch_size=2", "answers_per_question=4", "learning_rate=1e-3",
            "held_out_questions=4")  # fmt: skip


def words(method, model, data, out, *more):
    flags = [f"--set={setting}" for setting in (*SETTINGS, *more)]
    return ["train", "--stage=4", f"--method={method}", f"--model={model}", f"--data={data}", f"--out={out}", *flags]


def weights(out):
    return {name: tensor for file in sorted((out / "model").glob("*.safetensors"))
            for name, tensor in load_file(file).items()}  # fmt: skip


@pytest.mark.e2e
def test_dpo_trains_adapters_and_merges_them(tuning, checkpoint, tasks, tmp_path):
    done = tuning.run(words("dpo", checkpoint, tasks, tmp_path / "run"), os.environ)
    assert done.returncode == 0, done.stderr
    assert "held-out mean reward" in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    # Before its first step the model is its own reference: the loss of a pair is ln 2.
    assert lines[0]["loss"] == pytest.approx(0.693147, abs=1e-5)
    new = weights(tmp_path / "run")
    old = load_file(checkpoint / "model.safetensors")
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed
    assert all("language_model" in name and "proj.weight" in name for name in changed)
    record = json.loads((tmp_path / "run" / "model" / "gmai.json").read_text())["stages"][-1]
    assert (record["stage"], record["lora"]["merged"]) == (4, True)
    assert record["held_out_reward"][0]["questions"] == 4
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.e2e
def test_grpo_goes_on_bit_by_bit_after_a_kill(tuning, checkpoint, tmp_path):
    # A random model says neither colour: what earns is a text without a stop, so that rewards differ.
    tasks = tmp_path / "tasks"
    rows = [{**row, "reward": "label_set", "truth": json.dumps({"labels": [], "known": list(".?,�")})}
            for row in make_tasks(16)]  # fmt: skip
    write_tasks(tasks / "a-train.parquet", rows)
    write_tasks(tasks / "a-validation.parquet", rows[:4])

    def run(out):
        return tuning.run(words("grpo", checkpoint, tasks, out, "lora_rank=0"), os.environ)

    whole = run(tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    killed = tuning.start(words("grpo", checkpoint, tasks, tmp_path / "killed", "lora_rank=0"), os.environ)
    saved = tmp_path / "killed" / "checkpoints" / "checkpoint-2" / COMPLETE
    until = time.monotonic() + 600
    while not saved.is_file() and killed.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    again = run(tmp_path / "killed")
    assert again.returncode == 0, again.stderr
    assert "resumed from step" in again.stderr
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    start = load_file(checkpoint / "model.safetensors")
    assert any(not torch.equal(one[name], start[name]) for name in one)
    assert all(torch.equal(one[name], other[name]) for name in one)
    curves = [[json.loads(line)["reward"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
              for name in ("whole", "killed")]  # fmt: skip
    assert curves[0] == curves[1]
    assert run(tmp_path / "killed").stderr.strip().endswith("nothing to do")
    other_steps = tuning.run(words("grpo", checkpoint, tasks, tmp_path / "killed", "lora_rank=0", "seed=1"), os.environ)
    assert other_steps.returncode == 2
    assert "seed was 0, is 1" in other_steps.stderr


def test_a_checkpoint_that_is_not_whole_is_passed_over(tmp_path, capsys):
    from gmai_formats.state import seal, write_state

    for step in (2, 4, 6):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights")
        if step != 6:
            write_state(folder / COMPLETE, {"files": {"model.safetensors": seal(folder / "model.safetensors")}})
    (tmp_path / "checkpoint-4" / "model.safetensors").write_bytes(b"Weights")
    assert find_latest(tmp_path).name == "checkpoint-2"
    said = capsys.readouterr().err
    assert "checkpoint-6 is passed over: it was not written to its end" in said
    assert "checkpoint-4 is passed over: the content of model.safetensors differs" in said
    assert find_latest(tmp_path / "none") is None


def test_several_processes_are_refused(checkpoint, tasks, tmp_path, monkeypatch):
    from gmai_model.tuning.config import resolve
    from gmai_model.tuning.run import tune

    for name, value in {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "::1",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings(), pytest.raises(UserError, match="in 2 processes; it runs in one"):
        tune(resolve("dpo", None, []), None, model=checkpoint, data=tasks, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
