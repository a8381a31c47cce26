"""The shapes in which rows are published ▶ turns: who speaks, what, and whether it is to be learned.

A table of columns, not of datasets: https://huggingface.co/docs/trl/dataset_formats (messages, prompt and completion,
typed parts), https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md (ShareGPT, alpaca, `history`, `system`),
https://swift.readthedocs.io/en/latest/Customization/Custom-dataset.html (query and response, `loss`, `objects`),
https://docs.axolotl.ai/docs/dataset-formats/conversation.html (`train`, `weight`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gmai_formats.rows.images import Image, images_of
from gmai_formats.rows.rules import CAPTIONED, Problem, shortened

PLACEHOLDER = "<image>"
ROLES = {
    "system": "system",
    **dict.fromkeys(("human", "user", "prompter"), "user"),
    **dict.fromkeys(("gpt", "assistant", "bot", "model", "chatgpt", "bing", "bard"), "assistant"),
}
"""LLaVA's and ShareGPT's `from`, or a role, in small letters ▶ the role."""
TOOLS = frozenset({
    "tool", "function", "observation", "function_call", "tool_call", "tool_calls", "tool_response", "tool_result",
    "ipython", "function_response", "developer",
})  # fmt: skip
"""Roles that the checkpoint's chat template has no turn for."""
CHATS = ("messages", "conversations", "conversatons", "conversation", "texts", "dialogue", "dialog", "data", "turns")
"""Columns that hold turns. LLaVA-Med's 60k file misspells its own; LLaVA-Med's trainer takes both spellings."""
PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("query", "response"), ("question", "answer"),
    ("question", "response"), ("instruction", "output"), ("instruction", "response"), ("input", "target"),
    ("input", "output"), ("problem", "solution"), ("user", "assistant"), ("human", "assistant"), ("Question", "Answer"),
    ("prompt", "text"),
)  # fmt: skip
"""Columns that hold a question and its answer."""
CAPTIONS = ("caption", "text", "s2_caption")
REPORT = ("section_findings", "section_impression")
"""Columns of a report, which is put together as CheXpert Plus has it: findings, then impression."""
LETTERS = tuple(f"Choice {letter}" for letter in "ABCDEF")
"""Columns of options, as PMC-VQA's table has them."""
SYSTEMS = ("system", "system_prompt", "system_message")
IMAGES = (
    "images", "image", "image_path", "image_paths", "img_path", "img", "image_file", "image_name", "img_name",
    "Figure_path", "figure_path", "file_name", "path_to_image", "fig_uri", "img_ref",
)  # fmt: skip
FLAGS = ("loss", "weight", "train", "loss_scale")
"""Keys of a turn that say whether it is to be learned."""
REFUSED = (
    "tools", "functions", "tool_calls", "function_call", "videos", "video", "audios", "audio", "chosen", "rejected",
    "rejected_response", "rejected_messages", "rejected_images",
)  # fmt: skip
"""Keys of a row that supervised training cannot take."""
_IN_TURN = (
    "tool_calls", "function_call", "tool_call_id", "train_detail", "reasoning_content", "thinking", "images", "image",
    "video", "audio", "objects",
)  # fmt: skip
_BESIDE_QUESTION = ("options", "choices", "context", "input", "hint", "instruction")
_NO_IMAGE: tuple[Any, ...] = (None, "", [])
_PICTURE_ENDS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".dcm")


class Turns:
    """A row's turns in order, and its images.

    Attributes:
        messages: `role` and `content`.
        unlearned: Messages, from 0, that are not to be learned.
        images: In the order of the row.
        images_are_of_column: Whether they are not of the parts of messages.
        note: One of `NOTES`.
    """

    __slots__ = ("images", "images_are_of_column", "messages", "note", "unlearned")

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.unlearned: list[int] = []
        self.images: list[Image] = []
        self.images_are_of_column = False
        self.note: str | None = None


class Refused(Exception):  # noqa: N818 (an outcome, not an error)
    """A row that breaks a rule."""

    def __init__(self, rule: str, found: str) -> None:
        super().__init__(found)
        self.problem = Problem(rule, found)


def is_row(value: Any) -> bool:
    """Return whether a value has the columns of a sample."""
    return isinstance(value, dict) and shape_of(value.keys()) is not None


def shape_of(columns: Any) -> str | tuple[str, str] | None:
    """Return what the columns hold: the one with turns, a pair of question and answer, a caption's; None for none."""
    for name in CHATS[:5]:
        if name in columns:
            return name
    for pair in PAIRS:
        if pair[0] in columns and pair[1] in columns:
            return pair
    if any(name in columns for name in IMAGES):
        for name in CAPTIONS:
            if name in columns:
                return name
        if any(name in columns for name in REPORT):
            return REPORT
    return next((name for name in CHATS[5:] if name in columns), None)


@dataclass(frozen=True)
class _Columns:
    """Which columns of a row say what."""

    shape: str | tuple[str, str] | None
    images: tuple[str, ...]
    systems: tuple[str, ...]
    refused: tuple[str, ...]


@lru_cache(4096)
def _columns(names: tuple[str, ...]) -> _Columns:
    """Return what columns say: the rows of a file have few sets of them."""
    shape = shape_of(names)

    def there(known: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in known if name in names and name != shape)

    return _Columns(shape, there(IMAGES), there(SYSTEMS), there(REFUSED))


def turns_of(row: dict[str, Any]) -> Turns:
    """Return the turns and images of a row.

    Raises:
        Refused: It has none, or a field that cannot be read.
    """
    columns = _columns(tuple(row))
    shape = columns.shape
    if shape is None:
        names = shortened(", ".join(map(str, row)))
        raise Refused("columns", f"the row has no messages, nor a question and its answer, but {names or 'nothing'}")
    for name in columns.refused:
        if row[name]:
            raise Refused("fields", f"`{name}` is not read")
    turns = Turns()
    for name in columns.images:
        if row[name] not in _NO_IMAGE:
            images = images_of(row[name])
            if isinstance(images, Problem):
                raise Refused(images.rule, images.found)
            turns.images, turns.images_are_of_column = images, True
            break
    if shape == REPORT:
        sections = [row.get(name) for name in REPORT]
        turns.note = CAPTIONED
        _add(turns, "user", PLACEHOLDER * len(turns.images))
        _add(turns, "assistant", "\n".join(text.strip() for text in sections if isinstance(text, str) and text.strip()))
    elif isinstance(shape, tuple):
        _read_pair(row, shape, turns)
    elif shape in CAPTIONS:
        turns.note = CAPTIONED
        _add(turns, "user", PLACEHOLDER * len(turns.images))
        _add(turns, "assistant", row[shape])
    else:
        _read_chat(row[shape], shape, turns)
    if columns.systems:
        _read_system(row, columns.systems, turns)
    if not turns.images and not columns.images:
        _check_no_image_is_dropped(row, shape)
    return turns


def _read_pair(row: dict[str, Any], shape: tuple[str, str], turns: Turns) -> None:
    question, answer = row[shape[0]], row[shape[1]]
    if row.get("label") is not None and isinstance(row["label"], bool):
        raise Refused("fields", "`label` says whether the answer is liked, which is not read")
    options = [(name[-1], row[name]) for name in LETTERS if isinstance(row.get(name), str) and row[name].strip()]
    if options and isinstance(question, str):
        lines = [text if text.strip().startswith(f"{letter}") else f"{letter}: {text}" for letter, text in options]
        question = "\n".join((question, *(line.strip() for line in lines)))
    for name in _BESIDE_QUESTION:
        if name in shape or not row.get(name):
            continue
        if name == "context" and shape == ("question", "answer") and isinstance(row[name], str):
            question = f"{row[name]}\n{question}"
            continue
        if shape[0] != "instruction" or name not in ("input", "context") or not isinstance(row[name], str):
            raise Refused("fields", f"`{name}` beside `{shape[0]}` is not read")
        question = f"{question}\n{row[name]}"
    for past in row.get("history") or []:
        if not isinstance(past, list) or len(past) != 2:
            raise Refused("fields", "`history` is no list of a question and an answer each")
        _add(turns, "user", past[0])
        _add(turns, "assistant", past[1])
    for role, part in (("user", question), ("assistant", answer)):
        if isinstance(part, list) and part and all(isinstance(turn, dict) and "role" in turn for turn in part):
            _read_chat(part, shape[0] if role == "user" else shape[1], turns)
        else:
            _add(turns, role, part)


def _read_chat(value: Any, column: str, turns: Turns) -> None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Refused("columns", f"`{column}` is text, not a list of messages") from None
    if not isinstance(value, list):
        raise Refused("columns", f"`{column}` is {kind_of(value)}, not a list of messages")
    for number, turn in enumerate(value):
        if isinstance(turn, dict):
            _read_turn(turn, turns)
        elif isinstance(turn, str):
            _add(turns, ("user", "assistant")[number % 2], turn)
        else:
            raise Refused("messages", f"message {number + 1} is {kind_of(turn)}, not a message")


def _read_turn(turn: dict[str, Any], turns: Turns) -> None:
    number = len(turns.messages) + 1
    who, content = turn.get("from"), turn.get("value")
    if who is None:
        who = turn.get("role")
    if content is None:
        content = turn.get("content")
    if who is None:
        pair = next((pair for pair in PAIRS if pair[0] in turn and pair[1] in turn), None)
        if pair is None:
            raise Refused("messages", f"message {number} has no `role` and `content`")
        _add(turns, "user", turn[pair[0]])
        _add(turns, "assistant", turn[pair[1]])
        return
    role = ROLES.get(who) or ROLES.get(who.casefold()) if isinstance(who, str) else None
    if len(turn) > 2:
        _read_flags(turn, role, turns)
    if role is None:
        if str(who).casefold() in TOOLS:
            raise Refused("roles", f"message {number} is of a tool ({who}), which is not read")
        raise Refused("roles", f"message {number} is from {str(who)!r:.40}")
    _add(turns, role, content)


def _read_flags(turn: dict[str, Any], role: str | None, turns: Turns) -> None:
    number = len(turns.messages) + 1
    for name in _IN_TURN:
        if turn.get(name):
            raise Refused("fields", f"`{name}` of message {number} is not read")
    for name in FLAGS:
        flag = turn.get(name)
        if flag is None:
            continue
        if flag not in (0, 1):
            raise Refused("fields", f"`{name}` of message {number} is {flag!r:.40}, neither true nor false")
        if role == "assistant" and not flag:
            turns.unlearned.append(number - 1)
        elif role != "assistant" and flag:
            raise Refused("fields", f"`{name}` asks to learn message {number}, which is no answer")


def _add(turns: Turns, role: str, content: Any) -> None:
    if not isinstance(content, str):
        content = _text_of_parts(content, len(turns.messages) + 1, turns)
    turns.messages.append({"role": role, "content": content})


def _text_of_parts(content: Any, number: int, turns: Turns) -> str:
    """Return the text of typed parts, put together as the checkpoint's chat template does it."""
    if not isinstance(content, list) or not content:
        raise Refused("messages", f"message {number} is {kind_of(content)}, not text")
    texts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in ("image", "image_url", "input_image"):
            texts.append(f"{PLACEHOLDER}\n")
            _take_image(part, number, turns)
        else:
            raise Refused("messages", f"message {number} has a part of type {kind!r:.40}, which is not read")
    return "".join(texts)


def _take_image(part: dict[str, Any], number: int, turns: Turns) -> None:
    """Take the image that a part holds itself; without one it stands for the next image of the row."""
    held = next((part[key] for key in ("image", "image_url", "path", "url", "base64") if part.get(key)), None)
    if isinstance(held, dict) and "url" in held:
        held = held["url"]
    if held is None:
        return
    images = images_of(held)
    if isinstance(images, Problem):
        raise Refused(images.rule, f"message {number}: {images.found}")
    if not all(isinstance(image, str) for image in images) or turns.images_are_of_column:
        raise Refused("images", f"message {number} holds an image itself: all images belong into `images`")
    turns.images += images


def _read_system(row: dict[str, Any], names: tuple[str, ...], turns: Turns) -> None:
    for name in names:
        system = row[name]
        if system is None or system == "":
            continue
        if not isinstance(system, str):
            raise Refused("fields", f"`{name}` is {kind_of(system)}, not text")
        first = turns.messages[0] if turns.messages else {}
        if first.get("role") == "system":
            if first.get("content") != system:
                raise Refused("fields", f"`{name}` and the first message are two system prompts")
            continue
        turns.messages.insert(0, {"role": "system", "content": system})
        turns.unlearned = [number + 1 for number in turns.unlearned]


def _check_no_image_is_dropped(row: dict[str, Any], shape: str | tuple[str, str]) -> None:
    read = {"id", *((shape,) if isinstance(shape, str) else shape)}
    for name, value in row.items():
        if name in read:
            continue
        of_path = isinstance(value, str) and len(value) < 500 and value.lower().endswith(_PICTURE_ENDS)
        if of_path or isinstance(value, bytes) or (isinstance(value, dict) and {"bytes", "path"} == {*value}):
            raise Refused("fields", f"`{name}` looks like an image and is not read: call the column `image`")


def kind_of(value: Any) -> str:
    """Return what kind of JSON value this is, in words."""
    names = {
        list: "a list", dict: "an object", str: "text", bytes: "bytes", bool: "true or false", type(None): "missing",
    }  # fmt: skip
    return names.get(type(value), "a number")
