"""Box IoU: intersection over union of the box in an answer and the one in the reference.

A box is four numbers in brackets, `[x1, y1, x2, y2]` or `<box>[[x1, y1, x2, y2]]</box>`, left, top, right, bottom: all
up to 1 are shares of the sides, all others thousandths, as the checkpoint's grammar has them.
"""

import math
import re

from gmai_formats.errors import UserError

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction.text import strip_thoughts
from gmai_bench.scoring.verdict import Scorer, Verdict

Box = tuple[float, float, float, float]
_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_BOX = re.compile(r"[\[(]" + ",".join([_NUMBER] * 4) + r"[\])]")
_UNIT = 1000


def boxes(text: str) -> list[Box]:
    """Return the different boxes of a text, in thousandths."""
    found: dict[Box, None] = {}
    for match in _BOX.finditer(text):
        numbers = [float(number) for number in match.groups()]
        scale = _UNIT if max(numbers) <= 1 else 1
        x1, y1, x2, y2 = (number * scale for number in numbers)
        found[x1, y1, x2, y2] = None
    return list(found)


def iou(one: Box, other: Box) -> float:
    """Return the area that two boxes share over the area that either covers; 0 for a box without area."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, wide) * max(0.0, high)
    areas = [max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]) for box in (one, other)]
    union = sum(areas) - both
    return both / union if union > 0 and math.prod(areas) > 0 else 0.0


def score(response: str, question: Question) -> Verdict:
    """Return the IoU of the one box of an answer; none or several boxes are no answer.

    Raises:
        UserError: The reference is not one box.
    """
    due = [boxes(text) for text in (question.reference, *question.alternatives)]
    if any(len(found) != 1 for found in due):
        raise UserError(
            f'question "{question.id}": the reference {question.reference!r:.60} is not one box [x1, y1, x2, y2], '
            f"which box-iou compares. Split it into a question per box, or choose another scoring."
        )
    said = boxes(strip_thoughts(response))
    if len(said) != 1:
        rule = "ambiguous" if said else "unparsed" if response.strip() else "empty"
        return Verdict(0.0, rule, None)
    return Verdict(max(iou(said[0], found[0]) for found in due), "box", str(list(said[0])))


SCORER = Scorer("box-iou/1", score, measure="IoU")
