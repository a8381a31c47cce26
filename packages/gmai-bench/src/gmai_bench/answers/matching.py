"""Which answers of a file belong to which protocol: one file serves every protocol whose questions it answers."""

from collections.abc import Sequence
from pathlib import Path

from gmai_cli.console import say
from gmai_formats.errors import UserError

from gmai_bench.answers.predictions import Kept
from gmai_bench.benchmarks.record import Record
from gmai_bench.benchmarks.registry import other_ids


def answers_to(
    items: Sequence[Record], kept: Kept, path: Path, data_root: Path | None, *, allow_partial: bool
) -> list[Kept]:
    """Return the answers to each protocol's questions.

    An answer to a question that only another protocol of the same benchmark asks is passed over, and counted.

    Raises:
        UserError: An answer belongs to no known question, or to questions of two benchmarks, or a question has none.
    """
    families: dict[str, set[str]] = {}
    for item in items:
        families.setdefault(item.card.name, set()).update(question.id for question in item.questions)
    _refuse_shared(families, kept, path)
    unknown = kept.by_id.keys() - set[str]().union(*families.values())
    if unknown and not any(item.coverage.limit is not None for item in items):
        others = set[str]()
        for item in items:
            others |= other_ids(item.card.protocol, data_root, unknown - others)
        strange = [identity for identity in kept.by_id if identity in unknown - others]
        if strange:
            asked = " and ".join(item.card.protocol for item in items)
            raise UserError(
                f'{path}: answers {len(strange)} questions that {asked} does not ask, such as "{strange[0]}". '
                f"Ids must be those of the benchmark. Check that the file belongs to {items[0].card.source}, or name "
                f"all the benchmarks that it answers (--benchmark A,B)."
            )
        names = ", ".join(families)
        say(f"{path}: {len(others)} answers passed over, to questions that only other protocols of {names} ask")
    return [_own(item, kept, path, allow_partial=allow_partial) for item in items]


def _own(item: Record, kept: Kept, path: Path, *, allow_partial: bool) -> Kept:
    known = [question.id for question in item.questions]
    missing = [identity for identity in known if identity not in kept.by_id]
    if missing and not allow_partial:
        raise UserError(
            f'{path}: has no answer to {len(missing)} of {len(known)} questions, such as "{min(missing)}". A number '
            f"of a protocol stands for all of its questions. Answer them, or pass --allow-partial (the report says so)."
        )
    own = {identity: kept.by_id[identity] for identity in known if identity in kept.by_id}
    if not own:
        raise UserError(f"{path}: answers no question of {item.card.protocol}. Its first id is {known[0]}.")
    return Kept(own, kept.torn_lines, kept.whole_bytes)


def _refuse_shared(families: dict[str, set[str]], kept: Kept, path: Path) -> None:
    names = list(families)
    for number, first in enumerate(names):
        for second in names[number + 1 :]:
            shared = families[first] & families[second] & kept.by_id.keys()
            if shared:
                raise UserError(
                    f'{path}: the answer to "{min(shared)}" may belong to {first} or to {second}, which both have such '
                    f"a question. Score a file of each of them by itself."
                )
