"""PathVQA (He et al. 2020), test split, Hugging Face `flaviagiammarino/path-vqa`: data/test-*.parquet."""

from collections.abc import Iterator
from pathlib import Path

from gmai_formats.errors import UserError

from gmai_bench.benchmarks.hub import HubSource
from gmai_bench.benchmarks.named import SHORT, YES_NO, Named, find_copy
from gmai_bench.benchmarks.prompts import fill
from gmai_bench.benchmarks.question import Benchmark, Card, KeepImage, Question
from gmai_bench.benchmarks.tables import image_bytes, read_rows

HUB = HubSource("flaviagiammarino/path-vqa", ("data/test-*",))
_NOTES = {
    "exact-6719": "Normalised exact match (lower-case words and digits) over all test questions.",
    "medevalkit": "MedEvalKit without its judge: yes/no by substring, everything else by equality.",
}


def open_path_vqa(protocol: str, data_root: Path | None) -> Benchmark:
    """Return PathVQA's test split under `exact-6719` or `medevalkit`.

    Raises:
        UserError: Its files are not there.
    """
    copy = find_copy("path-vqa", data_root, HUB)
    files = sorted(copy.folder.glob("data/test-*.parquet"))
    if not files:
        raise UserError(
            f"{copy.folder}: found no data/test-*.parquet. PathVQA is read in that layout. "
            f"Get it with `{HUB.command('path-vqa')}` and pass --data-root DATA."
        )
    card = Card(
        name="path-vqa",
        title="PathVQA, test split",
        protocol=f"path-vqa/{protocol}",
        protocol_version=1,
        scoring="exact" if protocol == "exact-6719" else "medevalkit-open",
        expected=6719,
        groups=("answer_kind",),
        source=copy.source,
        license="MIT",
        notes=_NOTES[protocol],
        hub=HUB.repo_id,
        revision=copy.revision,
        count_source="num_examples of the data set's card",
    )
    return Named(card, lambda keep_image: _read(files, protocol, keep_image))


def _read(files: list[Path], protocol: str, keep_image: KeepImage) -> Iterator[Question]:
    rows = read_rows(files, ("image", "question", "answer"), named_in="PathVQA's layout")
    for number, (place, row) in enumerate(rows):
        (encoded,) = image_bytes(row["image"], place=place, folder=files[0].parent) or [b""]
        image = keep_image(encoded, place)
        text, answer = str(row["question"]), str(row["answer"]).strip()
        yes_no = answer.lower() in YES_NO
        prompt = SHORT if protocol == "exact-6719" else medevalkit_prompt(yes_no=yes_no)
        yield Question(
            id=f"test-{number:05d}",
            text=text,
            prompt=fill(prompt, text, (), letters=True),
            images=(image,),
            choices=(),
            reference=answer,
            cluster=image,
            groups={"answer_kind": "yes/no" if yes_no else "other"},
        )


def medevalkit_prompt(*, yes_no: bool) -> str:
    """Return the prompt that MedEvalKit asks a question of VQA-RAD or PathVQA with."""
    if yes_no:
        return "{question}\nPlease output 'yes' or 'no'(no extra output)."
    return "{question}\nPlease answer the question concisely."
