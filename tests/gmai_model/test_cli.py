import json

import pytest
from gmai_formats.errors import UserError
from gmai_model.cli import train_app
from gmai_model.training.config import resolve
from typer.testing import CliRunner


def test_the_settings_are_printed_without_a_model_or_data() -> None:
    words = ["--stage", "2", "--set", "seed=3", "--max-bad-fraction", "0.25", "--print-config"]
    result = CliRunner().invoke(train_app, words)
    assert result.exit_code == 0, result.output
    shown = json.loads(result.output)
    assert shown == json.loads(resolve(2, None, ["seed=3", "max_bad_fraction=0.25"]).model_dump_json())
    assert (shown["seed"], shown["max_bad_fraction"]) == (3, 0.25)


@pytest.mark.parametrize(
    "words",
    [
        ("--model", "m", "--data", "d"),
        ("--model", "m", "--out", "o"),
        ("--data", "d", "--out", "o"),
        ("--model", "m", "--dry-run"),
        ("--data", "d", "--selfcheck"),
    ],
)
def test_what_a_run_needs_is_asked_for(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(train_app, ["--stage", "1", *words])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "give --model, --data and --out (or --print-config to see the settings)."


@pytest.mark.parametrize("words", [("--gpus", "0"), ("--mfu", "0"), ("--mfu", "1.1")])
def test_what_no_machine_has_is_refused(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(train_app, ["--stage", "1", *words, "--print-config"]).exit_code == 2
