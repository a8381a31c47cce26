"""Video files ▶ frames with labels, decoded one at a time (PyAV)."""

import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from gmai_formats.errors import UserError, did_you_mean
from pydantic import Field

from gmai_data.imaging.source_files import below, matching, require_data
from gmai_data.ledger import Ledger, SourceError, printable
from gmai_data.sources.card import Card
from gmai_data.sources.drafting.class_tree import class_tree
from gmai_data.sources.drafting.table_guess import label_column, names_of_splits, split_column
from gmai_data.sources.files.folder import Folder, Guess, column_of_names, ending_pattern, values_of
from gmai_data.sources.files.tables import UTF_8, read_table
from gmai_data.sources.files.video_frames import VIDEO_ENDINGS, sampled_frames
from gmai_data.sources.items import Item, ItemImage, full_name
from gmai_data.sources.layout import Layout

_Rows = list[dict[str, str]]


class Video(Layout):
    """Video files; labels of their frames, or of the whole video."""

    is_of_volumes: ClassVar[bool] = True
    kind: Literal["video"]
    files: str
    """Pattern of the videos."""
    every_s: float = Field(default=1.0, gt=0)
    """Distance of the exported frames in seconds."""
    max_frames: int = Field(default=2000, ge=1)
    """Most frames taken of one video; a longer one is sampled more thinly, evenly."""
    table: str | None = None
    """Table of the labels; with `{stem}` one per video. None: the card's `labels_of_every_image`, or `label_folder`."""
    label_folder: bool = False
    """The name of the folder that holds the video is its raw label."""
    video_column: str | None = None
    """Column with the video's name, of a table for all videos."""
    frame_column: str | None = None
    """Column with the frame's number, from 0; a label holds until the next row. None: a row holds for its video."""
    label_column: str = "label"
    encoding: str = UTF_8
    """Encoding of the tables' text, such as `cp1252`; workbooks (`.xlsx`) have none."""

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per video: a video is never divided between splits."""
        for file in map(printable, matching(root, self.files, recipe=card.name, what="videos")):
            path = PurePosixPath(file)
            table = self.table.replace("{stem}", path.stem) if self.table else None
            if table is not None:
                below(root, table, recipe=card.name)
            folder = (path.parent.name,) if self.label_folder else ()
            yield Item(file, (file, table) if table else (file,), raw_labels=folder)

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield the sampled frames with the labels that hold for each.

        Raises:
            SourceError: The video or its table is unreadable, or a label is unknown.
        """
        del ledger  # labels of frames have no boxes
        file = item.files[0]
        labels = _FrameLabels(self, item, card, root)
        for number, seconds, pixels in sampled_frames(root, file, self.every_s, self.max_frames):
            geometry = {"frame": number, "seconds": round(seconds, 3)}
            name = f"{PurePosixPath(file).name}_frame{number:06d}"
            known = labels.at(number)
            left_open = tuple(each for each in card.label_names if each not in known) if labels.open_at(number) else ()
            yield ItemImage(name, pixels, known, geometry=geometry, uncertain=left_open)

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where there are videos, with a table of labels or a folder per class."""
        videos = folder.with_ending(*VIDEO_ENDINGS)
        if not videos:
            return None
        layout: dict[str, Any] = {"kind": "video", "files": f"**/{ending_pattern(videos)}"}
        for path, rows in folder.tables:
            video = column_of_names(rows, {each.stem for each in videos})
            if video is None:
                continue
            frame = next((name for name in rows[0] if _FRAME.fullmatch(name.strip())), None)
            split = split_column(rows, video)
            label, notes = label_column(rows, {video, frame or "", split or ""})
            layout |= {"table": folder.below(path), "video_column": video, "label_column": label}
            if frame is not None:
                layout["frame_column"] = frame
            of_split: dict[str, Any] = {}
            if split is not None:
                names = names_of_splits(rows, split)
                of_split = {"table": {"table": folder.below(path), "key": video, "value": split}} | (
                    {"names": names} if names else {}
                )
            labels = values_of(rows, label) if label != "TODO" else []
            return Guess("videos with a table", "2d_classification", layout, labels, notes=tuple(notes), split=of_split)
        tree = class_tree([folder.below(path) for path in videos])
        if tree is not None and not tree.has_splits and not tree.pattern:
            layout["label_folder"] = True
            return Guess(
                "videos in a folder per class", "2d_classification", layout, list(tree.classes), notes=tree.notes
            )
        tails = Counter(
            path.name[len(stem) :]
            for path in folder.with_ending(".txt", ".csv")
            for stem in {video.stem for video in videos}
            if path.name.startswith(stem)
        )
        beside = ", ".join(f"*{tail} ({count})" for tail, count in tails.most_common(6))
        note = "table or label_folder: no table names the videos and no folders are classes"
        layout["label_folder"] = "TODO"
        return Guess("videos", "2d_classification", layout, notes=(f"{note}; files beside: {beside or 'none'}",))


_FRAME = re.compile(r"frames?[ _-]?(?:no|nr|num|number|id|index|idx)?", re.IGNORECASE)


class _FrameLabels:
    """The labels of each frame of one video."""

    def __init__(self, layout: Video, item: Item, card: Card, root: Path) -> None:
        self._whole = tuple(
            full_name(card, raw, item.files[0]) for raw in (*item.raw_labels, *card.labels_of_every_image)
        )
        self._changes: list[tuple[int, str]] = []
        if len(item.files) < 2:
            return
        table = item.files[1]
        path = require_data(root, table)
        rows = _rows(
            path,
            layout.label_column,
            layout.frame_column,
            layout.video_column,
            card.name,
            layout.encoding,
            path.stat().st_mtime_ns,
        )
        if layout.video_column is not None:
            names = (PurePosixPath(item.files[0]).stem, PurePosixPath(item.files[0]).name, item.files[0])
            rows = [row for row in rows if row[layout.video_column] in names]
        if not rows:
            raise SourceError("video without labels", f"{table} has no row for it", item.files[0])
        if layout.frame_column is None:
            named = [full_name(card, row[layout.label_column], table) for row in rows]
            self._whole = tuple(dict.fromkeys((*self._whole, *named)))
            return
        try:
            numbered = [(int(row[layout.frame_column]), row[layout.label_column]) for row in rows]
        except ValueError as error:
            raise SourceError("table unreadable", f"{error}: frames are numbered from 0", table) from error
        self._changes = [(number, full_name(card, raw, table)) for number, raw in sorted(numbered)]

    def open_at(self, frame: int) -> bool:
        """Return whether a frame lies before the first row of its table, which says nothing about it."""
        return bool(self._changes) and frame < self._changes[0][0]

    def at(self, frame: int) -> tuple[str, ...]:
        """Return the labels of a frame: a row holds until the next one."""
        current: dict[int, list[str]] = {}
        for number, label in self._changes:
            if number > frame:
                break
            current.setdefault(number, []).append(label)
        latest = current[max(current)] if current else []
        return tuple(dict.fromkeys((*self._whole, *latest)))


@functools.lru_cache(maxsize=2)
def _rows(
    path: Path, label: str, frame: str | None, video: str | None, recipe: str, encoding: str, modified_ns: int
) -> _Rows:
    del modified_ns  # another file under the same name is another entry of the cache
    try:
        columns, rows = read_table(path, lambda names: label in names, encoding=encoding)
        for column in (label, frame, video):
            if column is not None and column not in columns:
                detail = f'no column "{column}", which recipe {recipe} reads.{did_you_mean(column, columns)}'
                raise SourceError("table unreadable", detail, path.name)
        found: _Rows = []
        for _, row, problem in rows:
            if problem:
                raise SourceError("table unreadable", problem, path.name)
            found.append(row)
    except UserError as error:
        raise SourceError("table unreadable", str(error).replace(f"{path}: ", ""), path.name) from error
    return found
