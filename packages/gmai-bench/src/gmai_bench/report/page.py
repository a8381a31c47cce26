"""The report as one HTML page that needs nothing beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from gmai_bench.images import ImageStore
from gmai_bench.scores import ScoredBenchmark


def as_page(summary: Mapping[str, Any], benchmarks: Sequence[ScoredBenchmark], store: ImageStore) -> str:
    """Return the page."""
    return ""
