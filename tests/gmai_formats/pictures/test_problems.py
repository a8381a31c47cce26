"""Whatever a decoder raises becomes a reason; what is no fault of the file goes through."""

import pytest
from gmai_formats.pictures.problems import PictureError, decoding


class PanicException(BaseException):
    """As pyo3 raises it."""


PanicException.__module__ = "pyo3_runtime"


@pytest.mark.parametrize("error", [ValueError("bad\n  value"), KeyError("x"), PanicException("index out of bounds")])
def test_errors_and_panics_become_reasons(error: BaseException) -> None:
    with (
        pytest.raises(PictureError, match=rf"^pixels unreadable: {type(error).__name__}: .*; mend it$") as caught,
        decoding("pixels unreadable", "mend it"),
    ):
        raise error
    assert "\n" not in str(caught.value)


def test_parts_within_parts_are_told_in_words() -> None:
    with pytest.raises(PictureError, match=r"^bad: its parts lie in one another, deeper than"), decoding("bad"):
        raise RecursionError("maximum recursion depth exceeded")


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), SystemExit(3), PictureError("a", "b")])
def test_others_go_through(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, decoding("pixels unreadable"):
        raise error
    assert caught.value is error
