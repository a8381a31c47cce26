"""Where what is made of datasets is kept: indexes, token lengths, images out of Parquet, datasets of the Hub."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder that all runs share: `GMAI_CACHE`, or `gmai` in the user's cache folder (`XDG_CACHE_HOME`).

    What lies there is named by the content that it was made of, so that stages and runs over the same files find it.
    """
    own = os.environ.get("GMAI_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gmai"
