"""The limits of the Batch API, which settings name before anything of a network is loaded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How the requests are divided into batches and waited for; OpenAI's Batch API takes no larger files."""

    requests: int = 50_000
    size_bytes: int = 200_000_000
    poll_s: float = 60.0
