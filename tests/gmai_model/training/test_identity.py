"""A folder holds one run: its settings, model and data."""

import json
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_formats.state import write_state
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
