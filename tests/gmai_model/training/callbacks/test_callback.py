"""Behaviours of other packages: found by name, called in order, refused with a reason."""

import importlib.metadata
from collections.abc import Iterable
from importlib.metadata import EntryPoint

import pytest
from gmai_formats.errors import UserError
from gmai_model.training.callbacks.callback import GROUP, Callback, load_callbacks


class Slack(Callback):
    pass


class Broken(Callback):
    def __init__(self) -> None:
        raise RuntimeError("no token")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Slack.__module__
    names = {"slack": f"{module}:Slack", "broken": f"{module}:Broken", "number": "builtins:int", "gone": "no_such:X"}
    points = [EntryPoint(name, value, GROUP) for name, value in names.items()]

    def entry_points(*, group: str) -> Iterable[EntryPoint]:
        return points if group == GROUP else []

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    monkeypatch.setitem(__import__("sys").modules, module, __import__("sys").modules[__name__])


def test_those_that_the_settings_name_are_made_in_their_order() -> None:
    assert [type(each).__name__ for each in load_callbacks(["slack", "slack"])] == ["Slack", "Slack"]
    assert load_callbacks([]) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("slcak", r"no installed package has an entry point 'slcak' of the group gmai\.training_callbacks\. "
                  r'Did you mean "slack"\?'),
        ("broken", r"broken \(.*:Broken\): RuntimeError: no token"),
        ("gone", r"gone \(no_such:X\): ModuleNotFoundError"),
        ("number", r"number \(builtins:int\) makes a int\. It must return a gmai_model"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_callbacks([name])
