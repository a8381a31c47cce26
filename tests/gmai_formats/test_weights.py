import os
from pathlib import Path

import numpy as np
import pytest
from gmai_formats.errors import UserError
from gmai_formats.files import write_json
from gmai_formats.state import DamagedError
from gmai_formats.weights import (
    RECORD,
    changed_settings,
    damaged,
    not_finite,
    read_record,
    refusal,
    require_as_written,
    require_checkpoint,
    sealed_files,
    seals_of,
)


class Tensor:
    """As much of a tensor as is asked for."""

    def __init__(self, *values: float) -> None:
        self._values = np.array(values, dtype=np.float32)

    def detach(self) -> "Tensor":
        return self

    def sum(self) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self._values.sum())

    def isfinite(self) -> np.ndarray:
        return np.isfinite(self._values)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_named(bad: float) -> None:
    found = not_finite([("a", Tensor(1, 2)), ("b", Tensor(1, bad)), ("c", Tensor(bad))])
    assert found.startswith("2 tensors hold values that are not finite (NaN or infinity), b first.")


def test_infinities_do_not_cancel() -> None:
    assert "1 tensors" in not_finite([("a", Tensor(float("inf"), -float("inf")))])


def test_numbers_are_numbers_even_where_their_sum_is_none() -> None:
    assert not_finite([("a", Tensor(3e38, 3e38)), ("b", Tensor())]) == ""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    for name, content in (("model.safetensors", b"weights"), ("config.json", b"{}"), ("README.md", b"A card.")):
        (tmp_path / name).write_bytes(content)
    write_json(tmp_path / RECORD, {"stages": [], **sealed_files(tmp_path)})
    return tmp_path


@pytest.mark.parametrize("content", [b"weighus", b"", b"weights.", bytes(7)])
def test_weights_that_changed_are_refused_with_the_remedy(checkpoint: Path, content: bytes) -> None:
    require_as_written(checkpoint)
    (checkpoint / "model.safetensors").write_bytes(content)
    said = refusal(checkpoint, damaged(checkpoint))
    assert "model.safetensors" in said
    assert "copy the checkpoint again" in said
    assert f"`gmai model check {checkpoint} --accept-weights`" in said
    for found in (None, damaged(checkpoint)):
        with pytest.raises(UserError) as refused:
            require_as_written(checkpoint, found)
        assert str(refused.value) == said


def test_weights_that_changed_into_no_numbers_are_refused_as_such(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, tmp_path / "model.safetensors")
    write_json(tmp_path / RECORD, sealed_files(tmp_path))
    save_file({"a": torch.tensor([1.0, float("nan")])}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="and a in it holds values that are not finite"):
        require_as_written(tmp_path)


def test_settings_that_changed_are_named_and_used(checkpoint: Path) -> None:
    assert changed_settings(checkpoint) == ""
    (checkpoint / "config.json").write_bytes(b"[]")
    require_as_written(checkpoint)
    said = changed_settings(checkpoint)
    assert "config.json differs from its digest: it is not as gmai wrote it, and used as it is" in said
    (checkpoint / "model.safetensors").write_bytes(b"other")
    assert changed_settings(checkpoint) == said


def test_settings_may_be_changed_but_an_export_notices(checkpoint: Path) -> None:
    (checkpoint / "config.json").write_bytes(b"[]")
    (checkpoint / "README.md").write_bytes(b"Another card.")
    assert damaged(checkpoint) == ""
    assert "config.json" in damaged(checkpoint, weights_only=False)
    assert set(seals_of(checkpoint)) == {"model.safetensors"}
    assert set(seals_of(checkpoint, weights_only=False)) == {"model.safetensors", "config.json"}


def test_checkpoints_of_others_have_no_seals(checkpoint: Path) -> None:
    (checkpoint / RECORD).unlink()
    assert read_record(checkpoint) == {}
    (checkpoint / "model.safetensors").write_bytes(b"other")
    assert damaged(checkpoint) == ""


@pytest.mark.parametrize(
    "content",
    [b"", b"{", bytes(40), b"[" * 10**5, b"[]", b"\xff", b'{"files": 3}', b'{"files": {"a": {}}}',
     b'{"files": {"../a": {"bytes": 0, "sha256": ""}}}', b'{"files": {"/dev/zero": {"bytes": 0, "sha256": ""}}}'],
)  # fmt: skip
def test_a_damaged_or_hostile_record_is_named(checkpoint: Path, content: bytes) -> None:
    (checkpoint / RECORD).write_bytes(content)
    with pytest.raises(DamagedError, match=r"gmai\.json is damaged"):
        read_record(checkpoint)
    assert "gmai.json is damaged" in damaged(checkpoint)
    with pytest.raises(UserError, match=r"gmai\.json is damaged: it .*Copy the checkpoint again"):
        require_as_written(checkpoint)


def test_a_pipe_in_place_of_the_weights_is_not_waited_for(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    os.mkfifo(checkpoint / "model.safetensors")
    assert damaged(checkpoint) == "model.safetensors is no file"


def test_the_checkpoint_inside_of_a_run_is_named(tmp_path):
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "config.json").write_text("{}")
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    require_checkpoint(tmp_path / "run" / "model")
    for name, said in (
        ("run", r"run: no config\.json here, but in .*run/model\. Give that folder"),
        ("empty", r"empty: no config\.json here\. A checkpoint folder has"),
        ("gone", r"gone: no such folder\. --model takes a checkpoint folder\. Correct the path"),
        ("file", r"file: a file\. --model takes"),
    ):
        with pytest.raises(UserError, match=said):
            require_checkpoint(tmp_path / name)


def test_an_adapter_without_its_base_is_named(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"an adapter without its base\. Give the checkpoint that it was merged into"):
        require_checkpoint(tmp_path)
