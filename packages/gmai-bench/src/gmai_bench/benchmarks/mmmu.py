"""MMMU's Health & Medicine (Yue et al. 2024), validation split, Hugging Face `MMMU/MMMU`.

One folder a subject with validation-*.parquet: id, question, options (a Python list as text), image_1 to image_7,
answer, question_type (multiple-choice, open), topic_difficulty.
"""

import ast
import json
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

TEST_SUBJECTS = {
    "Basic_Medical_Science": 326,
    "Clinical_Medicine": 325,
    "Diagnostics_and_Laboratory_Medicine": 162,
    "Pharmacy": 430,
    "Public_Health": 509,
}
"""Folder of a subject ▶ its test questions."""
TEST_ANSWERS = ("answer.json", "answer_dict_test.json")
"""The right answers of the test split, id ▶ {question_type, ground_truth}: MMMU keeps them, and MedEvalKit has a copy
(https://github.com/alibaba-damo-academy/MedEvalKit, utils/MMMU/answer.json), beside the subjects."""

HUB = HubSource("MMMU/MMMU", tuple(f"{subject}/validation-*" for subject in SUBJECTS))
TEST_HUB = HubSource("MMMU/MMMU", tuple(f"{subject}/test-*" for subject in SUBJECTS))
_IMAGES = tuple(f"image_{number}" for number in range(1, 8))
_COLUMNS = ("id", "question", "options", "answer", "question_type", "topic_difficulty", *_IMAGES)
_LETTERED = "{question}\n\n{choices}\n\nAnswer with the option's letter from the given choices directly."
_OPEN = "{question}\n\nAnswer the question using a single word or phrase."
_NOTES = {
    "official-150": "All 150 questions: letters by extraction, the five open ones by MMMU's own rule. MMMU's parser "
    "draws a random option for an answer it cannot read; beside our number stands its expected value.",
    "test-1752": "MMMU-Med's test split. Its answers are not in the data set; they are read from answer.json of "
    "MedEvalKit where that lies beside the subjects, else there is no number.",
    "mc-145": "The 145 multiple-choice questions and the plain mean of the five subjects, as HuatuoGPT-Vision does.",
}


def open_mmmu(protocol: str, data_root: Path | None) -> Benchmark:
    """Return MMMU Health & Medicine under `official-150`, `mc-145` or `test-1752`.

    Raises:
        UserError: A subject's file is not there.
    """
    test = protocol == "test-1752"
    hub, split = (TEST_HUB, "test") if test else (HUB, "validation")
    copy = find_copy("mmmu-hm", data_root, hub)
    files: dict[str, list[Path]] = {}
    for subject in SUBJECTS:
        files[subject] = sorted((copy.folder / subject).glob(f"{split}-*.parquet"))
        if not files[subject]:
            raise UserError(
                f"{copy.folder}: found no {subject}/{split}-*.parquet. Health & Medicine has five subjects, one "
                f"folder each. Get them with `{hub.command('mmmu-hm')}` and pass --data-root DATA."
            )
    everything = protocol != "mc-145"
    answers = _answers(copy.folder) if test else None
    expected = {_title(subject): 30 if everything else count for subject, count in SUBJECTS.items()}
    if test:
        expected = {_title(subject): count for subject, count in TEST_SUBJECTS.items()}
    card = Card(
        name="mmmu-hm",
        title=f"MMMU Health & Medicine, {split} split",
        protocol=f"mmmu-hm/{protocol}",
        protocol_version=2,
        scoring="mmmu",
        expected=sum(expected.values()),
        groups=("subject", "difficulty"),
        source=copy.source,
        license="Apache-2.0",
        notes=_NOTES[protocol],
        headline="micro" if everything else "macro",
        published_extractor="mmmu-official" if everything else "huatuo",
        expected_groups={"subject": expected},
        hidden=test and answers is None,
        hub=HUB.repo_id,
        revision=copy.revision,
        count_source="ids of MedEvalKit's answer.json" if test else "question counts of MMMU's answer_dict_val.json",
    )
    return Named(card, lambda keep_image: _read(files, keep_image, answers, everything=everything, hidden=card.hidden))


def _answers(folder: Path) -> dict[str, str] | None:
    """Return the right answers of the test split by id, nothing where no file has them."""
    path = next((folder / name for name in TEST_ANSWERS if (folder / name).is_file()), None)
    if path is None:
        return None
    try:
        loaded = cast("dict[str, dict[str, Any]]", json.loads(path.read_text(encoding="utf-8-sig")))
        return {identity: _first(fields["ground_truth"]) for identity, fields in loaded.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not readable as answers of MMMU ({type(error).__name__}: {error}). It is a mapping id ▶ "
            f"{{question_type, ground_truth}}. Copy it again, or remove it: then no number is given."
        ) from error


def _first(value: Any) -> str:
    return str(cast("list[Any]", value)[0] if isinstance(value, list) else value)


def _title(subject: str) -> str:
    return subject.replace("_", " ")


def _read(
    files: dict[str, list[Path]],
    keep_image: KeepImage,
    answers: dict[str, str] | None,
    *,
    everything: bool,
    hidden: bool,
) -> Iterator[Question]:
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
            answer = str(row["answer"]) if answers is None else _known(answers, str(row["id"]), place)
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
                reference="" if hidden else answer if is_open else option_at(answer, choices, place),
                cluster="+".join(shown) or str(row["id"]),
                groups={"subject": _title(subject), "difficulty": str(row["topic_difficulty"])},
            )


def _known(answers: dict[str, str], identity: str, place: str) -> str:
    if identity not in answers:
        raise UserError(f'{place}: the answers have none to "{identity}". Copy them again, or remove their file.')
    return answers[identity]


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
