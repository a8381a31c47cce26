"""Warnings while a run goes on: a source whose loss rises, answers that have become all the same."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gmai_cli.console import say
from gmai_formats.state import append_line, read_lines

from gmai_model.training.callbacks.callback import Callback, Run, Step
from gmai_model.training.callbacks.metrics import read_metrics

FILE = "notices.jsonl"
WINDOW = 20
"""Steps whose losses are averaged before they are compared."""
RISE = 0.1
"""Relative rise of the training loss from which it is reported; single steps differ by as much."""
VALIDATION_RISE = 0.03
"""The same of the validation loss, which is always of the same samples."""
SAME_SHARE = 0.75
"""Share of equal answers from which they count as collapsed, where the references differ."""
_LEAST_ANSWERS = 4
_EVERYTHING = "all samples"


class Notices(Callback):
    """Says each thing once, and writes it into `notices.jsonl` for the report."""

    def after_step(self, run: Run, step: Step) -> None:
        """Look at the training losses once a window."""
        if run.is_main and step.number % WINDOW == 0:
            self._look(run, rising_in_training(read_metrics(run.out / "metrics.jsonl")))

    def after_validation(self, run: Run, loss: float) -> None:
        """Look at the validation losses and the answers."""
        if run.is_main:
            self._look(run, rising_in_validation(read_metrics(run.out / "metrics.jsonl")))
            answers = read_lines(run.out / "answers.jsonl", needs=["step", "answer", "reference"])[0]
            self._look(run, collapsed([line for line in answers if line["step"] == run.place.steps]))

    def _look(self, run: Run, found: Mapping[str, str]) -> None:
        path = run.out / FILE
        known = {line["about"] for line in notices(run.out) if line["step"] <= run.place.steps}
        for about, words in found.items():
            if about not in known:
                say(f"notice: after step {run.place.steps}: {words}")
                append_line(path, {"step": run.place.steps, "about": about, "notice": words})


def notices(out: Path) -> list[dict[str, Any]]:
    """Return what was noticed in a run so far."""
    return read_lines(out / FILE, needs=["step", "about", "notice"])[0]


def rising_in_training(lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return (what about ▶ words) of each source whose loss of the last window lies above its lowest one.

    Args:
        lines: Of `metrics.jsonl`.
    """
    found: dict[str, str] = {}
    for name, losses in _curves(lines, "loss").items():
        whole = losses[len(losses) % WINDOW :]
        if len(whole) < 2 * WINDOW:
            continue
        windows = np.asarray(whole).reshape(-1, WINDOW)
        means, errors = windows.mean(1), windows.std(1, ddof=1) / WINDOW**0.5
        best = int(means.argmin())
        rise = means[-1] - means[best]
        if rise > RISE * means[best] and rise > 3 * float(np.hypot(errors[-1], errors[best])):
            found[f"training loss of {name}"] = (
                f"the training loss of {name} has risen from {means[best]:.3f} to {means[-1]:.3f} (means of {WINDOW} "
                f"steps). A lower learning rate, or a look at its last samples, may help"
            )
    return found


def rising_in_validation(lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the same of the validation losses: above the lowest one in two measurements running."""
    found: dict[str, str] = {}
    for name, losses in _curves(lines, "validation_loss").items():
        lowest = min(losses)
        if len(losses) > 2 and min(losses[-2:]) > lowest * (1 + VALIDATION_RISE):
            found[f"validation loss of {name}"] = (
                f"the validation loss of {name} was {lowest:.3f} and is {losses[-1]:.3f}, higher in two measurements "
                f"running: its samples are learned by heart, or forgotten. export=best keeps the best weights"
            )
    return found


def collapsed(answers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return a notice where most answers of one round are the same text, though their references differ."""
    asked = list(answers)
    if len(asked) < _LEAST_ANSWERS:
        return {}
    text, count = Counter(line["answer"].strip() for line in asked).most_common(1)[0]
    (_, top_count), *_ = Counter(line["reference"].strip() for line in asked).most_common(1)
    if count < SAME_SHARE * len(asked) or count <= top_count:
        return {}
    shown = f"{text!r:.60}" if text else "empty"
    return {
        "answers": f"{count} of {len(asked)} held-out answers are {'the same: ' if text else ''}{shown}, while at most "
        f"{top_count} references are alike: the answers no longer depend on what is asked"
    }


def _curves(lines: Sequence[Mapping[str, Any]], key: str) -> dict[str, list[float]]:
    """Return source ▶ its losses in order; of all samples together where there is one source."""
    curves: dict[str, list[float]] = {}
    for line in lines:
        if key in line:
            values: dict[str, float] = line.get(f"{key}_by_source") or {_EVERYTHING: line[key]}
            for name, value in values.items():
                curves.setdefault(name, []).append(value)
    return curves
