"""Cells of conversations and rubrics, in the layout of HealthBench: lists of messages, of criteria and of tags."""

from collections.abc import Mapping
from typing import Any, cast

from gmai_formats.errors import UserError

from gmai_bench.benchmarks.question import Criterion

ROLES = ("system", "user", "assistant")


def conversation_of(cell: Any, place: str) -> list[tuple[str, str]]:
    """Return role and text of each message of a cell, a list of `{role, content}` that ends with the user's.

    Raises:
        UserError: It is none.
    """
    found: list[tuple[str, str]] = []
    for message in _objects(cell, place, "messages {role, content}"):
        role, content = message.get("role"), message.get("content")
        if role not in ROLES or not isinstance(content, str):
            raise UserError(
                f"{place}: found the message {dict(message)!r:.80}. A message has a role ({', '.join(ROLES)}) and a "
                "text as content. Correct the row."
            )
        found.append((str(role), content))
    if not found or found[-1][0] != "user":
        raise UserError(f"{place}: the conversation does not end with the user's message. The model answers that one.")
    return found


def rubric_of(cell: Any, place: str) -> tuple[Criterion, ...]:
    """Return the criteria of a cell, a list of `{criterion, points, tags}`.

    Raises:
        UserError: It is none, or no point can be had.
    """
    found: list[Criterion] = []
    for item in _objects(cell, place, "criteria {criterion, points}"):
        text, points, tags = item.get("criterion"), item.get("points"), item.get("tags")
        if not isinstance(text, str) or not text.strip() or not _is_number(points):
            raise UserError(
                f"{place}: found the criterion {dict(item)!r:.80}. A criterion has a text and a number of points. "
                "Correct the row."
            )
        listed: list[Any] = cast("list[Any]", tags) if isinstance(tags, list) else []
        found.append(Criterion(text, float(cast("float", points)), tuple(dict.fromkeys(map(str, listed)))))
    if not any(criterion.points > 0 for criterion in found):
        raise UserError(f"{place}: no criterion has points above 0. The score is the share of those to be had.")
    return tuple(found)


def tagged(group: str, cell: Any) -> str:
    """Return VALUE of the first tag `GROUP:VALUE` in a list of tags, `(none)` where there is none."""
    tags: list[Any] = cast("list[Any]", cell) if isinstance(cell, list) else []
    named = (tag.removeprefix(f"{group}:") for tag in map(str, tags) if tag.startswith(f"{group}:"))
    return next(named, "(none)")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _objects(cell: Any, place: str, what: str) -> list[Mapping[str, Any]]:
    listed: list[Any] = cast("list[Any]", cell) if isinstance(cell, list) else []
    if not listed or not all(isinstance(item, Mapping) for item in listed):
        raise UserError(f"{place}: found {cell!r:.60}, not a list of {what}. Correct the row.")
    return cast("list[Mapping[str, Any]]", listed)
