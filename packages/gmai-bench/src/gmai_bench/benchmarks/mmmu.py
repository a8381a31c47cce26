"""MMMU's Health & Medicine (Yue et al. 2024), validation split, Hugging Face `MMMU/MMMU`.

One folder a subject with validation-*.parquet: id, question, options (a Python list as text), image_1 to image_7,
answer, question_type (multiple-choice, open), topic_difficulty.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError

from gmai_bench.benchmarks.hub import HubSource
from gmai_bench.benchmarks.named import Named, find_copy, option_at
from gmai_bench.benchmarks.question import Benchmark, Card, KeepImage, Question
from gmai_bench.benchmarks.tables import image_bytes, read_rows

SUBJECTS = {
    "Basic_Medical_Science": 28,
    "Clinical_Medicine": 30,
    "Diagnostics_and_Laboratory_Medicine": 30,
    "Pharmacy": 27,
    "Public_Health": 30,
}
"""Folder of a subject ▶ multiple-choice questions among its 30."""

_OTHER_SUBJECTS = (
    "Accounting", "Agriculture", "Architecture_and_Engineering", "Art", "Art_Theory", "Biology", "Chemistry",
    "Computer_Science", "Design", "Economics", "Electronics", "Energy_and_Power", "Finance", "Geography", "History",
    "Literature", "Manage", "Marketing", "Materials", "Math", "Mechanical_Engineering", "Music", "Physics",
    "Psychology", "Sociology",
)  # fmt: skip
OTHER_IDS = frozenset(f"validation_{subject}_{n}" for subject in _OTHER_SUBJECTS for n in range(1, 31))
"""Ids of MMMU's other subjects, 30 questions each: a file may hold the answers to all of MMMU."""

HUB = HubSource("MMMU/MMMU", tuple(f"{subject}/validation-*" for subject in SUBJECTS))
_IMAGES = tuple(f"image_{number}" for number in range(1, 8))
_COLUMNS = ("id", "question", "options", "answer", "question_type", "topic_difficulty", *_IMAGES)
_LETTERED = "{question}\n\n{choices}\n\nAnswer with the option's letter from the given choices directly."
_OPEN = "{question}\n\nAnswer the question using a single word or phrase."
_NOTES = {
    "official-150": "All 150 questions: letters by extraction, the five open ones by MMMU's own rule. MMMU's parser "
    "draws a random option for an answer it cannot read; beside our number stands its expected value.",
    "mc-145": "The 145 multiple-choice questions and the plain mean of the five subjects, as HuatuoGPT-Vision does.",
}


def open_mmmu(protocol: str, data_root: Path | None) -> Benchmark:
    """Return MMMU Health & Medicine under `official-150` or `mc-145`.

    Raises:
        UserError: A subject's file is not there.
    """
    copy = find_copy("mmmu-hm", data_root, HUB)
    files: dict[str, list[Path]] = {}
    for subject in SUBJECTS:
        files[subject] = sorted((copy.folder / subject).glob("validation-*.parquet"))
        if not files[subject]:
            raise UserError(
                f"{copy.folder}: found no {subject}/validation-*.parquet. Health & Medicine has five subjects, one "
                f"folder each. Get them with `{HUB.command('mmmu-hm')}` and pass --data-root DATA."
            )
    everything = protocol == "official-150"
    due = {_title(subject): 30 if everything else count for subject, count in SUBJECTS.items()}
    card = Card(
        name="mmmu-hm",
        title="MMMU Health & Medicine, validation split",
        protocol=f"mmmu-hm/{protocol}",
        protocol_version=2,
        scoring="mmmu",
        expected=sum(due.values()),
        groups=("subject", "difficulty"),
        source=copy.source,
        license="Apache-2.0",
        notes=_NOTES[protocol],
        headline="micro" if everything else "macro",
        published_extractor="mmmu-official" if everything else "huatuo",
        expected_groups={"subject": due},
        hub=HUB.repo_id,
        revision=copy.revision,
        count_source="question counts of MMMU's answer_dict_val.json",
    )
    return Named(card, lambda keep_image: _read(files, keep_image, everything=everything))


def _title(subject: str) -> str:
    return subject.replace("_", " ")


def _read(files: dict[str, list[Path]], keep_image: KeepImage, *, everything: bool) -> Iterator[Question]:
    for subject, paths in files.items():
        for place, row in read_rows(paths, _COLUMNS, named_in="MMMU's layout"):
            is_open = str(row["question_type"]) != "multiple-choice"
            if is_open and not everything:
                continue
            choices = () if is_open else _options(row["options"], place)
            text = str(row["question"])
            encoded = [
                image for name in _IMAGES for image in image_bytes(row[name], place=place, folder=paths[0].parent)
            ]
            shown = tuple(keep_image(image, place) for image in encoded)
            answer = str(row["answer"])
            listed = "\n".join(
                f"({letter}) {c}" for letter, c in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", choices, strict=False)
            )
            yield Question(
                id=str(row["id"]),
                text=text,
                # not str.format: a question may hold braces
                prompt=(_OPEN if is_open else _LETTERED).replace("{choices}", listed).replace("{question}", text),
                images=shown,
                choices=choices,
                reference=answer if is_open else option_at(answer, choices, place),
                cluster="+".join(shown) or str(row["id"]),
                groups={"subject": _title(subject), "difficulty": str(row["topic_difficulty"])},
            )


def _options(value: Any, place: str) -> tuple[str, ...]:
    try:
        parsed: Any = ast.literal_eval(str(value))
    except (ValueError, SyntaxError) as error:
        raise UserError(
            f"{place}: the options {str(value)!r:.80} are no list ({error}). MMMU writes them as a list in text. "
            f"Download the file again."
        ) from error
    if not isinstance(parsed, list) or len(cast("list[Any]", parsed)) < 2:
        raise UserError(f"{place}: found the options {str(value)!r:.80}. A choice has two or more. Download it again.")
    return tuple(str(option) for option in cast("list[Any]", parsed))
