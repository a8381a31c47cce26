import math

import pytest
import scipy
from gmai_bench.scoring.statistics import (
    clustered_standard_error,
    holm,
    macro_bootstrap,
    mcnemar_exact,
    mean_interval,
    minimum_detectable_difference,
    t_quantile,
    wilson,
    wilson_clustered,
)
from packaging.version import Version
from scipy import special
from scipy.stats import binomtest


@pytest.mark.parametrize(
    ("correct", "n"), [(0, 1), (1, 1), (0, 40), (40, 40), (1, 3), (77, 150), (299, 451), (88000, 88996)]
)
def test_wilson_is_scipys(correct: int, n: int) -> None:
    due = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert wilson(correct, n) == pytest.approx((due.low, due.high), abs=1e-12)


def test_nothing_answered_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson_clustered(0, 0, math.nan, 0) == (0.0, 1.0)


def test_without_clusters_the_standard_error_is_the_binomial_one() -> None:
    scores = [1.0] * 30 + [0.0] * 70
    error, clusters = clustered_standard_error(scores, [str(i) for i in range(100)])
    assert error == pytest.approx(math.sqrt(0.3 * 0.7 / 100))
    assert clusters == 100


def test_answers_that_move_together_count_once() -> None:
    # five copies of each of 20 answers: the error is that of 20 answers
    scores = [float(i % 2) for i in range(20) for _ in range(5)]
    error, clusters = clustered_standard_error(scores, [str(i) for i in range(20) for _ in range(5)])
    assert error == pytest.approx(math.sqrt(0.25 / 20))
    assert clusters == 20
    assert wilson_clustered(50, 100, error, clusters) == pytest.approx(wilson(10, 20))


def test_clusters_by_hand() -> None:
    # mean 0.6; residual sums per image: a 0.4+0.4-0.6 = 0.2, b 0.4-0.6 = -0.2; sqrt(0.04 + 0.04) / 5
    error, clusters = clustered_standard_error([1, 1, 0, 1, 0], ["a", "a", "a", "b", "b"])
    assert error == pytest.approx(math.sqrt(0.08) / 5)
    assert clusters == 2


def test_all_right_counts_each_image_once() -> None:
    assert wilson_clustered(40, 40, 0.0, 8) == pytest.approx(wilson(8, 8))


def test_the_clustered_interval_is_never_the_narrower_one() -> None:
    assert wilson_clustered(50, 100, 1e-9, 50) == pytest.approx(wilson(50, 100))


def test_mean_interval_by_the_t_table() -> None:
    low, high = mean_interval(0.5, 0.1, clusters=11)
    assert (low, high) == pytest.approx((0.5 - 2.228139 * 0.1, 0.5 + 2.228139 * 0.1), abs=1e-6)
    assert mean_interval(0.9, 0.2, clusters=5)[1] == 1.0
    assert mean_interval(0.9, 0.2, clusters=1) == (0.0, 1.0)


@pytest.mark.parametrize("freedom", [*range(1, 60), 99, 100, 999, 1000, 12_345, 88_996, 250_001])
def test_the_t_quantile_is_scipys(freedom: int) -> None:
    close = 1e-12 if Version(scipy.__version__) >= Version("1.17") else 1e-9  # 1.13 itself is off by 1e-11
    for level in (0.5, 0.8, 0.9, 0.95, 0.99):
        due = float(special.stdtrit(freedom, 0.5 + level / 2))
        assert t_quantile(freedom, level) == pytest.approx(due, rel=close, abs=close)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 61, 500, 4001])
def test_mcnemar_is_scipys_binomial(n: int) -> None:
    for k in {0, 1, n // 4, n // 3, n // 2}:
        due = min(1.0, 2 * float(special.bdtr(min(k, n - k), n, 0.5)))
        assert mcnemar_exact(k, n - k) == mcnemar_exact(n - k, k) == pytest.approx(due, rel=1e-11, abs=1e-300)


def test_mcnemar_is_exact_where_it_is_known() -> None:
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(0, 5) == 2 / 32
    assert mcnemar_exact(1, 5) == 2 * 7 / 64
    assert mcnemar_exact(5, 5) == 1.0
    assert mcnemar_exact(0, 2000) == 0.0  # below the smallest number


def test_a_detectable_difference_is_2_8_standard_errors() -> None:
    assert minimum_detectable_difference(1.0) == pytest.approx(2.801585, abs=1e-6)


def test_the_macro_mean_weighs_strata_alike() -> None:
    mean, (low, high) = macro_bootstrap([1, 1, 1, 0], ["a", "a", "a", "b"], ["1", "2", "3", "4"])
    assert (mean, low, high) == (0.5, 0.5, 0.5)
    mean, (low, high) = macro_bootstrap([1, 0, 1, 0], ["a", "a", "b", "b"], ["1", "2", "3", "4"])
    assert mean == 0.5
    assert (low, high) == (0.0, 1.0)


def test_holm_as_worked_by_hand() -> None:
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, none below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-12)
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []
