"""What is looked at before the model is loaded, with the figures of machines that are not there."""

from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.training import estimate, preflight
from gmai_model.training.config import resolve
from gmai_model.training.inputs import Inputs
from gmai_model.training.preflight import AHEAD, Need, check_versions, disk_problem, loader_room, memory_problem

GIB, MIB = 2**30, 2**20
SETTINGS = ["precision=fp32", "pack_tokens=512", "global_batch_size=2", "micro_batch_size=1"]


@pytest.mark.parametrize(
    ("name", "version", "least"),
    [("torch", "2.11.0+cu130", "2.12"), ("deepspeed", "0.17.6", "0.18"), ("torch", "1.13", "2.12")],
)
def test_a_library_below_its_bound_is_refused(name: str, version: str, least: str) -> None:
    with pytest.raises(UserError, match=rf"{name} {version.replace('+', '.')} is installed; training needs {least}"):
        check_versions({name: version})


@pytest.mark.parametrize("version", ["2.12", "2.12.0", "2.15.1+cu132", "3.0.0.dev1"])
def test_a_newer_library_is_taken(version: str) -> None:
    check_versions({"torch": version})


def test_what_is_installed_is_new_enough() -> None:
    check_versions()


@pytest.mark.parametrize(
    ("workers", "free_mib", "local", "expected"),
    [
        (2, 8192, 1, (2, AHEAD)),
        (2, 500, 1, (2, AHEAD)),
        (2, 400, 1, (2, 2)),
        (2, 64, 1, (0, AHEAD)),  # Docker's default
        (2, 150, 1, (1, 1)),
        (2, 8192, 8, (2, AHEAD)),
        (8, 1024, 1, (8, 1)),
        (2, 1, 1, (0, AHEAD)),
        (0, 8192, 1, (0, AHEAD)),
        (2, float("inf"), 8, (2, AHEAD)),
    ],
)
def test_workers_and_rows_ahead_by_the_room_in_shared_memory(
    workers: int, free_mib: float, local: int, expected: tuple[int, int]
) -> None:
    assert loader_room(workers, 38 * MIB, free_mib * MIB, local=local) == expected


def need(**more: float) -> Need:
    return Need(
        **{"row": 1.0, "states": 10 * GIB, "activations": 5 * GIB, "checkpoint": 3 * GIB, "model": 2 * GIB, **more}
    )


def test_states_that_exceed_the_memory_are_refused() -> None:
    found = memory_problem(need(), resolve(1, None, []), 9 * GIB, local=1)
    assert found.startswith(
        "weights, gradients and optimiser states take 10.0 GiB here, and 9.0 GiB are free. More proc"
    )
    assert memory_problem(need(), resolve(1, None, []), 19 * GIB, local=2) != ""


def test_an_estimate_that_exceeds_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert memory_problem(need(), resolve(1, None, []), 12 * GIB, local=1) == ""
    assert (
        "the estimate of 15.0 GiB exceeds the 12.0 GiB that are free: with micro_batch_size 8"
        in capsys.readouterr().err
    )
    assert memory_problem(need(), resolve(1, None, []), 16 * GIB, local=1) == ""
    assert capsys.readouterr().err == ""


def test_the_disk_must_hold_what_is_kept_what_is_written_and_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 10 * GIB

    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: Usage)
    found = disk_problem(need(), tmp_path, keep=2)
    assert "3 checkpoints of 3.00 GiB and the model of 2.00 GiB need 11.00 GiB more, and 10.00 GiB are free" in found
    assert disk_problem(need(), tmp_path, keep=1) == ""


def test_checkpoints_that_are_there_need_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 900

    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: Usage)
    small = need(checkpoint=300, model=200)
    assert "need 0.00 GiB more" in disk_problem(small, tmp_path, keep=2)
    (tmp_path / "checkpoints" / "step-00000002").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-00000002" / "rank-00000.safetensors").write_bytes(bytes(300))
    assert disk_problem(small, tmp_path, keep=2) == ""


def inputs(model: Path, data: Path, out: Path) -> Inputs:
    return Inputs(resolve(1, None, SETTINGS).samples, model=model, data=data, out=out, is_main=False)


def test_readable_images_are_no_problem(checkpoint: Path, samples: Path, tmp_path: Path) -> None:
    made = inputs(checkpoint, samples, tmp_path / "run")
    assert preflight.image_problem(made) == ""
    shapes = estimate.load_on_meta(checkpoint)
    found = preflight.needs(resolve(1, None, SETTINGS), made, shapes, checkpoint, world=1)
    assert found.checkpoint == 12 * 33_024
    assert found.row == 8 * 3 * 112**2 + 3 * 8 * 512
    assert found.model == sum(file.stat().st_size for file in checkpoint.glob("*.safetensors"))


def test_one_broken_image_of_several_is_for_the_run_to_count(
    checkpoint: Path, broken_second_image: Path, tmp_path: Path
) -> None:
    assert preflight.image_problem(inputs(checkpoint, broken_second_image, tmp_path / "run")) == ""


def test_a_source_without_a_readable_image_is_named(checkpoint: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    row = '{"id": "%d", "image": "gone/%d.png", "conversations": [{"from": "human", "value": "<image>\\nWhat?"}, '
    row += '{"from": "gpt", "value": "A cyst."}]}'
    (data / "train.jsonl").write_text("".join(row % (n, n) + "\n" for n in range(5)))
    found = preflight.image_problem(inputs(checkpoint, data, tmp_path / "run"))
    assert "none of the 3 images tried can be read, the first one being of" in found
    assert "train.jsonl row 0: FileNotFoundError" in found


@pytest.mark.parametrize(("settings", "asking"), [
    (["export=best"], "export=best goes by the validation loss"),
    (["patience=1", "validate_every_steps=1"], "patience goes by the validation loss"),
    (["export=best", "patience=1", "validate_every_steps=1"], "export=best and patience go by the validation loss"),
    (["export=best", "select_by=benchmark", "benchmark=x"], ""),
    ([], ""),
])  # fmt: skip
def test_what_goes_by_the_validation_loss_needs_validation_samples(
    checkpoint: Path, samples: Path, tmp_path: Path, settings: list[str], asking: str
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "x", "answer": "y"}')
    config = resolve(1, None, [*SETTINGS, *settings])
    found = preflight.validation_problem(config, inputs(checkpoint, tmp_path / "rows.jsonl", tmp_path / "run"))
    assert found.startswith(asking)
    assert bool(found) == bool(asking)
    assert preflight.validation_problem(config, inputs(checkpoint, samples, tmp_path / "other")) == ""
