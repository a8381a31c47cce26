"""The dataset card of a release: YAML for the Hub, then what a reader needs to judge and to cite the data."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from gmai_data.publishing.facts import ReleaseFacts, grounded
from gmai_data.publishing.sub_datasets import TABLE_6
from gmai_data.vocabulary import Split, SubDataset

HUB_LICENCES = {
    name: name.lower()
    for name in (
        "CC0-1.0", "CC-BY-4.0", "CC-BY-3.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-NC-2.0", "CC-BY-NC-3.0",
        "CC-BY-NC-4.0", "CC-BY-NC-SA-2.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", "MIT", "Apache-2.0", "BSD-2-Clause",
        "BSD-3-Clause", "Unlicense",
    )
} | {"PDDL-1.0": "pddl", "ODC-By-1.0": "odc-by", "ODbL-1.0": "odbl"}  # fmt: skip
"""SPDX identifier ▶ the name the Hub knows it by."""

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))

Fig3 = Mapping[str, Sequence[tuple[str, int, float, float | None]]]
"""Title of a ring ▶ (name, images, per cent here, per cent in the paper)."""


def dataset_card(facts: ReleaseFacts, fig3: Fig3) -> str:
    """Return the README.md of a release; the same release gives the same text.

    Args:
        facts: Its counts.
        fig3: Its images counted as Fig. 3 of the paper does.
    """
    sections = (
        _summary(facts),
        _table_6(facts),
        _fig_3(fig3),
        _sources(facts),
        _generation(facts),
        _account(facts),
        _limits(facts),
        _use(facts),
    )
    front = yaml.safe_dump(front_matter(facts), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n" + "\n".join(sections)


def front_matter(facts: ReleaseFacts) -> dict[str, Any]:
    """Return the card's YAML: licence, languages, size, and one configuration per sub-dataset."""
    licences = licences_of(facts)
    known = [HUB_LICENCES[name] for name in licences if name in HUB_LICENCES]
    licence: dict[str, Any] = {"license": known[0] if len(known) == 1 else known}
    if len(known) < len(licences):
        licence = {"license": "other", "license_name": "per-source", "license_link": "#sources"}
    configs: list[dict[str, Any]] = [
        {
            "config_name": TABLE_6[name][0],
            "data_files": [{"split": split, "path": f"samples/{name}/{split}-*.parquet"} for split in splits],
        }
        for name, splits in facts.samples.items()
    ]
    if configs:
        configs[0]["default"] = True
    for name, split, files, rows in (
        # Not `train`: the records of held-out images are among them.
        ("annotations", "records", "annotations/*.parquet", facts.annotations),
        ("held_out", "test", "benchmarks/*.parquet", facts.questions),
    ):
        if rows:
            configs.append({"config_name": name, "data_files": [{"split": split, "path": files}]})
    return {
        "pretty_name": "GMAI-VL-style medical instruction data",
        **licence,
        "language": sorted(facts.counted["language"]),
        "size_categories": [next((name for limit, name in _SIZES if facts.total < limit), "10M<n<100M")],
        "task_categories": ["image-text-to-text", "visual-question-answering", "question-answering"],
        "tags": ["medical", "instruction-tuning", "gmai-vl", "croissant"],
        "configs": configs,
    }


def licences_of(facts: ReleaseFacts) -> list[str]:
    """Return the sources' licences, each once, in order."""
    return sorted({str(recipe["license"]) for recipe in facts.recipes.values()})


def _summary(facts: ReleaseFacts) -> str:
    counts = _table(
        ("", "samples"),
        (
            *((f"kind {kind}", count) for kind, count in sorted(facts.counted["kind"].items())),
            *((f"language {language}", count) for language, count in sorted(facts.counted["language"].items())),
        ),
    )
    return (
        "# GMAI-VL-style medical instruction data\n\n"
        f"{facts.total} samples on {facts.annotations} annotated images of {len(facts.recipes)} sources, and "
        f"{facts.questions} held-out questions on images that no sample shows. Made with gmai-data after the method of "
        "GMAI-VL (Li et al., arXiv:2411.14522). Every row names its source, licence and provenance.\n\n"
        + (f"Of the questions {_odds(facts.odds)}.\n\n" if facts.questions else "")
        + counts
    )


def _odds(odds: Mapping[str, float]) -> str:
    return (
        f"a blind guess gets {odds['chance']:.1%} right, and the best guess from the options alone "
        f"{odds['prior_accuracy']:.1%}"
    )


def _table_6(facts: ReleaseFacts) -> str:
    paper_total = sum(size for _, size in TABLE_6.values())
    rows: list[tuple[object, ...]] = []
    for name in SubDataset:
        title, paper = TABLE_6[name]
        splits = facts.samples.get(name, {})
        count = sum(splits.values())
        rows.append(
            (
                title,
                *(splits.get(split, 0) for split in (Split.TRAIN, Split.VALIDATION)),
                f"{count / max(facts.total, 1):.1%}",
                f"{paper / 1e6:.1f} M",
                f"{paper / paper_total:.1%}",
            )
        )
    heads = ("sub-dataset", "train", "validation", "share", "paper", "paper's share")
    return "## Sub-datasets (Table 6)\n\n" + _table(heads, rows)


def _fig_3(fig3: Fig3) -> str:
    parts = ["## Images (Fig. 3)\n"]
    for title, rows in fig3.items():
        cells = [
            (name, n, f"{share:.1f} %", "" if paper is None else f"{paper:.1f} %") for name, n, share, paper in rows
        ]
        parts.append(_table((title, "images", "share", "paper"), cells))
    return "\n".join(parts)


def _sources(facts: ReleaseFacts) -> str:
    rows = [
        (
            _link(str(recipe["title"]), str(recipe["homepage"])),
            _licence(recipe),
            recipe["modality"] or "none (text)",
            recipe["department"],
            facts.counted["source"][name],
            recipe["citation"],
        )
        for name, recipe in facts.recipes.items()
    ]
    heads = ("source", "licence", "modality", "department", "samples", "citation")
    return (
        "## Sources\n\nEach row keeps the licence of its source, and its terms: attribution, non-commercial use, "
        "share-alike. Cite the sources that you use.\n\n" + _table(heads, rows, raw=1)
    )


def _licence(recipe: Mapping[str, Any]) -> str:
    """Return a source's licence, with its place where that is not the publisher's own."""
    said = str(recipe["license"])
    return f"{said} (second hand: {recipe['license_source']})" if recipe.get("license_second_hand") else said


def _generation(facts: ReleaseFacts) -> str:
    keys = [key for key in _keys(facts.generators) if key]
    rows = [
        (*(dict(generator).get(key, "") for key in keys), count)
        for generator, count in sorted(facts.generators.items())
    ]
    versions = ", ".join(_flat(facts.build["versions"]))
    settings = ", ".join(_flat(facts.build["settings"]))
    return (
        "## Who wrote the text\n\n"
        + _table((*keys, "samples"), rows)
        + f"\nVersions: {_cell(versions)}. Settings: {_cell(settings)}.\n"
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield `name value` of each value that is set; names of nested ones are joined by dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value not in (None, ""):
            yield f"{prefix}{name} {str(value).removeprefix(f'{name} ')}"


def _keys(generators: Iterable[tuple[tuple[str, str], ...]]) -> list[str]:
    return list(dict.fromkeys(key for generator in generators for key, _ in generator))


def _account(facts: ReleaseFacts) -> str:
    sums: dict[str, Counter[str]] = {}
    reasons: Counter[tuple[str, str]] = Counter()
    for entry in facts.account.values():
        for what, line in entry.items():
            dropped = line["dropped"]
            numbers = {key: line[key] for key in ("read", "kept", "quarantined")}
            sums.setdefault(what, Counter()).update({**numbers, "dropped": sum(dropped.values())})
            reasons.update({(what, reason): count for reason, count in dropped.items()})
    columns = ("read", "kept", "dropped", "quarantined")
    rows = [(what, *(line[column] for column in columns)) for what, line in sums.items()]
    text = (
        "## Account\n\nOf the build that this release was taken from, published sources only: read = kept + dropped + "
        "quarantined. `release.json` has the same for each source.\n\n" + _table(("", *columns), rows)
    )
    if reasons:
        text += "\n" + _table(("of", "dropped because", "count"), [(*key, n) for key, n in sorted(reasons.items())])
    if share := grounded(facts.sentences):
        text += f"\n{share}\n"
    if facts.opinions:
        opinions = _table(("a second model's opinion", "samples"), sorted(facts.opinions.items()))
        verdicts = sum(facts.opinions[name] for name in ("consistent", "inconsistent"))
        agreed = f" It agreed with {facts.opinions['consistent'] / verdicts:.1%} of {verdicts}." if verdicts else ""
        text += f"\nOf the samples that were drawn for it.{agreed}\n\n{opinions}"
    return text


def _limits(facts: ReleaseFacts) -> str:
    written = sum(count for generator, count in facts.generators.items() if dict(generator).get("writer") == "template")
    unread = sorted(name for name, recipe in facts.recipes.items() if recipe.get("verified") not in ("copy", True))
    lines = [
        "No clinician has read the texts. They are for research; they are no medical advice.",
        "Labels and boxes are those of the sources, with their errors; a box around a mask is not a radiologist's box.",
        "Slices and frames are single 8-bit pictures: what only shows in 3-D, in motion or in another window is lost.",
        "The paper gives no windows, slice rule, box format or split rule; those used here are gmai-data's, and stand "
        "in each row's provenance.",
    ]
    if written:
        lines.append(
            f"{written} of {facts.total} samples come from fixed wording, not from a language model: their sentences "
            "repeat."
        )
    lines += [
        f"Held-out questions that the options give away ({_cell(name)}, {entry['questions']:.0f}): {_odds(entry)}."
        for name, entry in facts.guessable.items()
    ]
    if unread:
        lines.append(f"Cards that nobody has checked against a real copy of the data: {', '.join(map(_cell, unread))}.")
    table = _blind(facts)
    return table + "## Known limits\n\n" + "".join(f"- {line}\n" for line in lines)


def _blind(facts: ReleaseFacts) -> str:
    if not facts.text_only:
        return ""
    rows = [
        (
            family, f"{found['questions']:,.0f}", f"{found['chance']:.1%}",
            f"{found['text_only']:.1%} ({found['low']:.1%} to {found['high']:.1%})",
        )
        for family, found in facts.text_only.items()
    ]  # fmt: skip
    return (
        "## Without the picture\n\nHow often a bag-of-words model (naive Bayes, five folds by image) that sees the "
        "questions of the training rows, or the held-out ones, and no picture is right, with its 95 % interval:\n\n"
        + _table(("asked", "questions", "chance", "words alone"), rows)
        + "\n"
    )


def _use(facts: ReleaseFacts) -> str:
    first = TABLE_6[next(iter(facts.samples))][0] if facts.samples else "annotations"
    return (
        "## Use\n\n"
        "```python\nfrom datasets import load_dataset\n\n"
        f'data = load_dataset("REPO_ID", "{first}", split="train")\n```\n\n'
        "`messages` are plain text with one `<image>` for each entry of `images`. LLaMA-Factory reads them by "
        f"`dataset_info.json`: download the release and give `dataset_dir: FOLDER`, `dataset: {first}` (`-validation` "
        "for its other split). ms-swift reads the files, `--dataset FOLDER/samples/caption/train-00000.parquet`, and "
        "with boxes in the form of its model what `gmai data export --format ms-swift` writes. "
        "Hugging Face's `trl` reads what `gmai data export --format trl` writes: it would ask for each picture of "
        "these rows twice. Boxes "
        "in the text are `<ref>label</ref><box>[[x1, y1, x2, y2]]</box>` in thousandths of width and height, the "
        "column `boxes` has absolute pixels, half-open. `mix.yaml` is for `gmai train --data`. Do not train on "
        "`held_out`, nor on rows of "
        "`annotations` whose `split` is `held_out`.\n"
    )


def _link(title: str, homepage: str) -> str:
    safe = re.fullmatch(r"https?://[^\s()<>\"|]+", homepage)
    return f"[{_cell(title)}]({homepage})" if safe else f"{_cell(title)} ({_cell(homepage)})"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, raw: int = 0) -> str:
    """Return a Markdown table; all cells but the first `raw` are escaped."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [str(cell) if number < raw else _cell(cell) for number, cell in enumerate(row)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    """Return a value as text that is neither markup nor a new cell or line, whatever it holds."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", " ".join(str(value).split()))
