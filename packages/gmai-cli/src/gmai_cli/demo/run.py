"""READ THIS FIRST of the demo: its commands in order, run as a user would run them, then one page with the result."""

import time
from pathlib import Path
from typing import Annotated

import typer

from gmai_cli.console import say, table
from gmai_cli.exit_codes import EXIT_BUG
from gmai_cli.steps import Step, claim, look_ahead, run_all

TINY_SETTINGS = (
    "precision=fp32",
    "activation_checkpointing=false",
    "pack_tokens=2048",
    "global_batch_size=1",
    "micro_batch_size=1",
    "loader_workers=1",
    "validation_samples=100",
)
"""What a model of under two million parameters on a CPU needs instead of Table 8's settings for eight billion."""


LEARNS = {
    1: "the projector learns to put images into words",
    2: "projector and vision encoder learn the same more deeply",
    3: "the whole model learns to follow instructions",
}
ROOM_MB = 250
TAKES = "about three minutes on two free cores"


def steps() -> list[Step]:
    """Return the demo's commands, with paths relative to its folder."""
    return [
        Step("practice datasets in real file formats", ("data", "phantoms", "phantoms", "--size", "demo"), "phantoms"),
        Step("samples and held-out questions",
             ("data", "build", "phantoms", "--root", "phantoms", "--out", "build", "--workers", "2"),
             "build", resumes=True),
        *from_build_to_report(),
    ]  # fmt: skip


HELD_OUT = "build/benchmarks/held_out.yaml"
"""Written by a build whose held-out part gives balanced questions."""
NOTHING_TO_ASK = (
    "The held-out part gives no balanced questions, as with few patients or one label: nothing could be measured, so "
    "nothing is trained. Give more data or labels, or raise `held_out` in the split.fractions of the card; where the "
    "dataset has a split of its own, name the part to hold out in split.names (`val: held_out`). Then remove `build` "
    "and run the same command."
)


def from_build_to_report(
    training: tuple[int, int, int] = (100, 60, 240), warmup: tuple[int, int] = (1800, 1000)
) -> list[Step]:
    """Return the commands from `build` on: a tiny model, its three stages, a benchmark after each.

    Args:
        training: Steps of each stage.
        warmup: Steps of the vision encoder and of the language model before, none where both are 0: a warm-up reads
            the labels of a build.
    """
    warm = ("--vision-steps", str(warmup[0]), "--language-steps", str(warmup[1]))
    mix, first = "build/mix.yaml", "models/random" if warmup == (0, 0) else "models/warm"

    def train(stage: int, model: str, steps: int, *more: str) -> Step:
        settings = [part for setting in (*TINY_SETTINGS, f"max_steps={steps}", *more) for part in ("--set", setting)]
        out = f"runs/stage{stage}"
        command = ("train", "--stage", str(stage), "--model", model, "--data", mix, "--out", out, *settings)
        return Step(f"stage {stage} of the paper: {LEARNS[stage]}", command, out, resumes=True)

    def bench(name: str, model: str, *more: str) -> Step:
        out = f"bench/{name}"
        command = ("bench", "--model", model, "--benchmarks", HELD_OUT, "--out", out, "--max-new-tokens", "16",
                   "--batch-size", "32", *more)  # fmt: skip
        return Step(f"held-out questions, {name}", command, out, resumes=True, beside=True)

    return [
        Step("a tiny LLaVA with random parts",
             ("model", "init", "--preset", "demo", "--data", mix, "--out", "models/random"), "models/random",
             needs=HELD_OUT, without=NOTHING_TO_ASK),
        *([] if first == "models/random" else [
            Step("a warm-up in place of pretrained parts",
                 ("model", "warmup", "--model", "models/random", "--data", mix, "--out", first, *warm), first)
        ]),
        train(1, first, training[0], "learning_rate=2e-3"),
        bench("stage1", "runs/stage1/model"),
        train(2, "runs/stage1/model", training[1], "learning_rate=6e-4"),
        bench("stage2", "runs/stage2/model"),
        train(3, "runs/stage2/model", training[2], "learning_rate=1e-3"),
        bench("stage3", "runs/stage3/model"),
        bench("stage3-noise", "runs/stage3/model", "--image-ablation", "noise"),
    ]  # fmt: skip


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder to write to; the same command goes on with a half-done one.")
    ] = Path("gmai-demo"),
) -> None:
    """Run the whole loop on phantoms: data, three stages, benchmark. No network, key or GPU; about three minutes.

    Each command is printed before it runs, so that you can run it yourself. It ends with one page: held-out accuracy
    after each stage beside chance and beside noise images, loss curves, images with question and answer.
    """
    from gmai_cli.demo.page import write_page
    from gmai_cli.demo.result import read_result, shortfall, written

    started = time.monotonic()
    record = out / "demo.json"
    claim(out, record, command="gmai demo")
    look_ahead(out, steps(), room_mb=ROOM_MB, takes=TAKES)
    run_all(steps(), out, record, command="gmai demo")
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
