"""The commands beside asking and scoring. Everything but typer is imported inside them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gmai_bench.benchmarks.question import Benchmark
    from gmai_bench.scoring.results import ScoredBenchmark
    from gmai_bench.tools.contamination import Fingerprints


BenchmarkNames = Annotated[
    list[str], typer.Option(help="Names or YAML paths, separated by commas; the option may be given several times.")
]
DataRoot = Annotated[Path | None, typer.Option(help="Folder with one folder of files per named benchmark.")]
AllowPartial = Annotated[bool, typer.Option("--allow-partial", help="Accept an incomplete copy of a benchmark.")]


def compare(
    first: Annotated[Path, typer.Argument(help="Output folder of one run.")],
    second: Annotated[Path, typer.Argument(help="Output folder of another run.")],
) -> None:
    """Compare two runs question by question: exact McNemar, clustered difference, minimum detectable difference."""
    from gmai_cli.console import table

    from gmai_bench.tools.compare import compare as compare_runs
    from gmai_bench.tools.compare import left_out, power

    found = compare_runs(first, second)
    columns = ("protocol", "n", "A", "B", "only A", "only B", "B - A", "95 % (clustered)", "p exact", "p clustered")
    rows = [
        (
            c.protocol,
            c.n,
            f"{100 * c.accuracy_first:.1f} %",
            f"{100 * c.accuracy_second:.1f} %",
            c.only_first,
            c.only_second,
            f"{100 * c.difference:+.1f}",
            f"{100 * c.interval[0]:+.1f} to {100 * c.interval[1]:+.1f}",
            f"{c.p_exact:.4f}",
            f"{c.p_clustered:.4f}",
        )
        for c in found
    ]
    table(columns, rows, title=f"A = {first}, B = {second}")
    for c in found:
        print(power(c))
        if without := left_out(c):
            print(without)


def table(
    runs: Annotated[list[Path], typer.Argument(help="Output folders of runs, one per model.")],
    out: Annotated[Path | None, typer.Option(help="Folder for table.csv, .tex, .md, .svg and .html.")] = None,
) -> None:
    """Put several models and benchmarks into one table: n, interval, chance, differences with Holm's correction."""
    from gmai_bench.tools.table import collect, write

    found = collect(runs)
    for line in found.lines():
        print(line)
    if out is not None:
        for path in write(found, out):
            print(f"wrote {path}")


def agreement(
    out: Annotated[Path, typer.Argument(help="Output folder of the run whose answers were labelled.")],
    notes: Annotated[list[Path], typer.Argument(help="Files that the report page saved, one per reader.")],
) -> None:
    """Report how far readers agree with the rules and with one another: share, 95 % interval, Cohen's kappa."""
    from gmai_cli.console import table as print_table

    from gmai_bench.report.markdown import percent, span
    from gmai_bench.tools.agreement import agreements

    found = agreements(out, notes)
    print_table(
        ("reading", "and", "n", "agree", "95 % interval", "kappa", "unclear"),
        [
            (
                one.first,
                one.second,
                one.n,
                percent(one.agreed / one.n) if one.n else "–",
                span(one.interval),
                "–" if one.kappa is None else f"{one.kappa:.2f}",
                one.unclear,
            )
            for one in found
        ],
    )
    for one in found:
        if one.differing:
            listed = ", ".join(f"{protocol} {identity}" for protocol, identity in one.differing[:20])
            print(f"{one.first} and {one.second} differ on {listed}")


def plan(
    n: Annotated[
        list[str],
        typer.Argument(help="Numbers of questions, or benchmarks of `gmai bench list` (vqa-rad, slake/huatuo-416)."),
    ],
    accuracy: Annotated[float, typer.Option(min=0, max=1, help="Share of right answers that is expected.")] = 0.7,
    agreement: Annotated[
        float, typer.Option(min=0, max=1, help="Correlation of two models' answers to one question, 0 to 1.")
    ] = 0.5,
    per_cluster: Annotated[float, typer.Option(min=1, help="Questions about one image, on average.")] = 1.0,
    within: Annotated[
        float, typer.Option(min=0, max=1, help="Correlation of the answers about one image, 0 to 1.")
    ] = 0.2,
) -> None:
    """Report how small a difference a number of questions can show, before a run: 95 % confidence, 80 % power."""
    from gmai_cli.console import say
    from gmai_cli.console import table as print_table

    from gmai_bench.tools.plan import not_shares, planned, questions_for, sizes

    rows = [
        (
            name,
            count,
            f"±{100 * found.half_width:.1f}",
            f"{100 * found.unpaired:.1f}",
            f"{100 * found.paired:.1f}",
        )
        for name, count in sizes(n)
        for found in [planned(count, accuracy, agreement, per_cluster, within)]
    ]
    columns = ("questions of", "n", "95 % interval", "difference, other questions", "difference, the same questions")
    print_table(columns, rows, title=f"points; {100 * accuracy:.0f} % right, questions per image: {per_cluster:g}")
    for points in (1, 2, 5):
        needed = questions_for(points / 100, accuracy, agreement, per_cluster, within)
        size = f"{points} point{'s' * (points > 1)}"
        print(f"a difference of {size} between two models on the same questions needs {needed:,} questions")
    if others := not_shares(n):
        say(f"{', '.join(others)}: a mean of marks and no share of right answers; the plan is an upper bound there")


def reproduce(
    name: Annotated[
        str, typer.Argument(help="lingshu, hulu-med, medgemma, huatuogpt-vision, gmai-vl, or a model of these.")
    ],
    model: Annotated[str | None, typer.Option(help="Checkpoint folder, Hub id, or name at the endpoint.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Base URL of an OpenAI-compatible server.")] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder; answers that it already holds are used.")] = None,
    data_root: DataRoot = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first N questions of each benchmark.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions asked at once.")] = 8,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 512,
    api_key_env: Annotated[
        str, typer.Option("--api-key-env", help="Environment variable with the endpoint's key.")
    ] = "OPENAI_API_KEY",
) -> None:
    """Run the protocols behind a published row and print our numbers beside theirs, or what is not public."""
    from gmai_cli.console import say
    from gmai_cli.console import table as print_table
    from gmai_cli.hub_calls import UnreachableError
    from gmai_formats.errors import UserError

    from gmai_bench.benchmarks.registry import open_benchmark
    from gmai_bench.published.rows import beside, rows_of
    from gmai_bench.report.build import read_folder, run_folders
    from gmai_bench.run import Settings, ask_and_report

    rows = rows_of(name)
    scored: list[ScoredBenchmark] = []
    if model is not None:
        if out is None:
            raise UserError("gmai bench reproduce: --out is missing. Answers and report are written there.")
        opened: list[Benchmark] = []
        missing: dict[str, UserError] = {}
        for protocol in dict.fromkeys(row.protocol for row in rows if row.protocol):
            try:
                opened.append(open_benchmark(protocol, data_root))
            except UserError as error:
                missing[protocol] = error
        unreachable = next((error for error in missing.values() if isinstance(error, UnreachableError)), None)
        if unreachable and not opened:
            raise unreachable
        for protocol, error in missing.items():
            say(f"{protocol} is left out: {error}")
        if not opened:
            raise UserError(f"{name}: none of its benchmarks is here. Get them (`gmai bench list`), give --data-root.")
        if endpoint is None:
            from gmai_bench.backends.local import LocalModel

            backend = LocalModel(model, batch_size=batch_size, max_new_tokens=max_new_tokens)
        else:
            from gmai_bench.backends.endpoint import Endpoint

            backend = Endpoint(endpoint, model, max_new_tokens=max_new_tokens, key_variable=api_key_env)
        scored = ask_and_report(opened, backend, out, Settings(limit=limit))
    elif out is not None:
        scored = [read_folder(folder) for folder in run_folders(out)]
    found = beside(rows, [one.result for one in scored])
    columns = ("model", "benchmark", "protocol", "n", "by", "theirs", "ours", "95 % interval", "ours - theirs")
    print_table(
        columns,
        [
            (
                b.theirs.model,
                b.theirs.benchmark,
                b.theirs.protocol or "–",
                b.theirs.n or "?",
                " + ".join(part for part in (b.theirs.scorer, b.theirs.judge) if part) or "?",
                b.theirs.value,
                "–" if b.ours is None else f"{100 * b.ours:.1f}",
                "–" if b.interval is None else f"{100 * b.interval[0]:.1f} to {100 * b.interval[1]:.1f}",
                "–" if b.difference is None else f"{b.difference:+.1f}",
            )
            for b in found
        ],
    )
    for note in dict.fromkeys(f"{b.theirs.benchmark}: {b.note}" for b in found if b.note):
        print(note)
    for source in dict.fromkeys(b.theirs.source for b in found):
        print(f"source: {source}")


def audit_table(
    table: Annotated[str, typer.Argument(help="CSV file, or a table of the paper: table2, table3, table4, table5.")],
    n: Annotated[
        list[str] | None,
        typer.Option("--n", help="COLUMN=N, the questions behind a column; overrides the file's row `n`."),
    ] = None,
) -> None:
    """Check a published table: which cells can be k/n, and is the overall the micro or the macro mean?"""
    from gmai_cli.console import table as print_table
    from gmai_formats.errors import UserError

    from gmai_bench.published.audit import audit
    from gmai_bench.published.tables import PAPER_TABLES, paper_table, parse_count, read_table

    counts = {}
    for given in n or []:
        column, equals, count = given.rpartition("=")
        if not equals:
            raise UserError(f'--n "{given}": give COLUMN=N, such as --n pharmacy=27.')
        counts[column] = parse_count(count, f"--n {given}")
    if table in PAPER_TABLES and counts:
        raise UserError(f"--n: {table} declares its questions itself. Leave --n out.")
    read = paper_table(table) if table in PAPER_TABLES else read_table(Path(table), counts)
    print(f"{read.title}: {len(read.rows)} rows, {len(read.columns)} columns")
    for chosen in read.sets.values():
        sizes = ", ".join(f"{c} {'' if k.exact else '~'}{k.n}" for c, k in chosen.counts.items()) or "none"
        print(f"  questions of the set {chosen.name}: {sizes}" if chosen.name else f"  questions: {sizes}")
    if read.scales:
        print(f"  no cell is above 1, read as fractions: {', '.join(read.scales)}")
    found = audit(read)
    rows = [
        (
            a.row.name,
            (a.set.name + ("" if a.row.set else " ?")).strip(),
            a.checked,
            a.unchecked,
            len(a.impossible),
            len(a.artefacts),
            "; ".join(f"{o.column} {o.kind}" for o in a.overall) or "-",
        )
        for a in found
    ]
    print_table(("row", "set", "checked", "not checked", "impossible", "cut otherwise", "overall"), rows)
    for a in found:
        lines = [str(cell) for cell in (*a.impossible, *a.artefacts)] + [
            str(o) for o in a.overall if o.kind == "neither"
        ]
        under = f" (as {a.set.name})" if not a.row.set and a.set.name else ""
        for line in lines:
            print(f"{a.row.name}{under}: {line}")
    if not any(chosen.counts for chosen in read.sets.values()):
        print("No questions are declared, so only the macro mean was checked. Add an `n` row, or pass --n COLUMN=N.")


def judge(
    out: Annotated[Path, typer.Argument(help="Output folder of an earlier run.")],
    endpoint: Annotated[str, typer.Option(help="Base URL of an OpenAI-compatible server.")],
    model: Annotated[str, typer.Option(help="Name of the judge at the server.")],
    api_key_env: Annotated[
        str, typer.Option("--api-key-env", help="Environment variable with the endpoint's key.")
    ] = "OPENAI_API_KEY",
    rubric_prompt: Annotated[
        Path | None,
        typer.Option(help="Text with <<conversation>> and <<rubric_item>> in place of our prompt for rubrics."),
    ] = None,
    max_cost_usd: Annotated[
        float | None, typer.Option(min=0, help="End before a question to the judge could exceed this.")
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Use the server's Batch API.")] = False,
) -> None:
    """Let a language model read the answers too: options beside the rules, open answers, and rubrics."""
    from gmai_cli.console import table
    from gmai_cli.run_lock import hold
    from gmai_formats.files import require_folder

    from gmai_bench.backends.batches import BatchEndpoint
    from gmai_bench.backends.endpoint import Endpoint
    from gmai_bench.report.build import read_folder, rebuild, run_folders
    from gmai_bench.report.markdown import named_number, percent, span
    from gmai_bench.tools.judge import judge_folder
    from gmai_bench.tools.rubric import has_rubric, judge_rubrics, read_prompt

    def judge_of(max_new_tokens: int) -> Endpoint:
        kind = BatchEndpoint if batch else Endpoint
        return kind(endpoint, model, max_new_tokens=max_new_tokens, key_variable=api_key_env, max_cost_usd=max_cost_usd)

    prompt = read_prompt(rubric_prompt)
    require_folder(out, "Give the --out of an earlier `gmai bench` run.")
    with hold(out):
        found = judge_folder(out, judge_of(16))
        for folder in run_folders(out):
            if has_rubric(benchmark := read_folder(folder)):
                judge_rubrics(folder, benchmark, judge_of(2048), prompt, out)
        scored = rebuild(out)
    columns = ("protocol", "n", "rules", "judge", "both read", "agree", "judge only", "neither")
    rows = [
        (
            protocol,
            j["n"],
            percent(j["accuracy_of_the_rules"]),
            percent(j["accuracy"]),
            j["both_read"],
            percent(j["agreement"]),
            j["read_by_the_judge_only"],
            j["read_by_neither"],
        )
        for protocol, j in found.items()
        if j
    ]
    if rows:
        table(columns, rows)
    for benchmark in scored:
        if has_rubric(benchmark):
            r = benchmark.result
            print(f"{r.protocol}: {named_number(r)} ({span(r.interval)}, n = {r.n}), {r.extractor}")
        for name, measure in benchmark.result.measures.items():
            if name.startswith("judged by "):
                print(
                    f"{benchmark.result.protocol}: {percent(measure.mean)} {name} (n = {measure.n}); the rules say "
                    f"{percent(benchmark.result.accuracy)}"
                )


def print_extractors(benchmark: "ScoredBenchmark", title: str, extractor: str, *, has_out: bool) -> None:
    """Print the same answers as several extractors read them."""
    from gmai_cli.console import table

    from gmai_bench.report.markdown import percent, span
    from gmai_bench.tools.extractors import readings

    rows = [
        (r.extractor, r.n, percent(r.score), span(r.interval), percent(r.unread))
        if r.n
        else (r.extractor, 0, "does not apply", "–", "–")
        for r in readings(benchmark, extractor, has_out=has_out)
    ]
    table(("extractor", "n", "score", "95 % interval", "not read"), rows, title=title)


def contamination(
    samples: Annotated[Path, typer.Option(help="Folder of training samples (Parquet with messages and images).")],
    benchmarks: BenchmarkNames,
    data_root: DataRoot = None,
    allow_partial: AllowPartial = False,
    out: Annotated[Path | None, typer.Option(help="JSON file for the findings in full.")] = None,
) -> None:
    """List the benchmark images and questions that occur in training samples. A finding is a report, not an error."""
    from gmai_cli.console import table
    from gmai_cli.folders import check_writable

    from gmai_bench.tools.contamination import contamination as look

    if out is not None:
        check_writable(out)
    found = look(_fingerprints(benchmarks, data_root, allow_partial=allow_partial), samples, out)
    columns = ("protocol", "questions", "images", "same image", "near image", "on seen images", "same words", "both")
    table(columns, [tuple(finding.counts().values()) for finding in found])
    if out is not None:
        print(f"findings: {out}")


def fingerprints(
    benchmarks: BenchmarkNames,
    out: Annotated[Path, typer.Option(help="JSON Lines file to write.")],
    data_root: DataRoot = None,
    allow_partial: AllowPartial = False,
    thumbnails: Annotated[
        bool,
        typer.Option(
            "--thumbnails",
            help="Write the images as 64 x 64 grey pixels too, so that a build compares pictures and not hashes alone. "
            "The list is then as confidential as the images.",
        ),
    ] = False,
) -> None:
    """Write digests, perceptual hashes and words of benchmarks, for a data build to keep clear of them."""
    from gmai_cli.folders import check_writable

    from gmai_bench.tools.contamination import write_fingerprints

    check_writable(out)
    prints = _fingerprints(benchmarks, data_root, allow_partial=allow_partial)
    count = write_fingerprints(prints, out, thumbnails=thumbnails)
    known = len({digest for one in prints for digest in one.hashes})
    how = (
        f"{known} images with thumbnails"
        if thumbnails
        else f"{known} images by their hashes alone, which other pictures of the same kind may share (--thumbnails)"
    )
    print(f"{out}: {count} questions, {how if known else 'no images'}")


def _fingerprints(names: list[str], data_root: Path | None, *, allow_partial: bool) -> "list[Fingerprints]":
    from gmai_bench.benchmarks.registry import named, open_benchmark
    from gmai_bench.tools.contamination import fingerprints as take

    return [take(open_benchmark(name, data_root), limit=None, allow_partial=allow_partial) for name in named(names)]


def push(
    out: Annotated[Path, typer.Argument(help="Output folder of an earlier run.")],
    repo_id: Annotated[str, typer.Argument(help="Model repository on the Hub (owner/name).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files and commit nothing.")] = False,
) -> None:
    """Add a run's results to a model's repository on the Hub, with protocol and n."""
    from gmai_bench.tools.push import push as push_results

    url, files = push_results(out, repo_id, dry_run=dry_run)
    for path, content in files.items():
        print(f"--- {path}\n{content}" if dry_run else f"{repo_id}: wrote {path}")
    if url:
        print(url)
