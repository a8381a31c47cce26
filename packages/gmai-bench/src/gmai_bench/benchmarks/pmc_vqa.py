"""PMC-VQA (Zhang et al. 2023): four-option questions about figures of papers, Hugging Face `RadGenome/PMC-VQA`.

test_clean.csv   2,000 questions checked by hand: Figure_path, Question, Answer, Choice A to D, Answer_label; images.zip
test_2.csv       33,430 about single-panel figures: the same with Caption, split, and Answer a letter; images_2.zip
The caption gives the answer away and is never shown.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from gmai_formats import separated
from gmai_formats.errors import UserError, did_you_mean, told

from gmai_bench.benchmarks.hub import HubSource
from gmai_bench.benchmarks.named import LETTERED, Images, Named, find_copy, need_file, option_at
from gmai_bench.benchmarks.prompts import fill
from gmai_bench.benchmarks.question import Benchmark, Card, KeepImage, Question

HUB = HubSource("RadGenome/PMC-VQA", ("test_clean.csv", "test_2.csv", "images.zip", "images_2.zip"))
_CHOICES = ("Choice A", "Choice B", "Choice C", "Choice D")
_LABEL = re.compile(r"^\s*[A-D]\s*[:.]\s*")
_FILES = {"clean-2000": ("test_clean.csv", 2000), "test2-33430": ("test_2.csv", 33430)}
_NOTES = {
    "clean-2000": "The 2,000 questions checked by hand, the ones of the paper's Table 2.",
    "test2-33430": "The second version's test split; papers call both of them the PMC-VQA test set.",
}


def open_pmc_vqa(protocol: str, data_root: Path | None) -> Benchmark:
    """Return PMC-VQA under `clean-2000` or `test2-33430`.

    Raises:
        UserError: Its files are not there.
    """
    name, expected = _FILES[protocol]
    copy = find_copy("pmc-vqa", data_root, HUB)
    path = need_file(copy, "pmc-vqa", (name,), HUB)
    card = Card(
        name="pmc-vqa",
        title="PMC-VQA, test questions",
        protocol=f"pmc-vqa/{protocol}",
        protocol_version=2,
        scoring="option-letter",
        expected=expected,
        groups=(),
        source=copy.source,
        license="CC-BY-SA-4.0",
        notes=_NOTES[protocol],
        published_extractor="huatuo" if protocol == "clean-2000" else "medevalkit-untagged",
        # MedEvalKit passes the cells of the file as they stand
        published_option="{text}" if protocol == "clean-2000" else " {letter}:{text}",
        hub=HUB.repo_id,
        revision=copy.revision,
        count_source="the data set's card and paper",
    )
    images = Images(copy.folder, ("images", "figures", "images_2", ""))
    return Named(card, lambda keep_image: _read(path, images, keep_image))


def _read(path: Path, images: Images, keep_image: KeepImage) -> Iterator[Question]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = separated.DictReader(file, strict=True, skipinitialspace=True)
            columns = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = columns
            label = "Answer_label" if "Answer_label" in columns else "Answer"
            for needed in ("Figure_path", "Question", *_CHOICES, label):
                if needed not in columns:
                    raise UserError(f'{path}: no column "{needed}".{did_you_mean(needed, columns)} Download it again.')
            for number, row in enumerate(reader):
                place = f"{path} row {number + 2}"
                if None in row.values() or None in row:
                    raise UserError(
                        f"{place}: has another number of cells than the header ({len(columns)}). The file is damaged "
                        f"or cut off. Download it again."
                    )
                choices = tuple(_LABEL.sub("", row[name]).strip() for name in _CHOICES)
                text = row["Question"].strip()
                image = keep_image(images.read(row["Figure_path"].strip(), place), place)
                yield Question(
                    id=row.get("index") or f"{path.stem}-{number:05d}",
                    text=text,
                    prompt=fill(LETTERED, text, choices, letters=True),
                    images=(image,),
                    choices=choices,
                    reference=option_at(row[label], choices, place),
                    cluster=image,
                    image_names=(row["Figure_path"].strip(),),
                )
    except (OSError, UnicodeDecodeError, separated.TableError) as error:
        raise UserError(f"{path}: not readable as CSV ({told(error)}). Download it again.") from error
