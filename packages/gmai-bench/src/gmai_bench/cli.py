"""`gmai bench`: the command line. Everything but typer is imported inside the commands."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmai_bench import commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gmai_bench.scoring.results import ScoredBenchmark

HELP = """Ask a model benchmark questions and score the answers under named protocols.

\b
    gmai bench --model CKPT --benchmarks OUT/benchmarks/held_out.yaml --out RESULT
    gmai bench --model CKPT --benchmarks vqa-rad,vqa-rad/llava-med --data-root DATA --out RESULT
    gmai bench --endpoint http://127.0.0.1:8000/v1 --model NAME --benchmarks paper --out RESULT

--model is a Hugging Face folder or Hub id that opens with AutoModelForImageTextToText; with --endpoint it is the name
that an OpenAI-compatible server knows the model by. --benchmarks are names of
`gmai bench list` (with a protocol behind a slash, or the default one), `paper` for those of the paper's tables, and
paths of YAML files. RESULT/report.html is
the page to look at. A run that was killed continues when the same command is given again.

`gmai bench score FILE --benchmark …` scores answers that another program wrote, without torch.
"""

app = typer.Typer(help=HELP, rich_markup_mode=None, invoke_without_command=True)


class ImageAblation(StrEnum):
    """What stands in place of the images."""

    none = "none"
    noise = "noise"
    blank = "blank"
    other = "other"


class Engine(StrEnum):
    """What runs a local checkpoint."""

    transformers = "transformers"
    vllm = "vllm"


class OptionOrder(StrEnum):
    """In which order options are shown."""

    published = "published"
    shuffled = "shuffled"
    circular = "circular"


DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder with one folder of files per named benchmark (DATA/vqa-rad), or that folder itself."),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Take the first N questions of each benchmark; the report says so.")
]
AllowPartial = Annotated[
    bool,
    typer.Option(
        "--allow-partial", help="Accept a copy or answers of another number than is expected; the report says so."
    ),
]
Expect = Annotated[
    list[str] | None,
    typer.Option(
        "--expect", help="PROTOCOL=N, the questions due where the shipped count is not verified; the report says so."
    ),
]
Revision = Annotated[
    list[str] | None,
    typer.Option(
        "--revision", help="NAME=REVISION, the commit, tag or branch of a data set of the Hub; pinned from then on."
    ),
]


TrainedOn = Annotated[
    Path | None,
    typer.Option(
        "--trained-on", help="Samples the model was trained on; the report says which questions and images they hold."
    ),
]
Errata = Annotated[
    Path | None,
    typer.Option("--errata", help="CSV of questions with wrong answers (id, source): scored with and without them."),
]


@app.callback()
def bench(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="Checkpoint folder or Hub id (owner/name).")] = None,
    benchmarks: Annotated[
        list[str] | None,
        typer.Option(help="Names or YAML paths, separated by commas; the option may be given several times."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for answers and report; one model and setting each.")] = None,
    data_root: DataRoot = None,
    limit: Limit = None,
    allow_partial: AllowPartial = False,
    expect: Expect = None,
    revision: Revision = None,
    errata: Errata = None,
    trained_on: TrainedOn = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions asked at once; lower it when memory is short.")] = 8,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 64,
    image_ablation: Annotated[
        ImageAblation,
        typer.Option(
            help="Replace each image by noise, grey, or another patient's: a model that looks must fall to chance."
        ),
    ] = ImageAblation.none,
    option_order: Annotated[
        OptionOrder,
        typer.Option(
            help="Show the options shuffled, or in every rotation (CircularEval: right only where all are right)."
        ),
    ] = OptionOrder.published,
    samples: Annotated[
        int, typer.Option(min=1, help="Answers to each question; the majority counts, and the report adds pass@k.")
    ] = 1,
    temperature: Annotated[float, typer.Option(min=0, help="Sampling temperature; 0 takes the likeliest token.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of noise images, shuffled options and samples.")] = 0,
    engine: Annotated[
        Engine, typer.Option(help="What runs the checkpoint of --model: transformers, or vLLM's offline engine.")
    ] = Engine.transformers,
    engine_settings: Annotated[
        Path | None, typer.Option(help="YAML of vLLM's own arguments, such as `max_model_len: 8192`.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Base URL of an OpenAI-compatible server, or a YAML list of such.")
    ] = None,
    batch: Annotated[
        bool,
        typer.Option("--batch", help="Use the server's Batch API: cheaper, within a day; the same command goes on."),
    ] = False,
    max_errors: Annotated[
        float, typer.Option(min=0, max=1, help="End the run when the server refuses more than this share of questions.")
    ] = 0.1,
    max_cost_usd: Annotated[
        float | None, typer.Option(min=0, help="End the run before a question to the endpoint could exceed this.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Print the most tokens and dollars all questions can take; ask none.")
    ] = False,
    prices: Annotated[Path | None, typer.Option(help="Price table (YAML) in place of the bundled one.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Most requests in flight at the endpoint.")] = 128,
    api_key_env: Annotated[
        str, typer.Option("--api-key-env", help="Environment variable with the endpoint's key.")
    ] = "OPENAI_API_KEY",
    model_revision: Annotated[
        str, typer.Option(help="Revision behind the endpoint's model name; with it its answers are cached.")
    ] = "",
    use_cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Share answers to the very same requests between runs.")
    ] = True,
) -> None:
    """Ask a model, or run one of the commands below."""
    if context.invoked_subcommand is not None:
        return
    for option, given in (("--estimate", estimate), ("--batch", batch)):
        if given and endpoint is None:
            from gmai_formats.errors import UserError

            raise UserError(f"{option}: is about what an endpoint is sent. Give --endpoint, or leave it out.")
    _refuse_misplaced(engine, engine_settings, endpoint)
    if model is None or not benchmarks or (out is None and not estimate):
        given = {"--model": model, "--benchmarks": benchmarks} | ({} if estimate else {"--out": out})
        missing = [name for name, value in given.items() if not value]
        if len(missing) == len(given):
            typer.echo(context.get_help())
            raise typer.Exit
        from gmai_formats.errors import UserError

        raise UserError(
            f"gmai bench: {', '.join(missing)} missing. Asking a model needs --model, --benchmarks and --out. "
            f"See `gmai bench --help`."
        )
    from gmai_bench.backends import ranks
    from gmai_bench.benchmarks.hub import cache_folder
    from gmai_bench.benchmarks.registry import named, open_benchmark
    from gmai_bench.run import Settings, ask_and_report
    from gmai_bench.run import estimate as estimated

    expected = _prepare(data_root, expect, revision)
    opened = [open_benchmark(name, data_root) for name in named(benchmarks)]
    settings = Settings(
        limit, allow_partial, expected, _errata(errata), image_ablation.value, seed, option_order.value, samples,
        trained_on=_samples(trained_on),
    )  # fmt: skip
    place = ranks.from_environment() if endpoint is None else ranks.Ranks()
    if endpoint is None and engine is Engine.vllm:
        from gmai_bench.backends.offline import OfflineEngine

        backend = OfflineEngine(
            model,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            settings=engine_settings,
            local_rank=place.local_rank,
            ranks=place.size,
        )
    elif endpoint is None:
        from gmai_bench.backends.local import LocalModel

        backend = LocalModel(
            model,
            batch_size=batch_size,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            local_rank=place.local_rank,
        )
    else:
        from gmai_bench.backends.batches import BatchEndpoint
        from gmai_bench.backends.endpoint import Endpoint

        backend = (BatchEndpoint if batch else Endpoint)(
            endpoint,
            model,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            concurrency=concurrency,
            revision=model_revision,
            key_variable=api_key_env,
            max_errors=max_errors,
            max_cost_usd=max_cost_usd,
            prices=prices,
        )
        if estimate:
            for name, most in estimated(opened, backend, settings).items():
                print(f"{name}: {most}")
    if out is None or estimate:
        return
    kept_in = cache_folder() if use_cache else None
    ranks.join(place)
    try:
        results = ask_and_report(opened, backend, out, settings, cache_folder=kept_in, ranks=place)
    finally:
        ranks.leave(place)
    if place.rank == 0:
        _print(results, out)


# `--help` of the group shows the long text; the docstring above is for the reader of this file.
bench.__doc__ = HELP


@app.command("list")
def list_benchmarks() -> None:
    """List the named benchmarks: protocols (the first is the default), metric, who reports them, how to get them."""
    from gmai_cli.console import table

    from gmai_bench.benchmarks.registry import listings

    listed = listings()
    columns = ("benchmark", "title", "protocols, with their questions", "metric", "reported by")
    table(columns, [(one.name, one.title, ", ".join(one.protocols), one.metric, one.reported_by) for one in listed])
    print("\nWithout --data-root they come from the Hub; on a machine with a network:")
    for one in listed:
        print(f"  {one.command}")
    print("\nAny YAML file in the benchmark format is one too; `gmai data build` writes benchmarks/held_out.yaml.")


@app.command()
def score(
    file: Annotated[
        Path,
        typer.Argument(help="Answers: ours (.jsonl), lmms-eval's, VLMEvalKit's, MedEvalKit's, …, or their folder."),
    ],
    benchmark: Annotated[
        list[str],
        typer.Option(help="Names (vqa-rad, vqa-rad/llava-med) or YAML paths, separated by commas or given repeatedly."),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for the report; without it only the table is shown.")] = None,
    model_name: Annotated[str | None, typer.Option(help="What the report calls the model; default: the file.")] = None,
    data_root: DataRoot = None,
    limit: Limit = None,
    allow_partial: AllowPartial = False,
    expect: Expect = None,
    revision: Revision = None,
    errata: Errata = None,
    trained_on: TrainedOn = None,
    id_key: Annotated[str, typer.Option(help="Key or column of the questions' ids, where it is not found.")] = "",
    response_key: Annotated[str, typer.Option(help="Key or column of the answers, where it is not found.")] = "",
    in_order: Annotated[
        bool, typer.Option("--in-order", help="Take the answers in the order of the benchmark, whatever their ids.")
    ] = False,
    extractor: Annotated[
        str, typer.Option(help="How options are read: gmai, a published parser, or all of them side by side.")
    ] = "gmai",
) -> None:
    """Score answers that you already have, from whatever program. Needs no torch."""
    from gmai_bench.answers.records import Keys
    from gmai_bench.benchmarks.registry import named, open_benchmark
    from gmai_bench.run import Settings, score_file

    expected = _prepare(data_root, expect, revision)
    settings = Settings(
        limit=limit, allow_partial=allow_partial, expect=expected, errata=_errata(errata),
        trained_on=_samples(trained_on),
    )  # fmt: skip
    opened = [open_benchmark(name, data_root) for name in named(benchmark)]
    report_in = out if extractor == "gmai" else None
    scored = score_file(
        file,
        opened,
        report_in,
        settings,
        model=model_name or file.name,
        data_root=data_root,
        keys=Keys(id_key, response_key),
        in_order=in_order,
    )
    if extractor == "gmai":
        _print(scored, out)
        return
    for one in scored:
        commands.print_extractors(one, f"{one.result.protocol}, {file}", extractor, has_out=out is not None)


@app.command()
def report(out: Annotated[Path, typer.Argument(help="Output folder of an earlier run.")]) -> None:
    """Score the answers of an output folder again and rebuild its report, without the model."""
    from gmai_cli.run_lock import hold
    from gmai_formats.files import require_folder

    from gmai_bench.report.build import rebuild

    require_folder(out, "Give the --out of an earlier `gmai bench` run.")
    with hold(out):
        benchmarks = rebuild(out)
    _print(benchmarks, out)


app.command()(commands.compare)
app.command()(commands.table)
app.command()(commands.agreement)
app.command()(commands.plan)
app.command()(commands.reproduce)
app.command("audit-table")(commands.audit_table)
app.command()(commands.judge)
app.command()(commands.contamination)
app.command()(commands.fingerprints)
app.command()(commands.push)


def _refuse_misplaced(engine: Engine, settings: Path | None, endpoint: str | None) -> None:
    """Refuse what is said of vLLM where it runs nothing."""
    runs_here = engine is Engine.vllm and endpoint is None
    wrong = "--engine" if engine is Engine.vllm and endpoint else "--engine-settings" if settings else ""
    if wrong and not runs_here:
        from gmai_formats.errors import UserError

        raise UserError(f"{wrong}: is about a checkpoint that vLLM runs here. Give --engine vllm, and no --endpoint.")


def _samples(trained_on: Path | None) -> Path | None:
    """Make sure that the training samples are there before anything is asked."""
    if trained_on is not None:
        from gmai_bench.tools.contamination import sample_files

        sample_files(trained_on)
    return trained_on


def _errata(path: Path | None) -> dict[tuple[str, str], str]:
    from gmai_bench.benchmarks.errata import read_errata

    return {} if path is None else read_errata(path)


def _prepare(data_root: Path | None, expect: list[str] | None, revision: list[str] | None) -> dict[str, int]:
    """Pin the revisions asked for, and return the counts that the user says are due by protocol."""
    from gmai_formats.errors import UserError

    from gmai_bench.benchmarks.registry import pin_revisions

    if revision and data_root is not None:
        raise UserError(
            "--revision: chooses what is downloaded, and --data-root reads local files. Leave one of them out."
        )
    expected: dict[str, int] = {}
    for given in expect or []:
        protocol, _, count = given.rpartition("=")
        if not protocol or not count.isdecimal() or int(count) == 0:
            raise UserError(f'--expect "{given}": give PROTOCOL=N, such as --expect gmai-mmbench/val=4550.')
        expected[protocol] = int(count)
    pin_revisions(revision or [])
    return expected


def _print(benchmarks: "Sequence[ScoredBenchmark]", out: Path | None) -> None:
    from gmai_cli.console import table

    from gmai_bench.report.markdown import count_note, named_number, partial_note, percent, span

    results = [benchmark.result for benchmark in benchmarks]
    rows = [
        (
            r.name,
            f"{r.protocol} v{r.protocol_version}",
            r.questions if r.hidden else r.n,
            "withheld" if r.hidden else named_number(r),
            "–" if r.hidden else span(r.interval),
            percent(r.chance),
            percent(sum(r.no_answer.values())),
        )
        for r in results
    ]
    table(("benchmark", "protocol", "n", "accuracy", "95 % interval", "chance", "unparsed"), rows)
    for r in results:
        for name, measure in r.measures.items():
            print(f"{r.protocol}: {name} {percent(measure.mean)} ({span(measure.interval)}, n = {measure.n})")
        if r.macro:
            print(f"{r.protocol}: mean over groups {percent(r.macro.mean)} ({span(r.macro.interval)}, n = {r.n})")
        if r.hidden and out is not None:
            print(f"{r.protocol}: the answers are withheld; send {out / r.protocol / 'submission.xlsx'} to the authors")
        if r.cut:
            print(f"{r.protocol}: {r.cut} answers were cut at the token limit (--max-new-tokens)")
        if r.refused_by_server:
            print(f"{r.protocol}: {r.refused_by_server} questions were refused by the server and count as not answered")
        for notice in r.notices:
            print(f"{r.protocol}: {notice}")
        if count_note(r):
            print(f"{r.protocol}: {count_note(r)}")
        if r.partial:
            print(f"{r.protocol}: partial, {partial_note(r)}")
    if out is not None:
        print(f"report: {out / 'report.html'}")
