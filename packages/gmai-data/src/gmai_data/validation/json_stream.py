"""JSON lists and JSON Lines of any size, entry by entry, with what is not JSON named by its place."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gmai_data.validation.rules import Problem

_CHUNK = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")

Entry = tuple[int, Any | Problem]
"""(number, the value or what is wrong with it)."""


def json_list(path: Path) -> Iterator[Entry]:
    """Yield (index from 0, value) of a file that is one JSON list; after what is not JSON nothing more can be read."""
    decode = json.JSONDecoder().raw_decode
    buffer, position, index, separator = "", 0, 0, "["
    with path.open(encoding="utf-8-sig", errors="strict") as file:

        def more() -> bool:
            nonlocal buffer, position
            # What waits grows with each attempt, so that a long entry is not parsed again for every chunk.
            chunk = file.read(max(_CHUNK, len(buffer) - position))
            buffer, position = buffer[position:] + chunk, 0
            return bool(chunk)

        def skip_space() -> str:
            nonlocal position
            while True:
                match = _SPACE.match(buffer, position)
                position = match.end() if match else position
                if position < len(buffer):
                    return buffer[position]
                if not more():
                    return ""

        try:
            while True:
                found = skip_space()
                if found == "]" and (separator == "," or index == 0):
                    return
                if found != separator:
                    yield (
                        index,
                        Problem("json", f"{found!r} where {separator!r} belongs" if found else "the list ends early"),
                    )
                    return
                position += 1
                separator = ","
                if skip_space() == "]":
                    if index:
                        yield index, Problem("json", "a comma before the end of the list")
                    return
                while True:
                    try:
                        value, end = decode(buffer, position)
                    except json.JSONDecodeError as error:
                        if not more():
                            yield index, Problem("json", f"not JSON: {error.msg}")
                            return
                        continue
                    if end == len(buffer) and more():
                        continue  # a number may go on in the next chunk
                    break
                position = end
                yield index, value
                index += 1
        except UnicodeDecodeError as error:
            yield index, Problem("json", f"not UTF-8 ({error.reason})")


def json_lines(path: Path) -> Iterator[Entry]:
    """Yield (line from 1, value) of a JSON Lines file; empty lines are skipped."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError as error:
                yield number, Problem("json", f"not UTF-8 ({error.reason})")
            except json.JSONDecodeError as error:
                yield number, Problem("json", f"not JSON: {error.msg}")


def first_of(path: Path) -> Any | Problem | None:
    """Return the first entry of a `.json` list or a `.jsonl` file, or the whole object of a `.json` one.

    None where a file is empty, or begins with neither a list nor an object.
    """
    if path.suffix == ".jsonl":
        return next((value for _, value in json_lines(path)), None)
    with path.open("rb") as file:
        start = file.read(4096).decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if start.startswith("["):
        return next((value for _, value in json_list(path)), None)
    return lenient_object(path)[0] if start.startswith("{") else None


def lenient_object(path: Path) -> tuple[Any | Problem, bool]:
    """Return a file's JSON, and whether commas before a closing bracket had to be overlooked.

    GMAI-VL's published example of a mixing list has such a comma.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        return Problem("json", f"not UTF-8 ({error.reason})"), False
    for lenient in (False, True):
        try:
            return json.loads(_without_last_commas(text) if lenient else text), lenient
        except json.JSONDecodeError as error:
            problem = Problem("json", f"not JSON: {error.msg} in line {error.lineno}")
    return problem, False


def _without_last_commas(text: str) -> str:
    return re.sub(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', lambda found: found.group(1) or "", text)
