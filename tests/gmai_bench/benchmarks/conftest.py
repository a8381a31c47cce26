"""What the tests of the published layouts share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.registry import open_benchmark
from gmai_bench.images import check


@pytest.fixture(scope="session")
def load() -> Callable[..., record.Record]:
    """Return a function of a benchmark's name and its data root: what is read there, under `record.load`'s settings."""

    def read(name: str, root: Path, **settings: Any) -> record.Record:
        return record.load(open_benchmark(name, root), check, **{"limit": None, "allow_partial": False, **settings})

    return read
