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

    benchmark: list[tuple[int, float]] = field(default_factory=list)
    """(step, mean accuracy) of every round of the benchmark so far."""

    @classmethod
    def read(cls, values: dict[str, Any]) -> "Place":
        """Return what `dataclasses.asdict` made, after a way through JSON."""
        curve = [(int(step), float(loss)) for step, loss in values["validation"]]
        scores = [(int(step), float(score)) for step, score in values.get("benchmark", [])]
        return cls(int(values["steps"]), int(values["unreadable"]), curve, scores)

    @property
    def validation_loss(self) -> float | None:
        """The last validation loss."""
        return self.validation[-1][1] if self.validation else None

    def points(self, by: str) -> list[tuple[int, float]]:
        """Return (step, value) of every measurement of `validation_loss` or `benchmark` so far."""
        return self.validation if by == "validation_loss" else self.benchmark

    def best(self, by: str) -> int | None:
        """Return the step with the lowest `validation_loss` or the highest score of the `benchmark`, as `by` says."""
        points, sign = self.points(by), 1 if by == "validation_loss" else -1
        return min(points, key=lambda point: (sign * point[1], point[0]))[0] if points else None

    def is_measured(self, by: str) -> bool:
        """Return whether the value of this very step is known."""
        points = self.points(by)
        return bool(points) and points[-1][0] == self.steps

    def without_gain(self, by: str) -> int:
        """Return how many measurements have been made since the best one."""
        return sum(step > (self.best(by) or 0) for step, _ in self.points(by))
