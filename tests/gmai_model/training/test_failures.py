"""What goes wrong in a long run: each ends with a message, and the same command goes on."""

import json
import resource
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from .conftest import Train
from .test_run import digests, metrics

pytestmark = pytest.mark.e2e


def test_a_loss_that_is_no_number_names_the_samples_and_is_never_saved(
    train: Train, checkpoint: Path, tmp_path: Path
) -> None:
    result = train(1, checkpoint, tmp_path / "run", learning_rate=1e30, save_every_steps=1, loader_workers=0)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    found = json.loads((tmp_path / "run" / "not_finite.json").read_text())
    assert f"step {found['step']}: the loss is" in result.stderr
    assert found["samples"]
    assert all(name.startswith("2d#cls#other#shapes#") for name in found["samples"])
    for state in (tmp_path / "run" / "checkpoints").glob("step-*/*.safetensors"):
        assert all(bool(torch.isfinite(value).all()) for value in load_file(state).values())
    assert not (tmp_path / "run" / "model").exists()


def test_a_full_disk_is_said_and_the_same_command_goes_on(
    train: Train, checkpoint: Path, stage1: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands in for the full disk; the projector's states are larger."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, 250_000))

    full = subprocess.run(
        # A data worker's shared memory is a file, too.
        train.command(1, checkpoint, tmp_path / "run", loader_workers=0), capture_output=True, text=True,
        env=train.environment, preexec_fn=limit, timeout=600,
    )  # fmt: skip
    assert full.returncode == 2, full.stderr
    assert "step 2: rank 0 could not write the checkpoint" in full.stderr
    assert "GiB free there" in full.stderr
    assert "Traceback" not in full.stderr
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []
    again = train(1, checkpoint, tmp_path / "run")
    assert again.returncode == 0, again.stderr
    assert digests(tmp_path / "run" / "model") == digests(stage1 / "model")


def test_unreadable_images_are_named_counted_and_bounded(
    train: Train, broken_second_image: Path, checkpoint: Path, tmp_path: Path
) -> None:
    train = train.on(broken_second_image)
    result = train(1, checkpoint, tmp_path / "run", max_bad_fraction=0.1, epochs=1)
    assert result.returncode == 2
    assert "1 of 3 samples have an image that is missing or broken, more than --max-bad-fraction 0.1" in result.stderr
    assert result.stderr.count("unreadable image, sample left out: 2d#cls#other#shapes#") == 1
    # How many are allowed may change when a run goes on.
    allowed = train(1, checkpoint, tmp_path / "run", max_bad_fraction=0.5, epochs=1)
    assert allowed.returncode == 0, allowed.stderr
    assert [line["unreadable"] for line in metrics(tmp_path / "run") if "loss" in line] == [1]
    history = json.loads((tmp_path / "run" / "model" / "gmai.json").read_text())["stages"][-1]
    assert history["unreadable"] == 1


def test_a_rank_that_stands_still_is_named_and_the_run_goes_on_with_another_number(
    train: Train, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    first, second = train.ranks(1, checkpoint, out, 2, stall_timeout_s=6, save_every_steps=1, epochs=60)
    train.wait_for_steps(out, 2, first)
    second.send_signal(signal.SIGSTOP)
    _, said = first.communicate(timeout=600)
    second.kill()
    second.communicate()
    assert first.returncode == 75, said
    assert "the run has stood still for" in said
    assert "rank 1 on" in said
    assert "(no sign of life)" in said
    assert not (out / "run.lock").exists()
    saved = max(int(folder.name.removeprefix("step-")) for folder in (out / "checkpoints").glob("step-*"))
    alone = train.start(1, checkpoint, out, epochs=60, save_every_steps=1)
    train.wait_for_steps(out, saved + 2, alone)
    alone.send_signal(signal.SIGUSR1)
    _, said = alone.communicate(timeout=600)
    assert alone.returncode == 75
    assert f"resumed from step-{saved:08d}" in said
    sessions = [json.loads(line) for line in (out / "sessions.jsonl").read_text().splitlines()]
    assert [session["processes"] for session in sessions] == [2, 1]


def test_a_rank_that_dies_ends_the_others_with_a_message(train: Train, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first, second = train.ranks(1, checkpoint, out, 2, epochs=60)
    train.wait_for_steps(out, 1, first)
    second.kill()
    second.communicate()
    _, said = first.communicate(timeout=600)
    assert first.returncode == 2, said
    assert "another rank is gone" in said
    assert "Traceback" not in said
