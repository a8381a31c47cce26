"""OmniMedVQA (Hu et al. 2024): 127,995 option questions of 73 data sets, Hugging Face `foreverbeliever/OmniMedVQA`.

QA_information/{Open-access,Restricted-access}/DATASET.json   records with question_id, question_type, question,
    gt_answer (a text), image_path, option_A to option_D, modality_type
Images/…   the images; those of the restricted part must be asked for, data set by data set
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError

from gmai_bench.benchmarks import huatuo
from gmai_bench.benchmarks.hub import HubSource
from gmai_bench.benchmarks.named import Images, Named, find_copy, option_called, read_json_records
from gmai_bench.benchmarks.question import Benchmark, Card, KeepImage, Question

HUB = HubSource("foreverbeliever/OmniMedVQA", ("*.zip", "QA_information/**", "Images/**"))
_FIELDS = ("question_id", "question_type", "question", "gt_answer", "image_path", "option_A", "option_B")
_OPEN = {
    "Disease Diagnosis": 55387,
    "Anatomy Identification": 16448,
    "Modality Recognition": 11565,
    "Other Biological Attributes": 3498,
    "Lesion Grading": 2098,
}
_QA = (
    "The option's text by extraction; beside it the benchmark's own question-answering score, which takes the option "
    "that difflib finds nearest."
)
_PREFIX = "The benchmark's prefix score: the option whose text the model finds likeliest as its answer, per token."


def open_omnimedvqa(protocol: str, data_root: Path | None) -> Benchmark:
    """Return OmniMedVQA's open-access part, both parts, or HuatuoGPT-Vision's selection.

    Raises:
        UserError: Its files are not there.
    """
    if protocol == "huatuo-11124":
        return huatuo.open_split(
            "omnimedvqa",
            "OmniMedVQA, HuatuoGPT-Vision's selection",
            protocol,
            "omnimedvqa",
            11124,
            data_root,
            groups={"modality": ("modality", "modality_type", "subset")},
        )
    copy = find_copy("omnimedvqa", data_root, HUB)
    root = copy.folder / "OmniMedVQA" if (copy.folder / "OmniMedVQA").is_dir() else copy.folder
    whole, prefix = protocol.startswith("full"), protocol.endswith("-prefix")
    parts = ("Open-access", "Restricted-access") if whole else ("Open-access",)
    files = [file for part in parts for file in sorted((root / "QA_information" / part).glob("*.json"))]
    if not files:
        raise UserError(
            f"{root}: found no QA_information/{parts[0]}/*.json. OmniMedVQA is read in its published layout. "
            f"Get it with `{HUB.command('omnimedvqa')}`, unpack it and pass --data-root DATA."
        )
    card = Card(
        name="omnimedvqa",
        title=f"OmniMedVQA, {'open and restricted part' if whole else 'open-access part'}",
        protocol=f"omnimedvqa/{protocol}",
        protocol_version=1 if prefix else 2,
        scoring="likelihood" if prefix else "option-text",
        expected=127995 if whole else 88996,
        groups=("question_type", "modality"),
        source=copy.source,
        license="CC0-1.0 and those of its data sets",
        notes=_PREFIX if prefix else _QA,
        published_extractor="" if prefix else "omnimedvqa-qa",
        expected_groups={} if whole else {"question_type": _OPEN},
        hub=HUB.repo_id,
        revision=copy.revision,
        count_source="the benchmark's README"
        if whole
        else "a published count of the open-access files by question type",
    )
    images = Images(root)
    return Named(card, lambda keep_image: _read(files, images, keep_image, prefix=prefix))


def _read(files: list[Path], images: Images, keep_image: KeepImage, *, prefix: bool) -> Iterator[Question]:
    for file in files:
        for place, record in read_json_records(file, _FIELDS):
            choices = _options(record)
            text = str(record["question"])
            image = keep_image(images.read(str(record["image_path"]), place), place)
            yield Question(
                id=f"{file.stem}/{record['question_id']}",
                text=text,
                prompt=text if prefix else _prompt(text, choices),
                images=(image,),
                choices=choices,
                reference=option_called(str(record["gt_answer"]), choices, place),
                cluster=image,
                groups={
                    "question_type": str(record["question_type"]).strip(),
                    # one record of "Chest CT Scan" calls the field so
                    "modality": str(record.get("modality_type") or record.get("modality") or "(none)").strip(),
                },
                continuations=choices if prefix else (),
                image_names=(str(record["image_path"]),),
            )


def _options(record: Mapping[str, Any]) -> tuple[str, ...]:
    given = (record.get(f"option_{letter}") for letter in "ABCD")
    return tuple(str(option).strip() for option in given if option is not None)


def _prompt(question: str, choices: tuple[str, ...]) -> str:
    return (
        f"{question}Here are {len(choices)} candidate answers:{list(choices)} Only return what you think is the "
        f"correct answer from the candidate answers, do not return any other irrelevant text!"
    )
