"""Who works on a build at the same time: a whole build alone, the tasks of a job array side by side."""

import contextlib
from collections.abc import Generator
from pathlib import Path

from gmai_cli.run_lock import RunLock, hold


def task_lock(position: int) -> str:
    """Return the name of the lock of a task of a job array."""
    return f"task-{position:05d}.lock"


@contextlib.contextmanager
def exclusive(work: Path, position: int | None) -> Generator[None]:
    """Keep other runs of the build out while the block runs, so that none publishes over another or pays a model twice.

    Args:
        work: The build's folder of what is needed to go on.
        position: Of this task in its job array: it works beside the other tasks, once at a time, and not beside a
            whole build. None for a whole build, which waits for the tasks that are still at work.

    Raises:
        UserError: Another run is at work.
    """
    with contextlib.ExitStack() as held:
        # Each side first says that it is at work and then looks for the other: of two, at least one sees both.
        if position is None:
            held.enter_context(hold(work, works_on=work.parent))
            for task in sorted(work.glob("task-*.lock")):
                RunLock(work, task.name).wait_until_free()
        else:
            held.enter_context(hold(work, task_lock(position), works_on=work.parent))
            RunLock(work, works_on=work.parent).refuse_if_held()
        yield
