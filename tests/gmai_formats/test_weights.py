import numpy as np
import pytest
from gmai_formats.weights import not_finite


class Tensor:
    """As much of a tensor as is asked for."""

    def __init__(self, *values: float) -> None:
        self._values = np.array(values, dtype=np.float32)

    def detach(self) -> "Tensor":
        return self

    def sum(self) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self._values.sum())

    def isfinite(self) -> np.ndarray:
        return np.isfinite(self._values)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_named(bad: float) -> None:
    found = not_finite([("a", Tensor(1, 2)), ("b", Tensor(1, bad)), ("c", Tensor(bad))])
    assert found.startswith("2 tensors hold values that are not finite (NaN or infinity), b first.")


def test_infinities_do_not_cancel() -> None:
    assert "1 tensors" in not_finite([("a", Tensor(float("inf"), -float("inf")))])


def test_numbers_are_numbers_even_where_their_sum_is_none() -> None:
    assert not_finite([("a", Tensor(3e38, 3e38)), ("b", Tensor())]) == ""
