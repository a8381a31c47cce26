"""One rule for the settings of all commands: defaults, file, `--set`, options."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_formats.settings import reference, resolve
from pydantic import BaseModel, ConfigDict, Field


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    rate: float = 1e-3
    """How fast | how far."""
    names: Mapping[str, float] = Field(default_factory=dict)
    """Free keys."""


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    steps: int = 10
    """So many
    steps."""
    word: str | None = None
    flag: bool = False
    pair: tuple[float, float] = (0.9, 0.95)
    block: Block = Field(default_factory=Block)


def test_each_layer_wins_over_the_one_below(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("steps: 20\nblock: {rate: 2e-4, names: {a: 1}}\n", encoding="utf-8")
    made = resolve(Whole, file, ["block.names.b=2", "flag=true"], defaults={"steps": 5, "word": "x"})
    assert (made.steps, made.word, made.flag) == (20, "x", True)
    assert made.block == Block(rate=2e-4, names={"a": 1.0, "b": 2.0})
    over = resolve(Whole, file, ["block.rate=1"], options={"block.rate": 0.5, "steps": None})
    assert (over.block.rate, over.steps, over.block.names) == (0.5, 20, {"a": 1.0})


@pytest.mark.parametrize("text", ["none", "None", "null", "~"])
def test_none_is_typed_as_the_reference_prints_it(text: str) -> None:
    assert resolve(Whole, None, [f"word={text}"], defaults={"word": "x"}).word is None


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("# nothing yet\n", encoding="utf-8")
    assert resolve(Whole, tmp_path / "c.yaml", []) == Whole()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps", "--set steps: expected key=value"),
        ("stps=1", r'--set stps=1: unknown key\. Did you mean "steps"\?'),
        ("block.rat=1", r'--set block\.rat=1: unknown key\. Did you mean "rate"\?'),
        ("blok.rate=1", r'--set blok\.rate=1: unknown key\. Did you mean "block"\?'),
        ("steps.more=1", "--set steps.more=1: unknown key"),
        ("block=1", "settings: block: "),
        ("steps=[", r"--set steps=\[: the value is not YAML .* Put it in quotes"),
        ("steps=1.5", "settings: steps: "),
        ("steps=", r"--set steps=: there is no value after the `=`\. Write one, or `null` for none"),
        ("word= ", "there is no value after the `=`"),
        ("steps=1:30", "the value is not YAML .*1:30 is 90 in YAML"),
        ("steps=\u0663", "settings: steps: "),
        ("steps=true", r"settings: steps: Input should be a number \(found true\)"),
        ("block.rate=off", r"settings: block\.rate: Input should be a number \(found false\)"),
        ("word={a: &x [*x]}", "--set word="),
    ],
)
def test_a_mistake_is_one_line(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        resolve(Whole, None, [override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- 1\n", "c.yaml: expected a mapping of settings, found list"),
        (b"a: [\n", "c.yaml: not readable as YAML"),
        (b"\xff\xfe", "c.yaml: not readable as YAML"),
        (b"block: {rat: 1}\n", r'c.yaml: block.rat: unknown key\. Did you mean "rate"\?'),
        (None, "c.yaml: no such file"),
    ],
)
def test_a_file_that_is_none(content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(UserError, match=message):
        resolve(Whole, tmp_path / "c.yaml", [])


@pytest.mark.parametrize("given", [{"overrides": ["block.rate=1"]}, {"overrides": [], "options": {"block.rate": 1}}])
def test_what_stands_in_the_place_of_a_block_is_not_lost(tmp_path: Path, given: dict[str, Any]) -> None:
    (tmp_path / "c.yaml").write_text("block: 3\n", encoding="utf-8")
    with pytest.raises(UserError, match="settings: block: it is a block of settings, and 3 stands there"):
        resolve(Whole, tmp_path / "c.yaml", **given)


def test_the_rows_of_the_reference() -> None:
    rows = reference(Whole, marked={"block.rate"}, given={"word": "of the stage"})
    assert rows == [
        "| `steps` | `10` | So many steps. |",
        "| `word` | of the stage |  |",
        "| `flag` | `false` |  |",
        "| `pair` | `0.9`, `0.95` |  |",
        "| `block.rate` ↻ | `0.001` | How fast \\| how far. |",
        "| `block.names` | none | Free keys. |",
    ]


def test_a_setting_without_a_default_is_required() -> None:
    class Needed(BaseModel):
        a: Any

    assert reference(Needed) == ["| `a` | required |  |"]
