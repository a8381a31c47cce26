"""Every question with its answer and verdict, packed so that a page of tens of thousands opens at once.

Texts that recur (options, rules, groups) stand once and are named by their number; the whole is gzip in base64, which
holds no character that means something in HTML. `page.js` unpacks it.
"""

import base64
import gzip
import io
import json
from collections.abc import Hashable, Sequence
from typing import Any

from PIL import Image

from gmai_bench.images import Ablation, ImageStore, images_of_others
from gmai_bench.scoring.results import ScoredBenchmark
from gmai_bench.scoring.verdict import Scored

IMAGE_EDGE_PX = 256
"""Longest edge of an embedded image."""
MOST_ROWS = 100_000
"""Questions listed per benchmark; beyond them an even selection is, and the page says how many are not."""
MOST_IMAGES = 1000
"""Images embedded per benchmark; beyond them an even selection is, and the page says how many are not."""


class Thumbnails:
    """Small data URIs of what the model was shown, one per image, and the images named without one."""

    def __init__(self, store: ImageStore, ablation: Ablation, seed: int) -> None:
        """Show the images of `store` under an ablation."""
        self._store, self._seed = store, seed
        self.of_others = ablation == "other"
        self._ablation: Ablation = "none" if self.of_others else ablation
        self._numbers: dict[str, int] = {}
        self.listed: list[list[str | None]] = []
        """`[digest, data URI]`, in the order of the numbers; no URI where the image is not embedded."""

    def number(self, digest: str) -> int:
        """Return the number of an image."""
        if digest not in self._numbers:
            self._numbers[digest] = len(self.listed)
            self.listed.append([digest, None])
        return self._numbers[digest]

    def embed(self, digest: str) -> None:
        """Put a thumbnail of an image into the page."""
        entry = self.listed[self.number(digest)]
        if entry[1] is None:
            image = self._store.show(digest, self._ablation, self._seed)
            image.thumbnail((IMAGE_EDGE_PX, IMAGE_EDGE_PX), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, format="JPEG", quality=80)
            entry[1] = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


class _Table:
    """Values that recur, each once."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def number(self, value: Hashable) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    @property
    def values(self) -> list[Hashable]:
        return list(self._numbers)


def browsable(benchmark: ScoredBenchmark, images: Thumbnails) -> tuple[dict[str, Any], int, int]:
    """Return all answered questions of a benchmark as `page.js` reads them, how many images they show, and embedded.

    A row is id, question, image numbers, number of its options, reference, response, answer read, number of its rule,
    score, numbers of its groups. An option is named by its place, another text as it stands.
    """
    columns = list(benchmark.record.card.groups)
    others = images_of_others(benchmark.record.questions) if images.of_others else {}
    choices, rules = _Table(), _Table()
    groups = [_Table() for _ in columns]
    spread = max(1.0, len(benchmark.scored) / MOST_ROWS)
    chosen = {int(n * spread) for n in range(min(len(benchmark.scored), MOST_ROWS))}
    named: dict[str, None] = {}
    rows = [
        [
            item.question.id,
            item.question.text,
            [images.number(others.get(digest, digest)) for digest in item.question.images],
            choices.number(item.question.choices),
            _place(item.question.reference, item),
            item.prediction.response,
            _place(item.verdict.answer, item),
            rules.number(item.verdict.rule),
            round(item.verdict.score, 4),
            [table.number(item.question.groups[column]) for table, column in zip(groups, columns, strict=True)],
        ]
        for place, item in enumerate(benchmark.scored)
        if place in chosen and (named.update(dict.fromkeys(item.question.images)) is None)
    ]
    shown = list(dict.fromkeys(others.get(digest, digest) for digest in named))
    step = max(1.0, len(shown) / MOST_IMAGES)
    embedded = [shown[int(i * step)] for i in range(min(len(shown), MOST_IMAGES))]
    for digest in embedded:
        images.embed(digest)
    packed = {
        "protocol": benchmark.record.card.protocol,
        "columns": columns,
        "groups": [table.values for table in groups],
        "choices": choices.values,
        "rules": rules.values,
        "rows": rows,
    }
    return packed, len(shown), len(embedded)


def _place(text: str | None, item: Scored) -> int | str | None:
    choices: Sequence[str] = item.question.choices
    return choices.index(text) if text in choices else text


def pack(data: Any) -> str:
    """Return JSON as gzip in base64; the same data always give the same text."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8", errors="replace"), 6, mtime=0)).decode("ascii")
