"""GMAI-MMBench (Chen et al. 2024), single choice, in VLMEvalKit's tab-separated layout.

Hugging Face `OpenGVLab/GMAI-MMBench` (gated), and VLMEvalKit's copy of the validation split:

GMAI_mm_bench_VAL.tsv or GMAI-MMBench_VAL.tsv   index, image (base64), question, A to E, answer, clinical vqa task,
                                                department, perceptual granularity
GMAI_mm_bench_TEST_part_1.tsv … _11.tsv         the same without answers: the authors keep them and score what they
                                                are sent; the index goes on from part to part
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmai_formats import separated
from gmai_formats.errors import UserError, did_you_mean, told

from gmai_bench.benchmarks.hub import HubSource
from gmai_bench.benchmarks.named import Named, find_copy, option_at
from gmai_bench.benchmarks.question import Benchmark, Card, KeepImage, Question
from gmai_bench.benchmarks.tables import decoded

HUB = HubSource("OpenGVLab/GMAI-MMBench", ("*VAL*.tsv", "*TEST*.tsv"))
_SPLITS = {
    "val": HubSource(HUB.repo_id, ("*VAL*.tsv",)),
    "test": HubSource(HUB.repo_id, ("*TEST*.tsv",)),
}

TASKS = {
    "AR": "Attribute Recognition", "BVR": "Blood Vessels Recognition", "B": "Bone", "CR": "Cell Recognition",
    "C": "Counting", "DD": "Disease Diagnosis", "IQG": "Image Quality Grading", "MR": "Microorganism Recognition",
    "M": "Muscle", "NT": "Nervous Tissue", "OR-A": "Organ Recognition - Abdomen",
    "OR-HN": "Organ Recognition - Head and Neck", "OR-P": "Organ Recognition - Pelvic",
    "OR-T": "Organ Recognition - Thorax", "SG": "Severity Grading", "SAR": "Surgeon Action Recognition",
    "SIR": "Surgical Instrument Recognition", "SWR": "Surgical Workflow Recognition",
}  # fmt: skip
"""The paper's columns of Table 5 ▶ the clinical VQA tasks."""

GROUPS = ("clinical_vqa_task", "department", "perceptual_granularity")
_GROUP_COLUMNS = {"clinical_vqa_task": "clinical vqa task"} | {name: name.replace("_", " ") for name in GROUPS[1:]}
_LETTERS = "ABCDE"
_LONGEST_REFERENCE = 64
"""A shorter image cell is the index of the row that holds the image."""


def open_gmai_mmbench(protocol: str, data_root: Path | None) -> Benchmark:
    """Return GMAI-MMBench's validation or test split.

    Raises:
        UserError: Its files are not there.
    """
    copy = find_copy("gmai-mmbench", data_root, _SPLITS[protocol])
    pattern = re.compile(rf"^GMAI[-_]?MM[-_]?Bench_{protocol}(?:_part)?(?:_?\d+)?\.tsv$", re.IGNORECASE)
    files = [file for file in copy.folder.glob("**/*.tsv") if pattern.match(file.name)]
    if not files:
        raise UserError(
            f"{copy.folder}: found no GMAI_mm_bench_{'TEST_part_*' if protocol == 'test' else 'VAL'}.tsv (or "
            f"GMAI-MMBench_{protocol.upper()}*.tsv). It is read in VLMEvalKit's layout. "
            f"Get it with `{_SPLITS[protocol].command('gmai-mmbench')}` and pass --data-root DATA."
        )
    files.sort(key=lambda file: [int(n) for n in re.findall(r"\d+", file.stem)])
    hidden = protocol == "test"
    card = Card(
        name="gmai-mmbench",
        title=f"GMAI-MMBench, {'test' if hidden else 'validation'} split, single choice",
        protocol=f"gmai-mmbench/{protocol}",
        protocol_version=2,
        scoring="option-letter",
        expected=21281 if hidden else 4550,
        groups=GROUPS,
        source=copy.source,
        license="Apache-2.0",
        notes="The right answers are withheld: submission.xlsx is the file to send to the authors."
        if hidden
        else "Letters by extraction; beside it VLMEvalKit's exact matching, the parser of the published rows.",
        published_extractor="" if hidden else "vlmevalkit-exact",
        hidden=hidden,
        hub=HUB.repo_id,
        revision=copy.revision,
        count_source="quoted for this split and not seen in the files; with the other split it gives the authors' "
        "25,831 single-choice questions",
        count_verified=False,
    )
    return Named(card, lambda keep_image: _read(files, keep_image, hidden=hidden))


def _read(files: Sequence[Path], keep_image: KeepImage, *, hidden: bool) -> Iterator[Question]:
    digests: dict[str, str] = {}
    for file in files:
        for place, row in _rows(file, hidden=hidden):
            index = str(row["index"])
            choices = _choices(row)
            cell = str(row["image"] or "").strip()
            if len(cell) <= _LONGEST_REFERENCE:
                digest = digests.get(cell)
                if digest is None:
                    raise UserError(
                        f'{place}: the image "{cell}" is neither base64 nor the index of an earlier row. '
                        f"Download the file again."
                    )
            else:
                digest = keep_image(decoded(cell, place), place)
            digests[index] = digest
            text = str(row["question"])
            yield Question(
                id=index,
                text=text,
                prompt=_prompt(text, choices),
                images=(digest,),
                choices=choices,
                reference="" if hidden else option_at(str(row["answer"]), choices, place),
                cluster=digest,
                groups=_groups(row),
            )


def _choices(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the options up to the last one that has a text; an empty one before it keeps its letter, unshown."""
    texts = [str(row.get(letter) or "").strip() for letter in _LETTERS]
    return tuple(texts[: max((i + 1 for i, text in enumerate(texts) if text), default=0)])


def _prompt(question: str, choices: Sequence[str]) -> str:
    listed = "".join(f"{letter}. {choice}\n" for letter, choice in zip(_LETTERS, choices, strict=False) if choice)
    last = "Please select the correct answer from the options above. \n"
    return f"Question: {question}\nOptions:\n{listed}{last}"


def _groups(row: Mapping[str, Any]) -> dict[str, str]:
    values = {name: str(row.get(column) or "(none)").strip() for name, column in _GROUP_COLUMNS.items()}
    return values | {"clinical_vqa_task": TASKS.get(values["clinical_vqa_task"], values["clinical_vqa_task"])}


def _rows(path: Path, *, hidden: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `(place, row)` of one file, its columns in lower case but for the option letters."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = separated.DictReader(file, delimiter="\t", strict=True)
            known = [name if name in _LETTERS else name.strip().lower() for name in reader.fieldnames or []]
            needed = ["index", "image", "question", "A", "B", *([] if hidden else ["answer"])]
            for column in needed:
                if column not in known:
                    raise UserError(f'{path}: no column "{column}".{did_you_mean(column, known)} Download it again.')
            reader.fieldnames = known
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    raise separated.TableError(f"row {number} has not as many cells as the header, {len(known)}")
                yield f"{path} row {number}", row
    except (OSError, UnicodeDecodeError, separated.TableError) as error:
        reason = " ".join(told(error).split())[:200]
        raise UserError(
            f"{path}: not readable as a tab-separated table ({reason}). Every row has a cell per column; a file that "
            f"was cut off does not. Download it again."
        ) from error
