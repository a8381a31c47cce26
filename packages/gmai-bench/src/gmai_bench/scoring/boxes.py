"""Box IoU: intersection over union of the box in an answer and the one in the reference.

A box is four numbers in brackets, `[x1, y1, x2, y2]` or `<box>[[x1, y1, x2, y2]]</box>`, left, top, right, bottom: all
up to 1 are shares of the sides, all others thousandths, as the checkpoint's grammar has them.
"""

import re

from gmai_formats.errors import UserError
from gmai_formats.rows.box_text import UNIT, iou

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction.text import strip_thoughts
from gmai_bench.scoring.verdict import Scorer, Verdict

Box = tuple[float, float, float, float]
_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_BOX = re.compile(r"[\[(]" + ",".join([_NUMBER] * 4) + r"[\])]")


def boxes(text: str) -> list[Box]:
    """Return the different boxes of a text, in thousandths."""
    found: dict[Box, None] = {}
    for match in _BOX.finditer(text):
        numbers = [float(number) for number in match.groups()]
        scale = UNIT if max(numbers) <= 1 else 1
        x1, y1, x2, y2 = (number * scale for number in numbers)
        found[x1, y1, x2, y2] = None
    return list(found)


def score(response: str, question: Question) -> Verdict:
    """Return the IoU of the one box of an answer; none or several boxes are no answer.

    Raises:
        UserError: The reference is not one box.
    """
    expected = [boxes(text) for text in (question.reference, *question.alternatives)]
    if any(len(found) != 1 for found in expected):
        raise UserError(
            f'question "{question.id}": the reference {question.reference!r:.60} is not one box [x1, y1, x2, y2], '
            f"which box-iou compares. Split it into a question per box, or choose another scoring."
        )
    answered = boxes(strip_thoughts(response))
    if len(answered) != 1:
        rule = "ambiguous" if answered else "unparsed" if response.strip() else "empty"
        return Verdict(0.0, rule, None)
    return Verdict(max(iou(answered[0], found[0]) for found in expected), "box", str(list(answered[0])))


SCORER = Scorer("box-iou/1", score, measure="IoU")
