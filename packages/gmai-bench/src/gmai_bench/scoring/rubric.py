"""Rubrics: a judge says of each criterion whether an answer meets it; the score is the points met of those to be had.

    score = points of the criteria met / sum of the positive points

Points may be negative, for what an answer must not do; so one answer's score may be below 0, and the mean over all
answers is cut to 0 to 1, as `healthbench_eval.py` of https://github.com/openai/simple-evals does. `tools.rubric` asks
the judge; until then an answer has no score.
"""

from collections import defaultdict
from collections.abc import Sequence

from gmai_bench.benchmarks.question import Criterion, Question
from gmai_bench.scoring.verdict import UNJUDGED, Scorer, Verdict

NAME = "rubric"


def points(criteria: Sequence[Criterion], met: Sequence[bool]) -> float | None:
    """Return the points met over those to be had; none where no point can be had."""
    possible = sum(criterion.points for criterion in criteria if criterion.points > 0)
    achieved = sum(criterion.points for criterion, is_met in zip(criteria, met, strict=True) if is_met)
    return achieved / possible if possible else None


def by_tag(criteria: Sequence[Criterion], met: Sequence[bool]) -> dict[str, float]:
    """Return the same for the criteria of each tag, where points can be had."""
    tagged: dict[str, list[int]] = defaultdict(list)
    for place, criterion in enumerate(criteria):
        for tag in criterion.tags:
            tagged[tag].append(place)
    scores = {
        tag: points([criteria[place] for place in places], [met[place] for place in places])
        for tag, places in tagged.items()
    }
    return {tag: score for tag, score in scores.items() if score is not None}


def score(response: str, question: Question) -> Verdict:
    """Return that a judge has still to read the answer; an empty one needs none to be worth nothing."""
    del question
    return Verdict(0.0, UNJUDGED, response.strip() or None)


SCORER = Scorer("rubric/1", score, measure="of the rubric's points")
