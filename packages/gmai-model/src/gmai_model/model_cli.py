"""`gmai model …`. Only typer and the standard library are imported until a command runs."""

import enum
from pathlib import Path
from typing import Annotated

import typer
from gmai_cli.errors import UserError

from gmai_model.quiet import quiet

model_app = typer.Typer(
    name="model", no_args_is_help=True, rich_markup_mode=None, help="Assemble, check and try a GMAI-VL checkpoint."
)


class Preset(enum.StrEnum):
    """Sizes of a model without pretrained parts."""

    TINY = "tiny"
    SMALL = "small"


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
    preset: Annotated[
        Preset | None, typer.Option(help="Random parts, offline: tiny (2 M parameters) or small (50 M).")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Samples whose text a preset's tokenizer is trained on.")] = None,
    image_mode: Annotated[
        ImageMode, typer.Option(help="Make images square: pad (authors' code), stretch (paper's words) or crop (CLIP).")
    ] = ImageMode.PAD,
    keep_rope_scaling: Annotated[
        bool, typer.Option(help="Keep InternLM2's dynamic position scaling, which acts beyond 32 k tokens only.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the projector's weights, and of all weights of a preset.")] = 0,
) -> None:
    """Assemble vision encoder + projector + language model into one LLaVA checkpoint.

    For example the paper's parts:

      gmai model init --vision openai/clip-vit-large-patch14-336 --language internlm/internlm2_5-7b-chat --out gmai-vl

    or, without any download, a model for a laptop:

      gmai model init --preset tiny --data build/mix.yaml --out tiny
    """
    if preset is not None:
        if data is None or vision is not None or language is not None or keep_rope_scaling:
            raise UserError("--preset needs --data (for its tokenizer) and takes no option about real parts.")
        quiet()
        from gmai_model.assembly.presets import init_preset
        from gmai_model.batching.texts import iterate_texts

        init_preset(preset.value, iterate_texts(data), out, image_mode=image_mode.value, seed=seed)
    else:
        if vision is None or language is None:
            raise UserError("give --vision and --language, or --preset tiny.")
        quiet()
        from gmai_model.assembly.assemble import assemble
        from gmai_model.assembly.fetch import local_folder

        assemble(
            local_folder(vision), local_folder(language), out, image_mode=image_mode.value, seed=seed,
            keep_rope_scaling=keep_rope_scaling,
        )  # fmt: skip
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
    quiet()
    from gmai_model.warmup import warm_up

    warm_up(model, data, out, vision_steps=vision_steps, language_steps=language_steps, seed=seed)


@model_app.command()
def check(
    checkpoint: Annotated[Path, typer.Argument(help="A LLaVA checkpoint folder, ours or another.")],
    transformers: Annotated[
        list[str] | None,
        typer.Option(help="Open it with this version of transformers too, in an environment of its own; repeatable."),
    ] = None,
    python: Annotated[
        list[Path] | None,
        typer.Option(help="Open it with this interpreter too (torch, transformers, Pillow); repeatable."),
    ] = None,
) -> None:
    """Prove that a checkpoint opens everywhere: files, tensors, and an answer in a clean process.

    Says what is off, one line each, and ends with exit code 2 if anything is. vLLM's and SGLang's loaders are held to
    by their rules and not run.

      gmai model check runs/stage3/model --transformers 4.49.0
    """
    quiet()
    from gmai_model.checking.check import check as run
    from gmai_model.checking.environments import older_python

    outcome = run(checkpoint, [older_python(version) for version in transformers or []] + list(python or []))
    for fact in outcome.facts:
        typer.echo(fact)
    for line in outcome.off:
        typer.echo(f"OFF  {line}")
    if outcome.off:
        raise UserError(f"{checkpoint}: {len(outcome.off)} things are off, see above.")
    typer.echo(f"{checkpoint}: all is well")
