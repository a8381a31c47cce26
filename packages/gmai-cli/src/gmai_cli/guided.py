"""`gmai init`: a folder of one's own data ▶ a card to complete ▶ samples ▶ a tiny trained model ▶ a first report."""

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer
from gmai_formats.errors import UserError
from gmai_formats.files import require_folder

from gmai_cli.console import say, say_next
from gmai_cli.demo.run import ROOM_MB, from_build_to_report
from gmai_cli.exit_codes import EXIT_PARTIAL
from gmai_cli.steps import Step, StepError, claim, look_ahead, run_all

CARD = "card.yaml"
LIMIT = 200
TAKES = "ten minutes or so on two cores, more for volumes"
_TODO = re.compile(r"\bTODO\b")


def steps(data: Path, limit: int) -> list[Step]:
    """Return the commands from a complete card on.

    Args:
        data: The dataset's folder, absolute.
        limit: Most items that are built.
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
        *from_build_to_report(),
    ]  # fmt: skip


def init(
    data: Annotated[Path, typer.Argument(help="Folder of your dataset; nothing is written into it.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; the same command goes on with it.")] = Path(
        "gmai-init"
    ),
    limit: Annotated[int, typer.Option(min=1, help="Most items of the dataset that the first report uses.")] = LIMIT,
) -> None:
    """Take a folder of your own data to a first report: card, samples, a tiny model, a benchmark. CPU only.

    The first call drafts a card and lists what only you can know. Fill it in and give the same command again: it
    checks the card, builds samples from up to 200 items, trains a tiny model through the three stages and measures it
    on images that it never saw. Each command is printed before it runs, so that you can go on by yourself. The tiny
    model knows no medicine: the report shows that the data can be read and learned from.
    """
    require_folder(data, "Give the folder of a dataset.")
    data = data.resolve()
    if out.resolve().is_relative_to(data):
        raise UserError(f"--out {out} lies inside {data}, the data. Give an --out outside of it.")
    limited = () if limit == LIMIT else ("--limit", str(limit))
    again = shlex.join(("gmai", "init", str(data), "--out", str(out), *limited))
    record, card = out / "init.json", out / CARD
    claim(out, record, command="gmai init")
    if not card.exists():
        drafting = Step("a draft of the card", ("data", "recipes", "new", str(data), "--to", CARD), "draft", again=True)
        try:
            run_all([drafting], out, record, command=again)
        except StepError as error:
            raise UserError(f"no draft could be made, as said above. Write {card} by hand, then: {again}") from error
    if open_lines := todo_lines(card):
        chinese = [line for line in open_lines if line.endswith("zh: TODO")]
        say(f"\n{card}: {len(open_lines) - len(chinese)} lines want what only you can know:")
        for line in open_lines:
            if line not in chinese:
                say(f"  {line}")
        if chinese:
            lines = "lines" if len(chinese) > 1 else "line"
            say(f"  and {len(chinese)} {lines} `zh: TODO`, which may be deleted: then there is no Chinese text")
        say(f"\nFill them in (the first lines of the card say what the fields may hold), then: {again}")
        raise typer.Exit(EXIT_PARTIAL)
    look_ahead(out, steps(data, limit), room_mb=ROOM_MB, takes=TAKES)
    run_all(steps(data, limit), out, record, command=again)
    for title, place in (
        ("preview", "preview.html"),
        ("images", "build/gallery.html"),
        ("training", "runs/stage3/report.html"),
        ("report", "bench/stage3/report.html"),
        ("on noise", "bench/stage3-noise/report.html"),
        ("checkpoint", "runs/stage3/model"),
    ):
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
