"""YAML of users: what people write is read as before, and what only an attack writes ends at once."""

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from gmai_bench.benchmarks.declaration import read_declaration
from gmai_data.config import BuildConfig
from gmai_data.generation.knowledge import load_knowledge
from gmai_data.generation.prompts import load_prompts
from gmai_data.sources.cards.recipe import load_recipe
from gmai_data.sources.interview import interview
from gmai_formats.chat.addresses import addresses
from gmai_formats.chat.prices import load_table
from gmai_formats.errors import UserError
from gmai_formats.rows.mixtures import read_mixture_file
from gmai_formats.safe_yaml import MOST_DEPTH, MOST_LETTERS, MOST_NODES, compose_yaml, load_yaml, yaml_text
from gmai_formats.settings import resolve
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_yaml_writes_is_read_as_safe_load_reads_it(value):
    text = yaml.safe_dump(value, allow_unicode=True)
    assert load_yaml(text) == yaml.safe_load(text)


def multiplied(levels, width=10, *, mapping=False):
    """Each line stands for the one before, so many times."""
    first = f"l0: &l0 [{','.join('x' * width)}]"
    lines = [first]
    for level in range(1, levels):
        names = [f"*l{level - 1}"] * width
        inner = (
            f"{{{', '.join(f'k{i}: {name}' for i, name in enumerate(names))}}}" if mapping else f"[{','.join(names)}]"
        )
        lines.append(f"l{level}: &l{level} {inner}")
    return "\n".join(lines)


def merged(levels):
    """Each mapping merges the one before and holds it once more."""
    lines = ["l0: &l0 {x: 1}"]
    lines += [f"l{n}: &l{n} {{<<: *l{n - 1}, k{n}: *l{n - 1}}}" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        multiplied(9),
        multiplied(9, mapping=True),
        multiplied(20, 2),
        multiplied(6, 50),
        merged(40),
    ],
)  # fmt: skip
def test_aliases_that_multiply_are_refused(text):
    with pytest.raises(yaml.YAMLError, match=rf"line \d+: its aliases stand for more than {MOST_NODES} values"):
        load_yaml(text)


def test_a_few_aliases_and_merge_keys_are_read():
    assert load_yaml("base: &b {a: 1}\none: {<<: *b, c: 2}\ntwo: *b") == {
        "base": {"a": 1},
        "one": {"a": 1, "c": 2},
        "two": {"a": 1},
    }


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: *a}", "&a [1, [2, {k: *a}]]"])
def test_an_alias_inside_itself_is_refused(text):
    with pytest.raises(yaml.YAMLError, match=r"line 1: an alias stands for what it is a part of"):
        load_yaml(text)


@pytest.mark.parametrize("text", ["[" * 20_000, "{a: " * 5_000, "- " * 3_000 + "x", "[" * 101 + "]" * 101])
def test_nesting_without_end_is_refused(text):
    with pytest.raises(yaml.YAMLError, match=rf"line 1: nested more than {MOST_DEPTH} deep"):
        load_yaml(text)


def test_a_depth_that_people_write_is_read():
    assert load_yaml("[" * 90 + "]" * 90)


@pytest.mark.parametrize(
    "text", ["2026-13-45", "when: 2026-02-30", "9" * 5000, "1" + ":59" * 100_000, "a: 1" + ":59" * 9999 + ".5"]
)
def test_a_value_that_cannot_be_is_a_yaml_error(text):
    with pytest.raises(yaml.YAMLError):
        load_yaml(text)


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system ['true']", "!!python/name:os.system", "a: [", "\x00"]
)
def test_code_and_broken_text_are_yaml_errors(text):
    with pytest.raises(yaml.YAMLError):
        load_yaml(text)


def test_numbers_that_are_as_they_look_are_read():
    assert load_yaml("[01, 0, 0x10, 1_000, 08, '010', 12.5, 1e3]") == [1, 0, 16, 1000, "08", "010", 12.5, "1e3"]


def test_empty_documents_and_many_plain_values():
    assert load_yaml("") is None
    assert compose_yaml("# only a comment\n") is None
    assert load_yaml("2026-11-29") == datetime.date(2026, 11, 29)
    assert len(load_yaml("[" + "1," * 150_000 + "]")) == 150_000, "without aliases a file is as large as it is"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [a\n", "line 2, column 1: expected ',' or ']', but got '<stream end>', while parsing a flow sequence"),
        ("a: 1\n\tb: 2\n", "line 2, column 1: found character '\\t' that cannot start any token"),
        ("a: !!python/object:x {}\n", "line 1, column 4: could not determine a constructor"),
        ("a: 1\nb: {c: 1, 'c': 2}\n", "line 2: `c` is given twice"),
        ("a: 1\nb: 2\na: 1\n", "line 3: `a` is given twice"),
        ("a: [1,\n .nan]\n", "line 2: .nan is no number"),
        ("a: -.inf\n", "line 1: -.inf is no number"),
        ("a: 1\nb: 010\n", "line 2: 010 is 8 in YAML"),
        ("a: [-017]\n", "line 1: -017 is -15 in YAML"),
        ("a: 1:30\n", "line 1: 1:30 is 90 in YAML"),
        ("a: 1:30.5\n", "line 1: 1:30.5 is no number"),
        ("010: a\n", "line 1: 010 is 8 in YAML"),
        ("a: 1\n\0", "unacceptable character #x0000"),
        ("a: " + "x" * MOST_LETTERS, f"it has {MOST_LETTERS + 3} letters; at most {MOST_LETTERS} are read"),
    ],
)
def test_what_is_no_yaml_is_told_in_one_line_with_its_place(text, said):
    with pytest.raises(yaml.YAMLError) as raised:
        load_yaml(text)
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize(
    "read",
    [
        load_recipe,
        load_table,
        read_declaration,
        read_mixture_file,
        load_knowledge,
        lambda path: load_prompts(path.parent),
        lambda path: addresses([str(path)]),
        lambda path: interview(path, path.parent, [], "gmai data recipes complete"),
        lambda path: resolve(BuildConfig, path, ()),
    ],
    ids=["recipe", "prices", "benchmark", "mixture", "knowledge", "prompts", "endpoints", "draft", "settings"],
)
def test_a_file_in_another_encoding_is_to_be_saved_as_utf_8(
    read: Callable[[Path], object], encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / "general.yaml"
    path.write_bytes("name: Müller’s\n".replace("’", "'" if encoding == "latin-1" else "’").encode(encoding))
    with pytest.raises(
        UserError, match=r"general\.yaml: not readable as YAML.* is not UTF-8, so save the file as UTF-8"
    ):
        read(path)


def test_a_mark_of_utf_8_at_the_beginning_is_no_letter(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text("name: Müller\n", encoding="utf-8-sig")
    assert load_yaml(yaml_text(tmp_path / "card.yaml")) == {"name": "Müller"}
