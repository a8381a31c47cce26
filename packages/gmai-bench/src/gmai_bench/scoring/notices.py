"""What a reader must know before believing a number: a rule that cannot apply, options that stand twice."""

from collections.abc import Sequence

from gmai_bench.benchmarks.question import Card
from gmai_bench.benchmarks.registry import protocols_of
from gmai_bench.scoring.verdict import Scored

EQUALITY = ("exact", "medevalkit_exact")
"""Rules under which an answer must equal its reference."""
_FEW_EQUAL = 0.05
_FEWEST_WORDS = 3


def notices(card: Card, scored: Sequence[Scored]) -> list[str]:
    """Return the notices about the answers behind a protocol's number."""
    return [notice for notice in (_sentences(card, scored), _equal_options(scored)) if notice]


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


def _equal_options(scored: Sequence[Scored]) -> str:
    twins = [item.question for item in scored if len(set(item.question.choices)) < len(item.question.choices)]
    if not twins:
        return ""
    either = sum(question.choices.count(question.reference) > 1 for question in twins)
    return f"{len(twins)} questions show equal options; in {either} the right one stands twice and either counts."
