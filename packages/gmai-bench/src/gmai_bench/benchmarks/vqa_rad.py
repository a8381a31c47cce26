"""VQA-RAD (Lau et al. 2018): clinicians' questions about radiology images, in its two published layouts.

    Hugging Face `flaviagiammarino/vqa-rad`   data/test-*.parquet with image, question, answer
    OSF                                       "VQA_RAD Dataset Public.json" + "VQA_RAD Image Folder/"

The test split is the same 451 questions in both: the rows of the test file, or those whose `phrase_type` starts with
`test`. Only the OSF layout says which answers are closed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gmai_formats.errors import UserError

from gmai_bench.benchmarks import huatuo
from gmai_bench.benchmarks.hub import HubSource
from gmai_bench.benchmarks.named import LETTERED, NO_ACCURACY, SHORT, YES_NO, Copy, find_copy, load_json_list
from gmai_bench.benchmarks.path_vqa import medevalkit_prompt
from gmai_bench.benchmarks.prompts import fill
from gmai_bench.benchmarks.question import Benchmark, Card, KeepImage, Question
from gmai_bench.benchmarks.tables import image_bytes, read_image_file, read_rows

OSF_JSON = "VQA_RAD Dataset Public.json"
OSF_IMAGES = "VQA_RAD Image Folder"
HUB = HubSource("flaviagiammarino/vqa-rad", ("data/test-*",))

_OSF_FIELDS = ("qid", "image_name", "question", "answer", "answer_type", "phrase_type", "image_organ", "question_type")


@dataclass(frozen=True, slots=True)
class _Protocol:
    prompt: str
    scoring: str
    expected: int
    notes: str
    published_extractor: str = ""


_PROTOCOLS = {
    "exact-451": _Protocol(
        SHORT, "exact", 451, "Normalised exact match (lower-case words and digits) over all 451 test questions."
    ),
    "yes-no-251": _Protocol(
        LETTERED,
        "option-letter",
        251,
        "The 251 test questions whose answer is yes or no, asked as A. yes, B. no. HuatuoGPT-Vision reports on these "
        "questions too, from its own file of options: compare with care.",
    ),
    "llava-med": _Protocol(
        "{question}",
        "yes-no-and-recall",
        451,
        "Accuracy over the 272 closed questions (yes/no by extraction; 21 others count when every word of the "
        "reference is said), and mean token recall over the 179 open ones, both by whole words: LLaVA-Med's own script "
        f'finds "no" inside "normal". {NO_ACCURACY}',
        published_extractor="llava-med",
    ),
    "medevalkit": _Protocol(
        "",
        "medevalkit-open",
        451,
        "MedEvalKit without its judge: the 251 yes/no questions by substring, the 200 others by equality.",
    ),
}


@dataclass(frozen=True, slots=True)
class _Row:
    """One test question, whatever the layout."""

    id: str
    question: str
    answer: str
    image: str
    """Digest."""
    groups: dict[str, str]
    image_name: str = ""


def open_vqa_rad(protocol: str, data_root: Path | None) -> Benchmark:
    """Return VQA-RAD's test split under a protocol.

    Args:
        protocol: A key of the protocols above, or `huatuo-251`.
        data_root: Folder that is, or holds as `vqa-rad`, one of the two layouts.

    Raises:
        UserError: No layout is found there, or it lacks what the protocol needs.
    """
    if protocol == "huatuo-251":
        title = "VQA-RAD, yes/no test questions with options"
        return huatuo.open_split("vqa-rad", title, protocol, "vqarad", 251, data_root)
    copy = find_copy("vqa-rad", data_root, HUB)
    folder = copy.folder
    files = sorted(folder.glob("data/test-*.parquet"))
    osf = folder / OSF_JSON
    if not files and not osf.is_file():
        raise UserError(
            f'{folder}: found neither data/test-*.parquet (Hugging Face layout) nor "{OSF_JSON}" (OSF layout). '
            f"VQA-RAD is read in one of these two. Get it with `{HUB.command('vqa-rad')}` (or from OSF) and pass "
            f"--data-root DATA."
        )
    if protocol == "llava-med" and not osf.is_file():
        raise UserError(
            f"{folder}: vqa-rad/llava-med needs to know which answers are closed, and the Hugging Face layout has no "
            f'`answer_type`. Use the OSF layout ("{OSF_JSON}"), or another protocol of `gmai bench list`.'
        )
    return VqaRad(protocol, copy, [] if osf.is_file() else files)


class VqaRad:
    """The test split under one protocol."""

    def __init__(self, protocol: str, copy: Copy, files: list[Path]) -> None:
        """Read the Parquet `files` of the Hugging Face layout, or the OSF layout of the copy when there are none."""
        self._name, self._folder, self._source, self._files = protocol, copy.folder, copy.source, files
        self._revision = copy.revision
        self._protocol = _PROTOCOLS[protocol]

    @property
    def card(self) -> Card:
        """The fixed facts."""
        return Card(
            name="vqa-rad",
            title="VQA-RAD, test split",
            protocol=f"vqa-rad/{self._name}",
            protocol_version=2 if self._name in ("yes-no-251", "llava-med") else 1,
            scoring=self._protocol.scoring,
            expected=self._protocol.expected,
            groups=("answer_kind",) if self._files else ("answer_type", "image_organ", "question_type"),
            source=f"{'Hugging Face' if self._files else 'OSF'} layout, {self._source}",
            license="CC0-1.0",
            notes=self._protocol.notes,
            published_extractor=self._protocol.published_extractor,
            hub=HUB.repo_id,
            revision=self._revision,
            count_source="counted in the OSF file as published",
        )

    def questions(self, keep_image: KeepImage) -> Iterator[Question]:
        """Yield the questions of the protocol, in the order of the file."""
        for row in self._read_parquet(keep_image) if self._files else self._read_osf(keep_image):
            answer = row.answer.strip()
            yes_no = answer.lower() in YES_NO
            if self._name == "yes-no-251" and not yes_no:
                continue
            choices = YES_NO if yes_no and self._name in ("yes-no-251", "llava-med") else ()
            is_open = self._name == "llava-med" and row.groups["answer_type"] != "CLOSED"
            yield Question(
                id=row.id,
                text=row.question,
                prompt=fill(
                    self._protocol.prompt or medevalkit_prompt(yes_no=yes_no), row.question, choices, letters=True
                ),
                images=(row.image,),
                choices=() if is_open else choices,
                reference=answer.lower() if yes_no else answer,
                cluster=row.image,
                measure="open_token_recall" if is_open else "accuracy",
                groups=row.groups,
                image_names=(row.image_name,) if row.image_name else (),
            )

    def _read_parquet(self, keep_image: KeepImage) -> Iterator[_Row]:
        columns = ("image", "question", "answer")
        rows = read_rows(self._files, columns, named_in="VQA-RAD's Hugging Face layout")
        for number, (place, row) in enumerate(rows):
            images = image_bytes(row["image"], place=place, folder=self._folder)
            if len(images) != 1:
                raise UserError(f"{place}: found {len(images)} images. A VQA-RAD question has one. Download it again.")
            answer = str(row["answer"])
            kind = "yes/no" if answer.strip().lower() in YES_NO else "other"
            yield _Row(
                f"test-{number:04d}",
                str(row["question"]),
                answer,
                keep_image(images[0], place),
                {"answer_kind": kind},
            )

    def _read_osf(self, keep_image: KeepImage) -> Iterator[_Row]:
        path = self._folder / OSF_JSON
        for number, fields in enumerate(load_json_list(path), start=1):
            place = f"{path} record {number}"
            missing = [name for name in _OSF_FIELDS if name not in fields]
            if missing:
                raise UserError(
                    f"{place}: has no {', '.join(missing)}. Every record of VQA-RAD has them. Download it again."
                )
            if not str(fields["phrase_type"]).startswith("test"):
                continue
            encoded = read_image_file(self._folder / OSF_IMAGES / str(fields["image_name"]), place=place)
            yield _Row(
                str(fields["qid"]),
                str(fields["question"]),
                str(fields["answer"]),
                keep_image(encoded, place),
                {
                    "answer_type": str(fields["answer_type"]).strip(),  # two records have 'CLOSED '
                    "image_organ": str(fields["image_organ"]).strip(),
                    "question_type": str(fields["question_type"]).strip(),
                },
                str(fields["image_name"]),
            )
