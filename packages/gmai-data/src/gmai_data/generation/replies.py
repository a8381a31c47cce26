"""A model's reply ▶ turns or an opinion: read generously where nobody could misread it, and held to the schema here.

Taken off: what was thought aloud before the answer, prose and a fence around it, a byte-order mark, trailing commas,
line ends inside strings, keys beyond those asked for, capitals in keys, curly quotes and full-width brackets, colons
and commas in the place of plain ones, the missing object around a bare list or turn, and what is put around the one
record: a list, a key, a tool call, a string. Refused: two records, a key that stands twice, a record cut short, a
control character in a text, anything that would have to be guessed.
"""

import contextlib
import functools
import json
import re
from collections.abc import Iterator
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Turn(BaseModel):
    """A question and its answer."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)

    @field_validator("question", "answer")
    @classmethod
    def _written(cls, text: str) -> str:
        if _CONTROL.search(text):
            raise ValueError("a control character stands in it")
        return text


class ConversationReply(BaseModel):
    """What every writing prompt asks for."""

    model_config = ConfigDict(extra="forbid")

    turns: list[Turn] = Field(min_length=1)


FAULTS = ("label", "place", "number", "finding", "appearance", "language", "other")
"""What a judge may find wrong; samples that it filters are counted by it."""


class Opinion(BaseModel):
    """What the judge is asked for."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    consistent: bool
    fault: str = "other"
    reason: str

    @field_validator("fault", mode="before")
    @classmethod
    def _listed(cls, fault: Any) -> str:
        """Take a fault that is none of the list for another one: the verdict is what counts."""
        named = str(fault).strip().lower()
        return named if named in FAULTS else "other"


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a JSON schema of the subset that strict structured output takes: no limits, every field required."""

    def plain(node: Any) -> Any:
        if isinstance(node, list):
            return [plain(each) for each in node]  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(node, dict):
            return node
        left_out = {"minLength", "minItems", "title", "description", "default"}
        found = {key: plain(value) for key, value in node.items() if key not in left_out}  # pyright: ignore[reportUnknownVariableType]
        if isinstance(found.get("properties"), dict):
            found["required"] = list(found["properties"])
        return cast("dict[str, Any]", found)

    return plain(model.model_json_schema())


CONVERSATION_SCHEMA = strict_schema(ConversationReply)
OPINION_SCHEMA = strict_schema(Opinion)


class UnusableReplyError(ValueError):
    """A reply that is not of the asked form; the text says what is wrong, in words that a model can act on."""


@functools.lru_cache(maxsize=256)  # a reply is read when it is judged and when its sample is made
def parse_turns(reply: str) -> tuple[tuple[str, str], ...]:
    """Return the turns of a reply.

    Raises:
        UnusableReplyError: It is no JSON of the schema.
    """
    conversation = _parse(ConversationReply, reply)
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
_DEEPEST = 6
"""Levels of lists, keys and strings around a record that are looked into."""
_FULL_WIDTH = str.maketrans("｛｝［］：，＂\u00a0\u3000\u200b\ufeff", '{}[]:,"    ')
_OUTSIDE = re.compile(r'("(?:[^"\\]|\\.)*")|([^"]+)', re.DOTALL)
_CURLY = str.maketrans("“”", '""')
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(\s*[}\]])', re.DOTALL)


def _parse(model: type[BaseModel], reply: str) -> Any:
    with contextlib.suppress(ValidationError):
        whole = model.model_validate_json(reply)  # what nearly every reply is
        asked = len(whole.turns) if isinstance(whole, ConversationReply) else 1
        # A letter of a key that is written as \\u0061 would not be counted.
        if "\\u00" not in reply and all(
            reply.count(f'"{key}"') <= asked for key in ("turns", "question", "answer", "consistent", "reason")
        ):
            return whole
    found: list[Any] = []
    complaint = "no JSON in it"
    for value in _values(_plain(_answer(_unquoted(reply)))):
        try:
            found.append(model.model_validate(_wanted_keys(model, value)))
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


def _unquoted(reply: str) -> str:
    """Return what a reply that is one JSON string holds."""
    for _ in range(_DEEPEST):
        if not reply.strip().startswith('"'):
            break
        try:
            inside = json.loads(reply)
        except ValueError:
            break
        reply = cast("str", inside)
    return reply


def _plain(text: str) -> str:
    """Return a text with plain brackets, colons, commas and blanks outside its strings."""
    if text.isascii():
        return text
    if '"' not in text.translate({ord("＂"): '"'}):
        text = text.translate(_CURLY)
    text = text.replace("＂", '"')
    return _OUTSIDE.sub(lambda each: each[1] or each[2].translate(_FULL_WIDTH), text)


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
    try:
        return json.loads(part, strict=False, object_pairs_hook=_once)
    except RecursionError as error:
        raise UnusableReplyError("no JSON that can be read: its brackets are nested too deep") from error


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


def _wanted_keys(model: type[BaseModel], value: Any) -> Any:
    """Return a value with the keys that are asked for, and no others."""
    if isinstance(value, list) and len(value) == 1 and not _holds(Turn, value[0]):  # pyright: ignore[reportUnknownArgumentType]
        value = value[0]  # pyright: ignore[reportUnknownVariableType]
    if model is ConversationReply:
        if _holds(Turn, value):
            value = [value]
        if isinstance(value, list):
            value = {"turns": value}
    if not isinstance(value, dict):
        return cast("Any", value)
    if model is not Turn and not _holds(model, value):
        inside = _records(model, value)
        if len(inside) == 1:
            return _wanted_keys(model, inside[0])
    keyed = {str(key).lower(): each for key, each in cast("dict[Any, Any]", value).items()}
    if len(keyed) < len(cast("dict[Any, Any]", value)):
        raise UnusableReplyError("two of its keys differ in capitals only")
    asked = {key: each for key, each in keyed.items() if key in model.model_fields}
    if "turns" in asked and isinstance(turns := _read(asked["turns"]), list):
        asked["turns"] = [_wanted_keys(Turn, _read(each)) for each in cast("list[Any]", turns)]
    return asked


def _holds(model: type[BaseModel], value: Any) -> bool:
    """Return whether a value is an object with a key that is asked for."""
    return isinstance(value, dict) and any(
        str(key).lower() in model.model_fields for key in cast("dict[Any, Any]", value)
    )


def _read(value: Any) -> Any:
    """Return what a string of JSON holds, or the value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return _loaded(value)
        except UnusableReplyError:
            raise
        except ValueError:  # a text that begins like JSON
            return value
    return value


def _records(model: type[BaseModel], value: Any, deepest: int = _DEEPEST) -> list[Any]:
    """Return the records in a value that is none itself, as in the arguments of a tool call."""
    value = _read(value)
    turns = isinstance(value, list) and model is ConversationReply and all(_holds(Turn, each) for each in value)  # pyright: ignore[reportUnknownVariableType]
    if value and (_holds(model, value) or turns):
        return [value]
    if not deepest or not isinstance(value, dict | list):
        return []
    inside = value.values() if isinstance(value, dict) else value  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return [found for each in cast("list[Any]", inside) for found in _records(model, each, deepest - 1)]
