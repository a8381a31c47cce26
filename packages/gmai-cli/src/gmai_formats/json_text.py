"""JSON of others: read as Python reads it, but for lists in lists in lists, which are an error like any other."""

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        json.JSONDecodeError: It is none, or is nested deeper than Python reads (about 1,000 to 100,000 levels).
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise json.JSONDecodeError("lists or objects are nested too deeply", "", 0) from error
