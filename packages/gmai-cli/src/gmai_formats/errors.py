"""User mistakes. Every gmai package raises `UserError`; `gmai_cli.main` prints it as one message."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from typing import Any


class UserError(Exception):
    """A mistake of the user's input or set-up: printed as one message without a traceback, exit code 2.

    The message says what was found and where, then the rule, then the remedy.
    """


_LISTED = 40
_CERTAIN = 0.8
"""Similarity from which on a name is a slip of the keys; below it the suggestion may be as wrong as the name was."""
_SLIPS = 5
"""Unknown keys that are named one by one."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean "…"?` for a known name that is close, and the known names where none is very close.

    Capitals, blanks, hyphens and underscores make no difference. Initials are close, such as `lr` for `learning_rate`.
    More than 40 known names are not listed.
    """
    known = sorted(known)
    same = [each for each in known if name and _letters(each) == _letters(name)]
    lower = {each.lower(): each for each in known}
    close = same or [lower[each] for each in get_close_matches(name.lower(), lower, n=1, cutoff=0.6)]
    close = close or [each for each in known if name and _initials(each) == name.lower()]
    asked = f' Did you mean "{close[0]}"?' if close else ""
    if same or not known or (close and SequenceMatcher(None, name.lower(), close[0].lower()).ratio() >= _CERTAIN):
        return asked
    if len(known) <= _LISTED:
        return f"{asked} Known: {', '.join(known)}."
    return asked


def _letters(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def not_utf8(error: UnicodeDecodeError) -> str:
    """Return what is wrong with the bytes of a text, and what to do, to stand within a sentence."""
    byte = error.object[error.start]
    return f"byte {byte:#04x} at place {error.start} is not UTF-8, so save the file as UTF-8"


def told(error: Exception) -> str:
    """Return the words of an error of reading, with the remedy where a text is not UTF-8."""
    return not_utf8(error) if isinstance(error, UnicodeDecodeError) else str(error)


def _initials(name: str) -> str:
    return "".join(word[:1] for word in name.lower().split("_")) if "_" in name else ""


def explain_validation(error: Any, *, where: str, known_fields: Iterable[str] = ()) -> UserError:
    """Turn a pydantic `ValidationError` into a `UserError` with one line per finding.

    A file with more than 5 unknown keys is one of another kind, and said to be so in one line.

    Args:
        error: A `pydantic.ValidationError`.
        where: The file (and line, where known) that the settings came from.
        known_fields: Names offered as "did you mean" for an unknown key.
    """
    known = list(known_fields)
    lines: list[str] = []
    findings = error.errors()
    strange = [str(finding["loc"][-1]) for finding in findings if finding["type"] == "extra_forbidden"]
    if len(strange) > _SLIPS:
        return UserError(
            f"{where}: {len(strange)} unknown keys ({', '.join(strange[:_SLIPS])}, …), as in a file of another kind."
            f"{did_you_mean('', known)} Give the file that is meant here, or correct the keys."
        )
    for finding in findings:
        field = ".".join(str(part) for part in finding["loc"]) or "(whole document)"
        message = finding["msg"].removeprefix("Value error, ")
        if finding["type"] == "extra_forbidden":
            name = str(finding["loc"][-1])
            message = "not a key of this place." if name in known else "unknown key." + did_you_mean(name, known)
        elif finding["type"] != "missing" and not isinstance(finding["input"], dict):
            message += f" (found {finding['input']!r:.80})"
        lines.append(f"{where}: {field}: {message}")
    return UserError("\n".join(lines))
