"""Checkpoints on one rank: whole or passed over, and nothing in them is ever run."""

import json
import os
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
import torch.distributed as dist
from gmai_formats.errors import UserError
from gmai_formats.state import seal, write_state
from gmai_model.training import checkpoints, master_state
from gmai_model.training.place import Place


@pytest.fixture(autouse=True)
def one_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    monkeypatch.setattr(master_state, "tensors", lambda engine: engine)
    yield
    dist.destroy_process_group()


def save(root: Path, step: int, **more: Any) -> Path:
    values = {"w@0:fp32": torch.full((1000,), float(step))}
    checkpoints.save(values, root, place=Place(step, 1, [(step, 0.5)]), **{"keep": 9, "samples": "s", **more})
    return root / f"step-{step:08d}"


def test_the_newest_whole_one_is_found(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        save(tmp_path, step)
    found = checkpoints.find_latest(tmp_path)
    assert found is not None
    assert found.place == Place(6, 1, [(6, 0.5)])
    assert (found.world, list(found.files)) == (1, ["rank-00000.safetensors"])


def test_a_checkpoint_goes_on_with_the_samples_it_was_trained_on(tmp_path: Path) -> None:
    save(tmp_path, 2)
    found = checkpoints.find_latest(tmp_path)
    assert found is not None
    checkpoints.require_same_samples(found, "s")
    with pytest.raises(
        UserError, match=r"step-00000002 was trained on other samples than these.*plan, choose another --out"
    ):
        checkpoints.require_same_samples(found, "t")
    checkpoints.require_same_samples(replace(found, samples=""), "t")  # an earlier version did not say


def test_without_any_there_is_none(tmp_path: Path) -> None:
    assert checkpoints.find_latest(tmp_path / "none") is None


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_is_named_and_passed_over(tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, 2)
    newest = save(tmp_path, 4)
    random = Random(seed)
    file = newest / random.choice(["rank-00000.safetensors", "rank-00000.safetensors", "complete.json"])
    content = bytearray(file.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    file.write_bytes(content)
    found = checkpoints.find_latest(tmp_path)
    assert found is not None
    if found.place.steps == 4:  # white space of the marker
        assert file.name == "complete.json"
        return
    said = capsys.readouterr().err
    assert f"checkpoint {newest} is" in said
    assert "passed over" in said


@pytest.mark.parametrize("name", ["rank-00000.safetensors", "complete.json"])
@pytest.mark.parametrize("damage", ["empty", "half", "NULs", "gone"])
def test_whatever_a_power_cut_leaves_is_passed_over(tmp_path: Path, name: str, damage: str) -> None:
    save(tmp_path, 2)
    file = save(tmp_path, 4) / name
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes({"empty": b"", "half": content[: len(content) // 2], "NULs": bytes(len(content))}[damage])
    found = checkpoints.find_latest(tmp_path)
    assert found is not None
    assert found.place.steps == 2


def test_where_none_is_whole_there_is_none(tmp_path: Path) -> None:
    (save(tmp_path, 2) / "rank-00000.safetensors").write_bytes(b"")
    assert checkpoints.find_latest(tmp_path) is None


def test_half_written_folders_are_removed(tmp_path: Path) -> None:
    save(tmp_path, 2)
    shutil.copytree(tmp_path / "step-00000002", tmp_path / ".step-00000004.building")
    assert checkpoints.find_latest(tmp_path) is not None
    assert [path.name for path in tmp_path.glob(".step*")] == []


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.open, (str(self.path), os.O_CREAT | os.O_WRONLY)


def test_a_pickle_under_a_fitting_digest_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever may write the folder can adapt the marker, too; the file is still no safetensors."""
    folder = save(tmp_path, 4)
    file = folder / "rank-00000.safetensors"
    file.write_bytes(pickle.dumps(Touch(tmp_path / "it-ran")))
    marker = json.loads((folder / "complete.json").read_text())
    marker.pop("sha256")
    write_state(folder / "complete.json", {**marker, "files": {file.name: seal(file)}})
    assert checkpoints.find_latest(tmp_path) is None
    assert "rank-00000.safetensors is no safetensors file" in capsys.readouterr().err
    assert not (tmp_path / "it-ran").exists()


def test_checkpoints_of_another_format_are_not_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that DeepSpeed wrote itself are pickles; their marker has no digest."""
    old = tmp_path / "step-00000004"
    (old / "state").mkdir(parents=True)
    (old / "state" / "mp_rank_00_model_states.pt").write_bytes(pickle.dumps(Touch(tmp_path / "it-ran")))
    (old / "complete.json").write_text(json.dumps({"step": 4, "unreadable": 0, "world": 1, "files": {}}))
    assert checkpoints.find_latest(tmp_path) is None
    assert not (tmp_path / "it-ran").exists()
    assert "passed over" in capsys.readouterr().err


def test_the_newest_stay_and_the_best_one(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8):
        save(tmp_path, step, keep=2, keep_step=4)
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-00000004", "step-00000006", "step-00000008"]


def test_weights_that_are_no_numbers_are_never_saved(tmp_path: Path) -> None:
    save(tmp_path, 2)
    with pytest.raises(UserError, match=r"step 4: w@0:fp32 holds a value that is not finite on rank 0.*step-00000002"):
        checkpoints.save({"w@0:fp32": torch.tensor([1.0, float("nan")])}, tmp_path, place=Place(4), samples="", keep=2)
    assert sorted(path.name for path in tmp_path.iterdir() if "step" in path.name) == ["step-00000002"]


def test_a_checkpoint_that_cannot_be_written_says_how_much_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_tensors", full)
    with pytest.raises(UserError, match=r"could not write the checkpoint in .*No space left.* GiB free there\)"):
        save(tmp_path, 2)


def test_the_best_checkpoint_must_be_whole(tmp_path: Path) -> None:
    folder = save(tmp_path, 4)
    assert checkpoints.find_step(tmp_path, 4).place.steps == 4
    (folder / "rank-00000.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"step-00000004, the best one, cannot be read"):
        checkpoints.find_step(tmp_path, 4)
    with pytest.raises(UserError, match="it is not there"):
        checkpoints.find_step(tmp_path, 2)
