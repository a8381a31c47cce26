"""`gmai init`: a folder of one's own data ▶ a card to complete ▶ samples ▶ a tiny trained model ▶ a first report."""

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer
from gmai_formats.errors import UserError
from gmai_formats.files import require_folder

from gmai_cli.console import say_next
from gmai_cli.demo.run import ROOM_MB, from_build_to_report
from gmai_cli.exit_codes import EXIT_PARTIAL
from gmai_cli.steps import Step, StepError, claim, look_ahead, run_all

CARD = "card.yaml"
LIMIT = 200
TRAINING = 250
TAKES = "a few minutes on two free cores, more for volumes"
_TODO = re.compile(r"\bTODO\b")


def steps(data: Path, limit: int, training: int) -> list[Step]:
    """Return the commands from a complete card on.

    Args:
        data: The dataset's folder, absolute.
        limit: Most items that are built.
        training: Steps of the last stage; the others take half and a quarter as many.
    """
    of_card = (CARD, "--root", str(data))
    return [
        Step("is the card right?", ("data", "recipes", "check", *of_card), "check", again=True),
        Step("a page with twenty items as the card reads them",
             ("data", "preview", *of_card, "--to", "preview.html"), "preview.html", again=True),
        Step("samples and held-out questions",
             ("data", "build", *of_card, "--out", "build", "--limit", str(limit)), "build", resumes=True,
             accepts=(0, EXIT_PARTIAL)),
        Step("a page with the images, their boxes and what could not be used", ("data", "view", "build"), "view"),
        *_trained(training),
    ]  # fmt: skip


def _trained(training: int, *, labelled: bool = True) -> list[Step]:
    # Two hundred items are learned in a fraction of the demo's warm-up.
    warmup = (training, 2 * training) if labelled else (0, 0)
    return from_build_to_report((training // 2 or 1, training // 4 or 1, training), warmup)


def _questions(data: Path, limit: int) -> Step:
    """Return the command for a folder whose questions with answers need no card."""
    command = ("data", "questions", str(data), "--out", "build", "--limit", str(limit))
    return Step("questions with answers, taken as they are", command, "build", accepts=(0, EXIT_PARTIAL))


def init(
    data: Annotated[Path, typer.Argument(help="Folder of your dataset; nothing is written into it.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; the same command goes on with it.")] = Path(
        "gmai-init"
    ),
    limit: Annotated[int, typer.Option(min=1, help="Most items of the dataset that the first report uses.")] = LIMIT,
    answers: Annotated[
        list[str] | None, typer.Option("--set", help="An answer, such as modality=CT or labels.3=liver; repeatable.")
    ] = None,
    training: Annotated[
        int, typer.Option("--steps", min=1, help="Training steps of the last stage; the two before take fewer.")
    ] = TRAINING,
) -> None:
    """Take a folder of your own data to a first report: card, samples, a tiny model, a benchmark. CPU only.

    The first call drafts a card, fills in what the folder says, and asks what only you can know; it prints how to
    answer. Then it checks the card, builds samples from up to 200 items, trains a tiny model through the three stages
    and measures it on images that it never saw. Each command is printed before it runs, so that you can go on by
    yourself. The tiny model knows no medicine: the report shows that the data can be read and learned from.
    """
    require_folder(data, "Give the folder of a dataset.")
    data = data.resolve()
    if out.resolve().is_relative_to(data):
        raise UserError(f"--out {out} lies inside {data}, the data. Give an --out outside of it.")
    limited = () if limit == LIMIT else ("--limit", str(limit))
    trained = () if training == TRAINING else ("--steps", str(training))
    again = shlex.join(("gmai", "init", str(data), "--out", str(out), *limited, *trained))
    record, card = out / "init.json", out / CARD
    claim(out, record, command="gmai init")
    if not card.exists() and not (out / "build/mix.yaml").exists():
        drafting = Step("a draft of the card", ("data", "recipes", "new", str(data), "--to", CARD), "draft", again=True)
        try:
            run_all([drafting], out, record, command=again)
        except StepError as error:
            try:
                run_all([_questions(data, limit)], out, record, command=again)
            except StepError:
                raise UserError(
                    f"no draft could be made, as said above. Write {card} by hand, then: {again}"
                ) from error
    asked = not card.exists()
    if not asked and (answers or todo_lines(card)):
        given = [part for answer in answers or () for part in ("--set", answer)]
        asking = ("data", "recipes", "complete", CARD, "--root", str(data), *given, "--again", again)
        try:
            run_all([Step("what only you can know", asking, "complete", again=True)], out, record, command=again)
        except StepError as error:
            raise typer.Exit(error.code) from error  # it has said what is open, and how to answer
    to_come = [_questions(data, limit), *_trained(training, labelled=False)] if asked else steps(data, limit, training)
    look_ahead(out, to_come, room_mb=ROOM_MB, takes=TAKES)
    run_all(to_come, out, record, command=again)
    for title, place in (
        ("preview", "preview.html"),
        ("images", "build/gallery.html"),
        ("training", "runs/stage3/report.html"),
        ("report", "bench/stage3/report.html"),
        ("on noise", "bench/stage3-noise/report.html"),
        ("checkpoint", "runs/stage3/model"),
    ):
        if (out / place).exists():
            print(f"{title:10} {out / place}")
    say_next("model", "chat", out / "runs/stage3/model", "--image", "IMAGE")


def todo_lines(card: Path) -> list[str]:
    """Return `NUMBER: TEXT` of each line of a card that still says TODO; remarks do not count."""
    lines = card.read_text("utf-8", errors="replace").splitlines()
    return [
        f"{number}: {line.strip()}"
        for number, line in enumerate(lines, start=1)
        if _TODO.search(line.partition("#")[0])
    ]
