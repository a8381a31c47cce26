"""A folder holds one run: its settings, model and data."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_formats.state import read_state, write_state
from gmai_model.training.config import resolve
from gmai_model.training.identity import claim


def take(out: Path, model: Path, data: Path, *overrides: str) -> None:
    out.mkdir(exist_ok=True)
    settings: dict[str, Any] = resolve(1, None, list(overrides)).model_dump(mode="json")
    claim(settings, model=model, data=data, out=out, world=1)


def test_the_same_run_may_go_on_also_with_other_settings_of_speed(
    checkpoint: Path, samples: Path, tmp_path: Path
) -> None:
    take(tmp_path / "run", checkpoint, samples)
    take(tmp_path / "run", checkpoint, samples, "loader_workers=0", "device=cpu", "startup_timeout_s=5", "patience=3",
         "validate_every_steps=2")  # fmt: skip


def test_another_run_is_refused_by_what_differs(checkpoint: Path, samples: Path, tmp_path: Path) -> None:
    take(tmp_path / "run", checkpoint, samples)
    with pytest.raises(UserError, match=r"another config: validation_samples was 500, is 7\. A run is resumed with"):
        take(tmp_path / "run", checkpoint, samples, "validation_samples=7")


def test_another_model_is_refused_by_its_files(checkpoint: Path, samples: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(checkpoint, model)
    take(tmp_path / "run", model, samples)
    (model / "generation_config.json").write_text("{}")
    (model / "README.md").write_text("of no weight")
    take(tmp_path / "run", model, samples)
    pixels = model / "preprocessor_config.json"
    pixels.write_text(pixels.read_text().replace("0.48145466", "0.5"))
    with pytest.raises(UserError, match=r"another model: preprocessor_config\.json differs\. A run"):
        take(tmp_path / "run", model, samples)
    weights = model / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(-8, 2)
        file.write(bytes(8))
    with pytest.raises(UserError, match=r"another model: model\.safetensors, preprocessor_config\.json differ\."):
        take(tmp_path / "run", model, samples)


def test_what_changes_no_sample_of_the_stage_may_change_in_a_mixture(
    checkpoint: Path, samples: Path, tmp_path: Path
) -> None:
    def mix(*entries: str) -> Path:
        (tmp_path / "mix.yaml").write_text("datasets:\n" + "".join(f"- {{{entry}}}\n" for entry in entries))
        return tmp_path / "mix.yaml"

    take(tmp_path / "run", checkpoint, mix(f"name: a, path: {samples}", "name: b, path: b"))
    take(tmp_path / "run", checkpoint, mix("name: a, path: moved, length: 5, note: x", "name: b, path: b",
         "name: c, path: c, ratio: {2: 1}"))  # fmt: skip
    for entries, found in (
        (["name: b, path: b", "name: a, path: a"], "its parts were a, b, are b, a"),
        (["name: a, path: a"], "its parts were a, b, are a"),
        (["name: a, path: a, ratio: {1: 0.5}", "name: b, path: b"], "a: ratio was 1.0, is 0.5"),
    ):
        with pytest.raises(UserError, match=f"another data: {re.escape(found)}\\. A run is resumed"):
            take(tmp_path / "run", checkpoint, mix(*entries))


def test_a_setting_that_an_earlier_version_lacked_was_at_its_default(
    checkpoint: Path, samples: Path, tmp_path: Path
) -> None:
    take(tmp_path / "run", checkpoint, samples)
    path = tmp_path / "run" / "run.json"
    record = read_state(path)
    del record["identity"]["config"]["quantize"], record["identity"]["config"]["adam_betas"]
    write_state(path, record)
    take(tmp_path / "run", checkpoint, samples)
    with pytest.raises(UserError, match=r"another config: adam_betas was \[0\.9, 0\.999\], is \[0\.5, 0\.9\]\."):
        take(tmp_path / "run", checkpoint, samples, "adam_betas=[0.5, 0.9]")


def test_one_turned_bit_of_the_record_is_no_other_run(checkpoint: Path, samples: Path, tmp_path: Path) -> None:
    take(tmp_path / "run", checkpoint, samples)
    path = tmp_path / "run" / "run.json"
    path.write_bytes(path.read_bytes().replace(b'"seed": 0', b'"seed": 8'))
    with pytest.raises(UserError, match=r"run\.json is damaged"):
        take(tmp_path / "run", checkpoint, samples)


@pytest.mark.parametrize("content", [b"", b"{", bytes(300), b"[]", b'{"identity": 3}', b'{"x": 1}', b"\xff"])
def test_a_damaged_record_is_refused_with_the_remedy(
    checkpoint: Path, samples: Path, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    take(tmp_path / "run", checkpoint, samples)
    (tmp_path / "run" / "run.json").write_bytes(content)
    with pytest.raises(UserError, match=r"run\.json is damaged: .*remove it and start again"):
        take(tmp_path / "run", checkpoint, samples)
    (tmp_path / "run" / "run.json").unlink()
    (tmp_path / "run" / "checkpoints" / "step-00000002").mkdir(parents=True)
    capsys.readouterr()
    take(tmp_path / "run", checkpoint, samples)
    assert "run.json is not there, but checkpoints are" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["identity"]["config"]["stage"] == 1


def test_a_folder_of_something_else_is_left_alone(checkpoint: Path, samples: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "notes.txt").touch()
    with pytest.raises(UserError, match=r"own: holds notes\.txt, and no `gmai train` began it"):
        take(own, checkpoint, samples)
    write_state(own / "run.json", {"command": ["gmai", "bench"]})
    with pytest.raises(UserError, match=r"run\.json: of another command, and no `gmai train` began this folder"):
        take(own, checkpoint, samples)
    assert sorted(path.name for path in own.iterdir()) == ["notes.txt", "run.json"]
