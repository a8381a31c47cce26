"""JSON of others: read as Python reads it, but for lists in lists in lists, which are an error like any other."""

import json
import sys
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError
from gmai_formats.files import LONGEST_LINE_BYTES


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        json.JSONDecodeError: It is none, is nested deeper than Python reads (about 1,000 to 100,000 levels), or has a
            whole number of more digits than Python reads (4,300).
        UnicodeDecodeError: Bytes that are no text.
    """
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError as error:
        raise json.JSONDecodeError(f"a number of more than {sys.get_int_max_str_digits()} digits", "", 0) from error
    except RecursionError as error:
        raise json.JSONDecodeError("lists or objects are nested too deeply", "", 0) from error


def read_json_object(path: Path, *, remedy: str) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Args:
        path: The file.
        remedy: The last sentence of the message to the user.

    Raises:
        UserError: It cannot be read, is no JSON text in UTF-8, or holds something else.
    """
    try:
        if (size := path.stat().st_size) > LONGEST_LINE_BYTES:
            raise UserError(f"{path}: has {size:,} bytes, where an object of at most 256 MB is due. {remedy}")
        content = parse_json(path.read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}). {remedy}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). {remedy}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds {json.dumps(content)[:40]}, where an object is due. {remedy}")
    return cast("dict[str, Any]", content)
