"""One user's conversation on the page, about one patient: what is shown, asked, answered, drawn and saved."""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any, Literal

from gmai_formats.pictures.picture import Picture
from gmai_formats.pictures.read import kind_of
from gmai_formats.pictures.series import by_series
from PIL import Image

from gmai_model.chat import Conversation
from gmai_model.pictures import open_picture, require_one_patient
from gmai_model.regions import Region, draw_regions, find_regions, places

NO_IMAGE = "[no image is shown / 未提供图像]"
End = Literal["running", "done", "cut", "stopped"]
_END_MARKS = {"running": " …", "done": "", "cut": " […]", "stopped": " [stopped / 已停止]"}

Place = tuple[int | None, int]
"""Slice or frame (None: the middle one) and volume."""


@dataclass(frozen=True)
class Shown:
    """One image: a file, or the files of one DICOM series, at one of its slices."""

    paths: tuple[str, ...]
    picture: Picture
    place: Place = (None, 0)

    @property
    def key(self) -> str:
        """What it is called by, whichever slice is shown."""
        return self.paths[0]

    @property
    def name(self) -> str:
        """What the user calls it."""
        name = Path(self.paths[0]).name
        return name if len(self.paths) == 1 else f"{name} (series of {len(self.paths)} files)"

    @property
    def caption(self) -> str:
        """What stands below it: its name, slice, plane and window."""
        return f"{self.name}: {self.picture.description}"

    def is_as(self, other: "Shown") -> bool:
        """Return whether it is the same picture: file, slice, volume and window."""
        return (self.paths, self.picture.description) == (other.paths, other.picture.description)


@dataclass(frozen=True)
class View:
    """The images that are chosen, as the model will see them."""

    images: tuple[Shown, ...] = ()

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The pictures alone."""
        return tuple(shown.picture for shown in self.images)

    @property
    def files(self) -> frozenset[str]:
        """What the pictures were read from."""
        return frozenset(path for shown in self.images for path in shown.paths)

    @property
    def movable(self) -> list[Shown]:
        """Images that have several slices, frames or volumes."""
        return [shown for shown in self.images if shown.picture.slices > 1 or shown.picture.volumes > 1]

    def places(self) -> dict[str, Place]:
        """Return which slice and volume is shown of each image."""
        return {shown.key: shown.place for shown in self.images}

    def captions(self) -> list[str]:
        """Return what stands below each picture."""
        return [shown.caption for shown in self.images]


@dataclass(frozen=True)
class Turn:
    """A question, the pictures that were sent with it, and its answer."""

    question: str
    images: tuple[Shown, ...] = ()
    answer: str | None = None
    end: End = "running"
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Session:
    """A conversation and the view that its last question was asked about."""

    turns: tuple[Turn, ...] = ()
    view: View = field(default_factory=View)

    @property
    def conversation(self) -> Conversation:
        """What the model is sent."""
        conversation = Conversation()
        for turn in self.turns:
            conversation = conversation.with_question(turn.question, [shown.picture.rgb for shown in turn.images])
            if turn.answer is not None:
                conversation = conversation.with_answer(turn.answer)
        return conversation

    def asked(self, text: str, view: View, settings: Mapping[str, Any] | None = None) -> "Session":
        """Return the session with one question more, and those pictures of the view that the last one did not have.

        Other files are of another patient until one says otherwise: the conversation begins again.
        """
        before = self.stopped() if view.files == self.view.files else Session()
        known = before.view.images if before.turns else ()
        new = tuple(shown for shown in view.images if not any(shown.is_as(other) for other in known))
        return Session((*before.turns, Turn(text, new, settings=dict(settings or {}))), view)

    def answered(self, text: str, *, end: End = "done") -> "Session":
        """Return the session with an answer to its last question; one that is there is replaced."""
        return replace(self, turns=(*self.turns[:-1], replace(self.turns[-1], answer=text, end=end)))

    def again(self, settings: Mapping[str, Any] | None = None) -> "Session":
        """Return the session without the answer to its last question."""
        last = replace(self.turns[-1], answer=None, end="running", settings=dict(settings or {}))
        return replace(self, turns=(*self.turns[:-1], last))

    def stopped(self) -> "Session":
        """Return the session whose last answer, where it is not whole yet, stays as it is."""
        is_running = bool(self.turns) and self.turns[-1].end == "running"
        return self.answered(self.answer(), end="stopped") if is_running else self

    def answer(self) -> str:
        """Return the last answer, empty where there is none yet."""
        return (self.turns[-1].answer if self.turns else None) or ""

    def rows(self) -> list[dict[str, str]]:
        """Return the conversation as the page shows it: markup as the text that it is, images and regions in words."""
        rows: list[dict[str, str]] = []
        sent: list[Shown] = []
        for turn in self.turns:
            sent += turn.images
            parts = [f"[image: {shown.caption}]" for shown in turn.images] + [turn.question] + [NO_IMAGE] * (not sent)
            rows.append({"role": "user", "content": escape("\n".join(parts))})
            if turn.answer is not None:
                lines = [turn.answer + _END_MARKS[turn.end], *(f"• {line}" for line in _places(turn.answer, sent))]
                rows.append({"role": "assistant", "content": escape("\n".join(lines))})
        return rows

    def gallery(self, view: View | None = None) -> list[tuple[Image.Image, str]]:
        """Return the pictures of a view, by default the last question's, with the regions of the last answer.

        They are drawn on the picture that was sent last, where it is among them.
        """
        view = self.view if view is None else view
        last, regions = self.pointed_at()
        return [
            (draw_regions(shown.picture.rgb, regions) if last and shown.is_as(last) else shown.picture.rgb, caption)
            for shown, caption in zip(view.images, view.captions(), strict=True)
        ]

    def pointed_at(self) -> tuple[Shown | None, list[Region]]:
        """Return the picture that was sent last, and the regions that the last answer names on it."""
        last = next((shown for turn in reversed(self.turns) for shown in reversed(turn.images)), None)
        return last, find_regions(self.answer())

    def record(self, *, model: Mapping[str, Any]) -> str:
        """Return the conversation as JSON, with the digest of every picture and of its files."""
        content = {
            "format": "gmai-conversation/2", "model": dict(model), "messages": self.conversation.messages,
            "images": [_described(shown) for turn in self.turns for shown in turn.images],
            "answers": [{"settings": dict(turn.settings), "end": turn.end} for turn in self.turns
                        if turn.answer is not None],
        }  # fmt: skip
        return json.dumps(content, indent=1, ensure_ascii=False)


class Current:
    """What one browser shows: the chosen images, the conversation, and the number of its last change.

    Events of a page run side by side, and the page learns of the first of two clicks after the second was sent. So each
    says which change it knows of, and what was overtaken changes nothing any more.
    """

    def __init__(self) -> None:
        self.session, self.view, self.number = Session(), View(), 0
        self.drawn: Any = None
        """What the pictures of the last painting were made from."""
        self._paintings, self._lock = 0, threading.Lock()

    def __deepcopy__(self, _: object) -> "Current":
        return Current()

    def change(self, session: Session, known: int | None = None) -> int | None:
        """Take another conversation, and the images that it is about; return the number of the change.

        Args:
            session: The conversation.
            known: The last change that its asker knew of; None where it holds whatever came before.

        Returns:
            None, and nothing is changed, where something came between.
        """
        with self._lock:
            if known not in {None, self.number}:
                return None
            self.session, self.view, self.number = session, session.view, self.number + 1
            return self.number

    def see(self, view: View) -> bool:
        """Take other slices of the chosen images; return whether they are still those that are chosen."""
        with self._lock:
            if view.files != self.view.files:
                return False
            self.view = view
            return True

    def stop(self) -> None:
        """Leave an answer that is not whole yet as it is."""
        with self._lock:
            self.session, self.number = self.session.stopped(), self.number + 1

    def grow(self, session: Session, number: int) -> bool:
        """Take the conversation with more of its answer; return whether it is still the one of that change."""
        with self._lock:
            if number == self.number:
                self.session = session
            return number == self.number

    def repaint(self) -> int:
        """Return a number that was not returned before: the page paints all anew when it learns of it."""
        with self._lock:
            self._paintings += 1
            return self._paintings

    def shown(self) -> tuple[Session, View, int]:
        """Return the conversation, the chosen images and the number of the last change, as of one moment."""
        with self._lock:
            return self.session, self.view, self.number


def look(paths: Sequence[str] | None, window: str | None = None, at: Mapping[str, Place] | None = None) -> View:
    """Open the chosen files; DICOM files that are slices of one series are one image.

    Args:
        paths: Files.
        window: Of the images that have values; None or nothing takes each file's own.
        at: Which slice and volume, by the key of the image; the middle slice of the first volume otherwise.

    Raises:
        UserError: A file is not readable, has no such slice, or two are of different patients.
    """
    images: list[Shown] = []
    for group in by_series([Path(path) for path in paths or ()]):
        place = (at or {}).get(str(group[0]), (None, 0))
        its_window = None if len(group) == 1 and kind_of(group[0]) == "raster" else window or None
        picture = open_picture(group, number=place[0], window=its_window, volume=place[1])
        if place[0] is None and picture.slices > 1:
            place = (picture.slices // 2, place[1])
        images.append(Shown(tuple(map(str, group)), picture, place))
    require_one_patient((shown.name, shown.picture) for shown in images)
    return View(tuple(images))


def _places(answer: str, sent: Sequence[Shown]) -> list[str]:
    if not sent:
        return []
    of_last = " (on the image shown last)" if len(sent) > 1 else ""
    picture = sent[-1].picture
    return [line + of_last for line in places(answer, picture.image.size, picture.pixel_mm)]


def _described(shown: Shown) -> dict[str, Any]:
    image = shown.picture.rgb
    return {
        "name": shown.name, "shown": shown.picture.description, "size_px": list(image.size),
        "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
        "files_sha256": [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in shown.paths],
    }  # fmt: skip
