"""A row of any format and shape ▶ exactly one `Sample` or one `Problem`: the verdict of every command on every row."""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image as Pillow

from gmai_formats.rows.box_text import BOX_MARK, REF_MARK, Size, with_objects, without_boxes, wrong_box_text
from gmai_formats.rows.images import FilePart, Image, InTable, read_named
from gmai_formats.rows.rules import BARE_BOXES, PLACED, Problem, shortened
from gmai_formats.rows.shapes import PLACEHOLDER, Refused, Turns, kind_of, turns_of

TURN_MARKS = ("<|im_start|>", "<|im_end|>")
"""Marks of the checkpoint's chat template: with one in its text a sample could speak for the other side."""
_NEVER = r"<video>|<audio>|<img>[^<]+</img>|<\|(?:box|object_ref|quad|vision|image|video|audio)[a-z_]*(?:\d+)?\|>"
"""Marks that stand for a picture, film, sound or box in other programs, whatever the row holds."""
_TEMPLATES = (
    r"<[|｜][^|｜<>\s]{1,40}[|｜]>|</?s>|<(?:start|end)_of_turn>|<(?:bos|eos|endofchunk)>|\[/?INST\]|<</?SYS>>|"
    r"\[\|[A-Za-z]+\|\]|</?(?:human|assistant|bot|user)>|<(?i:pad|sep|cls|eot)>|\[(?:CLS|SEP|PAD|EOS|BOS)\]|"
    r"<(?:extra_id|reserved)_\d+>|(?:\A|\n)(?:Human|User): |"
    r"### (?:Instruction|Response|Human|Assistant):|\bASSISTANT: |(?:\A|\n)USER: |\A[问答]："
)
"""Marks of other programs' chat templates: a text with one was already put together for another model."""
_PLACES = (
    r"\b(?:bbox|box|point)_2d\b|<(?:loc|patch_index|bbox|bbox_location|region|roi|point|mask|obj|bin)_?\d+>|"
    r"</?(?:grounding|phrase|object|region|region_fea|bboxes|boxes|roi|mask|pos|spi_patch|seg|quad|points?|"
    r"bounding_box|coors?|coords?)>|"
    r"<points? [^<>]*=|\[(?:SEG|LOC|DET|refer|identify|detection|grounding)\]|(?:<\d{1,4}>){4}|"
    r'"(?:bbox(?:es)?|box(?:es)?|bounding_box(?:es)?)" ?: ?\[\s*\[?\s*-?[\d.]'
)
"""Marks of other programs for places in an image: Qwen2.5-VL and Gemini (`bbox_2d`, `box_2d`), Kosmos-2, PaliGemma,
Florence-2, Ferret, Shikra's and ViP-LLaVA's placeholders, Osprey, LISA, Molmo, MiniGPT-v2, boxes as JSON."""
_NUMBER = r"\s*-?(?:\d+(?:\.\d+)?|\.\d+)\s*"
_BARE_BOX = rf"[\[(]{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}[\])]"
"""Four numbers in brackets: LLaVA-1.5 and Shikra write boxes so, in shares of the sides, and others in pixels."""
_ODD = (
    r"<\s*/?\s*(?i:img|picture|photo|pic|media|imagehere|img_context)(?:[^<>a-zA-Z][^<>]*)?>|"
    r"<(?i:vision|visual|vis|frame|slice|scan|dicom|figure|ct|mri|cxr|xray|x-ray|volume|(?:mm|vl|visual|input)_image)"
    r"(?:[_-][a-zA-Z0-9_]*| ?\d+)?>|[\[【〖](?:image|图片|图像)[\]】〗]|\((?i:image) ?\d*\)\n|"
    r"<\s*/?\s*(?i:image)[^<>a-zA-Z][^<>]*>|<(?:\s+|\s*/\s*)(?i:image)>|<(?:IMAGE|Image|Images|images)>|"
    r"<(?:start|end)_of_image>|</?im_(?:start|end|patch)>|\{image\}|<\|\|>|<fake_token_around_image>|&lt;image&gt;|"
    r"\[(?i:image|img|picture)(?: ?[#_-]? ?\d+| ?:[^\[\]]{1,80})?\]|!\[[^\[\]]*\]\([^()]*\)"
)
"""Marks that stand for an image in other programs, HTML and Markdown; words in a row that has none."""
MARKS = rf"</?box>|<ref-object>|<bbox>|{_ODD}|{_NEVER}|{_TEMPLATES}|{_PLACES}|{_BARE_BOX}"
"""What asks for a second look at a text, as a regular expression of Python and of RE2."""
_MARKED, _ODD_PLACEHOLDER, _NEVER_HERE = re.compile(MARKS), re.compile(rf"{_ODD}|{_NEVER}"), re.compile(_NEVER)
_TEMPLATE, _PLACE, _BARE = re.compile(_TEMPLATES), re.compile(_PLACES), re.compile(_BARE_BOX)
_BEGINNINGS = (
    "<",
    "[",
    "【",
    "〖",
    "(i",
    "(I",
    "{",
    "&lt;",
    "_2d",
    "### ",
    "ASSISTANT: ",
    "USER: ",
    "Human: ",
    "User: ",
    "问：",
    "答：",
)
"""One of them is in every mark."""
_IN_TURN = ["user", "assistant"]
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Sample(NamedTuple):
    """One conversation, wherever it was read."""

    id: str | None
    """None where the row has none."""
    messages: list[dict[str, str]]
    """`role` and `content`: an optional system, then user and assistant in turn."""
    images: list[Image]
    """In the order of the `<image>` placeholders."""
    unlearned: tuple[int, ...] = ()
    """Answers, by their place in `messages`, that are not to be learned."""
    notes: tuple[str, ...] = ()
    """Of `NOTES`: what was read into the row."""
    unread: tuple[str, ...] = ()
    """Columns and fields of turns that say nothing here."""


def read_row(row: Any, folders: Sequence[Path] = ()) -> Sample | Problem:
    """Return what a row says, or the rule that it breaks; it never raises, and leaves the row as it is.

    Args:
        row: As it stands in Parquet, JSON, CSV or a WebDataset; `Problem` stays what it is.
        folders: Where its images are, in whose pixels `objects` may count.
    """
    if isinstance(row, Problem):
        return row
    if not isinstance(row, dict):
        return Problem("columns", f"a row is an object, not {kind_of(row)}")
    try:
        turns = turns_of(row)
    except Refused as refused:
        return refused.problem
    except RecursionError:
        return Problem("columns", "the row is nested too deep")
    problem = _wrong_roles(turns)
    if problem is not None:
        return problem
    contents = [message["content"] for message in turns.messages]
    for number, content in enumerate(contents, start=1):
        if not content or not _has_text(content):
            return Problem("messages", f"message {number} is empty")
    text = "\n".join(contents)
    if not text.isascii() and _SURROGATE.search(text):
        number = next(number for number, content in enumerate(contents, start=1) if _SURROGATE.search(content))
        return Problem("messages", f"message {number} holds half of a surrogate pair, which is no text")
    problem = _place_images(turns) if turns.images or PLACEHOLDER in text else None
    has_marks = _is_marked(text) or (bool(turns.images) and _BARE.search(text) is not None)
    if problem is None and (row.get("objects") or has_marks):
        problem = _read_marks(turns, row, folders)
    if problem is not None:
        return problem
    return Sample(id_of(row), turns.messages, turns.images, tuple(turns.unlearned), tuple(turns.notes), turns.unread)


def _is_marked(text: str) -> bool:
    """Return whether a text asks for a second look; most have nothing that a mark begins with."""
    rest = text.replace(PLACEHOLDER, "")
    return any(beginning in rest for beginning in _BEGINNINGS) and _MARKED.search(rest) is not None


def _has_text(content: str) -> bool:
    """Return whether a text has a character that can be seen; a zero-width space is none."""
    return any(letter.isprintable() and letter != " " for letter in content)


def id_of(row: Mapping[str, Any]) -> str | None:
    """Return a row's id as text that a file can hold; None where it has none."""
    name = row.get("id")
    if name is None or name == "":
        return None
    text = str(name)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _wrong_roles(turns: Turns) -> Problem | None:
    roles = [message["role"] for message in turns.messages]
    own = roles[1:] if roles and roles[0] == "system" else roles
    if not own or own != _IN_TURN * (len(own) // 2):
        return Problem("roles", f"the roles are {', '.join(roles[:8]) or 'none'}{', …' if len(roles) > 8 else ''}")
    if turns.unlearned and len(set(turns.unlearned)) == len(own) // 2:
        return Problem("messages", "no answer of the row is to be learned")
    return None


def _place_images(turns: Turns) -> Problem | None:
    """Hold the placeholders to the images.

    A row without any has its images before its first question, one a line, as the publishers' own code puts them:
    `insert_image_placeholder` in https://github.com/FreedomIntelligence/HuatuoGPT-Vision (cli.py), TRL's
    `prepare_multimodal_messages`.
    """
    count = 0
    for number, message in enumerate(turns.messages, start=1):
        found = message["content"].count(PLACEHOLDER)
        if found and message["role"] != "user":
            kind = "an answer" if message["role"] == "assistant" else "the system prompt"
            rest = ", which is never to be learned" if message["role"] == "assistant" else ""
            return Problem("placeholders", f"message {number}, {kind}, has `<image>`{rest}")
        count += found
    if count == 0 and turns.images:
        first = next(message for message in turns.messages if message["role"] == "user")
        first["content"] = f"{PLACEHOLDER}\n" * len(turns.images) + first["content"]
        turns.notes.append(PLACED)
    elif count != len(turns.images):
        return Problem("placeholders", f"{count} `<image>` for {len(turns.images)} images")
    return None


def _read_marks(turns: Turns, row: Mapping[str, Any], folders: Sequence[Path]) -> Problem | None:
    """Read the marks that a text may hold beside `<image>`: boxes, `objects`, other programs' placeholders."""
    for number, message in enumerate(turns.messages, start=1):
        content = message["content"]
        if mark := next((mark for mark in TURN_MARKS if mark in content), None):
            return Problem("messages", f"message {number} holds {mark}, a turn mark of the chat template")
        if odd := (_ODD_PLACEHOLDER if turns.images else _NEVER_HERE).search(content):
            return Problem("placeholders", f"message {number} has {odd[0]}, which is no placeholder here")
        if odd := _TEMPLATE.search(content):
            return Problem("messages", f"message {number} has {odd[0].strip()}, a mark of another chat template")
        if turns.images and (odd := _PLACE.search(content)):
            return Problem("box_text", f"message {number} has {shortened(odd[0])}, which marks places in another way")
        if "box>" in content and (found := wrong_box_text(content)):
            return Problem("box_text", f"message {number}: {found}")
        if turns.images and BARE_BOXES not in turns.notes and _BARE.search(without_boxes(content)):
            turns.notes.append(BARE_BOXES)
    if row.get("objects") or any(mark in m["content"] for m in turns.messages for mark in (REF_MARK, BOX_MARK)):
        width, height = row.get("width"), row.get("height")

        def size_of(number: int) -> Size | Problem:
            if isinstance(width, int) and isinstance(height, int) and len(turns.images) == 1 and width > 0 < height:
                return width, height
            return _size_px(turns.images[number], folders) if turns.images else Problem("objects", "there is no image")

        messages = with_objects(turns.messages, row.get("objects"), size_of, len(turns.images))
        if isinstance(messages, Problem):
            return messages
        turns.messages = messages
    return None


def _size_px(image: Image, folders: Sequence[Path]) -> Size | Problem:
    """Return an image's size by its header."""
    if isinstance(image, InTable):
        return Problem("objects", "the boxes are in pixels, and the row does not hold its image")
    content = image if isinstance(image, bytes) else (
        image.read() if isinstance(image, FilePart) else read_named(image, folders)
    )  # fmt: skip
    if isinstance(content, Problem):
        return content
    try:
        with Pillow.open(io.BytesIO(content)) as opened:
            return opened.size
    except (OSError, ValueError, Pillow.DecompressionBombError) as error:
        return Problem("objects", f"the boxes are in pixels of an image that is not readable ({type(error).__name__})")
