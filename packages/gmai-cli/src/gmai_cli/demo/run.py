"""READ THIS FIRST of the demo: its commands in order, run as a user would run them, then one page with the result."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from gmai_formats.errors import UserError
from gmai_formats.files import write_json

from gmai_cli.console import say, table
from gmai_cli.demo.page import write_page
from gmai_cli.demo.result import read_result, shortfall, written
from gmai_cli.exit_codes import EXIT_BUG

TINY_SETTINGS = (
    "precision=fp32",
    "activation_checkpointing=false",
    "pack_tokens=2048",
    "global_batch_size=2",
    "micro_batch_size=1",
    "loader_workers=1",
)
"""What a model of two million parameters on a CPU needs instead of Table 8's settings for eight billion."""


@dataclass(frozen=True)
class Step:
    """One command of the demo."""

    title: str
    arguments: tuple[str, ...]
    output: str
    """The folder it writes, relative to the demo's."""
    resumes: bool = False
    """Whether the command itself goes on with a half-written folder."""
    beside: bool = False
    """Whether it runs beside the steps after it, none of which reads what it writes."""


def steps() -> list[Step]:
    """Return the demo's commands, with paths relative to its folder."""
    mix, held_out = "build/mix.yaml", "build/benchmarks/held_out.yaml"

    def train(stage: int, model: str, steps: int, *more: str) -> Step:
        settings = [part for setting in (*TINY_SETTINGS, f"max_steps={steps}", *more) for part in ("--set", setting)]
        out = f"runs/stage{stage}"
        command = ("train", "--stage", str(stage), "--model", model, "--data", mix, "--out", out, *settings)
        return Step(f"stage {stage} of the paper", command, out, resumes=True)

    def bench(name: str, model: str, *more: str) -> Step:
        out = f"bench/{name}"
        command = ("bench", "--model", model, "--benchmarks", held_out, "--out", out, "--max-new-tokens", "16",
                   "--batch-size", "32", *more)  # fmt: skip
        return Step(f"held-out questions, {name}", command, out, resumes=True, beside=True)

    return [
        Step("practice datasets in real file formats", ("data", "phantoms", "phantoms", "--size", "demo"), "phantoms"),
        Step("samples and held-out questions", ("data", "build", "phantoms", "--root", "phantoms", "--out", "build"),
             "build", resumes=True),
        Step("a tiny LLaVA with random parts",
             ("model", "init", "--preset", "tiny", "--data", mix, "--out", "models/tiny"), "models/tiny"),
        Step("a warm-up in place of pretrained parts",
             ("model", "warmup", "--model", "models/tiny", "--data", mix, "--out", "models/warm"), "models/warm"),
        train(1, "models/warm", 120),
        bench("stage1", "runs/stage1/model"),
        train(2, "runs/stage1/model", 60, "learning_rate=3e-4"),
        bench("stage2", "runs/stage2/model"),
        train(3, "runs/stage2/model", 250, "learning_rate=6e-4"),
        bench("stage3", "runs/stage3/model"),
        bench("stage3-noise", "runs/stage3/model", "--image-ablation", "noise"),
    ]  # fmt: skip


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder to write to; the same command goes on with a half-done one.")
    ] = Path("gmai-demo"),
) -> None:
    """Run the whole loop on phantoms: data, three stages, benchmark. No network, key or GPU; under ten minutes.

    Each command is printed before it runs, so that you can run it yourself. It ends with one page: held-out accuracy
    after each stage beside chance and beside noise images, loss curves, images with question and answer.
    """
    started = time.monotonic()
    _run_all(out)
    result = read_result(out)
    page = write_page(out, result)
    table(
        ("after", "held-out accuracy", "95 % interval", "chance", "questions"),
        [(row.name, f"{row.accuracy:.1%}", f"{row.low:.1%} to {row.high:.1%}", f"{row.chance:.1%}", row.questions)
         for row in result],
        title="\nDoes the model answer questions about images that it never saw?",
    )  # fmt: skip
    print(f"\nresult page   {page}")
    for title, place in written(out):
        print(f"{title:13} {place}")
    say(f"finished in {(time.monotonic() - started) / 60:.1f} minutes")
    problem = shortfall(result)
    if problem:
        say(f"FAILED: {problem}")
        raise typer.Exit(EXIT_BUG)


def _run_all(out: Path) -> None:
    record = out / "demo.json"
    if not record.is_file():
        if out.exists() and any(out.iterdir()):
            raise UserError(
                f"{out} is not empty and no demo began it (there is no demo.json). The demo replaces what a step left "
                f"half-done, so it takes a folder of its own. Give another --out."
            )
        write_json(record, {})
    done: dict[str, Any] = json.loads(record.read_text("utf-8"))

    def finish(running: _Running) -> None:
        seconds = running.finish()
        done[running.step.output] = {"command": running.line, "seconds": seconds}
        write_json(record, done)

    everything = steps()
    beside: list[_Running] = []
    try:
        for number, step in enumerate(everything, start=1):
            line = shlex.join(("gmai", *step.arguments))
            say(f"\n[{number}/{len(everything)}] {step.title}\n$ {line}")
            if done.get(step.output, {}).get("command") == line:
                say(f"done before, in {done[step.output]['seconds']:.0f} s")
                continue
            if not step.resumes and (out / step.output).exists():
                shutil.rmtree(out / step.output)
            if step.beside:
                say("runs beside the next steps; what it prints is shown when it has ended")
                beside.append(_Running(step, line, out, shown=False))
                continue
            finish(_Running(step, line, out, shown=True))
            while beside and beside[0].has_ended():
                finish(beside.pop(0))
        while beside:
            finish(beside.pop(0))
    finally:
        for running in beside:
            running.stop()


class _Running:
    """A step in a process of its own; what is not shown at once goes to `logs/`."""

    def __init__(self, step: Step, line: str, out: Path, *, shown: bool) -> None:
        self.step, self.line, self._out = step, line, out
        self._started_s = time.time()
        self._log = None if shown else out / "logs" / f"{step.output.replace('/', '-')}.log"
        command = [sys.executable, "-m", "gmai_cli", *step.arguments]
        if self._log is None:
            self._process = subprocess.Popen(command, cwd=out, env=_environment())
            return
        self._log.parent.mkdir(exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=out, env=_environment(), stdout=log, stderr=log)

    def has_ended(self) -> bool:
        """Return whether the process is over."""
        return self._process.poll() is not None

    def finish(self) -> float:
        """Wait for the end, show what was printed and return how many seconds it took.

        Raises:
            UserError: The step failed.
        """
        code = self._process.wait()
        if self._log:
            say(f"\n{self.step.title}:\n{self._log.read_text('utf-8', errors='replace').rstrip()}")
        if code != 0:
            raise UserError(
                f"a step of the demo ended with code {code}: `{self.line}` in {self._out}. Its own message stands "
                f"above. The same `gmai demo` goes on from this step."
            )
        # A step beside others ends unseen; its last line, the report's, tells when.
        ended_s = self._log.stat().st_mtime if self._log else time.time()
        return round(ended_s - self._started_s, 1)

    def stop(self) -> None:
        """End the process; the same command goes on where it was."""
        self._process.terminate()
        self._process.wait()


def _environment() -> dict[str, str]:
    # Without bytecode every process would compile torch and transformers anew, which takes longer than the training.
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
