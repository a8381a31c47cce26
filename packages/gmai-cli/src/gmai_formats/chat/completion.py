"""The JSON of a chat completion ▶ its text, how it ended, and what it used."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from pydantic_core import from_json


class Completion(NamedTuple):
    """What a model answered.

    Attributes:
        text: Content of the message, or the arguments of its one tool call, or its refusal; empty where there is none.
        reasoning: What it thought aloud in a field of its own.
        cut: It ended at the token limit.
        filtered: The provider's content filter ended it.
        model: The model that the server says it was.
        input_tokens: As the server counts; None where it does not.
        output_tokens: Likewise, reasoning included.
        reasoning_tokens: Of these, spent on thinking.
        seconds: From sending to the last byte.
    """

    text: str
    reasoning: str = ""
    cut: bool = False
    filtered: bool = False
    model: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int = 0
    seconds: float = 0.0


def completion_of(content: bytes | Mapping[str, Any], seconds: float = 0.0) -> Completion:
    """Return the completion in an answer.

    Half a surrogate pair, a byte that is no UTF-8 and NUL characters are replaced: asking again would bring them again.

    Args:
        content: Body of the answer, or its document where it was parsed already (a line of a batch).
        seconds: That it took.

    Raises:
        ValueError, KeyError, IndexError, TypeError: There is none in it.
    """
    document = _document(content) if isinstance(content, bytes) else content
    choice = cast("Mapping[str, Any]", document["choices"][0])
    message = cast("Mapping[str, Any]", choice["message"])
    text = _text(message.get("content"))
    if text is None:
        text = _arguments(message)
    if text is None:
        text = _text(message.get("refusal")) or ""
    usage = cast("Mapping[str, Any]", document.get("usage") or {})
    details = cast("Mapping[str, Any]", usage.get("completion_tokens_details") or {})
    reasoning = _text(message.get("reasoning_content")) or _text(message.get("reasoning")) or ""
    end = choice.get("finish_reason")
    return Completion(
        text, reasoning, end in ("length", "max_tokens"), end == "content_filter", str(document.get("model") or ""),
        _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")),
        _count(details.get("reasoning_tokens")) or 0, seconds,
    )  # fmt: skip


def _document(content: bytes) -> Any:
    try:
        return from_json(content)
    except ValueError:
        return json.loads(content.decode("utf-8", errors="replace"))


def _text(content: Any) -> str | None:
    if isinstance(content, list):
        parts = cast("list[Mapping[str, Any]]", content)
        content = "".join(
            str(part.get("text") or "") for part in parts if part.get("type") not in ("thinking", "reasoning")
        )
    if content is None or content == "":
        return None
    if not isinstance(content, str):
        raise TypeError("content")
    if not content.isascii():
        content = content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return content.replace("\0", "").strip()


def _arguments(message: Mapping[str, Any]) -> str | None:
    """Return the arguments of the only tool call."""
    calls: Any = message.get("tool_calls") or ()
    call: Any = calls[0]["function"] if len(calls) == 1 else message.get("function_call")
    return _text(call.get("arguments")) if isinstance(call, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def _count(value: Any) -> int | None:
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        return None
