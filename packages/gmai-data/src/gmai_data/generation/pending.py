"""Tasks on their way to an outcome, without any network: what is known, what is missing, what a run did."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from gmai_data.generation.journal import Journal, Outcome
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import FAILED, Task, TaskMaker, advance


@dataclass(frozen=True)
class Limits:
    """How the requests are divided into batches and waited for; OpenAI's Batch API takes no larger files."""

    requests: int = 50_000
    size_bytes: int = 200_000_000
    poll_s: float = 60.0


@dataclass
class Pending:
    """A task, the journal of its shard, and who derives what follows from it."""

    task: Task
    journal: Journal
    maker: TaskMaker


@dataclass
class Asked:
    """What a run did, for its report."""

    requests: int = 0
    answered: int = 0
    retried: Counter[str] = field(default_factory=Counter[str])
    """Reason ▶ tries that failed and were repeated."""
    outcomes: Counter[str] = field(default_factory=Counter[str])
    """`kept`, or the reason why not ▶ samples."""


def settle(pending: Pending) -> Iterator[tuple[Pending, Request | Outcome]]:
    """Yield a task and everything that follows from it, each with its missing request or its outcome.

    Args:
        pending: The task; its journal says what is known, and is told of new outcomes.
    """
    state = advance(pending.task, pending.journal)
    yield pending, state
    if isinstance(state, Outcome):
        known = pending.journal.outcome(pending.task.key) is not None
        if not known and state.check != FAILED:  # a failure is written down as such, and may pass
            pending.journal.add_outcome(pending.task.key, state)
        if state.state == "accepted":
            turns = pending.task.turns(pending.journal.replies[state.reply].text, shortened=bool(state.left_out))
            for task in pending.maker.follow_ups(pending.task, turns):
                yield from settle(Pending(task, pending.journal, pending.maker))
