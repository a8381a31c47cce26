"""How far a run has come: what a checkpoint keeps beside the weights."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Place:
    """The position of a run, the same on every rank."""

    steps: int = 0
    """Optimiser steps done."""
    unreadable: int = 0
    """Samples left out so far because an image could not be read."""
    validation: list[tuple[int, float]] = field(default_factory=list)
    """(step, validation loss) of every measurement so far."""

    @classmethod
    def read(cls, values: dict[str, Any]) -> "Place":
        """Return what `dataclasses.asdict` made, after a way through JSON."""
        curve = [(int(step), float(loss)) for step, loss in values["validation"]]
        return cls(int(values["steps"]), int(values["unreadable"]), curve)

    @property
    def validation_loss(self) -> float | None:
        """The last validation loss."""
        return self.validation[-1][1] if self.validation else None

    @property
    def best_step(self) -> int | None:
        """The step with the lowest validation loss, the first of equals."""
        return min(self.validation, key=lambda point: (point[1], point[0]))[0] if self.validation else None

    @property
    def validated(self) -> bool:
        """Whether the validation loss of this very step is known."""
        return bool(self.validation) and self.validation[-1][0] == self.steps

    def validations_without_gain(self) -> int:
        """Return how many measurements have been made since the best one."""
        return sum(step > (self.best_step or 0) for step, _ in self.validation)
