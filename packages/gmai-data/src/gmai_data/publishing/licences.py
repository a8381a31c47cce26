"""May others pass on what was made from a source? Answered by its licence, before anything is published."""

import re
from collections.abc import Mapping
from typing import Any

from gmai_data.sources.licence import is_stated

_FREE = (
    "CC0-1.0",
    "PDDL-1.0",
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ODC-By-1.0",
    "ODbL-1.0",
    "Unlicense",
)
_SHARED = ("CC-BY-", "CC-BY-SA-", "CC-BY-NC-", "CC-BY-NC-SA-")
_NO_DERIVATIVES = "-ND-"
_SOLD = re.compile(r"CC-BY(?:-SA)?-\d\.\d")


def reason_to_refuse(recipe: Mapping[str, Any]) -> str | None:
    """Return why a source must not be published, or None when it may be.

    Exported slices, crops and texts are derivatives, so a licence without derivatives forbids them. Non-commercial and
    share-alike terms allow passing on; they stand in the card of what is published.

    Args:
        recipe: The fields of a card (`license`, `redistribution`).
    """
    licence, allowed = str(recipe["license"]), recipe.get("redistribution")
    if not is_stated(licence):
        return "its licence is not stated"
    if allowed is not None:
        return None if allowed else f"its licence ({licence}) forbids passing the data on"
    if _NO_DERIVATIVES in licence:
        return f"its licence ({licence}) forbids derivatives"
    if licence in _FREE or licence.startswith(_SHARED):
        return None
    return f"{licence} is no licence that is known to allow it; say `redistribution: true` in the card if it does"


def may_be_sold(recipe: Mapping[str, Any]) -> bool:
    """Return whether others may sell what was made from a source: only where its licence is known to let them.

    Terms of a publisher's own may allow passing on (`redistribution: true`) and still forbid commerce.

    Args:
        recipe: The fields of a card (`license`, `redistribution`).
    """
    licence = str(recipe["license"])
    return reason_to_refuse(recipe) is None and (licence in _FREE or _SOLD.fullmatch(licence) is not None)
