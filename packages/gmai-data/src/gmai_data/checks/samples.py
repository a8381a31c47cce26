"""The last gate before a sample is written: a table of named checks, to which a lab can add its own.

A check is a function of a sample that returns None to keep it, or what it found to drop it; what is dropped is counted
under the check's name. A package adds one by an entry point of the group `gmai.checks`:

    [project.entry-points."gmai.checks"]
    "too long for our model" = "our_lab.checks:too_long"
"""

import functools
import re
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from gmai_formats.errors import UserError
from gmai_formats.fingerprints.texts import normalised

from gmai_data.annotation import Annotation
from gmai_data.checks.leakage import Benchmarks
from gmai_data.identifiers import find_identifier
from gmai_data.sample import IMAGE_PLACEHOLDER, Sample
from gmai_data.vocabulary import Kind, Language

Check = Callable[[Sample], str | None]
"""Returns None, or what was found: at least a word, which stands in dropped.jsonl."""
GROUP = "gmai.checks"
BENCHMARK_QUESTION = "question of a benchmark"
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_UNFILLED = re.compile(r"\{[a-z_]+\}")
_BOX = re.compile(r"\[(\d+), (\d+), (\d+), (\d+)\]")


def _placeholders(sample: Sample) -> str | None:
    count = sample.text.count(IMAGE_PLACEHOLDER)
    return None if count == sample.image_count else f"{count} `<image>`"


def _empty(sample: Sample) -> str | None:
    if not sample.messages:
        return "no message"
    for number, message in enumerate(sample.messages, 1):
        if not message["content"].strip():
            return f"message {number}"
    return None


def _unfilled(sample: Sample) -> str | None:
    found = _UNFILLED.search(sample.text)
    return None if found is None else f'it says "{found.group()}"'


def _identifier(sample: Sample) -> str | None:
    if sample.kind != Kind.TEXT_ONLY:
        return None
    return next(filter(None, (find_identifier(message["content"]) for message in sample.messages)), None)


def _box_outside(sample: Sample) -> str | None:
    if not isinstance(sample.about, Annotation):
        return None
    width_px, height_px = sample.about.width_px, sample.about.height_px
    for box in sample.boxes:
        x1, y1, x2, y2 = box.xyxy
        if not (0 <= x1 < x2 <= width_px and 0 <= y1 < y2 <= height_px):
            return f"[{x1}, {y1}, {x2}, {y2}] of an image of {width_px} × {height_px} px"
    return None


def _box_text(sample: Sample) -> str | None:
    for found in _BOX.finditer(sample.text):
        x1, y1, x2, y2 = (int(number) for number in found.groups())
        if not (x1 < x2 <= 1000 and y1 < y2 <= 1000):
            return found.group()
    return None


def _not_chinese(sample: Sample) -> str | None:
    if sample.language != Language.ZH or _CHINESE.search(sample.text):
        return None
    return "no Chinese character"


CHECKS: Mapping[str, Check] = {
    "placeholders and images differ": _placeholders,
    "empty message": _empty,
    "unfilled template": _unfilled,
    "identifier": _identifier,
    "box outside the image": _box_outside,
    "box text outside 0–1000": _box_text,
    "not in Chinese": _not_chinese,
}
"""Name, under which it is counted ▶ check, in order: the first that refuses a sample gives the reason."""


def reason_to_drop(sample: Sample, benchmarks: Benchmarks | None = None) -> tuple[str, str] | None:
    """Return why a sample must not be written (name of the check, what it found), or None when it may be.

    Args:
        sample: A sample of any writer.
        benchmarks: Questions that a text must not ask. A question about an image is nothing without the image, and
            images of benchmarks never come so far.

    Raises:
        UserError: A check of another package cannot be loaded.
    """
    for name, check in _all_checks().items():
        found = check(sample)
        if found is not None:
            return name, found
    if benchmarks is not None and sample.kind == Kind.TEXT_ONLY:
        asked = next((question for question, _ in sample.turns if normalised(question) in benchmarks.questions), None)
        if asked is not None:
            return BENCHMARK_QUESTION, f'it asks "{asked}"'
    return None


def added_checks() -> dict[str, str]:
    """Return the checks that other packages add: name ▶ the package and its version, which a build is made with."""
    return {
        entry.name: f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value for entry in _entries()
    }


@functools.cache
def _all_checks() -> dict[str, Check]:
    return {**CHECKS, **{entry.name: _loaded(entry) for entry in _entries()}}


def _entries() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))


def _loaded(entry: EntryPoint) -> Check:
    package = f"The package {entry.dist.name}" if entry.dist else "A package"
    if entry.name in (*CHECKS, BENCHMARK_QUESTION) or [each.name for each in _entries()].count(entry.name) > 1:
        raise UserError(
            f'{package} adds the check "{entry.name}" ({entry.value}), but there is one of that name. Samples are '
            f"counted by the name of the check that drops them. Rename the entry point of {GROUP}, or uninstall one "
            "package."
        )
    try:
        check: object = entry.load()
    except Exception as error:  # whatever the import of another package raises
        raise UserError(
            f'{package} adds the check "{entry.name}" ({entry.value}), which cannot be imported: '
            f"{type(error).__name__}: {error}. Every installed check is part of a build. Mend or uninstall the package."
        ) from error
    if not callable(check):
        raise UserError(
            f'{package} adds the check "{entry.name}", but {entry.value} is no function of a sample. Mend the package.'
        )
    return cast(Check, check)
