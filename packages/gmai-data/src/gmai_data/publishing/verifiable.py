"""Rows whose answer their own labels and boxes decide: the truth by which a reward is computed, and a wrong answer.

The wrong answer is as near to the right one as the record allows: another option of the same question, a label that the
record says is absent, the right label with the boxes elsewhere, one region more or less.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmai_formats.rewards import boxes_in, mean_iou, reward
from gmai_formats.rows.box_text import box_tag

from gmai_data.generation.choices import LETTERS
from gmai_data.generation.wording import wording
from gmai_data.sample import without_placeholders
from gmai_data.seeded import choose, shuffled
from gmai_data.untyped import pq
from gmai_data.vocabulary import CHINESE, Kind, Language, Modality

NEAR = 0.5
"""A box that shares as much with the right one is no wrong answer."""
_MOVES = ("mirrored", "left", "right", "up", "down", "shrunk", "corner")
_LINE = re.compile(rf"^([{LETTERS}])\. (.+)$", re.MULTILINE)
_BOX = re.compile(r"<box>.*?</box>", re.DOTALL)


@dataclass(frozen=True)
class Verifiable:
    """A question with a truth."""

    reward: str
    """A key of `gmai_formats.rewards.REWARDS`."""
    truth: dict[str, Any]
    rejected: str
    """An answer that earns less than the right one."""


def absent_labels(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return annotation id ▶ labels known to be absent, of a build or a release."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((folder / "annotations").glob("*.parquet")):
        for row in pq.read_table(path, columns=["id", "absent"]).to_pylist():
            found[row["id"]] = tuple(row["absent"] or ())
    return found


def task_of(row: Mapping[str, Any], absent: Mapping[str, tuple[str, ...]]) -> Verifiable | str:
    """Return a row's task, or why it has none.

    Args:
        row: Of the sample files.
        absent: What `absent_labels` returned.
    """
    if len(row["messages"]) != 2:
        return "a conversation of several turns: no single answer to verify"
    provenance = json.loads(row["provenance"])
    asked: str = provenance.get("asked", "")
    question, answer = (message["content"] for message in row["messages"])
    missing = absent.get(provenance.get("annotation", ""), ())
    found = _task(row, asked, without_placeholders(question), answer, missing)
    if isinstance(found, Verifiable):
        right, wrong = (reward(found.reward, found.truth, text) for text in (answer, found.rejected))
        if right < 1:
            return f"its own answer does not earn the whole reward {found.reward}"
        if wrong >= NEAR:
            return f"no answer that is wrong enough for the reward {found.reward}"
    return found


def _task(row: Mapping[str, Any], asked: str, question: str, answer: str, absent: Sequence[str]) -> Verifiable | str:
    name, language = row["id"], Language(row["language"])
    family, _, form = asked.partition(" ")
    if form == "option_letter":
        letters = [letter for letter, _ in _LINE.findall(question)]
        others = [letter for letter in letters if letter != answer]
        if answer not in letters or not others:
            return "its options are not found in the question"
        return Verifiable(
            "option_letter", {"letter": answer, "options": len(letters)}, choose(others, name, "rejected")
        )
    if form == "option_text":
        options = _options(question, language)
        others = [option for option in options if option != answer]
        if answer not in options or not others:
            return "its options are not found in the question"
        return Verifiable("option_text", {"answer": answer, "options": options}, choose(others, name, "rejected"))
    if family == "presence":
        words = wording(language)["answers"]
        if answer not in words.values():
            return "its answer is neither yes nor no"
        other = next(word for word in words.values() if word != answer)
        return Verifiable("presence", {"present": answer == words["yes"], **words}, other)
    if family == "counting":
        count = int(answer)
        other = choose([count - 1, count + 1], name, "rejected") if count > 1 else count + 1
        return Verifiable("count", {"count": count}, str(other))
    if family == "localisation":
        return _located(name, answer)
    if family == "modality":
        names = [str(each) if language == Language.EN else CHINESE[each] for each in Modality]
        if answer not in names:
            return "its answer is no modality of the vocabulary"
        others = [each for each in names if each != answer]
        return Verifiable("option_text", {"answer": answer, "options": names}, choose(others, name, "rejected"))
    if family == "label" or (row["kind"] == Kind.FREE_INSTRUCTION and _lists_labels(question, language)):
        return _labelled(row, answer, absent, language)
    return "nothing in it that its record's labels and boxes decide"


def _options(question: str, language: Language) -> list[str]:
    templates = wording(language)["perception"]
    before, after = templates["option_text"].removeprefix("{question}").split("{options}")
    if not question.endswith(after) or before not in question:
        return []
    return question.removesuffix(after).rpartition(before)[2].split(templates["option_separator"])


def _lists_labels(question: str, language: Language) -> bool:
    patterns = (
        re.escape(each).replace(r"\{noun\}", ".+")
        for kind in wording(language)["free_instruction"]["kinds"]
        if kind["name"] == "list"
        for each in kind["question"]
    )
    return any(re.search(f"{pattern}$", question) for pattern in patterns)


def _labelled(row: Mapping[str, Any], answer: str, absent: Sequence[str], language: Language) -> Verifiable | str:
    if language != Language.EN:
        return "labels are verified by their English names alone"
    if not absent or not row["labels"]:
        return "no label that its record knows to be absent"
    labels = list(row["labels"])
    out, into = choose(labels, row["id"], "left out"), choose(absent, row["id"], "rejected")
    swapped = re.sub(rf"(?<!\w){re.escape(out)}(?!\w)", into, answer, count=1, flags=re.IGNORECASE)
    if answer[:1].isupper():
        swapped = swapped[:1].upper() + swapped[1:]
    if len(labels) > 2:  # one of many exchanged is still half right: name one that is not there
        swapped = into
    return Verifiable("label_set", {"labels": labels, "known": [*labels, *absent]}, swapped)


def _located(name: str, answer: str) -> Verifiable | str:
    expected = [[int(side) for side in box] for box in boxes_in(answer)]
    if not expected:
        return "no box in its answer"
    for move in shuffled(_MOVES, name, "rejected"):
        moved = [list(box) for box in dict.fromkeys(tuple(_moved(box, move)) for box in expected)]
        if all(x1 < x2 and y1 < y2 for x1, y1, x2, y2 in moved) and mean_iou(moved, expected) < NEAR:
            before, *_, after = _BOX.split(answer)
            return Verifiable("box_iou", {"boxes": expected}, before + box_tag(moved) + after)
    return "no place for a box that is wrong enough"


def _moved(box: Sequence[int], how: str) -> list[int]:
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    if how == "mirrored":
        return [1000 - x2, y1, 1000 - x1, y2]
    if how == "shrunk":
        return [x1 + width // 4, y1 + height // 4, x2 - width // 4, y2 - height // 4]
    if how == "corner":
        return [0, 0, width, height]
    step_x = {"left": -width, "right": width}.get(how, 0) * 6 // 10
    step_y = {"up": -height, "down": height}.get(how, 0) * 6 // 10
    return [max(x1 + step_x, 0), max(y1 + step_y, 0), min(x2 + step_x, 1000), min(y2 + step_y, 1000)]
