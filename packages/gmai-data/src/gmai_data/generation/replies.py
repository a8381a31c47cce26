"""A model's reply ▶ turns or an opinion: parsed, and held to the schema here, whatever the server claims to do."""

import functools
from typing import Any

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


def _parse(model: Any, reply: str) -> Any:
    text = reply.strip()
    if text.startswith("```"):
        # A fence around the JSON is the one thing that servers without structured output add and nobody can mistake.
        text = text.removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnusableReplyError(f"{where}: {first['msg']}" if where else f"no JSON: {first['msg']}") from error
