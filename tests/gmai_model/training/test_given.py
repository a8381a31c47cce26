import subprocess
import sys
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.training.given import check_folder, check_inputs, check_paths


def test_what_cannot_be_trained_is_refused(checkpoint: Path, samples: Path, tmp_path: Path) -> None:
    check_inputs(checkpoint, samples)
    with pytest.raises(UserError, match=r"no such folder\. --model takes a checkpoint folder"):
        check_folder(tmp_path / "none")
    with pytest.raises(UserError, match=r"none\.yaml"):
        check_inputs(checkpoint, tmp_path / "none.yaml")


def test_paths_are_looked_at_without_opening_the_tokenizer(
    checkpoint: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmai_model.training.given.require_bounded", lambda _: pytest.fail("opened"))
    check_paths(checkpoint, samples)
    with pytest.raises(UserError, match=r"none\.yaml"):
        check_paths(checkpoint, tmp_path / "none.yaml")


def test_a_wrong_path_is_named_before_torch_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom gmai_model.cli import train_app\ntry:\n"
        "    train_app(['--stage', '1', '--model', 'none', '--data', 'none', '--out', 'out'], standalone_mode=False)\n"
        "except Exception as error:\n    print(error)\nprint('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "none: no such folder. --model takes a checkpoint folder. Correct the path.", "False",
    ], done.stderr  # fmt: skip


def test_stage_4_says_what_data_it_takes_and_not_what_others_take(checkpoint: Path, tmp_path: Path) -> None:
    told = "none: no *-train.parquet. Stage 4 takes the folder"
    arguments = ["--stage", "4", "--method", "dpo", "--model", str(checkpoint), "--data", "none", "--out", "out"]
    program = f"from gmai_model.cli import train_app\ntrain_app({arguments!r}, standalone_mode=False)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told in done.stderr
