"""A trace of some steps, for Perfetto or chrome://tracing, and the table of what took longest."""

from typing import Any

import torch
from gmai_cli.console import say

from gmai_model.training.callbacks.callback import Callback, Run, Step

SKIPPED = 2
"""Steps before the trace: the first ones allocate and choose kernels."""
_ROWS = 30


class Profile(Callback):
    """Traces steps of rank 0 into `OUT/profile/`; the run's weights stay what they are.

    Args:
        steps: How many.
    """

    def __init__(self, steps: int) -> None:
        self._steps, self._left = steps, steps
        self._skip = SKIPPED
        self._profiler: Any = None

    def begin(self, run: Run) -> None:
        """Begin at once where there are no steps to skip."""
        self._skip = min(SKIPPED, max(run.last_step - run.place.steps - self._steps, 0))
        self._start(run)

    def after_step(self, run: Run, step: Step) -> None:
        """Count the steps."""
        if self._profiler is None:
            self._skip -= 1
            self._start(run)
            return
        self._left -= 1
        if self._left <= 0:
            self._write(run)

    def end(self, run: Run) -> None:
        """Write what a short run has given."""
        if self._profiler is not None:
            self._write(run)

    def _start(self, run: Run) -> None:
        if not run.is_main or self._skip > 0 or self._left <= 0:
            return
        activities = [torch.profiler.ProfilerActivity.CPU]
        if run.device.type == "cuda":
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        self._profiler = torch.profiler.profile(activities=activities, profile_memory=True)
        self._profiler.start()

    def _write(self, run: Run) -> None:
        self._profiler.stop()
        folder = run.out / "profile"
        folder.mkdir(exist_ok=True)
        trace = folder / f"trace-step-{run.place.steps:08d}.json.gz"
        self._profiler.export_chrome_trace(str(trace))
        order = "self_cuda_time_total" if run.device.type == "cuda" else "self_cpu_time_total"
        table = self._profiler.key_averages().table(sort_by=order, row_limit=_ROWS, max_name_column_width=60)
        (folder / f"table-step-{run.place.steps:08d}.txt").write_text(table, "utf-8")
        say(f"wrote {trace}: open it in https://ui.perfetto.dev or chrome://tracing; the table is beside it")
        self._profiler, self._left = None, 0
