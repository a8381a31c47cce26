"""A row ▶ the rules it breaks. Pictures are decoded to the end, each distinct one once as long as it is remembered."""

import hashlib
import io
import json
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image, UnidentifiedImageError

from gmai_data.publishing.image_files import OPENED
from gmai_data.sample import IMAGE_PLACEHOLDER
from gmai_data.validation.row import ImageSource, Number, Row
from gmai_data.validation.rules import Problem
from gmai_data.vocabulary import Department, Kind, Language, Modality

FORMATS = (*OPENED, "GIF", "JPEG2000", "PPM")
"""What Pillow may try; for some of its other formats (EPS) it runs programs."""
_REMEMBERED = 4096
_BOX = re.compile(r"<box>(.*?)</box>", re.DOTALL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_VOCABULARIES = {"kind": Kind, "language": Language, "modality": Modality, "department": Department}

Size = tuple[int, int]


class Pictures:
    """Decodes images from bytes or files below the image folders; the answers of the last few thousand are kept."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._known: OrderedDict[bytes | str, Size | Problem] = OrderedDict()
        self.decoded = 0

    def look(self, image: ImageSource) -> Size | Problem:
        """Return an image's width and height in pixels, or what is wrong with it."""
        key = hashlib.sha256(image).digest() if isinstance(image, bytes) else image
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        answer = self._decode(image)
        self._known[key] = answer
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return answer

    def _decode(self, image: ImageSource) -> Size | Problem:
        if isinstance(image, str):
            path = self._find(image)
            if isinstance(path, Problem):
                return path
            try:
                image = path.read_bytes()
            except OSError as error:
                return Problem("path", f"{_short(str(path))}: {error.strerror}")
        self.decoded += 1
        try:
            with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
                opened.load()
                return opened.size
        except UnidentifiedImageError:  # its words name an object in memory
            return Problem("decode", "the image does not decode (of no known format)")
        except Exception as error:  # a decoder may raise anything on bytes that are no picture
            return Problem("decode", f"the image does not decode ({_short(str(error) or type(error).__name__)})")

    def _find(self, name: str) -> Path | Problem:
        if "://" in name:
            return Problem("path", f"{_short(name)} is an address, and nothing is fetched from the network")
        if not self._folders:
            return Problem("path", f"{_short(name)}: the image is not in the file, and there is no folder to look in")
        if "\0" in name or ".." in PurePosixPath(name.replace("\\", "/")).parts:
            return Problem("path", f"{_short(name)} leads out of the image folder")
        inside = [path for folder in self._folders if (path := folder / name).is_relative_to(folder)]
        if not inside:
            return Problem("path", f"{_short(name)} leads out of the image folder {self._folders[0]}")
        try:
            found = next((path for path in inside if path.is_file()), None)
        except (OSError, ValueError) as error:  # too long, or no name that a file could have
            return Problem("path", f"{_short(name)}: {error!s:.60}")
        return found or Problem("path", f"{_short(name)} is not in {' or '.join(map(str, self._folders))}")


def problems_of(row: Row, pictures: Pictures) -> Iterator[Problem]:
    """Yield what is wrong with a row."""
    yield from row.problems
    sizes: list[Size] = []
    for image in row.images:
        answer = pictures.look(image)
        if isinstance(answer, Problem):
            yield answer
        else:
            sizes.append(answer)
    if not any(problem.rule == "columns" for problem in row.problems):
        yield from _messages(row)
    if row.size_px is not None and len(sizes) == 1 and sizes[0] != row.size_px:
        yield Problem("size", "the row says {} × {} px, the image has {} × {}".format(*row.size_px, *sizes[0]))
    # Which of several images a box is of is not said; then it must fit the largest sides.
    limit = (max(width for width, _ in sizes), max(height for _, height in sizes)) if sizes else None
    yield from _boxes(row.boxes, limit)
    yield from _box_text(row)
    yield from _objects(row, limit)
    for name, value in row.values.items():
        if value not in list(_VOCABULARIES[name]):
            yield Problem("vocabulary", f"{name} is {value!r:.60}")


def _messages(row: Row) -> Iterator[Problem]:
    contents = [content for _, content in row.messages]
    misread = {problem.rule for problem in row.problems}
    if "messages" not in misread:
        for number, content in enumerate(contents, start=1):
            if not content.strip():
                yield Problem("messages", f"message {number} is empty")
            elif _SURROGATE.search(content):
                yield Problem("messages", f"message {number} holds half of a surrogate pair, which is no text")
    roles = [role for role, _ in row.messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if not misread & {"messages", "roles"} and (not turns or turns != ["user", "assistant"] * (len(turns) // 2)):
        yield Problem("roles", f"the roles are {', '.join(roles[:8]) or 'none'}{', …' if len(roles) > 8 else ''}")
    marks = sum(content.count(IMAGE_PLACEHOLDER) for content in contents)
    if marks != len(row.images) and not misread & {"messages", "images"}:
        yield Problem("placeholders", f"{marks} `<image>` for {len(row.images)} images")


def _boxes(boxes: Sequence[Sequence[Number]], limit: Size | None) -> Iterator[Problem]:
    for number, (x1, y1, x2, y2) in enumerate(boxes, start=1):
        if not (0 <= x1 < x2 and 0 <= y1 < y2) or (limit and (x2 > limit[0] or y2 > limit[1])):
            of = f" of an image of {limit[0]} × {limit[1]} px" if limit else ""
            yield Problem("boxes", f"box {number} is [{x1}, {y1}, {x2}, {y2}]{of}")


def _box_text(row: Row) -> Iterator[Problem]:
    for content in (content for _, content in row.messages if "<box>" in content or "</box>" in content):
        tags = _BOX.findall(content)
        if len(tags) != content.count("<box>") or len(tags) != content.count("</box>"):
            yield Problem("box_text", "a <box> without its </box>")
        for tag in tags:
            if not _is_box_text(tag):
                yield Problem("box_text", f"<box>{_short(tag)}</box>")


def _is_box_text(tag: str) -> bool:
    try:
        found = json.loads(tag)
    except ValueError:
        return False
    if not isinstance(found, list) or not found:
        return False
    for box in found if isinstance(found[0], list) else [found]:
        if not (isinstance(box, list) and len(box) == 4 and all(type(number) in (int, float) for number in box)):
            return False
        x1, y1, x2, y2 = box
        if not (0 <= x1 < x2 <= 1000 and 0 <= y1 < y2 <= 1000):
            return False
    return True


def _objects(row: Row, limit: Size | None) -> Iterator[Problem]:
    if row.objects is None:
        return
    text = "\n".join(content for _, content in row.messages)
    boxes: Any = row.objects.get("bbox") or []
    for name, mark, found in (("ref", "<ref-object>", row.objects.get("ref") or []), ("bbox", "<bbox>", boxes)):
        if not isinstance(found, list) or text.count(mark) != len(found):
            count = len(found) if isinstance(found, list) else "no list"
            yield Problem("objects", f"{text.count(mark)} {mark} for {count} `{name}`")
    if isinstance(boxes, list):
        sound = [box for box in boxes if isinstance(box, list) and all(type(n) in (int, float) for n in box)]
        if len(sound) < len(boxes) or any(len(box) not in (2, 4) for box in sound):
            yield Problem("objects", "a `bbox` has neither two nor four numbers")
        kind = row.objects.get("bbox_type") or "real"
        yield from _boxes([box for box in sound if len(box) == 4], (1, 1) if kind == "norm1" else limit)


def _short(text: str) -> str:
    """Return a text of the data as it may stand in a line: no line break, not long."""
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:99] + "…"
