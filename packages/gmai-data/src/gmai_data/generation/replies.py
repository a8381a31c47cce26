"""A model's reply ▶ turns or an opinion: read generously where nobody could misread it, and held to the schema here.

Taken off: what was thought aloud before the answer, prose and a fence around it, a byte-order mark, trailing commas,
line ends inside strings, keys beyond those asked for, capitals in keys, curly quotes in the place of straight ones, the
missing object around a bare list or turn, and what is put around the one record: a list, a key, a tool call.
Refused: two records, a key that stands twice, a record cut short, anything that would have to be guessed.
"""

import contextlib
import functools
import json
import re
from collections.abc import Iterator
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Turn(BaseModel):
    """A question and its answer."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class Conversation(BaseModel):
    """What every writing prompt asks for."""

    model_config = ConfigDict(extra="forbid")

    turns: list[Turn] = Field(min_length=1)


class Opinion(BaseModel):
    """What the judge is asked for."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    consistent: bool
    reason: str


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a JSON schema of the subset that strict structured output takes: no limits, every field required."""

    def plain(node: Any) -> Any:
        if isinstance(node, list):
            return [plain(each) for each in node]  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(node, dict):
            return node
        left_out = {"minLength", "minItems", "title", "description", "default"}
        return {key: plain(value) for key, value in node.items() if key not in left_out}  # pyright: ignore[reportUnknownVariableType]

    return plain(model.model_json_schema())


CONVERSATION_SCHEMA = strict_schema(Conversation)
OPINION_SCHEMA = strict_schema(Opinion)


class UnusableReplyError(ValueError):
    """A reply that is not of the asked form; the text says what is wrong, in words that a model can act on."""


@functools.lru_cache(maxsize=256)  # a reply is read when it is judged and when its sample is made
def parse_turns(reply: str) -> tuple[tuple[str, str], ...]:
    """Return the turns of a reply.

    Raises:
        UnusableReplyError: It is no JSON of the schema.
    """
    conversation = _parse(Conversation, reply)
    return tuple((turn.question, turn.answer) for turn in conversation.turns)


def parse_opinion(reply: str) -> Opinion:
    """Return the judge's opinion.

    Raises:
        UnusableReplyError: It is no JSON of the schema.
    """
    return _parse(Opinion, reply)


_THOUGHT = re.compile(r"</(?:think|thinking|thought|reasoning)>|\[/THINK\]", re.IGNORECASE)
_THINKS = re.compile(r"<(?:think|thinking|thought|reasoning)>|\[THINK\]", re.IGNORECASE)
_START = re.compile(r'\{(?=\s*["“}])|\[(?=\s*\{)')
"""Where JSON begins: an object with a key, or a list of objects; `{a}` and `[1]` in prose are neither."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_CURLY = str.maketrans("“”", '""')
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(\s*[}\]])', re.DOTALL)


def _parse(model: type[BaseModel], reply: str) -> Any:
    with contextlib.suppress(ValidationError):
        whole = model.model_validate_json(reply)  # what nearly every reply is
        asked = len(whole.turns) if isinstance(whole, Conversation) else 1
        if all(reply.count(f'"{key}"') <= asked for key in ("turns", "question", "answer", "consistent", "reason")):
            return whole
    found: list[Any] = []
    complaint = "no JSON in it"
    for value in _values(_answer(reply)):
        try:
            found.append(model.model_validate(_asked(model, value)))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            complaint = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if len(found) > 1:
        raise UnusableReplyError(f"it holds {len(found)} records; exactly one is asked for")
    if not found:
        raise UnusableReplyError(complaint)
    return found[0]


def _answer(reply: str) -> str:
    """Return what follows the thinking."""
    ends = list(_THOUGHT.finditer(reply))
    answer = reply[ends[-1].end() :] if ends else reply
    if _THINKS.search(answer):
        raise UnusableReplyError("the thinking in it has no end, and no answer follows")
    return answer


def _values(text: str) -> Iterator[Any]:
    """Yield each outermost JSON object, or list of objects, in a text."""
    position = 0
    while start := _START.search(text, position):
        position = _end(text, start.start())
        part = text[start.start() : position]
        if '"' not in part:
            part = part.translate(_CURLY)
        try:
            yield _loaded(part)
        except UnusableReplyError:
            raise
        except ValueError:
            try:
                yield _loaded(_COMMA.sub(lambda each: each[1] or each[2], part))
            except ValueError as error:
                raise UnusableReplyError(f"no JSON: {error}") from error


def _loaded(part: str) -> Any:
    return json.loads(part, strict=False, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise UnusableReplyError("one of its keys stands twice in the same object")
    return found


def _end(text: str, start: int) -> int:
    """Return where the bracket that opens at `start` is closed."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if not depth:
            return token.end()
    raise UnusableReplyError("no JSON: it ends before its last bracket")


def _asked(model: type[BaseModel], value: Any) -> Any:
    """Return a value with the keys that are asked for, and no others."""
    if isinstance(value, list) and len(value) == 1 and _holds(model, value[0]):  # pyright: ignore[reportUnknownArgumentType]
        value = value[0]  # pyright: ignore[reportUnknownVariableType]
    if model is Conversation:
        if _holds(Turn, value):
            value = [value]
        if isinstance(value, list):
            value = {"turns": value}
    if not isinstance(value, dict):
        return cast("Any", value)
    if not _holds(model, value):
        inside = [found for each in cast("dict[Any, Any]", value).values() for found in _records(model, each)]
        if len(inside) == 1:
            return _asked(model, inside[0])
    keyed = {str(key).lower(): each for key, each in cast("dict[Any, Any]", value).items()}
    if len(keyed) < len(cast("dict[Any, Any]", value)):
        raise UnusableReplyError("two of its keys differ in capitals only")
    asked = {key: each for key, each in keyed.items() if key in model.model_fields}
    if isinstance(asked.get("turns"), list):
        asked["turns"] = [_asked(Turn, each) for each in cast("list[Any]", asked["turns"])]
    return asked


def _holds(model: type[BaseModel], value: Any) -> bool:
    """Return whether a value is an object with a key that is asked for."""
    return isinstance(value, dict) and any(
        str(key).lower() in model.model_fields for key in cast("dict[Any, Any]", value)
    )


def _records(model: type[BaseModel], value: Any) -> list[Any]:
    """Return the records in a value of an object that is none itself, as in the arguments of a tool call."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = _loaded(value)
    turns = isinstance(value, list) and model is Conversation and all(_holds(Turn, each) for each in value)  # pyright: ignore[reportUnknownVariableType]
    return [value] if value and (_holds(model, value) or turns) else []
