"""One row of a LLaVA file, as its publisher wrote it ▶ id, messages and image names, or what is wrong with it."""

from dataclasses import dataclass, field
from typing import Any

ROLES = {
    "system": "system", "human": "user", "user": "user",
    "gpt": "assistant", "assistant": "assistant", "bot": "assistant",
}  # fmt: skip


@dataclass(frozen=True)
class Conversation:
    """A row; with a `problem` it keeps its place and its number, and is counted instead of trained on."""

    id: str
    messages: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    images: list[str] = field(default_factory=list[str])
    problem: str | None = None


def read_conversation(row: Any, *, fallback_id: str) -> Conversation:
    """Read a row with `conversations` (`from`/`value`) or `messages` (`role`/`content`) and `image` or `images`.

    Args:
        row: The JSON value.
        fallback_id: The id of a row that has none.
    """
    if not isinstance(row, dict):
        return Conversation(fallback_id, problem="the row is no JSON object")
    number = row.get("id")
    row_id = fallback_id if number in (None, "") else str(number)
    turns = row.get("messages", row.get("conversations"))
    if not isinstance(turns, list) or not turns:
        return Conversation(row_id, problem="the row has neither `conversations` nor `messages`")
    messages: list[dict[str, str]] = []
    for turn in turns:
        role = turn.get("role", turn.get("from")) if isinstance(turn, dict) else None
        text = turn.get("content", turn.get("value")) if isinstance(turn, dict) else None
        if role not in ROLES:
            return Conversation(row_id, problem="a turn is of none of the roles system, human, user, gpt, assistant")
        if not isinstance(text, str):
            return Conversation(row_id, problem="a turn has no text")
        messages.append({"role": ROLES[role], "content": text})
    images = row.get("images", row.get("image"))
    if images in (None, ""):
        images = []
    if isinstance(images, str):
        images = [images]
    if not isinstance(images, list) or not all(isinstance(name, str) for name in images):
        return Conversation(row_id, problem="`image` is neither a path nor a list of paths")
    return Conversation(row_id, messages, images)
