"""The files of a folder by their names: in order, one folder in memory at a time, as text and not as objects.

Hidden files and folders are none of a dataset's, nor is what macOS packs beside one.
"""

import fnmatch
import os
import re
import stat
from collections.abc import Iterator, Sequence

from gmai_cli.console import say

BLOCK = 100_000
"""Names of one folder that are sorted in memory; a larger folder comes in blocks, each sorted by itself."""
_State = tuple[int, int]
"""(number of the pattern, number of its component that the next name must match)."""
_ANY = "**"


def files_below(root: str, top: str) -> Iterator[str]:
    """Yield the paths below `root` of all files below `top`.

    Links to folders are not followed; links that lead nowhere are listed, so that they end in the quarantine.
    """
    start = len(root) + 1
    waiting = [(top, _names(top, follow=False))]
    while waiting:
        folder, names = waiting[-1]
        place = f"{folder}/"[start:]
        for name in names:
            if name[-1] == "/":
                inside = f"{folder}/{name[:-1]}"
                waiting.append((inside, _names(inside, follow=False)))
                break
            yield place + name
        else:
            waiting.pop()


def matching_below(
    root: str, patterns: Sequence[str], *, folders: bool = False
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield (path below `root`, numbers of the patterns) for all files that match one of several patterns.

    Args:
        root: Where the patterns begin.
        patterns: As those of `pathlib.Path.glob`: `**` follows no links to folders, what names a folder does.
        folders: Yield folders, and no files.
    """
    split = [tuple(_plain_stars(part) for part in pattern.split("/") if part not in ("", ".")) for pattern in patterns]
    steps: dict[frozenset[_State], _Step] = {}

    def step_of(states: set[_State]) -> _Step:
        key = frozenset(states)
        if key not in steps:
            steps[key] = _Step(split, states)
        return steps[key]

    begin = step_of({(number, 0) for number in range(len(split))})
    waiting = [("", begin, begin.names_in(root))]
    while waiting:
        place, step, names = waiting[-1]
        for name in names:
            if name[-1] != "/":
                if not folders and (taken := step.takes(name)):
                    yield place + name, taken
                continue
            inside = f"{root}/{place}{name[:-1]}"
            states = step.behind(name[:-1], inside)
            if not states:
                continue
            then = step_of(states)
            waiting.append((place + name, then, then.names_in(inside)))
            if folders and then.ended:
                yield place + name[:-1], then.ended
            break
        else:
            waiting.pop()


class _Step:
    """What is looked for in a folder: components of patterns of which all before have matched."""

    def __init__(self, patterns: Sequence[tuple[str, ...]], states: set[_State]) -> None:
        every = set(states)
        for number, position in states:  # `**` may stand for no folder
            parts = patterns[number]
            while position < len(parts) and parts[position] == _ANY:
                position += 1
                every.add((number, position))
        self.ended = tuple(sorted(number for number, position in every if position == len(patterns[number])))
        self._states = {state: patterns[state[0]][state[1]] for state in every if state[1] < len(patterns[state[0]])}
        self._matches = {state: re.compile(fnmatch.translate(part)).match for state, part in self._states.items()}
        self._files = [
            (number, self._matches[number, position])
            for (number, position), part in sorted(self._states.items())
            if position + 1 == len(patterns[number]) and part != _ANY
        ]
        parts = self._states.values()
        wild = any(re.search(r"[*?\[]", part) for part in parts)
        self._plain = None if wild else sorted(set(parts))
        """Names that are looked for as they stand, where there are no others."""

    def names_in(self, folder: str) -> Iterator[str]:
        """Return an iterator over the names in a folder that may match, those of folders with a slash behind."""
        return _names(folder, follow=True) if self._plain is None else _present(folder, self._plain)

    def takes(self, name: str) -> tuple[int, ...]:
        """Return the numbers of the patterns that end with a file of this name."""
        return tuple([number for number, match in self._files if match(name)])

    def behind(self, name: str, path: str) -> set[_State]:
        """Return what is looked for in a folder of this name."""
        states: set[_State] = set()
        for (number, position), part in self._states.items():
            if part == _ANY:
                if not os.path.islink(path):  # noqa: PTH114 - as text, see the module
                    states.add((number, position))
            elif self._matches[number, position](name):
                states.add((number, position + 1))
        return states


def _plain_stars(part: str) -> str:
    return part if part == _ANY else re.sub(r"\*{2,}", "*", part)


def _names(folder: str, *, follow: bool) -> Iterator[str]:
    """Yield the names in a folder, those of folders with a slash behind, by which paths come in order of their text."""
    block: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if _is_hidden(name):
                    continue
                if entry.is_symlink():
                    block += _kind(name, entry.path, follow)
                elif entry.is_dir():
                    block.append(f"{name}/")
                elif entry.is_file():
                    block.append(name)
                if len(block) == BLOCK:
                    block.sort()
                    yield from block
                    block = []
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError:
        say(f"warning: {folder} cannot be opened (permission denied): what lies in it is left out.")
    block.sort()
    yield from block


def _present(folder: str, names: Sequence[str]) -> Iterator[str]:
    """Yield those of a few names that are there, as `_names` does."""
    for name in names:
        path = f"{folder}/{name}"
        if not _is_hidden(name) and os.path.lexists(path):
            yield from _kind(name, path, follow=True)


def _kind(name: str, path: str, follow: bool) -> tuple[str, ...]:
    """Return a name as `_names` yields it; a link that leads nowhere, or in a circle, counts as a file."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return (name,)
    if stat.S_ISDIR(mode):
        return (f"{name}/",) if follow else ()
    return (name,) if stat.S_ISREG(mode) else ()


def _is_hidden(name: str) -> bool:
    return name[0] == "." or name == "__MACOSX"
