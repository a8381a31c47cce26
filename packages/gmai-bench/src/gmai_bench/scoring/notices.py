"""What a reader must know before believing a number: a rule that cannot apply, options that stand twice."""

import re
from collections.abc import Sequence

from gmai_bench.benchmarks.question import Card
from gmai_bench.benchmarks.registry import protocols_of
from gmai_bench.extraction.letters import letter_alone
from gmai_bench.extraction.text import LETTERS, strip_thoughts, unify
from gmai_bench.scoring.verdict import Scored

EQUALITY = ("exact", "medevalkit_exact")
"""Rules under which an answer must equal its reference."""
_FEW_EQUAL = 0.05
_FEWEST_WORDS = 3
_LETTERED = re.compile(r"(?:^|[\s(\[{\"'])A[.):]")
"""Where a prompt shows letters of options."""
_MANY_LETTERS = 0.1
_MOST_OPTIONS = 10


def notices(card: Card, scored: Sequence[Scored]) -> list[str]:
    """Return the notices about the answers behind a protocol's number."""
    found = (_sentences(card, scored), _letters(scored), _equal_options(scored))
    return [notice for notice in found if notice]


def _sentences(card: Card, scored: Sequence[Scored]) -> str:
    """Say that answers of whole sentences never equal their short references."""
    items = [item for item in scored if item.verdict.rule in EQUALITY]
    right = sum(item.verdict.score == 1.0 for item in items)
    if not items or right > _FEW_EQUAL * len(items):
        return ""
    words = sum(len(item.prediction.response.split()) for item in items) / len(items)
    mean_words = sum(len(item.question.reference.split()) for item in items) / len(items)
    if words < max(_FEWEST_WORDS, 2 * mean_words):
        return ""
    equal = "None of the" if not right else f"Only {right} of the"
    others = [name for name in protocols_of(card.name) if not name.startswith(("exact", "zh-exact", "medevalkit"))]
    remedy = (
        f"{' or '.join(others)} read sentences" if others else "ask for a word, give options, or change the scoring"
    )
    return (
        f"{equal} {len(items)} answers that must equal their reference does: they are {words:.0f} words long on "
        f"average, the references {mean_words:.0f}. This protocol says nothing about sentences; {remedy}."
    )


def _letters(scored: Sequence[Scored]) -> str:
    """Say that answers are letters where none were shown: MedVInT's, to OmniMedVQA's options without letters."""
    items = [item for item in scored if not _LETTERED.search(item.question.prompt)]
    alone = [item for item in items if item.verdict.score == 0.0 and _is_letter(item)]
    if not alone or len(alone) <= _MANY_LETTERS * len(items):
        return ""
    example = alone[0]
    return (
        f'{len(alone)} of {len(items)} answers are a letter alone ("{example.prediction.response.strip()[:20]}" to '
        f"{example.question.id}), and this protocol shows no letters: it cannot tell what they mean, and counts them "
        f"as wrong. If the model was shown letters, score its file under a protocol that shows them, or a YAML file of "
        "your own whose prompt does; else ask it for the text of an option."
    )


def _is_letter(item: Scored) -> bool:
    said = unify(strip_thoughts(item.prediction.response))
    if letter_alone(said, len(item.question.choices) or _MOST_OPTIONS) is None:
        return False
    own = (*item.question.choices, item.question.reference)
    return not any(text.strip().upper() in LETTERS for text in own if len(text.strip()) == 1)


def _equal_options(scored: Sequence[Scored]) -> str:
    twins = [item.question for item in scored if len(set(item.question.choices)) < len(item.question.choices)]
    if not twins:
        return ""
    either = sum(question.choices.count(question.reference) > 1 for question in twins)
    return f"{len(twins)} questions show equal options; in {either} the right one stands twice and either counts."
