"""Why a picture cannot be read: a short rule and what was found, to which each package adds the file's name."""

import contextlib
from collections.abc import Generator


class PictureError(Exception):
    """A picture that cannot be read or shown.

    Args:
        rule: Short, stable words that problems of this kind are counted under.
        detail: What was found, and the remedy where there is one.
    """

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule, self.detail = rule, detail


@contextlib.contextmanager
def decoding(rule: str, remedy: str = "") -> Generator[None]:
    """Turn whatever damaged bytes make a library raise into a `PictureError` of this rule.

    A decoder written in Rust panics with pyo3's PanicException, which is no `Exception`.
    """
    try:
        yield
    except (PictureError, MemoryError):
        raise
    except RecursionError as error:
        raise PictureError(rule, "its parts lie in one another, deeper than in any picture; leave it out") from error
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise
        words = " ".join(str(error).split("<_io.")[0].split())[:300]
        detail = f"{type(error).__name__}: {words}".removesuffix(": ")
        raise PictureError(rule, f"{detail}; {remedy}" if remedy else detail) from error
