"""The answers to one question under a variant ▶ one verdict, and the numbers that stand beside the variant's own."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence

from gmai_bench.benchmarks.question import HEADLINE, Question
from gmai_bench.benchmarks.variants import Variant, moves
from gmai_bench.scoring.exact import normalise
from gmai_bench.scoring.verdict import Scored, Verdict


def together(question: Question, parts: Sequence[Scored], variant: Variant, *, graded: bool) -> Scored:
    """Return the verdict on a question that was asked several times.

    Args:
        question: The question.
        parts: The verdicts on its answers, in the order asked.
        variant: How it was asked.
        graded: Its score is no matter of right and wrong: the mean counts.
    """
    prediction = parts[0].prediction
    cut = any(part.prediction.cut for part in parts)
    refused = next((part.prediction.refused for part in parts if part.prediction.refused), "")
    if variant.order == "circular":
        chosen = next((part for part in parts if part.verdict.score < 1.0), parts[0])
        verdict = chosen.verdict
    elif graded or question.measure != HEADLINE:
        chosen = parts[0]
        mean = sum(part.verdict.score for part in parts) / len(parts)
        verdict = dataclasses.replace(chosen.verdict, score=mean)
    else:
        chosen = _majority(parts)
        verdict = chosen.verdict
    prediction = dataclasses.replace(chosen.prediction, id=question.id, cut=cut, refused=refused)
    orders = len(parts) if variant.order == "circular" else 1
    return Scored(chosen.question, prediction, verdict, orders)


def _majority(parts: Sequence[Scored]) -> Scored:
    """Return the first sample that says what most say; of equally many, what was said first. No answer has no vote."""
    votes = Counter(answer for part in parts if (answer := _vote_of(part)) is not None)
    if not votes:
        return parts[0]
    most = max(votes.values())
    return next(part for part in parts if (answer := _vote_of(part)) is not None and votes[answer] == most)


def _vote_of(part: Scored) -> str | None:
    """Return what an answer votes for: an option, or the words of an answer without options."""
    answer = part.verdict.answer
    return answer if answer is None or part.question.choices else normalise(answer) or answer


def beside(asked: Sequence[Sequence[Scored]], variant: Variant) -> dict[str, list[Scored]]:
    """Return name ▶ the scores of the numbers that stand beside a variant's own.

    Args:
        asked: Per question the verdicts on its answers, in the order asked.
        variant: How they were asked.
    """
    if variant.order == "circular":
        return {
            "with the options as published": [parts[0] for parts in asked],
            "mean over the rotations": [_scored(parts, _mean(parts)) for parts in asked],
        }
    if variant.samples > 1:
        k = variant.samples
        found = {f"mean of {k} samples (pass@1)": [_scored(parts, _mean(parts)) for parts in asked]}
        for tries in [n for n in (k // 2, k) if n > 1]:
            found[f"pass@{tries}"] = [_scored(parts, _pass(parts, tries)) for parts in asked]
        return found
    return {}


def _scored(parts: Sequence[Scored], score: float) -> Scored:
    return Scored(parts[0].question, parts[0].prediction, Verdict(score, parts[0].verdict.rule, None))


def _mean(parts: Sequence[Scored]) -> float:
    return sum(part.verdict.score for part in parts) / len(parts)


def _pass(parts: Sequence[Scored], tries: int) -> float:
    """Return the chance that one of so many answers drawn from these is right (Chen et al. 2021, arXiv 2107.03374)."""
    n, right = len(parts), sum(part.verdict.score == 1.0 for part in parts)
    return 1.0 - math.comb(n - right, tries) / math.comb(n, tries)


def once(questions: Sequence[Question], variant: Variant) -> str:
    """Say which questions are asked once, as published, because their options have no other order; else nothing."""
    if variant.order == "published":
        return ""
    without = sum(not question.choices for question in questions)
    fixed = sum(bool(question.choices) and not moves(question) for question in questions)
    reasons = [f"questions without options: {without}"] if without else []
    of_others = 'questions whose options speak of one another ("all of the above", "A and C") or are empty'
    reasons += [f"{of_others}: {fixed}"] if fixed else []
    return f"asked once, as published: {'; '.join(reasons)}" if reasons else ""
