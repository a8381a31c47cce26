import math

import numpy as np
import pytest
from gmai_bench.tools.plan import planned, questions_for, sizes
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
    with pytest.raises(UserError, match=r'"vqarad": neither a number of questions nor a benchmark'):
        sizes(["vqarad"])
