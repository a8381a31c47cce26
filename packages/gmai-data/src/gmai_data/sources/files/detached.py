"""Where the numbers of a NRRD or MetaImage file lie: in the file, or in others that its header names."""

import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from gmai_formats.files import is_file

from gmai_data.imaging.source_files import as_on_disk, inside, on_disk
from gmai_data.ledger import SourceError

NRRD_ENDINGS, META_ENDINGS = (".nrrd", ".nhdr"), (".mha", ".mhd")
_MOST_HEADER = 2**20
"""Bytes that a header is looked for in; the longest known, those of segmentations, have some 20 kB."""
_MOST_FILES = 10_000
_NAMES = {
    # https://teem.sourceforge.net/nrrd/format.html#detached
    NRRD_ENDINGS: re.compile(rb"(?:^|[\r\n])[ \t]*data ?file[ \t]*:(?!=)[ \t]*([^\r\n]*)", re.IGNORECASE),
    # https://docs.itk.org/en/latest/learn/metaio.html: ElementDataFile is the last field
    META_ENDINGS: re.compile(rb"(?:^|[\r\n])[ \t]*ElementDataFile[ \t]*[=:][ \t]*([^\r\n]*)"),
}
_IN_ITSELF = "LOCAL"
_LIST = re.compile(r"LIST(?:\s+\d+)?\s*")
_NUMBERED = re.compile(r"([^%]*%0?\d{0,2}[diu][^%]*?)\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})(?:\s+\d{1,9})?\s*")
"""A name with a number in it, the first one, the last one, and the step."""


_SPACES: dict[tuple[str, ...], re.Pattern[bytes]] = {
    # https://teem.sourceforge.net/nrrd/format.html#space: a name, where `space dimension` is but a number
    NRRD_ENDINGS: re.compile(rb"(?:^|[\r\n])[ \t]*space[ \t]*:(?!=)[ \t]*(?!3d-|scanner)[^\s]", re.IGNORECASE),
    META_ENDINGS: re.compile(rb"(?:^|[\r\n])[ \t]*(?:TransformMatrix|Rotation|Orientation)[ \t]*[=:]"),
}


def names_a_space(root: Path, relative: str) -> bool:
    """Return whether a NRRD or MetaImage header says how its axes lie in the patient."""
    endings, head, found = _head(relative, on_disk(root, relative))
    if endings == NRRD_ENDINGS:
        head = re.split(rb"\n\r?\n", head, maxsplit=1)[0]
    elif found:
        head = head[: found[0].start()]
    return bool(_SPACES[endings].search(head))


def require_own_data(root: Path, relative: str, path: Path) -> None:
    """Refuse a header that leads its reader out of the source, or to what is no file.

    Args:
        root: Folder of the source.
        relative: The header, as the source names it.
        path: The header.

    Raises:
        SourceError: It names a file outside of the root, a device or none, or its end is not found.
    """
    endings, head, found = _head(relative, path)
    is_cut = len(head) == _MOST_HEADER
    is_ended = bool(found) if endings == META_ENDINGS else bool(re.search(rb"\n\r?\n", head))
    is_list = any(_LIST.fullmatch(_words(each)) for each in found)
    if is_cut and (not is_ended or is_list):
        raise SourceError(
            "volume unreadable", f"no end of its header in {_MOST_HEADER:,} bytes; save it again", relative
        )
    folder = PurePosixPath(relative).parent
    names = _named(endings, head, found, relative)
    for number, name in enumerate(names):
        if number >= _MOST_FILES:
            raise SourceError("volume unreadable", f"its header names more than {_MOST_FILES:,} files", relative)
        try:
            there = is_file(inside(root, str(folder / name)))
        except SourceError as error:
            detail = f"its header names {name!r:.100}, and a source may only name files below --root"
            raise SourceError(error.rule, detail, relative) from error
        if not there:
            raise SourceError("file missing", f"its header names {name!r:.100}; put it beside the header", relative)


def data_files(root: Path, relative: str) -> tuple[str, ...]:
    """Return the files below the root that hold the numbers of a header; none of a file that is no such header.

    Of the pairs of NIfTI and ANALYZE 7.5, each of the two has the other. What a header names wrongly is judged when it
    is read, where the reason is recorded.
    """
    if (pair := _PAIR.fullmatch(relative)) is not None:
        other = as_on_disk(root, f"{pair[1]}{'hdr' if pair[2].lower() == 'img' else 'img'}{pair[3]}")
        return (other,) if is_file(on_disk(root, other)) else ()
    if not relative.lower().endswith((*NRRD_ENDINGS, *META_ENDINGS)):
        return ()
    try:
        path = on_disk(root, relative)
        about = path.stat()
        folder = PurePosixPath(relative).parent
        below = (str(folder / name) for name in _names_in(path, relative, about.st_mtime_ns, about.st_size))
        return tuple(file for file in below if is_file(inside(root, file)))
    except (SourceError, OSError, ValueError):
        return ()


@functools.lru_cache(maxsize=1024)
def _names_in(path: Path, relative: str, modified: int, size: int) -> tuple[str, ...]:
    """Return the names that a header gives; every slice of a volume asks for them."""
    del modified, size  # a changed file is another entry of the cache
    return tuple(itertools.islice(_named(*_head(relative, path), relative), _MOST_FILES))


_PAIR = re.compile(r"(.*\.)(hdr|img)((?:\.gz)?)", re.IGNORECASE | re.DOTALL)


def _head(relative: str, path: Path) -> tuple[tuple[str, ...], bytes, list[re.Match[bytes]]]:
    """Return the endings of a header's format, its beginning, and the fields in it that name files."""
    endings = next(each for each in _NAMES if relative.lower().endswith(each))
    with path.open("rb") as file:
        head = file.read(_MOST_HEADER)
    return endings, head, list(_NAMES[endings].finditer(head))


def _named(endings: tuple[str, ...], head: bytes, found: Iterable[re.Match[bytes]], relative: str) -> Iterator[str]:
    names = (name for each in found for name in _files(each, head, relative))
    return (name for name in names if endings != META_ENDINGS or name.upper() != _IN_ITSELF)


def _words(found: re.Match[bytes]) -> str:
    return found[1].decode("utf-8", "surrogateescape").strip()


def _files(found: re.Match[bytes], head: bytes, relative: str) -> Iterator[str]:
    """Yield the names that a field gives, itself or in the lines behind it.

    Raises:
        SourceError: A reader may take what it says for a list or a pattern, in another spelling than the known ones.
    """
    words = _words(found)
    if _LIST.fullmatch(words):
        for line in head[found.end() :].splitlines():
            if name := line.decode("utf-8", "surrogateescape").strip():
                yield name
    elif (numbered := _NUMBERED.fullmatch(words)) is not None:
        pattern, first, last, step = numbered[1], *map(int, numbered.groups()[1:])
        for number in range(first, last + 1, max(step, 1)):
            yield pattern % number
    elif words.startswith("LIST") or "%" in words:
        detail = f"its header names files by a list or pattern that is not known, {words!r:.100}; save it as one file"
        raise SourceError("volume unreadable", detail, relative)
    else:
        yield words
