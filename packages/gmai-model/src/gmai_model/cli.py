"""`gmai train …`. Only typer and the standard library are imported until a command runs."""

from pathlib import Path
from typing import Annotated

import typer
from gmai_cli.console import say
from gmai_cli.exit_codes import EXIT_BUG, EXIT_OK
from gmai_formats.errors import UserError

from gmai_model.quiet import quiet

train_app = typer.Typer(name="train", rich_markup_mode=None)


@train_app.command()
def train(
    stage: Annotated[
        int,
        typer.Option(help="1 shallow alignment, 2 deep alignment, 3 instruction tuning; 4 preferences or rewards."),
    ],
    model: Annotated[Path | None, typer.Option(help="Checkpoint folder to start from.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Samples: a mix.yaml or mixing list, a folder, a .parquet, .json, .jsonl or .tar."),
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="For stage 4: `dpo` (preferences) or `grpo` (verifiable rewards).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; the same command resumes it.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with settings that override the paper's.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Settings for a machine: `one-24gb`, `one-80gb`, `eight-80gb` or `paper-32`."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, key=value; may be repeated.")
    ] = None,
    max_bad_fraction: Annotated[
        float | None, typer.Option(help="Share of samples with an unreadable image above which training stops.")
    ] = None,
    profile: Annotated[
        int | None, typer.Option(min=1, help="Write a trace of this many steps into OUT/profile/.")
    ] = None,
    print_config: Annotated[bool, typer.Option(help="Print the resolved settings and end.")] = False,
    selfcheck: Annotated[
        bool,
        typer.Option("--selfcheck", help="Prove on this model and data that packed samples do not see each other."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print memory, packs, steps, hours and samples; train nothing.")
    ] = False,
    gpu: Annotated[
        str | None, typer.Option(help="GPU assumed by --dry-run, such as h100; else the preset's, or a100.")
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(min=1, help="How many of them; else the preset's, or the paper's 32.")
    ] = None,
    mfu: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of the GPUs' peak that --dry-run assumes a run reaches.")
    ] = 0.4,
) -> None:
    """Train one of the three stages of the paper, or a fourth one.

    Settings are those of the paper's Table 8; --print-config shows them all. One process per GPU: start it alone, with
    `srun gmai train …` (no other launcher needed) or with torchrun. The same command resumes a run that was killed or
    asked to stop: SIGUSR1 and SIGTERM save the state and end with exit code 75, Ctrl-C with 130.

      gmai train --stage 1 --model gmai-vl --data build/mix.yaml --out runs/stage1

      gmai train --stage 2 --model runs/stage1/model --data build/mix.yaml --out runs/stage2

    Stage 4 takes what `gmai data export build grpo --format grpo` wrote (extra gmai-model[rl]):

      gmai train --stage 4 --method grpo --model runs/stage3/model --data grpo --out runs/stage4
    """
    if stage == 4:
        unread = {
            "--max-bad-fraction": max_bad_fraction is not None, "--profile": profile, "--preset": preset,
            "--selfcheck": selfcheck, "--dry-run": dry_run,
        }  # fmt: skip
        given = [name for name, used in unread.items() if used]
        if given:
            raise UserError(f"{given[0]}: stage 4 does not take it. Leave it out.")
        _tune(method, config, settings or [], print_config=print_config, model=model, data=data, out=out)
        return
    if method is not None:
        raise UserError(f"--method {method}: stage {stage} has no choice of methods. It goes with --stage 4.")
    from gmai_model.training.config import resolve

    overrides = settings or []
    if profile is not None:
        overrides = [*overrides, f"profile_steps={profile}"]
    if max_bad_fraction is not None:
        overrides = [*overrides, f"max_bad_fraction={max_bad_fraction}"]
    resolved = resolve(stage, config, overrides, preset)
    if print_config:
        typer.echo(resolved.model_dump_json(indent=2))
        return
    if model is None or data is None or (out is None and not dry_run and not selfcheck):
        raise UserError("give --model, --data and --out (or --print-config to see the settings).")
    from gmai_model.training.given import check_paths

    check_paths(model, data)
    quiet()
    if selfcheck:
        from gmai_model.training.selfcheck import selfcheck as check

        raise typer.Exit(EXIT_OK if check(resolved, model=model, data=data, out=out) else EXIT_BUG)
    if dry_run or out is None:
        from gmai_model.training.dry_run import dry_run as reckon
        from gmai_model.training.presets import preset_of

        machine = preset_of(preset or "paper-32")
        reckon(resolved, model=model, data=data, gpu=gpu or machine.gpu, gpus=gpus or machine.gpus, mfu=mfu)
        return
    from gmai_model.training.signals import StopAsked, StopRequest

    stop = StopRequest()
    from gmai_model.training.run import train as run

    try:
        run(resolved, stop, model=model, data=data, out=out)
    except StopAsked as stopped:
        if str(stopped):
            say(str(stopped))
        raise typer.Exit(stopped.code) from None
    finally:
        stop.close()


def _tune(
    method: str | None, config: Path | None, settings: list[str], *, print_config: bool, model: Path | None,
    data: Path | None, out: Path | None,
) -> None:  # fmt: skip
    from gmai_model.tuning.config import resolve

    resolved = resolve(method, config, settings)
    if print_config:
        typer.echo(resolved.model_dump_json(indent=2))
        return
    if model is None or data is None or out is None:
        raise UserError("give --model, --data and --out (or --print-config to see the settings).")
    from gmai_formats.weights import require_checkpoint

    require_checkpoint(model)
    quiet()
    from gmai_model.training.signals import StopAsked, StopRequest

    stop = StopRequest()
    from gmai_model.tuning.run import tune

    try:
        tune(resolved, stop, model=model, data=data, out=out)
    except StopAsked as stopped:
        say(str(stopped))
        raise typer.Exit(stopped.code) from None
    finally:
        stop.close()
