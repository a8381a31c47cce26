"""The text of samples alone, for training a tokenizer."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gmai_model.batching.mixture import load_mixture
from gmai_model.batching.prepare import find_datasets, index_files, open_tables
from gmai_model.batching.team import Team


def iterate_texts(data: Path) -> Iterator[str]:
    """Yield the content of every message of the training samples, each once.

    Args:
        data: What `load_mixture` takes.
    """
    mixture, root = load_mixture(data)
    entries = [entry for entry in mixture.datasets if not entry.skip]
    team = Team()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(os.environ.get("GMAI_CACHE") or folder)
        datasets = find_datasets(entries, root, split="train", cache=cache, team=team)
        index_files(datasets, cache, team)
        for table in open_tables(datasets, cache):
            for row in range(len(table)):
                for message in table[row].messages:
                    yield message["content"] or ""
