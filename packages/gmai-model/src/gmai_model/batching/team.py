"""The processes of a run as a team that prepares the samples together: work shared out, waiting without a deadline."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch.distributed as dist
from gmai_formats.errors import UserError

T = TypeVar("T")
_PATIENCE = timedelta(days=7)
"""Reading a large mixture for the first time may take hours, longer than the deadline of a collective operation."""


class Team:
    """This process and the others; alone where torch.distributed is not running."""

    def __init__(self) -> None:
        self.rank, self.world = 0, 1
        self._group: Any = None
        if dist.is_initialized():
            self.rank, self.world = dist.get_rank(), dist.get_world_size()
            self._group = dist.new_group(backend="gloo", timeout=_PATIENCE)

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """Return this rank's part of the items: every `world`-th one."""
        return list(items[self.rank :: self.world])

    def from_main(self, value: T | None) -> T:
        """Return rank 0's value on every rank."""
        values: list[Any] = [value]
        if self.world > 1:
            dist.broadcast_object_list(values, src=0, group=self._group)
        return values[0]

    @contextmanager
    def together(self) -> Generator[None]:
        """Run a block on every rank and wait for the slowest; where one of them fails, all do.

        Raises:
            UserError: The first rank's error.
        """
        own: str | None = None
        try:
            yield
        except UserError as error:
            own = str(error)  # the error itself would hold this frame, and with it the group, beyond the end of the run
        errors: list[Any] = [own]
        if self.world > 1:
            errors = [None] * self.world
            dist.all_gather_object(errors, own, group=self._group)
        first = next((text for text in errors if text is not None), None)
        if first is not None:
            raise UserError(first)
