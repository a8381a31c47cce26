"""The settings of a build: file, `--set`, options, and the page about them."""

import json
from pathlib import Path

import pytest
from gmai_data.cli import app
from gmai_data.config import BuildConfig, resolve, write_reference
from gmai_formats.errors import UserError
from typer.testing import CliRunner


def test_options_win_over_set_and_set_over_the_file(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("chinese_share: 0.1\nseed: 3\nwriting: {writer: openai, model: a, temperature: 1e-1, judge: j}\n")
    made = resolve(file, ["writing.temperature=0.3", "seed=4"], {"writing.model": "b", "seed": None})
    assert (made.chinese_share, made.seed, made.text_share) == (0.1, 4, 0.15)
    assert (made.writing.model, made.writing.temperature, made.writing.judge) == ("b", 0.3, "j")


def test_print_config_shows_what_would_hold_and_builds_nothing(tmp_path):
    words = ["build", "phantoms", "--writer", "openai", "--model", "m", "--set", "writing.extra_body={a: [1]}"]
    shown = json.loads(CliRunner().invoke(app, [*words, "--print-config"], catch_exceptions=False).stdout)
    assert shown["writing"]["extra_body"] == {"a": [1]}
    assert shown == json.loads(BuildConfig.model_validate(shown).model_dump_json())
    assert not any(tmp_path.iterdir())


def test_without_out_the_way_is_said():
    with pytest.raises(UserError, match=r"give --out \(or --print-config to see the settings\)"):
        CliRunner().invoke(app, ["build", "phantoms"], catch_exceptions=False)


def test_the_page_is_up_to_date():
    page = Path(__file__).parents[2] / "docs/reference/build-settings.md"
    assert page.read_text("utf-8") == write_reference(), "run: python -m gmai_data.config"
