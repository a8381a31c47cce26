"""Frames of a video file, decoded one at a time (PyAV)."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from gmai_formats.pictures.picture import MAX_PIXELS, Pixels

from gmai_data.imaging.source_files import require_data
from gmai_data.ledger import SourceError

VIDEO_ENDINGS = (".mp4", ".avi", ".mkv", ".mov", ".mpg", ".mpeg", ".webm", ".m4v")
COMPLETE_SHARE = 0.95
"""A video that decodes to fewer frames than this share of what its header names was cut off."""


def sampled_frames(root: Path, relative: str, every_s: float, max_frames: int) -> Iterator[tuple[int, float, Pixels]]:
    """Yield (frame number, seconds, grey or RGB pixels) every so many seconds, from the first frame on.

    Raises:
        SourceError: Not a video, without frames, damaged, or with frames above `MAX_PIXELS`.
    """
    taken = decoded = 0
    start_s: float | None = None
    step_s = 0.0
    for number, seconds, frame, duration_s in _decoded(root, relative):
        decoded = number + 1
        if start_s is None:
            start_s, step_s = seconds, max(every_s, duration_s / max_frames)
        if seconds - start_s + 1e-6 >= taken * step_s and taken < max_frames:
            taken += 1
            yield number, seconds - start_s, _pixels(frame)
    if decoded == 0:
        raise SourceError("no video in the file", "not one frame could be decoded", relative)


def frames_numbered(root: Path, relative: str, numbers: Collection[int]) -> Iterator[tuple[int, Pixels]]:
    """Yield (number, grey or RGB pixels) of the frames with these numbers, counted from 0 in the order they are shown.

    Raises:
        SourceError: As `sampled_frames`.
    """
    last = max(numbers, default=-1)
    for number, _, frame, _ in _decoded(root, relative):
        if number in numbers:
            yield number, _pixels(frame)
        if number >= last:
            return


def _pixels(frame: Any) -> Pixels:
    return frame.to_ndarray(format="gray" if frame.format.name.startswith("gray") else "rgb24")


def _decoded(root: Path, relative: str) -> Iterator[tuple[int, float, Any, float]]:
    """Yield (number, seconds, frame, duration of the video in seconds)."""
    path = require_data(root, relative)
    try:
        import av
    except ImportError as error:
        raise UserError(f"{path}: videos need PyAV. Run `{pip_install('gmai-data[video]')}`.") from error
    library = cast(Any, av)
    try:
        # Closed in any case: PyAV keeps threads and buffers of open containers.
        with library.open(str(path)) as container:
            if not container.streams.video:
                raise SourceError("no video in the file", "it holds sound or data only", relative)
            stream = container.streams.video[0]
            if stream.width * stream.height > MAX_PIXELS:
                raise SourceError("image too large", f"frames of {stream.width}×{stream.height}", relative)
            stream.thread_type = "NONE"
            duration_s = float(container.duration or 0) / library.time_base
            decoded = 0
            for number, frame in enumerate(container.decode(stream)):
                decoded = number + 1
                seconds = float(frame.time) if frame.time is not None else number / float(stream.average_rate or 25)
                yield number, seconds, frame, duration_s
            if decoded < COMPLETE_SHARE * stream.frames:
                detail = f"{decoded} of the {stream.frames} frames that its header names; download it again"
                raise SourceError("video ends early", detail, relative)
    except library.error.FFmpegError as error:
        detail = " ".join(str(error).split()).replace(str(path), relative)
        raise SourceError("video unreadable", f"{detail}; download it again", relative) from error
