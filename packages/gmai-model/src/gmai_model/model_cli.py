"""`gmai model …`. Only typer and the standard library are imported until a command runs."""

import enum
from pathlib import Path
from typing import Annotated

import typer
from gmai_cli.console import say_next
from gmai_formats.errors import UserError

from gmai_model.quiet import quiet

model_app = typer.Typer(
    name="model", no_args_is_help=True, rich_markup_mode=None, help="Assemble, check and try a GMAI-VL checkpoint."
)


_MOST = 2**32 - 1
"""The largest seed that every generator of numbers takes, as in the settings of `gmai train`."""


class Preset(enum.StrEnum):
    """Sizes of a model without pretrained parts."""

    DEMO = "demo"
    TINY = "tiny"
    SMALL = "small"
    SMALL_REAL = "small-real"


class ImageMode(enum.StrEnum):
    """How an image becomes square."""

    PAD = "pad"
    STRETCH = "stretch"
    CROP = "crop"


TimeLimit = Annotated[
    int,
    typer.Option(
        "--time-limit",
        min=1,
        help="Seconds in which each environment must have opened it and answered.",
        metavar="SECONDS",
    ),
]


def _begin(checkpoint: Path, command: str) -> None:
    """Refuse what is no checkpoint before torch is imported, which takes seconds."""
    from gmai_formats.weights import require_checkpoint

    require_checkpoint(checkpoint, takes=f"{command} takes a checkpoint folder")
    quiet()


@model_app.command()
def init(
    out: Annotated[Path, typer.Option(help="Folder to write the checkpoint to; new or empty.")],
    vision: Annotated[
        str | None, typer.Option(help="CLIP, SigLIP or open_clip: a local folder, or a Hub id (owner/name@revision).")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Language model (see `gmai model families`): as above, or a GGUF file.")
    ] = None,
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="Offline: demo (1.6 M random parameters, 16 tokens an image), tiny (2 M, 64 tokens), small (50 M), "
            "small-real (SmolLM2-135M-Instruct)."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Samples whose text the tokenizer of demo, tiny or small is trained on.")
    ] = None,
    chat_template: Annotated[
        str | None,
        typer.Option(help="Chat template in place of the language model's own: chatml, vicuna, or a Jinja file."),
    ] = None,
    image_mode: Annotated[
        ImageMode, typer.Option(help="Make images square: pad (authors' code), stretch (paper's words) or crop (CLIP).")
    ] = ImageMode.PAD,
    keep_rope_scaling: Annotated[
        bool, typer.Option(help="Keep InternLM2's dynamic position scaling, which acts beyond 32 k tokens only.")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, max=_MOST, help="Seed of the projector's weights, and of all weights of a preset.")
    ] = 0,
) -> None:
    """Assemble vision encoder + projector + language model into one LLaVA checkpoint.

    For example the paper's parts:

      gmai model init --vision openai/clip-vit-large-patch14-336 --language internlm/internlm2_5-7b-chat --out gmai-vl

    or, without any download, a model for a laptop:

      gmai model init --preset tiny --data build/mix.yaml --out tiny
    """
    from gmai_cli.folders import check_new

    check_new(out)
    if preset is not None:
        if vision is not None or language is not None or keep_rope_scaling or chat_template is not None:
            raise UserError("--preset takes no option about real parts.")
        if (data is None) != (preset is Preset.SMALL_REAL):
            raise UserError("--preset demo, tiny and small need --data for their tokenizer; small-real has its own.")
        quiet()
        from gmai_model.assembly.presets import init_preset, init_small_real

        if data is None:
            init_small_real(out, image_mode=image_mode.value, seed=seed)
        else:
            from gmai_model.batching.texts import iterate_texts

            init_preset(preset.value, iterate_texts(data), out, image_mode=image_mode.value, seed=seed)
    else:
        if vision is None or language is None:
            raise UserError("give --vision and --language, or --preset tiny.")
        quiet()
        import tempfile

        from gmai_model.assembly.assemble import assemble
        from gmai_model.assembly.fetch import local_folder, part_name

        if chat_template is not None and Path(chat_template).is_file():
            chat_template = Path(chat_template).read_text("utf-8")
        with tempfile.TemporaryDirectory() as scratch:
            parts = local_folder(vision), local_folder(language, Path(scratch))
            assemble(
                *parts, out, image_mode=image_mode.value, seed=seed, keep_rope_scaling=keep_rope_scaling,
                chat_template=chat_template, names=(part_name(vision, parts[0]), part_name(language, parts[1])),
            )  # fmt: skip
    typer.echo(f"wrote {out}")
    if preset is not None and preset is not Preset.SMALL_REAL:
        say_next("model", "warmup", "--model", out, "--data", data or "DATA", "--out", "warm")
    else:
        say_next("train", "--stage", 1, "--model", out, "--data", data or "DATA", "--out", "runs/stage1")


@model_app.command()
def families() -> None:
    """List the language models and vision encoders that `gmai model init` takes, with the evidence of each."""
    quiet()
    from gmai_model.assembly.families import describe

    typer.echo(describe())


@model_app.command()
def warmup(
    model: Annotated[Path, typer.Option(help="A checkpoint with random parts, from `gmai model init --preset tiny`.")],
    data: Annotated[Path, typer.Option(help="Samples: a mix.yaml, a folder or a Parquet file.")],
    out: Annotated[Path, typer.Option(help="Folder to write the checkpoint to; new or empty.")],
    vision_steps: Annotated[int, typer.Option(min=0, help="Steps of 16 images for the vision encoder.")] = 800,
    language_steps: Annotated[int, typer.Option(min=0, help="Steps of 1,024 tokens for the language model.")] = 1300,
    seed: Annotated[int, typer.Option(min=0, max=_MOST, help="Seed of the order of images and texts.")] = 0,
) -> None:
    """Let the random parts of a tiny checkpoint stand in for pretrained ones.

    The vision encoder learns to tell label sets apart, the language model reads the samples' text with each image put
    into words. The projector is left untouched. Never needed for real parts.
    """
    _begin(model, "--model")
    from gmai_model.warmup import warm_up

    warm_up(model, data, out, vision_steps=vision_steps, language_steps=language_steps, seed=seed)


@model_app.command()
def check(
    checkpoint: Annotated[Path, typer.Argument(help="A LLaVA checkpoint folder, ours or another.")],
    transformers: Annotated[
        list[str] | None,
        typer.Option(help="Open it with this version of transformers too, in a separate environment; repeatable."),
    ] = None,
    python: Annotated[
        list[Path] | None,
        typer.Option(help="Open it with this interpreter too (torch, transformers, Pillow); repeatable."),
    ] = None,
    accept_settings: Annotated[
        bool,
        typer.Option("--accept-settings", help="Record settings that were changed on purpose, before checking."),
    ] = False,
    accept_weights: Annotated[
        bool,
        typer.Option("--accept-weights", help="Record weights that were changed on purpose; else they are refused."),
    ] = False,
    time_limit: TimeLimit = 1800,
) -> None:
    """Prove that a checkpoint opens and sees: files, tensors, settings, and answers in a clean process.

    Names each fault in one line with its remedy, and ends with exit code 2 if there is any. For other programs it says
    whether each opens the checkpoint: tried here, or by the rules of its loader.

      gmai model check runs/stage3/model --transformers 4.49.0
    """
    _begin(checkpoint, "`gmai model check`")
    from gmai_model.checking.check import accept
    from gmai_model.checking.check import check as run
    from gmai_model.checking.environments import older_python

    if accept_settings or accept_weights:
        accept(checkpoint, settings=accept_settings, weights=accept_weights)
    outcome = run(
        checkpoint, [older_python(version) for version in transformers or []] + list(python or []), time_limit
    )
    for fact in outcome.facts:
        typer.echo(fact)
    for line in outcome.off:
        typer.echo(f"OFF  {line}")
    if outcome.off:
        raise UserError(f"{checkpoint}: {len(outcome.off)} things are off, see above.")
    typer.echo(f"{checkpoint}: all is well")


class ExportFormat(enum.StrEnum):
    """What a checkpoint is written as."""

    GGUF = "gguf"


class ExportDtype(enum.StrEnum):
    """Type of the matrices."""

    AUTO = "auto"
    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    Q8_0 = "q8_0"


@model_app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="A LLaVA checkpoint folder.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; new or empty.")],
    format_: Annotated[ExportFormat, typer.Option("--format", help="gguf: for llama.cpp (extra gmai-model[gguf]).")],
    dtype: Annotated[
        ExportDtype,
        typer.Option(help="Type of the matrices; auto: the checkpoint's. q8_0 leaves the vision encoder in f16."),
    ] = ExportDtype.AUTO,
    text_only: Annotated[bool, typer.Option("--text-only", help="The language model alone.")] = False,
    square_images: Annotated[
        bool, typer.Option("--square-images", help="All images will be square: llama.cpp only pads, with one colour.")
    ] = False,
    fixed_clip: Annotated[
        bool,
        typer.Option("--fixed-clip", help="For a llama.cpp that puts CLIP's class token first (issue 25814)."),
    ] = False,
) -> None:
    """Write a checkpoint for llama.cpp: its language model, and its vision encoder with the projector.

    What llama.cpp would compute differently is refused, with the reason.

      gmai model export runs/stage3/model --format gguf --out gguf
    """
    import importlib.util
    import shlex

    from gmai_cli.console import say
    from gmai_formats.installing import pip_install

    if importlib.util.find_spec("gguf") is None:
        raise UserError(
            f"--format {format_}: the package gguf writes it. Install it: `{pip_install('gmai-model[gguf]')}`."
        )
    _begin(checkpoint, "`gmai model export`")
    from gmai_model.llama_cpp.export import MMPROJ, MODEL, Choice
    from gmai_model.llama_cpp.export import export as write

    write(checkpoint, out, Choice(dtype.value, square_images, fixed_clip, text_only))
    typer.echo(f"wrote {out}")
    if text_only:
        say(f"next: {shlex.join(('llama-cli', '-m', str(out / MODEL)))} -p QUESTION")
    else:
        words = ("llama-mtmd-cli", "-m", str(out / MODEL), "--mmproj", str(out / MMPROJ))
        say(f"next: {shlex.join(words)} --image IMAGE -p QUESTION")


mixture_app = typer.Typer(
    help="The datasets of a stage: those of the paper, and which of a mixture are there.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
model_app.add_typer(mixture_app, name="mixture")


@mixture_app.command()
def table7(
    to: Annotated[
        Path | None,
        typer.Option("--to", "--out", help="YAML file to write, which must not exist; without it: printed."),
    ] = None,
) -> None:
    """Write the training mixture of the paper: every dataset with its share per stage, and where its publisher has it.

    gmai model mixture table7 --to mix.yaml
    """
    from gmai_model.batching.mixture import preset_text, unpinned, write_preset

    if to is None:
        typer.echo(preset_text("table7"), nl=False)
        return
    write_preset("table7", to)
    if names := unpinned("table7"):
        typer.echo(f"no commit was found for {len(names)} rows, which follow `main`: {', '.join(names)}")
    typer.echo(f"wrote {to}: then gmai model mixture check {to}")


@mixture_app.command("check")
def check_mixture(
    mixture: Annotated[Path, typer.Argument(help="A mix.yaml, or the authors' mixing list.")],
    stage: Annotated[int | None, typer.Option(min=1, max=3, help="Only the datasets of this stage.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the Hub.")] = False,
) -> None:
    """Report for each dataset what is there, what is missing and how to get it; exit code 2 if a job would end.

    gmai model mixture check mix.yaml --stage 1
    """
    from gmai_formats.rows.mixtures import load_mixture

    from gmai_model.batching.caches import cache_folder
    from gmai_model.batching.mixture_check import ask_hub
    from gmai_model.batching.mixture_check import check_mixture as check_each

    loaded, root = load_mixture(mixture)
    ask = ask_hub() if not offline and any(entry.hub for entry in loaded.datasets) else None
    rows = list(check_each(loaded, root, cache=cache_folder(), stage=stage, remote=ask))
    for row in rows:
        typer.echo(f"{row.state:13}  {row.name}: {row.words}")
    stopped = [row.name for row in rows if row.stops]
    if stopped:
        raise UserError(
            f"{mixture}: {len(stopped)} of {len(rows)} datasets are missing or wrong: {', '.join(stopped)}. Mend them "
            "as said above, or set `skip: true`."
        )


@model_app.command()
def chat(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint folder.")],
    image: Annotated[
        list[Path] | None, typer.Option(help="PNG, JPEG, DICOM or NIfTI, or a folder of one DICOM series; repeatable.")
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(help="Ask this and end; repeat it for further turns. Else you type.")
    ] = None,
    slice_: Annotated[
        list[int] | None,
        typer.Option(
            "--slice",
            help="Axial slice (from the feet) or frame, from 0; else the middle one. Once for all images, or for each.",
        ),
    ] = None,
    volume: Annotated[
        int | None, typer.Option(min=0, help="Which volume of a NIfTI file that holds several, from 0; else the first.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(help="LEVEL/WIDTH, such as 40/400, or soft_tissue, lung, brain, bone, liver …")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 512,
    temperature: Annotated[float, typer.Option(min=0.0, help="0: always the likeliest token.")] = 0.0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    web: Annotated[bool, typer.Option("--web", help="A page in the browser instead (extra gmai-model[web]).")] = False,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address that the page listens on, else 127.0.0.1; any but this machine's own asks for a password."
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the page, else 7860.")] = None,
    examples: Annotated[
        Path | None, typer.Option(help="Folder of PNG and JPEG examples for the page, in place of the drawn ones.")
    ] = None,
) -> None:
    """Ask a checkpoint about images, in the terminal or on a page. English and Chinese.

    gmai model chat runs/stage3/model --image scan.dcm

    gmai model chat runs/stage3/model --image ct.nii.gz --slice 40 --window lung --prompt "Is there a nodule?"
    """
    _begin(checkpoint, "`gmai model chat`")
    from gmai_model.chat import Assistant

    def load() -> Assistant:
        # Who uses the page does not see what is said here; in the terminal, the first line says it.
        return Assistant(checkpoint, device=device, max_new_tokens=max_new_tokens, temperature=temperature,
                         takes_changed=not web)  # fmt: skip

    if web:
        of_terminal = {"--image": image, "--prompt": prompt, "--slice": slice_, "--volume": volume, "--window": window}
        if given := [name for name, value in of_terminal.items() if value not in (None, [])]:
            raise UserError(f"--web takes no {', '.join(given)}: this is chosen on the page. Leave it out.")
        from gmai_model.web.page import serve

        serve(load, title="/".join(checkpoint.resolve().parts[-2:]), host=host or "127.0.0.1",
              port=7860 if port is None else port, examples=examples)  # fmt: skip
    else:
        of_page = {"--host": host, "--port": port, "--examples": examples}
        if given := [name for name, value in of_page.items() if value is not None]:
            raise UserError(f"{', '.join(given)} is of the page. Add --web, or leave it out.")
        from gmai_model.terminal import Terminal

        Terminal(load(), numbers=slice_ or [], window=window, volume=volume).run(image or [], prompt or [])


@model_app.command()
def push(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint folder.")],
    repo_id: Annotated[str, typer.Argument(help="owner/name on the Hub; created if it does not exist.")],
    report: Annotated[
        list[Path] | None,
        typer.Option(help="report.json of `gmai bench` about this checkpoint; again for one with --image-ablation."),
    ] = None,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(help="report.json of `gmai bench` about another model, which stands beside; may be repeated."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The mixture it was trained on: sources, licences, languages for the card.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Version of the model, for the card, such as 1.0.0.")] = None,
    license_: Annotated[
        str | None, typer.Option("--license", help="Licence of the weights, such as apache-2.0.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Let everybody see it; private otherwise.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the card, list the files, send nothing.")] = False,
    time_limit: TimeLimit = 1800,
) -> None:
    """Publish a checkpoint on the Hub with its model card.

    Refused: a checkpoint that fails `gmai model check`, and a folder that holds anything else, such as optimiser states
    or images. The same command goes on after a kill.

      gmai model push runs/stage3/model my-lab/gmai-vl --report RESULT --data build/mix.yaml --dry-run
    """
    _begin(checkpoint, "`gmai model push`")
    from gmai_model.publishing.push import publish

    publication = publish(
        checkpoint, repo_id, private=not public, reports=report or [], data=data, licence=license_, dry_run=dry_run,
        baselines=baseline or [], version=version, limit_s=time_limit,
    )  # fmt: skip
    for name, size in publication.files.items():
        typer.echo(f"{size / 1e6:12,.1f} MB  {name}")
    if publication.url is None:
        typer.echo(f"nothing was sent; the card is {checkpoint / 'README.md'}")
    else:
        typer.echo(publication.url)
