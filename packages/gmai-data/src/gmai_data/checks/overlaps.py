"""Do two regions overlap where a masked sentence says so, and lie apart where it says that?"""

import re

from gmai_data.checks.facts import Facts
from gmai_data.checks.lexicon import LABEL
from gmai_data.checks.places import known_boxes
from gmai_data.vocabulary import Language

_SAYS = {
    Language.EN: re.compile(
        r"\b(?P<apart>(?:not|n't|without|no|never|hardly) (?:\w+ )?overlap\w*|non ?overlapping|"
        r"(?:lie|are|lying) (?:clearly |wholly |entirely )?(?:apart|separate) from (?:each other|one another))"
        r"|\boverlap(?:s|ped|ping)?\b"
    ),
    Language.ZH: re.compile(
        "(?P<apart>(?:不|没有|无|未|互不|并未|并不)(?:相互|互相)?(?:重叠|交叠)|(?:彼此|相互|互相)(?:分开|分离))|重叠|交叠"
    ),
}
_TWO = 2


def wrong_overlap(facts: Facts, text: str) -> tuple[str, str] | None:
    """Return what a masked sentence says of the overlap of two regions where their boxes say otherwise."""
    found = _SAYS[facts.language].search(text)
    if found is None or text.rstrip(" \n\"'”’)）").endswith(("?", "？")):
        return None
    labels = list(dict.fromkeys(facts.names.label_of(mark) for mark in re.findall(LABEL, text)))
    if len(labels) == _TWO:
        one, other = (known_boxes(facts, label) for label in labels)
        pairs = [(first, second) for first in one for second in other]
    else:
        boxes = facts.boxes or facts.annotation.boxes
        pairs = [(boxes[0], boxes[1])] if len(boxes) == _TWO and len(labels) < _TWO else []
    apart = found.groupdict()["apart"] is not None
    meet = [one.common_px(other) > 0 for one, other in pairs]
    if meet and (all(meet) if apart else not any(meet)):
        return "position contradicted", f'"{found.group()}" is not so by the boxes'
    return None
