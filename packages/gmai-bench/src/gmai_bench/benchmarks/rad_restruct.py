"""Rad-ReStruct (Pellegrini et al. 2023): the structured report of a chest radiograph, question by question.

In the layout of https://github.com/alibaba-damo-academy/MedEvalKit, datas/Radrestruct:

test_qa_pairs/REPORT.json                    a list of [question, right answers, earlier questions, info with
                                             answer_type (single_choice, multi_choice, fixed_choice) and options]
id_to_img_mapping_frontal_reports.json       report ▶ names of its frontal images
imgs/NAME.png                                the images, of Open-i
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError

from gmai_bench.benchmarks.named import LETTERED, Images, Named, find_local
from gmai_bench.benchmarks.prompts import fill
from gmai_bench.benchmarks.question import SET_JOIN, Benchmark, Card, KeepImage, Question

GET = (
    "git clone https://github.com/alibaba-damo-academy/MedEvalKit, copy datas/Radrestruct/* to DATA/rad-restruct, and "
    "the pictures that its mapping names, of NLMCXR_png.tgz (Open-i), to DATA/rad-restruct/imgs"
)
_MAPPING = "id_to_img_mapping_frontal_reports.json"


def open_rad_restruct(protocol: str, data_root: Path | None) -> Benchmark:
    """Return the test questions, each of them asked alone about each image of its report.

    Raises:
        UserError: Its files are not there.
    """
    copy = find_local("rad-restruct", data_root, GET)
    files = sorted(copy.folder.glob("test_qa_pairs/*.json"))
    if not files or not (copy.folder / _MAPPING).is_file():
        raise UserError(
            f"{copy.folder}: found no test_qa_pairs/*.json and {_MAPPING}. Rad-ReStruct is read in that layout: {GET}."
        )
    card = Card(
        name="rad-restruct",
        title="Rad-ReStruct, test reports, each question alone",
        protocol=f"rad-restruct/{protocol}",
        protocol_version=1,
        scoring="option-letter",
        expected=18186,
        groups=("answer_type", "level"),
        source=copy.source,
        license="see Open-i",
        notes="As MedEvalKit asks it: no earlier answers are given, and accuracy is over questions and images. The "
        "paper's own F1 over whole reports, with the model's earlier answers, is another number.",
        count_source="counted in the published files: 17,641 questions of 360 reports, times their frontal images",
    )
    images = Images(copy.folder, ("imgs", "images", ""))
    return Named(card, lambda keep_image: _read(files, copy.folder / _MAPPING, images, keep_image))


def _read(files: list[Path], mapping: Path, images: Images, keep_image: KeepImage) -> Iterator[Question]:
    names = cast("dict[str, list[str]]", _load(mapping))
    for file in files:
        pairs = cast("list[tuple[str, list[str], Any, dict[str, Any]]]", _load(file))
        for name in names.get(file.stem, []):
            image = keep_image(images.read(f"{name}.png", str(file)), f"{file}, image {name}")
            for number, (text, right, _, info) in enumerate(pairs):
                options = tuple(str(option) for option in info["options"])
                unknown = [answer for answer in right if answer not in options]
                if unknown:
                    raise UserError(
                        f'{file} question {number + 1}: the answer "{unknown[0]}" is not among its options. Copy it.'
                    )
                several = info["answer_type"] == "multi_choice"
                yield Question(
                    id=f"{file.stem}/{name}/{number:03d}",
                    text=str(text),
                    prompt=fill(LETTERED, str(text), options, letters=True),
                    images=(image,),
                    choices=options,
                    reference=SET_JOIN.join(option for option in options if option in right),
                    cluster=image,
                    groups={"answer_type": info["answer_type"], "level": _level(str(info["path"]))},
                    scoring="option-letter-set" if several else None,
                    image_names=(f"{name}.png",),
                )


def _level(path: str) -> str:
    """Return what a question asks for: the last word of its place in the report."""
    return path.rpartition("_")[2]


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}). Copy it again.") from error
