"""JSON lists and JSON Lines of any size, entry by entry, with what is not JSON named by its place."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gmai_formats.files import LONGEST_LINE_BYTES
from gmai_formats.rows.rules import Problem, shortened

_CHUNK = 1 << 20
_TOKEN = 32
"""What is wrong so near to the end of a portion may be a word or number that goes on in the next one."""
LONGEST_ENTRY = LONGEST_LINE_BYTES
_SPACE = re.compile(r"[ \t\r\n]*")

Entry = tuple[int, Any | Problem]
"""(number, the value or what is wrong with it)."""


class RepeatedKeyError(ValueError):
    """An object has a key twice, of whose values a reader would keep the last."""


def load_strictly(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        RepeatedKeyError: An object has a key twice.
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise RepeatedKeyError(_repeated(pairs))
    return made


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    names = [name for name, _ in pairs]
    return f"`{shortened(next(name for name in names if names.count(name) > 1))}` is given twice"


def json_list(path: Path) -> Iterator[Entry]:
    """Yield (index from 0, value) of a file that is one JSON list; after what is not JSON nothing more can be read."""
    with path.open(encoding="utf-8-sig") as file:
        reader, index = _Portions(file), 0
        try:
            if reader.next() != "[":
                yield index, Problem("json", "the file is not one list", ends=True)
                return
            reader.position += 1
            if reader.next() == "]":
                return
            while True:
                value = reader.entry()
                yield index, value
                index += 1
                if isinstance(value, Problem) and value.ends:
                    return
                mark = reader.next()
                reader.position += 1
                if mark == "]":
                    return
                if mark != ",":
                    found = f"{mark!r} where ',' belongs" if mark else "the list does not end"
                    yield index, Problem("json", found, ends=True)
                    return
        except UnicodeDecodeError as error:
            yield index, Problem("json", f"not UTF-8 ({error.reason})", ends=True)


class _Portions:
    """The text of a file, of which only what waits to be read is held."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._text, self.position = "", 0
        self._repeated: list[str] = []
        self._decode = json.JSONDecoder(object_pairs_hook=self._object).raw_decode

    def next(self) -> str:
        """Return the next character that is no space, without taking it; nothing at the end of the file."""
        while True:
            found = _SPACE.match(self._text, self.position)
            self.position = found.end() if found else self.position
            if self.position < len(self._text):
                return self._text[self.position]
            if not self._more():
                return ""

    def entry(self) -> Any | Problem:
        """Take the next value."""
        self.next()
        while True:
            start = self.position
            self._repeated.clear()
            try:
                value, end = self._decode(self._text, start)
            except json.JSONDecodeError as error:
                cut = error.pos >= len(self._text) - _TOKEN or error.msg.startswith("Unterminated string")
                value, end = Problem("json", f"not JSON: {error.msg}", ends=True), start
            except (ValueError, RecursionError) as error:  # a number of thousands of digits, a list in a list in a …
                return Problem("json", f"not JSON: {error!s:.100}", ends=True)
            else:
                # 1 may be the beginning of 1.5e3.
                cut = len(self._text) - end < _TOKEN and self._text[end : end + 1] not in (",", "]", " ", "\n")
            if cut and len(self._text) - start > LONGEST_ENTRY:
                return Problem("json", "an entry of more than 256 MB", ends=True)
            if not cut or not self._more():
                self.position += end - start
                return Problem("json", self._repeated[0]) if self._repeated and end > start else value

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):  # told when the entry is whole, so that the next one can be read
            self._repeated.append(_repeated(pairs))
        return made

    def _more(self) -> bool:
        # What waits grows with each attempt, so that a long entry is not parsed again for every portion.
        portion = self._file.read(max(_CHUNK, len(self._text) - self.position))
        self._text, self.position = self._text[self.position :] + portion, 0
        return bool(portion)


def json_lines(path: Path) -> Iterator[Entry]:
    """Yield (line from 1, value) of a JSON Lines file; empty lines are skipped."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_ENTRY + 1):
            number += 1
            if len(line) > LONGEST_ENTRY:
                yield number, Problem("json", "a line of more than 256 MB", ends=True)
                return
            if not line.strip():
                continue
            yield number, parse_json(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)


def parse_json(text: bytes) -> Any | Problem:
    """Return the value of a JSON text in UTF-8, or what is wrong with it."""
    try:
        return load_strictly(text.decode())
    except UnicodeDecodeError as error:
        return Problem("json", f"not UTF-8 ({error.reason})")
    except RepeatedKeyError as error:
        return Problem("json", str(error))
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, a list in a list in a list …
        return Problem("json", f"not JSON: {error!s:.100}")


def first_of(path: Path) -> Any | Problem | None:
    """Return the first entry of a `.json` list or a `.jsonl` file, or the whole object of a `.json` one.

    None where a file is empty, or begins with neither a list nor an object.
    """
    if path.suffix == ".jsonl":
        return next((value for _, value in json_lines(path)), None)
    start = first_character(path)
    if start == "[":
        return next((value for _, value in json_list(path)), None)
    return lenient_object(path)[0] if start == "{" else None


def first_character(path: Path) -> str:
    """Return the first character of a file that is no space; nothing where it is empty."""
    with path.open("rb") as file:
        return file.read(4096).decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")[:1]


def lenient_object(path: Path) -> tuple[Any | Problem, bool]:
    """Return a file's JSON, and whether commas before a closing bracket had to be overlooked.

    GMAI-VL's published example of a mixing list has such a comma.
    """
    if path.stat().st_size > LONGEST_ENTRY:
        return Problem("json", "one object of more than 256 MB"), False
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        return Problem("json", f"not UTF-8 ({error.reason})"), False
    for lenient in (False, True):
        try:
            return load_strictly(_without_last_commas(text) if lenient else text), lenient
        except RepeatedKeyError as error:
            return Problem("json", str(error)), False
        except (ValueError, RecursionError) as error:
            problem = Problem("json", f"not JSON: {error!s:.100}")
    return problem, False


def _without_last_commas(text: str) -> str:
    return re.sub(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', lambda found: found.group(1) or "", text)
