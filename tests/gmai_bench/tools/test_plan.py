import math

import numpy as np
import pytest
from gmai_bench.tools.plan import not_shares, planned, questions_for, sizes
from gmai_formats.errors import UserError


def test_the_planned_difference_is_found_in_four_of_five_simulated_runs() -> None:
    n, accuracy = 400, 0.7
    difference = planned(n, accuracy, agreement=0.0, per_cluster=1, within=0).unpaired
    draw = np.random.default_rng(1)
    first = draw.binomial(n, accuracy, 4000) / n
    second = draw.binomial(n, accuracy + difference, 4000) / n
    error = np.sqrt((first * (1 - first) + second * (1 - second)) / n)
    assert np.mean(np.abs(second - first) > 1.96 * error) == pytest.approx(0.8, abs=0.05)


def test_the_same_questions_show_more_and_shared_images_less() -> None:
    alone = planned(1000, 0.7, 0.5, 1, 0.2)
    shared = planned(1000, 0.7, 0.5, 6, 0.2)
    assert alone.paired == pytest.approx(alone.unpaired / math.sqrt(2))
    assert shared.paired == pytest.approx(alone.paired * math.sqrt(2))
    assert shared.half_width > alone.half_width == pytest.approx(0.0284, abs=1e-3)
    needed = questions_for(alone.paired, 0.7, 0.5, 1, 0.2)
    assert needed == pytest.approx(1000, abs=1)


def test_sizes_are_numbers_or_benchmarks() -> None:
    assert sizes(["150,vqa-rad", "medqa", "mmmu-hm/mc-145"]) == [
        ("150", 150), ("vqa-rad", 451), ("medqa", 1273), ("mmmu-hm/mc-145", 145)
    ]  # fmt: skip
    assert sizes(["vqa-rad"]) == [("vqa-rad", 451)]
    assert sizes(["vqa-rad/medevalkit", "vqa-rad/llava-med", "slake/medevalkit,gmai-mmbench"]) == [
        ("vqa-rad/medevalkit", 451), ("vqa-rad/llava-med", 272), ("slake/medevalkit", 2094), ("gmai-mmbench", 4550)
    ]  # fmt: skip
    with pytest.raises(UserError, match=r'"1,200": may be one number or several.*Give 1200, or 1 200'):
        sizes(["1,200"])


def test_measures_of_texts_are_no_shares() -> None:
    assert not_shares(["rocov2,vqa-rad", "healthbench/hard-1000", "vqa-med/2019-500", "300"]) == [
        "rocov2 (rouge-l)",
        "healthbench/hard-1000 (rubric)",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("vqarad", r'"vqarad": neither a number nor a benchmark\. Did you mean "vqa-rad"'),
        ("1e3", r'"1e3": neither a number nor a benchmark'),
        ("vqa-rad/lava-med", r'vqa-rad has no such protocol\. Did you mean "llava-med"'),
        ("mimic-cxr/report-own", r"the count of this protocol depends on the copy\. Give a number .* slake/huatuo-416"),
        ("own.yaml", r"a file does not say how many questions it has before it is read"),
        ("0", r'"0": neither a number'),
    ],
)
def test_what_has_no_count_is_explained(given: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        sizes([given])


@pytest.mark.parametrize(("accuracy", "agreement"), [(0, 0.5), (1, 0.5), (0.7, 1)])
def test_where_no_answer_varies_there_is_nothing_to_plan(accuracy: float, agreement: float) -> None:
    with pytest.raises(UserError, match=r"then no answer varies, and there is no difference to plan for"):
        planned(100, accuracy, agreement, 1, 0.2)
    with pytest.raises(UserError, match=r"no answer varies"):
        questions_for(0.01, accuracy, agreement, 1, 0.2)


def test_more_questions_about_an_image_than_there_are_are_refused() -> None:
    with pytest.raises(UserError, match=r"--per-cluster 1000: 100 questions are not 1000 about one image"):
        planned(100, 0.7, 0.5, 1000, 0.2)
