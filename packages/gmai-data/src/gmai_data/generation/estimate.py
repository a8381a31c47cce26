"""`--dry-run` of a writer: requests, tokens, time and money per kind, from a few items of each source.

The sampled items are built into a temporary folder, so that slices, windows, boxes and prompts are the real ones.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import pydantic_core
from gmai_formats.chat.prices import Budget
from gmai_formats.files import bounded_lines

from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import TaskMaker, WritingSettings, WritingTask, input_tokens
from gmai_data.generation.writing import WriteJob, tasks_of
from gmai_data.untyped import pq
from gmai_data.vocabulary import Kind, Language

ASSUMED_S = 5.0
"""Seconds from a request to its answer, where no journal says how long earlier ones took."""
_JOURNALS_READ = 20


@dataclass
class Line:
    """The sums of one kind over the whole build."""

    requests: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    usd: float = 0.0

    def sum_with(self, other: "Line") -> None:
        """Add the sums of another kind."""
        self.requests += other.requests
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.usd += other.usd

    def add(self, times: float, sent: float, received: float, usd: float) -> None:
        """Add so many requests of so many tokens each."""
        self.requests += times
        self.input_tokens += times * sent
        self.output_tokens += times * received
        self.usd += times * usd


def estimate(jobs: Iterable[tuple[WriteJob, float]], settings: WritingSettings, budget: Budget) -> dict[str, Line]:
    """Return the sums by kind, as if no reply needed a repair.

    Args:
        jobs: Shards of the sampled items, each with the number of items that one of them stands for.
        settings: See `WritingSettings`.
        budget: Knows the prices.
    """
    lines: dict[str, Line] = {}
    drawn = settings.model_copy(update={"translate": {Kind.TEXT_ONLY: 1.0}})
    for job, items in jobs:
        # Shares are multiplied: what is drawn of three items says little of what is drawn of a thousand.
        texts = job.text_share
        shares = {
            "text_record": texts,
            "text_dialogue": texts,
            "translation": settings.translate.get(Kind.TEXT_ONLY, 0),
        }
        maker = replace(job, settings=drawn, text_share=1.0).maker()
        for task, _ in tasks_of(job, maker):
            name = task.prompt.name
            times = items * shares.get(name, 1.0)
            if not times:
                continue
            sent, received = _tokens(task, budget)
            _add(lines, name, settings.model, budget, times, sent, received)
            if task.facts.language != Language.EN:
                continue
            _add_follow_ups(lines, task, maker, settings, budget, times)
    return lines


def _add_follow_ups(
    lines: dict[str, Line], task: WritingTask, maker: TaskMaker, settings: WritingSettings, budget: Budget, times: float
) -> None:
    expected = task.prompt.specific.expected_tokens
    share = settings.translate.get(task.facts.kind, 0.0)
    speaks = maker.speaks_chinese(task.facts.annotation)
    if share and speaks:
        # Translated is what was written: its length comes in, and about as much goes out.
        sent = maker.overhead_tokens("translation") + expected
        _add(lines, "translation", settings.model, budget, times * share, sent, expected)
    if settings.judge:
        judged = times * settings.judge_share * (1.0 + (share if share and speaks else 0.0))
        sent = maker.overhead_tokens("judge") + expected + _tokens(task, budget)[0]
        received = maker.prompt("judge").specific.expected_tokens
        _add(lines, "judge", settings.judge, budget, judged, sent, received)


def _tokens(task: WritingTask, budget: Budget) -> tuple[int, int]:
    request: Request = task.request(0, None, task.key)
    price = budget.prices[task.parameters.model]
    return input_tokens(task, request, price), task.prompt.specific.expected_tokens


def _add(
    lines: dict[str, Line], name: str, model: str, budget: Budget, times: float, sent: float, received: float
) -> None:
    usd = budget.prices[model].usd(round(sent), round(received), batch=budget.batch)
    lines.setdefault(name, Line()).add(times, sent, received, usd)


def expected_requests(jobs: Sequence[WriteJob], settings: WritingSettings) -> dict[str, float]:
    """Return about how many requests shards give rise to, by prompt, from the first shard of each recipe.

    Args:
        jobs: Built shards.
        settings: See `WritingSettings`.
    """
    expected: defaultdict[str, float] = defaultdict(float)
    for recipe in {job.recipe.name: job.recipe for job in jobs}.values():
        shards = [job for job in jobs if job.recipe.name == recipe.name]
        first, maker = shards[0], shards[0].maker()
        counted = Counter((task.prompt.name, task.facts.kind) for task, _ in tasks_of(first, maker, images=False))
        times = sum(map(_rows, shards)) / max(1, _rows(first))
        for (name, kind), count in counted.items():
            expected[name] += count * times
            translated = 0.0 if name == "translation" else count * times * settings.translate.get(kind, 0.0)
            expected["translation"] += translated
            if settings.judge:
                expected["judge"] += (count * times + translated) * settings.judge_share
    return {name: count for name, count in expected.items() if count}


def _rows(job: WriteJob) -> int:
    files = [job.folder / f"{name}.parquet" for name in ("annotations", "samples")]
    return sum(pq.read_metadata(file).num_rows for file in files if file.is_file())


def measured_seconds(journals: Path) -> float | None:
    """Return how long earlier requests took on average, or None where there are none.

    Args:
        journals: Folder of journals.
    """
    took: list[float] = []
    for path in sorted(journals.glob("*/*.jsonl"))[:_JOURNALS_READ]:
        with path.open("rb") as file:
            for line in bounded_lines(file):
                with contextlib.suppress(ValueError):
                    took.append(pydantic_core.from_json(line or b"").get("s", 0.0))
    answered = [seconds for seconds in took if seconds]
    return fmean(answered) if answered else None
