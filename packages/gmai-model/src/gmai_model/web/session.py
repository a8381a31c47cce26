"""One user's conversation on the page, about one patient: what is shown, asked, answered, drawn and saved."""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

from gmai_formats.pictures.picture import Picture
from gmai_formats.pictures.read import kind_of
from PIL import Image

from gmai_model.chat import Conversation
from gmai_model.pictures import open_picture
from gmai_model.regions import draw_regions, find_regions

NO_IMAGE = "[no image is shown / 未提供图像]"


@dataclass(frozen=True)
class View:
    """The pictures of the chosen files, as the model will see them."""

    pictures: tuple[Picture, ...] = ()
    names: tuple[str, ...] = ()
    key: tuple[Any, ...] = ()
    """Files, slice and window; the same key is the same pictures."""

    @property
    def slices(self) -> int:
        """The most slices or frames that one of the files has."""
        return max((picture.slices for picture in self.pictures), default=1)

    def captions(self) -> list[str]:
        """Return what stands below each picture: its name, slice, plane and window."""
        return [f"{name}: {picture.description}" for name, picture in zip(self.names, self.pictures, strict=True)]


@dataclass(frozen=True)
class Session:
    """A conversation and the pictures that are part of it."""

    conversation: Conversation = field(default_factory=Conversation)
    shown: tuple[Any, ...] = ()
    """Key of the pictures that were shown last; they are sent once."""
    view: View = field(default_factory=View)
    cut: bool = False

    def asked(self, text: str, view: View) -> "Session":
        """Return the session with one question more, and the view's pictures if they are new."""
        pictures = view.pictures if view.key != self.shown else ()
        conversation = self.conversation.with_question(text, [picture.rgb for picture in pictures])
        return Session(conversation, view.key, view)

    def answered(self, text: str, *, cut: bool = False) -> "Session":
        """Return the session with an answer to its last question; one that is there is replaced."""
        return replace(self.again(), conversation=self.again().conversation.with_answer(text), cut=cut)

    def again(self) -> "Session":
        """Return the session without the answer to its last question."""
        messages = self.conversation.messages
        if not messages or messages[-1]["role"] != "assistant":
            return self
        return replace(self, conversation=Conversation(messages[:-1], self.conversation.images), cut=False)

    def answer(self) -> str:
        """Return the last answer, empty where there is none yet."""
        messages = self.conversation.messages
        return messages[-1]["content"][0]["text"] if messages and messages[-1]["role"] == "assistant" else ""

    def rows(self) -> list[dict[str, str]]:
        """Return the conversation as the page shows it: markup as the text that it is, images and regions in words."""
        rows: list[dict[str, str]] = []
        images = 0
        for message in self.conversation.messages:
            parts = [part.get("text", "[image]") for part in message["content"]]
            images += parts.count("[image]")
            if message["role"] == "user" and images == 0:
                parts.append(NO_IMAGE)
            rows.append({"role": message["role"], "content": escape("\n".join(parts))})
        if rows and self.answer():
            rows[-1]["content"] += " […]" * self.cut + "".join(f"\n• {escape(line)}" for line in self._places())
        return rows

    def gallery(self) -> list[tuple[Image.Image, str]]:
        """Return the last picture shown with the regions of the last answer drawn on it, the others as they are."""
        pictures = [picture.rgb for picture in self.view.pictures]
        if pictures:
            pictures[-1] = draw_regions(pictures[-1], find_regions(self.answer()))
        return list(zip(pictures, self.view.captions(), strict=True))

    def _places(self) -> list[str]:
        if not self.view.pictures:
            return []
        last = self.view.pictures[-1]
        return [region.describe(last.image.size, last.pixel_mm) for region in find_regions(self.answer())]

    def save(self, folder: Path, *, model: str, settings: dict[str, Any]) -> Path:
        """Write the conversation with the digest of every picture, and return the file."""
        content = {
            "format": "gmai-conversation/1", "model": model, "settings": settings,
            "messages": self.conversation.messages,
            "images": [{"sha256": _digest(image), "size_px": list(image.size)} for image in self.conversation.images],
        }  # fmt: skip
        path = folder / "conversation.json"
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
        return path


def look(paths: Sequence[str] | None, number: int | None, window: str | None) -> View:
    """Open the chosen files; slice and window are those of the files that have some.

    Raises:
        UserError: A file is not readable, or has no such slice.
    """
    pictures: list[Picture] = []
    for path in paths or ():
        raster = kind_of(Path(path)) == "raster"
        picture = open_picture(Path(path), window=None if raster else window or None)
        if not raster and number is not None and picture.slices > 1:
            picture = open_picture(Path(path), number=number, window=window or None)
        pictures.append(picture)
    names = tuple(Path(path).name for path in paths or ())
    return View(tuple(pictures), names, (tuple(paths or ()), number, window) if paths else ())


def _digest(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return hashlib.sha256(buffer.getvalue()).hexdigest()
