"""Two hundred answers against the packages themselves, called as their own documentation does."""

import pytest
from gmai_bench.benchmarks.question import Question
from gmai_bench.scoring.scorers import scorer
from gmai_bench.scoring.texts import words

Answers = list[tuple[str, Question]]


def values(name: str, answers: Answers) -> list[float]:
    return [verdict.score for verdict in scorer(name).verdicts(answers)]


def references(question: Question) -> list[str]:
    return [question.reference, *question.alternatives]


def test_bleu_is_sacrebleus(report_answers: Answers) -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="needs gmai-bench[texts]")
    due = [sacrebleu.sentence_bleu(answer, references(q)).score / 100 for answer, q in report_answers]
    assert values("bleu", report_answers) == pytest.approx(due, abs=1e-12)
    assert max(due) == pytest.approx(1.0)


def test_rouge_l_is_rouge_scores(report_answers: Answers) -> None:
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer", reason="needs gmai-bench[texts]")
    one = rouge_scorer.RougeScorer(["rougeL"])
    due = [max(one.score(r, answer)["rougeL"].fmeasure for r in references(q)) for answer, q in report_answers]
    assert values("rouge-l", report_answers) == pytest.approx(due, abs=1e-12)


def test_cider_is_pycocoevalcaps(report_answers: Answers) -> None:
    cider = pytest.importorskip("pycocoevalcap.cider.cider", reason="needs gmai-bench[texts]")
    gts = {str(n): [words(r) for r in references(q)] for n, (_, q) in enumerate(report_answers)}
    res = {str(n): [words(answer)] for n, (answer, _) in enumerate(report_answers)}
    mean, each = cider.Cider().compute_score(gts, res)
    found = values("cider", report_answers)
    assert found == pytest.approx(list(each), abs=1e-12)
    assert sum(found) / len(found) == pytest.approx(mean)
    assert scorer("cider").most >= max(found) > 1


def test_thoughts_are_left_out_and_nothing_said_is_empty(report_answers: Answers) -> None:
    for module in ("sacrebleu", "rouge_score", "pycocoevalcap"):
        pytest.importorskip(module, reason="needs gmai-bench[texts]")
    question = report_answers[0][1]
    for name in ("bleu", "rouge-l", "cider"):
        first, second, third = scorer(name).verdicts(
            [
                (question.reference, question),
                (f"<think>well, well</think>{question.reference}", question),
                (" ", question),
            ]
        )
        assert first.score == pytest.approx(second.score)
        assert (third.score, third.rule) == (0.0, "empty")
    assert words("T1-weighted, 2.5 cm.") == "t1 - weighted , 2 . 5 cm ."
