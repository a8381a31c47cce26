"""Tasks on their way to an outcome, without any network: what is known, what is missing, what a run did."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gmai_data.generation.journal import Journal, Outcome
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import CONSISTENT, FAILED, TaskMaker, WritingTask, advance

JUDGED = "judged inconsistent"
"""Reason of what the judge drops, before its fault."""


@dataclass
class Pending:
    """A task, the journal of its shard, and who derives what follows from it."""

    task: WritingTask
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
    last: dict[str, tuple["Pending", Outcome]] = field(default_factory=dict[str, tuple["Pending", Outcome]])
    """Kind and language ▶ the sample that was kept last."""

    def note(self, states: Sequence[tuple["Pending", Request | Outcome]]) -> None:
        """Count a task that is done, with what follows from it."""
        faults = {
            each.task.parent_id: fault
            for each, state in states
            if each.task.judged and isinstance(state, Outcome) and (fault := fault_of(each, state))
        }
        for each, state in states:
            if each.task.judged or not isinstance(state, Outcome):
                continue
            fault = faults.get(each.task.id) if each.maker.filters else None
            if state.state == "accepted" and fault is None:
                self.outcomes["kept"] += 1
                facts = each.task.facts
                self.last[f"{facts.form or facts.kind} ({facts.language})"] = (each, state)
            else:
                self.outcomes[f"{JUDGED}: {fault[0]}" if fault else state.check or state.state] += 1

    def texts(self) -> dict[str, str]:
        """Return the last kept text of each kind and language."""
        found: dict[str, str] = {}
        for name, (pending, outcome) in sorted(self.last.items()):
            reply = pending.journal.replies.get(outcome.reply)
            if reply is not None:
                turns = pending.task.turns(reply.text, shortened=bool(outcome.left_out))
                found[name] = " ▸ ".join(part for turn in turns for part in turn)
        return found


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
            judge = pending.maker.opinion(pending.task, turns)
            if judge is not None:
                about = Pending(judge, pending.journal, pending.maker)
                opinion = next(settle(about))[1]
                yield about, opinion
                if pending.maker.filters and (isinstance(opinion, Request) or fault_of(about, opinion)):
                    return  # nothing is translated, and paid, before the judge has let it pass
            for task in pending.maker.follow_ups(pending.task, turns):
                yield from settle(Pending(task, pending.journal, pending.maker))


def fault_of(pending: Pending, outcome: Outcome) -> tuple[str, str] | None:
    """Return (fault, reason) of an opinion that calls its text inconsistent; None also where there is no opinion."""
    if outcome.state != "accepted":
        return None
    fault, reason = pending.task.turns(pending.journal.replies[outcome.reply].text)[0]
    return None if fault == CONSISTENT else (fault, reason)
