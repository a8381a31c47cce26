"""`gmai model …` and `gmai train …`. Only typer and the standard library are imported until a command runs."""

import enum
import os
from pathlib import Path
from typing import Annotated

import typer
from gmai_cli.errors import EXIT_REQUEUE, UserError

model_app = typer.Typer(
    name="model", no_args_is_help=True, rich_markup_mode=None, help="Assemble, check and try a GMAI-VL checkpoint."
)
train_app = typer.Typer(name="train", rich_markup_mode=None)


class ImageMode(enum.StrEnum):
    """How an image becomes square."""

    PAD = "pad"
    STRETCH = "stretch"
    CROP = "crop"


@model_app.command()
def init(
    out: Annotated[Path, typer.Option(help="Folder to write the checkpoint to; must not exist.")],
    vision: Annotated[
        str | None, typer.Option(help="CLIP vision encoder: a local folder, or a Hub id (owner/name@revision).")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language model, Llama layout or InternLM2: likewise.")] = None,
    preset: Annotated[str | None, typer.Option(help="`tiny`: random small parts, offline, in seconds.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Samples whose text the tiny preset's tokenizer is trained on.")
    ] = None,
    image_mode: Annotated[
        ImageMode, typer.Option(help="Make images square: pad (authors' code), stretch (paper's words) or crop (CLIP).")
    ] = ImageMode.PAD,
    seed: Annotated[int, typer.Option(help="Of the projector's weights, and of all weights of the tiny preset.")] = 0,
) -> None:
    """Assemble vision encoder + projector + language model into one LLaVA checkpoint.

    For example the paper's parts:

      gmai model init --vision openai/clip-vit-large-patch14-336 --language internlm/internlm2_5-7b-chat --out gmai-vl

    or, without any download, a model for a laptop:

      gmai model init --preset tiny --data build/mix.yaml --out tiny
    """
    if preset is not None:
        if preset != "tiny":
            raise UserError(f"--preset {preset}: the only preset is `tiny`.")
        if data is None or vision is not None or language is not None:
            raise UserError("--preset tiny needs --data (for its tokenizer) and takes neither --vision nor --language.")
        _quiet()
        from gmai_model.assembly.tiny import init_tiny
        from gmai_model.batching.texts import iterate_texts

        init_tiny(iterate_texts(data), out, image_mode=image_mode.value, seed=seed)
    else:
        if vision is None or language is None:
            raise UserError("give --vision and --language, or --preset tiny.")
        _quiet()
        from gmai_model.assembly.assemble import assemble
        from gmai_model.assembly.fetch import local_folder

        assemble(local_folder(vision), local_folder(language), out, image_mode=image_mode.value, seed=seed)
    typer.echo(f"wrote {out}")


@model_app.command()
def warmup(
    model: Annotated[Path, typer.Option(help="A checkpoint with random parts, from `gmai model init --preset tiny`.")],
    data: Annotated[Path, typer.Option(help="Samples: a mix.yaml, a folder or a Parquet file.")],
    out: Annotated[Path, typer.Option(help="Folder to write the checkpoint to; must not exist.")],
    vision_steps: Annotated[int, typer.Option(help="Steps of 16 images for the vision encoder.")] = 800,
    language_steps: Annotated[int, typer.Option(help="Steps of 1,024 tokens for the language model.")] = 900,
    seed: Annotated[int, typer.Option(help="Of the order of images and texts.")] = 0,
) -> None:
    """Let the random parts of a tiny checkpoint stand in for pretrained ones.

    The vision encoder learns to tell label sets apart, the language model reads the samples' text with each image put
    into words. The projector is left untouched. Never needed for real parts.
    """
    _quiet()
    from gmai_model.warmup import warm_up

    warm_up(model, data, out, vision_steps=vision_steps, language_steps=language_steps, seed=seed)


@train_app.command()
def train(
    stage: Annotated[int, typer.Option(help="1 shallow alignment, 2 deep alignment, 3 instruction tuning.")],
    model: Annotated[Path | None, typer.Option(help="Checkpoint folder to start from.")] = None,
    data: Annotated[Path | None, typer.Option(help="Samples: a mix.yaml, a folder or a Parquet file.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; the same command resumes it.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with settings over those of the paper.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, key=value; may be repeated.")
    ] = None,
    print_config: Annotated[bool, typer.Option(help="Print the resolved settings and end.")] = False,
) -> None:
    """Train one of the three stages of the paper.

    Settings are those of the paper's Table 8; --print-config shows them all. One process per GPU: start it alone, with
    `srun gmai train …` (no other launcher needed) or with torchrun. The same command resumes a run that was killed or
    asked to stop (SIGUSR1, SIGTERM: the state is saved and the exit code is 75).

      gmai train --stage 1 --model gmai-vl --data build/mix.yaml --out runs/stage1

      gmai train --stage 2 --model runs/stage1/model --data build/mix.yaml --out runs/stage2
    """
    from gmai_model.training.config import resolve

    resolved = resolve(stage, config, settings or [])
    if print_config:
        typer.echo(resolved.model_dump_json(indent=2))
        return
    if model is None or data is None or out is None:
        raise UserError("give --model, --data and --out (or --print-config to see the settings).")
    _quiet()
    from gmai_model.training.run import StopAsked
    from gmai_model.training.run import train as run

    try:
        run(resolved, model=model, data=data, out=out)
    except StopAsked as stop:
        typer.echo(str(stop), err=True)
        raise typer.Exit(EXIT_REQUEUE) from None


def _quiet() -> None:
    """Keep the libraries' own bars and notices out of our output; what matters is said by us."""
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else DeepSpeed warns that it found no GPU
    from transformers.utils import logging

    logging.disable_progress_bar()
