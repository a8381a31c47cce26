"""Report metrics by the packages of their authors, which bring models of their own; none is computed without them.

    radgraph-f1   radgraph: entities and relations (reward level "partial"), https://github.com/Stanford-AIMI/radgraph
    chexbert-f1   f1chexbert: all five main findings as in the reference, https://github.com/jbdel/CheXbert
    green         green-score: GREEN, https://github.com/Stanford-AIMI/GREEN
    ratescore     RaTEScore, https://github.com/MAGIC-AI4Med/RaTEScore

Each downloads its weights on the first use, and each wants older versions of torch or transformers than gmai does: it
is installed where answers are scored, not where a model runs. `gmai bench score` and `report` need neither.
"""

from collections.abc import Callable, Sequence
from typing import Any

from gmai_formats.errors import UserError

from gmai_bench.benchmarks.question import Question
from gmai_bench.extraction.text import strip_thoughts
from gmai_bench.scoring.packages import package
from gmai_bench.scoring.verdict import Scorer, Verdict

Compute = Callable[[Any, list[str], list[str]], Sequence[float]]
"""The module, answers, references ▶ a score each."""


def _radgraph(module: Any, answers: list[str], references: list[str]) -> Sequence[float]:
    return module.F1RadGraph(reward_level="partial", model_type="radgraph-xl")(hyps=answers, refs=references)[1]


def _chexbert(module: Any, answers: list[str], references: list[str]) -> Sequence[float]:
    return module.F1CheXbert()(hyps=answers, refs=references)[1]


def _green(module: Any, answers: list[str], references: list[str]) -> Sequence[float]:
    return module.GREEN("StanfordAIMI/GREEN-radllama2-7b", output_dir=".")(references, answers)[2]


def _rate(module: Any, answers: list[str], references: list[str]) -> Sequence[float]:
    return module.RaTEScore().compute_score(answers, references)


def _scorer(name: str, module: str, distribution: str, measure: str, compute: Compute) -> Scorer:
    def score_all(answers: Sequence[tuple[str, Question]]) -> list[Verdict]:
        loaded = package(module, scoring=name, command=f"pip install {distribution}")
        texts = [strip_thoughts(response).strip() for response, _ in answers]
        some = [n for n, answer in enumerate(texts) if answer]
        values = list(compute(loaded, [texts[n] for n in some], [answers[n][1].reference for n in some]))
        if len(values) != len(some):
            raise UserError(
                f'scoring "{name}": {distribution} gave {len(values)} scores for {len(some)} answers. Its versions '
                f"differ in what they return. Install the newest, or report this."
            )
        found = [Verdict(0.0, "empty", None)] * len(texts)
        for n, value in zip(some, values, strict=True):
            found[n] = Verdict(float(value), name.replace("-", "_"), None)
        return found

    return Scorer(f"{name}/1", None, measure=measure, score_all=score_all)


SCORERS = {
    "radgraph-f1": _scorer("radgraph-f1", "radgraph", "radgraph", "RadGraph F1", _radgraph),
    "chexbert-f1": _scorer("chexbert-f1", "f1chexbert", "f1chexbert", "CheXbert-5 agreement", _chexbert),
    "green": _scorer("green", "green_score", "green-score", "GREEN", _green),
    "ratescore": _scorer("ratescore", "RaTEScore", "RaTEScore", "RaTEScore", _rate),
}
"""Name ▶ scorer."""
