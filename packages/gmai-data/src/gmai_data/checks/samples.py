"""The last gate before a sample is written: sound form, boxes inside the image, the language it claims."""

import re

from gmai_data.checks.leakage import Benchmarks, normalised
from gmai_data.identifiers import find_identifier
from gmai_data.sample import IMAGE_PLACEHOLDER, Sample
from gmai_data.vocabulary import Kind, Language

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_UNFILLED = re.compile(r"\{[a-z_]+\}")
_BOX = re.compile(r"\[(\d+), (\d+), (\d+), (\d+)\]")


def reason_to_drop(sample: Sample, benchmarks: Benchmarks | None = None) -> tuple[str, str] | None:
    """Return why a sample must not be written (check, what it found), or None when it may be.

    Args:
        sample: A sample of any writer.
        benchmarks: Questions that a text must not ask. A question about an image is nothing without the image, and
            images of benchmarks never come so far.
    """
    messages = sample.messages
    contents = [message["content"] for message in messages]
    placeholders = sum(content.count(IMAGE_PLACEHOLDER) for content in contents)
    if placeholders != (1 if sample.has_image else 0):
        return "placeholders and images differ", f"{placeholders} `<image>`"
    if not messages or not all(content.strip() for content in contents):
        return "empty message", ""
    if found := next(filter(None, map(_UNFILLED.search, contents)), None):
        return "unfilled template", f'it says "{found.group()}"'
    if sample.kind == Kind.TEXT_ONLY:
        if found := next(filter(None, map(find_identifier, contents)), None):
            return "identifier", found
        if benchmarks is not None and any(normalised(question) in benchmarks.questions for question, _ in sample.turns):
            return "question of a benchmark", ""
    annotation = sample.annotation
    for box in sample.boxes:
        x1, y1, x2, y2 = box.xyxy
        if not (0 <= x1 < x2 <= annotation.width_px and 0 <= y1 < y2 <= annotation.height_px):
            size = f"{annotation.width_px} × {annotation.height_px} px"
            return "box outside the image", f"[{x1}, {y1}, {x2}, {y2}] of an image of {size}"
    for found in _BOX.finditer("\n".join(contents)):
        x1, y1, x2, y2 = (int(number) for number in found.groups())
        if not (x1 < x2 <= 1000 and y1 < y2 <= 1000):
            return "box text outside 0–1000", found.group()
    if sample.language == Language.ZH and not any(_CHINESE.search(content) for content in contents):
        return "not in Chinese", ""
    return None
