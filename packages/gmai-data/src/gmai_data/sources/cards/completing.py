"""What a draft leaves to a person, as questions with candidates; and their answers, written into the card's text."""

import re
import shlex
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.safe_yaml import compose_yaml, load_yaml

from gmai_data.sources.cards.catalogue import bundled_names, find_recipe
from gmai_data.sources.drafting.stated_facts import stated_facts
from gmai_data.sources.licence import NOT_STATED
from gmai_data.vocabulary import ClinicalTask, Department, Modality

TODO = "TODO"
PATIENTS = "patients"
"""What is asked about pictures that begin alike; it is no field of a card."""
_OWN = {"homepage": NOT_STATED, "citation": NOT_STATED, "license": NOT_STATED}
_WORDS: Mapping[str, tuple[str, type[StrEnum]]] = {
    "modality": ("how were the images made?", Modality),
    "department": ("which department reads such images?", Department),
    "clinical_task": ("what do the labels say about an image?", ClinicalTask),
}
_ALIKE = re.compile(
    r"# split: pictures begin alike, such as (?P<such>.+?): where that is .*?`group_pattern: '(?P<pattern>.*?)'` to"
)


@dataclass(frozen=True)
class Question:
    """One thing that only a person can say."""

    field: str
    """How it is answered: `FIELD=VALUE`."""
    asks: str
    likely: tuple[str, ...] = ()
    """Candidates, the likeliest first, each a value that may be followed by ` (why)`."""
    allowed: tuple[str, ...] = ()
    """The only values, or none where any text will do."""


def answered(text: str, answers: Iterable[str]) -> str:
    """Return a card's text with `FIELD=VALUE` answers written in; what the card does not ask is refused.

    Raises:
        UserError: No such field, or a value that it cannot have.
    """
    for answer in answers:
        field, equals, value = (part.strip() for part in answer.partition("="))
        if not equals or not value:
            raise UserError(f"--set {answer}: an answer is FIELD=VALUE, such as modality=CT.")
        if value == "...":
            raise UserError(f"--set {answer}: the dots stand for your answer. Write it in their place.")
        text = _answered(text, field, value)
    return text


def _answered(text: str, field: str, value: str) -> str:
    if field == PATIENTS:
        found = _ALIKE.search(text)
        if found is None:
            raise UserError(f"--set {field}={value}: this card does not ask for patients; see its `split`.")
        if value.lower() not in ("yes", "no"):
            raise UserError(f'--set {field}={value}: "yes" where what begins alike is of one patient, else "no".')
        rule = {"group_pattern": found["pattern"]} if value.lower() == "yes" else {"no_group": "each is of another one"}
        return with_split(text, rule)
    if field in _WORDS:
        known = {word.value.lower(): word.value for word in _WORDS[field][1]}
        if value.lower() not in known:
            raise UserError(f"--set {field}={value}: unknown.{did_you_mean(value, known.values())}")
        value = known[value.lower()]
    node = _node(compose_yaml(text), field.split("."))
    if isinstance(node, yaml.MappingNode):
        node = _node(node, ["en"])
    if not isinstance(node, yaml.ScalarNode):
        known = [question.field for question in questions(text)]
        raise UserError(
            f"--set {field}={value}: the card has no such field.{did_you_mean(field, known)} "
            f"It asks for {', '.join(known) or 'nothing'}."
        )
    return _replaced(text, node, value)


def questions(text: str) -> list[Question]:
    """Return what a card's text leaves open, in its order."""
    document: Any = load_yaml(text)
    notes: dict[str, str] = dict(re.findall(r"^# ([\w.]+): (.+)$", text, re.MULTILINE))
    values = re.search(r"^# .+: values in \d+ masks: (.+)$", text, re.MULTILINE)
    counts = dict(re.findall(r"(\S+) (\(in \d+\))", values[1])) if values else {}
    fields = list(dict.fromkeys(_open_fields(document)))
    likely = _likely(document) if any(field in _WORDS for field in fields) else {}
    asked: list[Question] = []
    for field in fields:
        last = field.rpartition(".")[2]
        if field in _WORDS:
            asks, words = _WORDS[field]
            asked.append(Question(field, asks, likely.get(field, ()), tuple(words)))
        elif field == "anatomy":
            asked.append(
                Question(field, "what do the images show, as in `an image of the ...`? (such as chest, retina)")
            )
        elif field.startswith("labels."):
            said = f" {counts[last]}" if last in counts else ""
            asked.append(Question(field, f"what does the value {last}{said} mean? (such as liver; lower case)"))
        else:
            asked.append(Question(field, notes.get(last, "see docs/reference/recipes.md")))
    alike = _ALIKE.search(text)
    split: Any = document.get("split") or {}
    if alike is not None and not {"group_pattern", "group_table", "no_group"} & set(split):
        asks = f"pictures begin alike, such as {alike['such']}: are those of one patient (slide, video)?"
        asked.append(Question(PATIENTS, asks, allowed=("yes", "no")))
    return asked


def complete_own(text: str, root: Path) -> tuple[str, list[str]]:
    """Return a card's text with what needs no person, and a line about each thing that was written in.

    For data of one's own that stay at home: the title is the folder's name; homepage, citation and licence are `not
    stated`, with which nothing is published, unless a file of the folder states them; Chinese names are left out.
    """
    said: list[str] = []
    facts, homes = stated_facts(root)
    document: Any = load_yaml(text)
    for field, value in {"title": root.resolve().name, **_OWN, **facts}.items():
        path = [field, "en"] if isinstance(document.get(field), dict) else [field]
        if field in document and _scalar(text, path).value == TODO:
            text = _replaced(text, _scalar(text, path), value)
            why = f", as {homes[field]} says" if field in homes else ""
            said.append(f"{field}: {value}{why}")
    chinese = re.findall(r"^ +zh: TODO\n", text, re.MULTILINE)
    if chinese:
        text = re.sub(r"^ +zh: TODO\n", "", text, flags=re.MULTILINE)
        said.append("zh: left out, so there is no Chinese text")
    if f"license: {NOT_STATED}" in said:
        said.append("until the card names a licence, nothing that is built from the data can be published")
    return text, said


def in_words(question: Question) -> list[str]:
    """Return a question as lines of a terminal."""
    lines = [f"{question.field}: {question.asks}"]
    if question.likely:
        lines.append(f"  likely: {', '.join(question.likely)} (as in bundled recipes with such labels)")
    if question.allowed:
        lines += textwrap.wrap(", ".join(question.allowed), 110, initial_indent="  one of: ", subsequent_indent="    ")
    return lines


def as_options(asked: Sequence[Question]) -> str:
    """Return what answers questions on a command line, with the likeliest answer, or `...` where none is known."""
    values = [question.likely[0] if question.likely else "..." for question in asked]
    return " ".join(
        f"--set {question.field}={shlex.quote(value)}" for question, value in zip(asked, values, strict=True)
    )


def _likely(document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return field ▶ values of the bundled cards that have a label of this one; without labels, its modality."""
    labels: Mapping[str, Any] = document.get("labels") or {}
    names = {str(name.get("en") if isinstance(name, dict) else name).lower() for name in labels.values()} - {"todo"}
    names -= _EVERYWHERE
    counts: dict[str, Counter[str]] = {field: Counter() for field in _WORDS}
    modality = document.get("modality")
    for name in bundled_names():
        recipe = find_recipe(name)
        shared = len(names & {label.lower() for label in recipe.label_names})
        if not shared or (modality not in (None, TODO) and recipe.modality != modality):
            continue
        for field, count in counts.items():
            count[str(getattr(recipe, field))] += shared
    return {field: tuple(value for value, _ in count.most_common(3)) for field, count in counts.items() if count}


_EVERYWHERE = frozenset({"normal", "healthy", "no finding", "other", "lesion", "finding", "tumour", "tumor", "object"})
"""Labels of every department, which tell nothing about it."""


def _open_fields(document: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _open_fields(value, path if name == "en" else (*path, str(name)))
    elif isinstance(document, list):
        for value in document:
            yield from _open_fields(value, path)
    elif document == TODO:
        yield ".".join(path)


def _node(node: yaml.Node | None, path: Sequence[str]) -> yaml.Node | None:
    """Return the node of a path; a name of a label may hold dots itself."""
    if not path:
        return node
    if not isinstance(node, yaml.MappingNode):
        return None
    values = {str(key.value): value for key, value in node.value}
    for length in range(len(path), 0, -1):
        name = ".".join(path[:length])
        if name in values:
            return _node(values[name], path[length:])
    return None


def _scalar(text: str, path: Sequence[str]) -> yaml.ScalarNode:
    node = _node(compose_yaml(text), path)
    if not isinstance(node, yaml.ScalarNode):
        raise UserError(f"{'.'.join(path)}: is to be one value in the card. Fix the card.")
    return node


def _replaced(text: str, node: yaml.ScalarNode, value: str) -> str:
    written = yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("...\n").strip()
    return f"{text[: node.start_mark.index]}{written}{text[node.end_mark.index :]}"


def with_split(text: str, rule: Mapping[str, Any]) -> str:
    """Return a card's text with rules added to its `split`, or put in the place of those of the same name."""
    document: Any = load_yaml(text)
    split = {**(document.get("split") or {}), **rule}
    written = yaml.safe_dump({"split": split}, sort_keys=False, allow_unicode=True)
    node = compose_yaml(text)
    keys = node.value if isinstance(node, yaml.MappingNode) else []
    place = next((number for number, (key, _) in enumerate(keys) if key.value == "split"), None)
    if place is None:
        return f"{text.rstrip()}\n{written}"
    end = keys[place + 1][0].start_mark.index if place + 1 < len(keys) else len(text)
    return text[: keys[place][0].start_mark.index] + written + text[end:]
