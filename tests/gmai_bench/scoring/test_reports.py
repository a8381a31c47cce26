"""The packages' models cannot be had here: stand-ins with their documented signatures show what reaches them."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_bench.benchmarks.question import Question
from gmai_bench.scoring.scorers import scorer
from gmai_formats.errors import UserError

ANSWERS = [
    ("Clear lungs.", Question("a", "?", "?", (), (), "Lungs are clear.", "a")),
    ("", Question("b", "?", "?", (), (), "Effusion.", "b")),
    ("<think>hm</think>Effusion.", Question("c", "?", "?", (), (), "Effusion.", "c")),
]


def overlap(answers: list[str], references: list[str]) -> list[float]:
    return [float(a == r) for a, r in zip(answers, references, strict=True)]


class RadGraph:
    def __init__(self, **settings: Any) -> None:
        assert settings == {"reward_level": "partial", "model_type": "radgraph-xl"}

    def __call__(self, hyps: list[str], refs: list[str]) -> tuple[Any, ...]:
        return 0.5, overlap(hyps, refs), [], []


class CheXbert:
    def __call__(self, hyps: list[str], refs: list[str]) -> tuple[Any, ...]:
        return 0.5, overlap(hyps, refs), {}, {}


class Green:
    def __init__(self, model: str, output_dir: str) -> None:
        assert model == "StanfordAIMI/GREEN-radllama2-7b"

    def __call__(self, refs: list[str], hyps: list[str]) -> tuple[Any, ...]:
        return 0.5, 0.1, overlap(hyps, refs), "", None


class Rate:
    def compute_score(self, predictions: list[str], references: list[str]) -> list[float]:
        return overlap(predictions, references)


STAND_INS = {
    "radgraph-f1": ("radgraph", SimpleNamespace(F1RadGraph=RadGraph)),
    "chexbert-f1": ("f1chexbert", SimpleNamespace(F1CheXbert=CheXbert)),
    "green": ("green_score", SimpleNamespace(GREEN=Green)),
    "ratescore": ("RaTEScore", SimpleNamespace(RaTEScore=Rate)),
}


@pytest.mark.parametrize("name", STAND_INS)
def test_answers_reach_the_package_without_thoughts_and_the_empty_ones_do_not(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, stand_in = STAND_INS[name]
    monkeypatch.setitem(sys.modules, module, stand_in)  # pyright: ignore[reportArgumentType]
    found = scorer(name).verdicts(ANSWERS)
    assert [verdict.score for verdict in found] == [0.0, 0.0, 1.0]
    assert found[1].rule == "empty"
    monkeypatch.setattr(sys.modules[__name__], "overlap", lambda answers, references: [1.0])
    with pytest.raises(UserError, match=rf'scoring "{name}": .* gave 1 scores for 2 answers'):
        scorer(name).verdicts(ANSWERS)


@pytest.mark.parametrize("name", STAND_INS)
def test_without_the_package_the_metric_is_refused_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, STAND_INS[name][0], None)
    with pytest.raises(UserError, match=rf'scoring "{name}" needs .*Install it with `pip install '):
        scorer(name).verdicts(ANSWERS)
