"""The text of samples alone, for training a tokenizer."""

from collections.abc import Iterator
from pathlib import Path

from gmai_formats.rows.mixtures import load_mixture

from gmai_model.batching.caches import cache_folder
from gmai_model.batching.prepare import find_datasets, index_files, open_tables
from gmai_model.batching.team import Team


def iterate_texts(data: Path) -> Iterator[str]:
    """Yield the content of every message of the training samples that can be read, each once.

    Args:
        data: What `load_mixture` takes.
    """
    mixture, root = load_mixture(data)
    entries = [entry for entry in mixture.datasets if not entry.skip]
    team = Team()
    cache = cache_folder()
    datasets = find_datasets(entries, root, split="train", cache=cache, team=team)
    index_files(datasets, cache, team)
    for table in open_tables(datasets, cache):
        for row in range(len(table)):
            sample = table[row]
            if sample.problem is None:
                for message in sample.messages:
                    yield message["content"]
