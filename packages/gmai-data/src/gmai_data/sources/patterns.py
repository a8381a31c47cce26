"""Regular expressions that a card gives: written in Python's syntax, matched within a limit of processor time.

An expression whose repetitions may divide the same letters in many ways takes time that doubles with each letter
(https://owasp.org/www-community/attacks/Regular_expression_Denial_of_Service_-_ReDoS); Python's `re` cannot be stopped.
"""

import functools
import re
from typing import Any, cast

import regex  # pyright: ignore[reportMissingTypeStubs]
from gmai_formats.errors import UserError

MOST_S = 2.0
"""Processor time for one name or cell. The slowest expressions of the catalogue take microseconds."""
_LIBRARY: Any = cast(Any, regex)


class Pattern:
    """An expression that was compiled; see `pattern_of`."""

    def __init__(self, expression: str, ignore_case: bool) -> None:
        known = re.compile(expression, re.IGNORECASE if ignore_case else 0)
        self.expression, self.groups, self.names = expression, known.groups, tuple(known.groupindex)
        try:
            self._compiled: Any = _LIBRARY.compile(expression, _LIBRARY.IGNORECASE if ignore_case else 0)
        except _LIBRARY.error as error:
            raise re.error(str(error)) from error

    def search(self, text: str) -> "re.Match[str] | None":
        """Return the first place of a text that fits.

        Raises:
            UserError: Looking for it takes longer than `MOST_S`.
        """
        return self._within_time(self._compiled.search, text)

    def fullmatch(self, text: str) -> "re.Match[str] | None":
        """Return the whole text as a match, or None.

        Raises:
            UserError: Comparing it takes longer than `MOST_S`.
        """
        return self._within_time(self._compiled.fullmatch, text)

    def _within_time(self, find: Any, text: str) -> "re.Match[str] | None":
        try:
            return find(text, timeout=MOST_S)
        except (TimeoutError, MemoryError) as error:
            raise UserError(
                f"the regular expression {self.expression!r} takes more than {MOST_S:g} s on {text[:80]!r}. Write it "
                "so that no repetition stands inside another one or beside one of the same letters: a+ for (a+)+."
            ) from error


@functools.lru_cache(maxsize=256)
def pattern_of(expression: str, *, ignore_case: bool = False) -> Pattern:
    """Return the pattern of an expression.

    Args:
        expression: In the syntax of `re`.
        ignore_case: Whether `A` is `a`.

    Raises:
        re.error: It is none.
    """
    return Pattern(expression, ignore_case)
