"""The text of samples alone, for training a tokenizer."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from gmai_model.batching.mixture import load_mixture, parquet_files


def iterate_texts(data: Path) -> Iterator[str]:
    """Yield the content of every message of the training samples.

    Args:
        data: A `mix.yaml`, a folder of `train-*.parquet`, or a Parquet file.
    """
    mixture, root = load_mixture(data)
    for entry in mixture.datasets:
        for file in parquet_files(entry, root, split="train"):
            for batch in pq.ParquetFile(file).iter_batches(columns=["messages"], batch_size=1024):
                for messages in batch.column("messages").to_pylist():
                    for message in messages:
                        yield message["content"]
