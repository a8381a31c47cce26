"""`gmai data`: build, phantoms, recipes, preview, questions, stats, view, publish, export, push, validate."""

from pathlib import Path
from typing import Annotated, cast

import typer

app = typer.Typer(
    help="Turn raw medical datasets into records and instruction samples.", no_args_is_help=True, rich_markup_mode=None
)
recipes_app = typer.Typer(
    help="The catalogue of source datasets: one recipe (a YAML card) each.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(recipes_app, name="recipes")


@app.callback()
def _prepare() -> None:
    from gmai_data.spawned import one_thread_each

    one_thread_each()


@app.command()
def build(
    recipes: Annotated[
        list[str],
        typer.Argument(help="Recipe names, NAME=FOLDER pairs, paths of YAML cards, or the group `phantoms`."),
    ],
    out: Annotated[Path | None, typer.Option(help="Output folder; resumes if it holds an unfinished build.")] = None,
    release: Annotated[
        Path | None, typer.Option(help="Then also write a release into this new folder, as `gmai data publish` does.")
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="The dataset's folder; with several recipes or a group, one sub-folder per recipe name."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with settings of the build; see --print-config.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, such as writing.temperature=0.2; may be repeated.")
    ] = None,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print the resolved settings and end.")] = False,
    writer: Annotated[
        str | None,
        typer.Option(
            help="Who writes the text: `template` (offline, no key; the default), `openai`, `openai-batch` or `vllm`."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=1024, help="Local processes; the output is the same for any number.")
    ] = 1,
    executor: Annotated[str, typer.Option(help="`local` processes, or `ray` (needs gmai-data[ray]).")] = "local",
    limit: Annotated[int | None, typer.Option(min=1, help="Use only this many items of each source.")] = None,
    chinese_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of samples in Chinese, written in it or translated; 0.2 by default."),
    ] = None,
    text_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of records and sources' texts that become a text; 0.15 by default."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed draws other questions and wordings; splits stay.")
    ] = None,
    leakage_list: Annotated[
        Path | None, typer.Option(help="Leave out what `gmai bench fingerprints` wrote into this file.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be read; with a model, also tokens, time and cost.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="Model that writes, by the name the endpoint knows it by.")] = None,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(help="URL, URL=WEIGHT or a YAML list of url, weight, key_env; without it $OPENAI_BASE_URL."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Most requests in flight, all array tasks together; 64 by default.")
    ] = None,
    max_cost_usd: Annotated[
        float | None,
        typer.Option(min=0, help="Stop before the cost exceeds this; exit code 2, and a higher cap goes on."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask to confirm the cost that is shown before the build.")
    ] = False,
    prices: Annotated[Path | None, typer.Option(help="Price table (YAML) in place of the bundled one.")] = None,
) -> None:
    """Turn raw datasets into annotated images and instruction samples.

    One dataset: gmai data build bccd --root BCCD --out build

    Several: gmai data build bccd=BCCD totalsegmentator-ct=ts --out build

    All phantoms: gmai data phantoms ph; gmai data build phantoms --root ph --out build

    With a model: export OPENAI_BASE_URL and OPENAI_API_KEY, and add --writer openai --model NAME

    Settings stand in a YAML file (--config) or are given one by one (--set); --print-config shows them all.

    Run the same command again to resume a killed build. In a Slurm job array each task works on its share of the
    shards, and the same command outside of it publishes. Exit code 3: done, but some input stands in
    OUT/quarantine.jsonl.
    """
    from gmai_formats.errors import UserError, did_you_mean

    from gmai_data.build import BuildSettings, RunOptions
    from gmai_data.build import build as run
    from gmai_data.checks.leakage import leakage_digest
    from gmai_data.config import resolve as resolve_settings
    from gmai_data.executors import array_share, on_ray
    from gmai_data.preview import preview, preview_writing
    from gmai_data.publishing.publication import check_release, publish_build
    from gmai_data.publishing.statistics import print_build, print_estimate, print_preview
    from gmai_data.sources.cards.catalogue import resolve
    from gmai_data.sources.listing import list_sources

    resolved = resolve_settings(
        config,
        settings or [],
        {
            "chinese_share": chinese_share,
            "text_share": text_share,
            "limit": limit,
            "seed": seed,
            "writing.writer": writer,
            "writing.model": model,
            "writing.endpoints": tuple(endpoint) if endpoint else None,
            "writing.concurrency": concurrency,
            "writing.max_cost_usd": max_cost_usd,
            "writing.prices": prices,
        },
    )
    if print_config:
        typer.echo(resolved.model_dump_json(indent=2))
        return
    if out is None:
        raise UserError("give --out (or --print-config to see the settings).")
    writing = resolved.writing.settings(resolved.chinese_share)
    if executor not in ("local", "ray"):
        raise UserError(f"--executor {executor}: no such executor.{did_you_mean(executor, ['local', 'ray'])}")
    sources = resolve(recipes, root)
    released = release is not None and (release / "release.json").is_file()
    if release is not None and not released:
        check_release(out, {each.recipe.name: each.recipe.model_dump(mode="json") for each in sources}, release)
    share = array_share(out)
    options = RunOptions(
        workers=workers,
        guarded=True,
        executor=on_ray if executor == "ray" else None,
        share=share,
        writer=resolved.writing.options(yes=yes),
        leakage=leakage_list,
        prompts=resolved.writing.prompts,
        knowledge=resolved.writing.knowledge,
    )
    built = BuildSettings(
        chinese_share=resolved.chinese_share, text_share=resolved.text_share, limit=resolved.limit, seed=resolved.seed,
        writing=writing, leakage=leakage_digest(leakage_list),
    )  # fmt: skip
    if dry_run:
        print_preview(list(preview(list_sources(sources, resolved.limit))))
        if writing is not None:
            print_estimate(list(preview_writing(sources, out, built, options)), writing, options.writer, out)
        return
    code = run(sources, out, built, options=options)
    if (out / "manifest.json").is_file():
        print_build(out)
        if release is not None and not released:
            publish_build(out, release, leave_out_unlicensed=False)
    raise typer.Exit(code)


@app.command()
def phantoms(
    directory: Annotated[Path, typer.Argument(help="Folder to draw into: one sub-folder per phantom recipe.")],
    size: Annotated[str, typer.Option(help="`small`: a few dozen images; `demo`: enough to train a tiny model.")] = (
        "small"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other patients.")] = 0,
) -> None:
    """Draw practice datasets in the file formats of real ones (DICOM, NIfTI, VOC, CSV, masks, JSON Lines).

    They look like nothing in medicine; they are there to try the tools on. Build them with
    `gmai data build phantoms --root DIR --out OUT`.
    """
    from gmai_data.phantoms.draw import draw_all

    draw_all(directory, size, seed)


@app.command()
def stats(
    out: Annotated[
        Path | None, typer.Argument(help="Folder that `gmai data build` wrote; without it, the bundled cards.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="The page to draw into; without it OUT/fig3.html, and none of the cards.")
    ] = None,
) -> None:
    """Print and draw a build's images as figure 3 of the paper does, next to its own shares; print samples by kind.

    Without OUT the same is printed of the catalogue, counted in cards.
    """
    from gmai_data.publishing.statistics import catalogue_fig3, fig3, print_fig3, print_statistics, write_fig3

    if out is not None:
        print_statistics(out)
        write_fig3(fig3(out), "images", out.resolve().name, html or out / "fig3.html")
        return
    rings = catalogue_fig3()
    print_fig3(rings, "cards")
    if html is not None:
        write_fig3(rings, "cards", "the catalogue", html)


@app.command()
def status(
    out: Annotated[Path, typer.Argument(help="Folder that `gmai data build` writes to as a job array.")],
) -> None:
    """Report which shards of a job array are missing, why, and how to build just those; exit code 3 if any are."""
    from gmai_cli.exit_codes import EXIT_OK, EXIT_PARTIAL

    from gmai_data.array_status import summary

    lines = summary(out)
    print("\n".join(lines) if lines else f"{out}: no shard of a job array is missing.")
    raise typer.Exit(EXIT_PARTIAL if lines else EXIT_OK)


@app.command()
def preview(
    card: Annotated[str, typer.Argument(help="A bundled name or the path of a YAML card.")],
    root: Annotated[Path, typer.Option(help="The dataset's folder.")],
    to: Annotated[Path | None, typer.Option(help="The page to write; without it preview-NAME.html.")] = None,
    items: Annotated[int, typer.Option(min=1, help="Items to show, drawn by hash.")] = 20,
) -> None:
    """Write a page with a few items as the card reads them: pictures, masks, boxes, labels, split and texts.

    Nothing is built; a wrong card is seen in a minute.
    """
    from gmai_cli.console import say, say_next

    from gmai_data.preview import write_preview
    from gmai_data.sources.cards.catalogue import resolve

    (source,) = resolve([card], root)
    page = to or Path(f"preview-{source.recipe.name}.html")
    shown, refused = write_preview(source, page, items)
    say(f"{page}: {shown} items shown, {refused} with a reason why not. Open it in a browser; it needs no network.")
    say_next("data", "build", card, "--root", root, "--out", "build")


@app.command()
def view(
    out: Annotated[Path, typer.Argument(help="Folder that `gmai data build` wrote.")],
    to: Annotated[Path | None, typer.Option(help="The page to write; without it OUT/gallery.html.")] = None,
    images: Annotated[int, typer.Option(min=1, help="Most images on a page, the same share of every source.")] = 400,
    pages: Annotated[int, typer.Option(min=0, help="Most pages (gallery-2.html, …); 0 for all images.")] = 25,
) -> None:
    """Write pages with a build's images, their boxes, texts and filters, and the quarantine with its reasons."""
    from gmai_cli.console import say, say_next

    from gmai_data.publishing.gallery import write_gallery

    page = to or out / "gallery.html"
    shown = write_gallery(out, page, images=images, pages=pages)
    say(f"{page}: {shown} images. Open it in a browser; it needs no network.")
    say_next("model", "init", "--preset", "tiny", "--data", out / "mix.yaml", "--out", "tiny")


@app.command()
def questions(
    folder: Annotated[Path, typer.Argument(help="Folder with pictures and a table or JSON of questions with answers.")],
    out: Annotated[Path, typer.Option(help="New folder to write to.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Use only this many pictures.")] = None,
) -> None:
    """Use questions with answers about pictures as they are: samples, a mixture and held-out questions; no card.

    Each entry of a CSV, TSV, XLSX, JSON or JSON Lines file names a picture and has a `question` and an `answer`. A
    quarter of the pictures is held out. Exit code 3: done, but some entries are left out; see OUT/left_out.jsonl.
    """
    from gmai_data.given_questions import convert

    raise typer.Exit(convert(folder, out, limit))


@app.command()
def publish(
    out: Annotated[Path, typer.Argument(help="Folder that `gmai data build` wrote.")],
    target: Annotated[Path, typer.Argument(help="New folder for what may be handed on.")],
    leave_out_unlicensed: Annotated[
        bool, typer.Option("--leave-out-unlicensed", help="Leave out the sources that are refused.")
    ] = False,
    accept_second_hand: Annotated[
        bool,
        typer.Option("--accept-second-hand", help="Take a licence that was not read at the publisher's for true."),
    ] = False,
) -> None:
    """Make a release of a build: the Parquet files with a dataset card, Croissant metadata and release.json.

    Refused when a source's licence forbids passing it on, is not stated, or was read second hand. The folder appears
    whole or not at all.
    """
    from gmai_data.publishing.publication import publish_build

    publish_build(out, target, leave_out_unlicensed=leave_out_unlicensed, accept_second_hand=accept_second_hand)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder that `gmai data build` or `gmai data publish` wrote.")],
    target: Annotated[Path, typer.Argument(help="New folder to write to.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="`llava` (GMAI-VL's JSON and mixing lists), `ms-swift`, `trl`, `webdataset`, `dpo` or `grpo`.",
        ),
    ],
) -> None:
    """Write the samples once more in a format that other training tools read.

    llava: NAME-SPLIT.json, mixture_stageN.json, images/. ms-swift: NAME-SPLIT.jsonl with grounding objects, images/.
    trl: NAME-SPLIT.parquet with image parts. webdataset: NAME-SPLIT-NNNNNN.tar. dpo, grpo: the questions that
    a record's own labels and boxes answer, for `gmai train --stage 4`. Exit code 3: done, but some rows do not fit the
    format; see left_out.jsonl.
    """
    from gmai_data.publishing.export import export as run

    raise typer.Exit(run(folder, target, form))


@app.command()
def push(
    release: Annotated[Path, typer.Argument(help="Folder that `gmai data publish` wrote.")],
    repo_id: Annotated[str, typer.Argument(help="Dataset repository of the Hub, OWNER/NAME; made if it is not there.")],
    public: Annotated[bool, typer.Option("--public", help="Readable by everybody; without it, private.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the release, list the files, send nothing.")
    ] = False,
) -> None:
    """Push a release to the Hugging Face Hub, after checking digests and licences once more.

    The token is that of `hf auth login` or HF_TOKEN. Run the same command again to resume a killed push.
    """
    from gmai_data.publishing.push import push_release

    if url := push_release(release, repo_id, private=not public, dry_run=dry_run):
        print(url)


@app.command()
def validate(
    path: Annotated[
        Path,
        typer.Argument(help="File or folder: Parquet, LLaVA JSON, JSON Lines, ms-swift, WebDataset, mixing list."),
    ],
    images: Annotated[
        Path | None, typer.Option(help="Folder that image paths are relative to; without it, the file's own.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write every finding into this file (JSON Lines).")] = None,
) -> None:
    """Check samples of any source, row by row: messages, placeholders, images, boxes, ids, paths.

    Exit code 0: all rows are sound. 3: some are not; each finding names file, row, rule and remedy.
    """
    from gmai_data.validation.validate import validate as run

    raise typer.Exit(run(path, images=images, report=report))


@recipes_app.command("list")
def list_recipes(
    modality: Annotated[str | None, typer.Option(help="Only of this modality, such as MR, MRI or 超声.")] = None,
    department: Annotated[str | None, typer.Option(help="Only of this department, in English or Chinese.")] = None,
    clinical_task: Annotated[str | None, typer.Option(help="Only of this clinical task, such as Counting.")] = None,
    task: Annotated[str | None, typer.Option(help="Only for this task, such as segmentation or 2d_detection.")] = None,
    licence: Annotated[
        str | None, typer.Option("--license", "--licence", help="Only under this licence, such as CC-BY.")
    ] = None,
    publishable: Annotated[
        bool,
        typer.Option("--publishable", help="Only those whose licence allows a release of what is built from them."),
    ] = False,
    min_items: Annotated[int | None, typer.Option(min=0, help="Only with at least this many published items.")] = None,
    max_items: Annotated[int | None, typer.Option(min=0, help="Only with at most this many published items.")] = None,
    min_download: Annotated[str | None, typer.Option(help="Only with at least this to download, such as 1GB.")] = None,
    max_download: Annotated[
        str | None, typer.Option(help="Only with at most this to download, such as 50GB; not those of unknown size.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """List the bundled recipes."""
    from gmai_data.publishing.searching import Filters, download_limit, print_recipes

    filters = Filters(
        modality=modality, department=department, clinical_task=clinical_task, task=task, license=licence,
        publishable=publishable, min_items=min_items, max_items=max_items,
        min_download=download_limit("--min-download", min_download),
        max_download=download_limit("--max-download", max_download),
    )  # fmt: skip
    print_recipes(filters=filters, as_json=as_json)


@recipes_app.command("search")
def search_recipes(
    words: Annotated[
        list[str],
        typer.Argument(
            help='Whole words, English or Chinese: MRI, CXR, 眼科, an organ, a task, a licence; "may be published", '
            '">1000", "<50GB".'
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Print all known datasets that are found.")] = False,
) -> None:
    """List the recipes in which all of the words occur, and known datasets that have no recipe yet."""
    from gmai_data.publishing.searching import print_recipes

    print_recipes(" ".join(words), as_json=as_json, every=every)


@recipes_app.command("new")
def new_recipe(
    folder: Annotated[Path | None, typer.Argument(help="Folder of a dataset; may be left out with --like.")] = None,
    to: Annotated[Path | None, typer.Option(help="The card to write; without it the card is printed.")] = None,
    like: Annotated[
        str | None, typer.Option(help="Take the facts of this known dataset (`gmai data recipes search`).")
    ] = None,
) -> None:
    """Inspect a folder, guess its layout and write a draft card; what it cannot know says TODO."""
    from gmai_cli.console import say, say_next
    from gmai_formats.errors import UserError
    from gmai_formats.files import write_text

    from gmai_data.sources.cards.drafts import draft, draft_like
    from gmai_data.sources.cards.summaries import find_known

    if folder is None and like is None:
        raise UserError("no folder. Give the folder of a dataset, or --like NAME to begin from a known one.")
    words, card = draft_like(find_known(like), folder) if like is not None else draft(cast(Path, folder))
    if to is None:
        print(card, end="")
    elif to.exists():
        raise UserError(f"{to}: exists already. Give a new file.")
    else:
        write_text(to, card)
        say(f"{to}: a draft ({words}). Replace every TODO, or let the next command ask.")
        say_next("data", "recipes", "complete", to, "--root", folder or "DIR")


@recipes_app.command("complete")
def complete_recipe(
    card: Annotated[Path, typer.Argument(help="A draft that `gmai data recipes new` wrote.")],
    root: Annotated[Path, typer.Option(help="The dataset's folder.")],
    answers: Annotated[
        list[str] | None, typer.Option("--set", help="An answer, such as modality=CT or labels.3=liver; repeatable.")
    ] = None,
    again: Annotated[str, typer.Option("--again", hidden=True)] = "",
) -> None:
    """Ask what a draft leaves open, write the answers into it, and fill in the rest. For data of your own.

    On a terminal the questions are asked one by one; an empty answer leaves one open. Exit code 3: some are open.
    """
    import shlex

    from gmai_cli.console import say_next
    from gmai_cli.exit_codes import EXIT_PARTIAL

    from gmai_data.sources.interview import interview

    command = again or shlex.join(("gmai", "data", "recipes", "complete", str(card), "--root", str(root)))
    if not interview(card, root, answers or [], command):
        raise typer.Exit(EXIT_PARTIAL)
    if not again:
        say_next("data", "recipes", "check", card, "--root", root)


@recipes_app.command("show")
def show_recipe(name: Annotated[str, typer.Argument(help="A bundled name or the path of a YAML card.")]) -> None:
    """Print a recipe as gmai reads it, defaults included."""
    import yaml

    from gmai_data.sources.cards.catalogue import find_recipe

    print(yaml.safe_dump(find_recipe(name).model_dump(mode="json"), sort_keys=False, allow_unicode=True), end="")


@recipes_app.command("check")
def check_recipe(
    name: Annotated[str, typer.Argument(help="A bundled name or the path of a YAML card.")],
    root: Annotated[Path | None, typer.Option(help="Compare the card with this folder, too.")] = None,
) -> None:
    """Validate a card; with --root, compare it with its folder: files, labels, counts; and read a few items."""
    from gmai_data.sources.compare import check_against_folder

    check_against_folder(name, root)
