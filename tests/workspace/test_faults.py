"""What `make faults` aims at is there: else a part of it would end before it tries anything."""

import pkgutil
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

CI = Path(__file__).parents[2] / ".ci"


def test_the_functions_at_which_a_training_is_hit_are_there() -> None:
    script: dict[str, Any] = runpy.run_path(str(CI / "fault_commands.py"))
    for spot in script["SPOTS"]:
        assert callable(pkgutil.resolve_name(spot))


def test_the_tests_that_are_repeated_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(CI), *sys.path])
    script: dict[str, Any] = runpy.run_path(str(CI / "faults.py"))
    paths = [path for paths in script["TESTS"].values() for path in paths]
    assert [path for path in paths if not (CI.parent / path).is_file()] == []


def test_there_are_hostile_checkpoints_for_each_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(CI), *sys.path])
    script: dict[str, Any] = runpy.run_path(str(CI / "fault_checkpoints.py"))
    names = [mutant.name for mutant in script["by_hand"]()]
    assert len(names) > 800
    assert set(script["SHARES"]) == set(script["COMMANDS"])
