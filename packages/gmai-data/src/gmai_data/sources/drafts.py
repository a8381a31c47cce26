"""`gmai data recipes new`: a folder ▶ a guess at its layout ▶ a draft card to be completed by hand."""

import csv
import json
import re
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any, cast

import yaml
from gmai_formats.errors import UserError

from gmai_data.sources.layouts import SPLIT_NAMES

MAX_FILES = 20_000
"""Files looked at; a dataset shows its layout long before."""
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
_PERSON = re.compile(r"(?:patient|subject|participant)[ _-]?(?:id|no|number)?", re.IGNORECASE)
_PERSON_IN_PATH = re.compile(r"(?<![a-z])((?:patient|subject|sub)[_-]?)\d+", re.IGNORECASE)
_FLAGS = {"0", "1", "-1", "0.0", "1.0", "-1.0", ""}
_VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".mpg")


def draft(root: Path) -> tuple[str, str]:
    """Return (what was recognised, the text of a draft card).

    What the folder cannot say (licence, modality, names) is marked with TODO, and the card is not valid until it is
    filled in.

    Raises:
        UserError: No folder, or nothing in it that a reader knows.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder. Give the folder of a dataset.")
    files = [path for path, _ in zip(_walk(root), range(MAX_FILES), strict=False)]
    found = _guess(root, files)
    if found is None:
        endings = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in _endings(files).most_common(5))
        raise UserError(
            f"{root}: no layout recognised ({endings or 'no files'}). Write a card by hand, as in "
            "docs/how-to/add-a-source.md."
        )
    words, task, layout, labels = found
    about_images: dict[str, Any] = {} if task == "text" else {"modality": "TODO"}
    card: dict[str, Any] = {
        "name": re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-") or "my-dataset",
        "title": "TODO",
        "homepage": "TODO",
        "citation": "TODO",
        "license": "TODO",
        **about_images,
        "department": "TODO",
        "clinical_task": "TODO",
        "anatomy": {"en": "TODO", "zh": "TODO"},
        "task": task,
        "layout": layout,
        "labels": {label: {"en": re.sub(r"[_-]+", " ", label).strip() or "TODO", "zh": "TODO"} for label in labels},
        **_groups(root, files, layout),
    }
    head = (
        f"# A draft from {len(files)} files: {words}.\n"
        "# Unless `split.group_pattern`, a `group_column` or a DICOM header names the patient, every file is its own.\n"
        "# Replace every TODO; the closed vocabularies and every field are in docs/reference/recipes.md.\n"
        "# Then: gmai data recipes check CARD.yaml --root DIR\n"
    )
    return words, head + yaml.safe_dump(card, sort_keys=False, allow_unicode=True)


def _groups(root: Path, files: list[Path], layout: dict[str, Any]) -> dict[str, Any]:
    """Return the pattern of the patient in the files' paths, where there is one and no column or header has it."""
    if "group_column" in layout or layout["kind"] in ("dicom", "dicom_series", "qa_text"):
        return {}
    found = [match for path in files if (match := _PERSON_IN_PATH.search(_below(root, path)))]
    if len({match.group() for match in found}) < 2:
        return {}
    return {"split": {"group_pattern": f"({found[0].group(1)}\\d+)"}}


def _walk(root: Path) -> Any:
    return (path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.startswith("."))


def _endings(files: list[Path]) -> Counter[str]:
    return Counter(next((end for end in _VOLUMES if path.name.endswith(end)), path.suffix.lower()) for path in files)


Guess = tuple[str, str, dict[str, Any], list[str]]


def _guess(root: Path, files: list[Path]) -> Guess | None:
    for test in (
        _nnunet, _voc, _coco, _yolo, _video, _arrays, _text, _hub, _dicom, _volumes, _masks, _table, _classes,
    ):  # fmt: skip
        found = test(root, files)
        if found is not None:
            return found
    return None


def _nnunet(root: Path, files: list[Path]) -> Guess | None:
    del files
    if not ((root / "imagesTr").is_dir() and (root / "labelsTr").is_dir()):
        return None
    labels: list[str] = []
    if (root / "dataset.json").is_file():
        named = json.loads((root / "dataset.json").read_text(encoding="utf-8")).get("labels", {})
        labels = [str(key) if str(key).isdigit() else str(value) for key, value in named.items()]
    return (
        "nnU-Net or Decathlon folders",
        "3d_segmentation",
        {"kind": "nnunet"},
        [each for each in labels if each != "0"],
    )


def _voc(root: Path, files: list[Path]) -> Guess | None:
    xml = [path for path in files if path.suffix == ".xml"]
    if not xml or "<annotation" not in xml[0].read_text(encoding="utf-8", errors="replace")[:2000]:
        return None
    names = {
        name for path in xml[:500] for name in re.findall(r"<name>([^<]+)</name>", path.read_text("utf-8", "replace"))
    }
    images = next((path.parent for path in files if path.suffix.lower() in _IMAGES), root)
    layout = {"kind": "voc", "annotations": _below(root, xml[0].parent), "images": _below(root, images)}
    return "Pascal VOC", "2d_detection", layout, sorted(names)


def _coco(root: Path, files: list[Path]) -> Guess | None:
    for path in (path for path in files if path.suffix == ".json"):
        try:
            document: Any = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError):
            continue
        if isinstance(document, dict) and {"images", "annotations", "categories"} <= document.keys():
            categories = cast(list[dict[str, Any]], document["categories"])
            layout = {"kind": "coco", "annotations": _below(root, path.parent / "*.json"), "images": "TODO"}
            return "COCO", "2d_detection", layout, [str(entry["name"]) for entry in categories]
    return None


def _yolo(root: Path, files: list[Path]) -> Guess | None:
    texts = [path for path in files if path.suffix == ".txt" and "label" in path.parent.as_posix().lower()]
    lines = [line for path in texts[:500] for line in path.read_text(errors="replace").splitlines()]
    if not lines or not all(re.fullmatch(r"\d+(\s+[\d.eE+-]+){4,}\s*", line) for line in lines[:50] if line.strip()):
        return None
    image = next((path for path in files if path.suffix.lower() in _IMAGES), None)
    if image is None:
        return None
    folder, labels = PurePosixPath(_below(root, image.parent)), PurePosixPath(_below(root, texts[0].parent))
    if len(folder.parts) > 1 and folder.name == labels.name and folder.name in SPLIT_NAMES:  # images/train
        places = (f"{folder.parent}/*", f"{labels.parent}/{{parent}}")
    elif len(folder.parts) > 1 and folder.parent.name in SPLIT_NAMES:  # train/images
        places = ("*/" + folder.name, f"{{above}}/{labels.name}")
    else:
        places = (str(folder), str(labels))
    layout = {"kind": "yolo", "images": f"{places[0]}/*{image.suffix}", "labels": f"{places[1]}/{{stem}}.txt"}
    return "YOLO", "2d_detection", layout, sorted({line.split()[0] for line in lines if line.strip()}, key=int)


def _video(root: Path, files: list[Path]) -> Guess | None:
    videos = [path for path in files if path.suffix.lower() in _VIDEOS]
    if not videos:
        return None
    layout: dict[str, Any] = {"kind": "video", "files": f"**/*{videos[0].suffix}"}
    for path in (path for path in files if path.suffix in (".csv", ".tsv")):
        rows = _rows(path)
        video = _column_of_names(rows, {each.stem for each in videos})
        if video is None:
            continue
        frame = next((name for name in rows[0] if "frame" in name.lower()), None)
        label = _label_column(rows, video, frame)
        layout |= {"table": _below(root, path), "video_column": video, "label_column": label}
        if frame is not None:
            layout["frame_column"] = frame
        return "videos with a table", "2d_classification", layout, sorted({row.get(label, "") for row in rows} - {""})
    layout["label_folder"] = videos[0].parent != root
    return "videos", "2d_classification", layout, sorted({path.parent.name for path in videos if path.parent != root})


def _arrays(root: Path, files: list[Path]) -> Guess | None:
    arrays = [path for path in files if path.suffix == ".npz"]
    if not arrays:
        return None
    return (
        "npz arrays (MedMNIST's names)",
        "2d_classification",
        {"kind": "arrays", "files": _below(root, arrays[0])},
        [],
    )


def _text(root: Path, files: list[Path]) -> Guess | None:
    texts = [path for path in files if path.suffix == ".jsonl"]
    if not texts or '"turns"' not in texts[0].read_text(encoding="utf-8", errors="replace")[:20_000]:
        return None
    return "question–answer text", "text", {"kind": "qa_text", "files": _below(root, texts[0].parent / "*.jsonl")}, []


def _hub(root: Path, files: list[Path]) -> Guess | None:
    written = {"dataset_dict.json", "state.json"} & {path.name for path in files if path.parent == root}
    if not written and not any(path.suffix == ".parquet" for path in files):
        return None
    layout = {"kind": "hf_dataset", "image_column": "image", "label_column": "label"}
    return "a Hugging Face dataset", "2d_classification", layout, []


def _volumes(root: Path, files: list[Path]) -> Guess | None:
    volumes = [path for path in files if path.name.endswith(_VOLUMES)]
    if not volumes:
        return None
    masks = [path for path in volumes if re.search(r"seg|mask|label|gt", path.name, re.IGNORECASE)]
    image = next((path for path in volumes if path not in masks), volumes[0])
    per_case = image.parent != root
    layout: dict[str, Any] = {"kind": "volume", "image": f"*/{image.name}" if per_case else image.name}
    if masks and masks[0].parent == image.parent:
        layout["mask"] = f"{{parent}}/{masks[0].name}" if per_case else masks[0].name
    elif masks or len(volumes) > 1:
        layout["mask"] = "TODO"
    return "volumes", "3d_segmentation", layout, ["1"]


def _dicom(root: Path, files: list[Path]) -> Guess | None:
    dicom = [path for path in files if path.suffix.lower() in (".dcm", ".ima") or _is_dicom(path)]
    if not dicom:
        return None
    folders = Counter(path.parent for path in dicom)
    if max(folders.values()) > 1 and root not in folders:
        parts = dicom[0].parent.relative_to(root).parts
        layout: dict[str, Any] = {"kind": "dicom_series", "series": "/".join([*"*" * (len(parts) - 1), parts[-1]])}
        mask = next((path for path in files if path.name.endswith(_VOLUMES)), None)
        if mask is None:
            return "DICOM series", "3d_classification", {**layout, "series": "/".join("*" * len(parts))}, []
        layout["mask"] = f"{{parent}}/{mask.name}" if mask.parent == dicom[0].parent.parent else "TODO"
        return "DICOM series with masks", "3d_segmentation", layout, ["1"]
    return "single DICOM files", "2d_classification", {"kind": "dicom", "files": f"**/*{dicom[0].suffix}"}, []


def _is_dicom(path: Path) -> bool:
    if path.suffix or path.name == "DICOMDIR":  # the index of an export, which holds no image
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _masks(root: Path, files: list[Path]) -> Guess | None:
    images = [path for path in files if path.suffix.lower() in _IMAGES]
    masks = [path for path in images if re.search(r"mask|ground.?truth|label|segm", _below(root, path), re.IGNORECASE)]
    others = {path.stem: path for path in images if path not in set(masks)}
    # `x.png` belongs to `x.jpg`, and `x_mask.png`, too.
    pairs = [(path, others[stem]) for path in masks for stem in _beginnings(path.stem) if stem in others]
    if not pairs:
        return None
    mask, image = pairs[0]
    layout = {
        "kind": "image_mask",
        "images": _below(root, image.parent / f"*{image.suffix}"),
        "masks": _below(root, mask.parent / f"{{stem}}{mask.stem[len(image.stem) :]}{mask.suffix}"),
    }
    return "images with masks", "2d_segmentation", layout, ["1"]


def _beginnings(stem: str) -> list[str]:
    return [stem[:length] for length in range(len(stem), 0, -1)]


def _table(root: Path, files: list[Path]) -> Guess | None:
    images = {each.stem: each for each in files if each.suffix.lower() in (*_IMAGES, ".dcm")}
    for path in (path for path in files if path.suffix in (".csv", ".tsv")):
        rows = _rows(path)
        column = _column_of_names(rows, set(images))
        if column is None:
            continue
        cell = rows[0][column]
        image = next((each for each in files if each.as_posix().endswith(f"/{cell}")), images[Path(cell).stem])
        layout: dict[str, Any] = {
            "kind": "csv_labels",
            "table": _below(root, path),
            "images": _folder_of(cell, image, root),
            "image_column": column,
        }
        if Path(cell).suffix == "":
            layout["image_suffix"] = image.suffix
        person = next((name for name in rows[0] if _PERSON.fullmatch(name.strip())), None)
        if person is not None:
            layout["group_column"] = person
        flags = [name for name in rows[0] if {row[name] for row in rows} <= _FLAGS]
        if len(flags) > 1:
            return "a one-hot table", "2d_classification", {**layout, "label_columns": flags}, flags
        layout["label_column"] = label = _label_column(rows, column, person)
        return "a table of labels", "2d_classification", layout, sorted({row.get(label, "") for row in rows} - {""})
    return None


def _folder_of(cell: str, image: Path, root: Path) -> str:
    """Return the folder that a cell with the path of an image is relative to; TODO where it is not below the root."""
    above = len(PurePosixPath(cell).parts)
    if PurePosixPath(cell).with_suffix("").parts != image.with_suffix("").parts[-above:]:
        return _below(root, image.parent) if above == 1 else "TODO"
    folder = image.parents[above - 1]
    return _below(root, folder) if folder.is_relative_to(root) else "TODO"


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the first rows of a table, whatever separates its columns."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = file.readline()
        file.seek(0)
        table = csv.DictReader(file, delimiter=max(",\t;", key=header.count), restval="")
        return [{str(name): str(cell) for name, cell in row.items()} for row, _ in zip(table, range(500), strict=False)]


def _column_of_names(rows: list[dict[str, str]], stems: set[str]) -> str | None:
    return next((name for name in (rows[0] if rows else {}) if Path(rows[0][name]).stem in stems), None)


def _label_column(rows: list[dict[str, str]], *others: str | None) -> str:
    names = [name for name in rows[0] if name not in others]
    return next((name for name in names if 1 < len({row[name] for row in rows}) <= 50), "TODO")


def _classes(root: Path, files: list[Path]) -> Guess | None:
    images = [path for path in files if path.suffix.lower() in _IMAGES and path.parent != root]
    if not images:
        return None
    names = sorted({path.relative_to(root).parts[0] for path in images})
    if set(names) <= {"train", "val", "valid", "validation", "test", "Training", "Testing"}:
        inner = sorted({path.relative_to(root).parts[1] for path in images if len(path.relative_to(root).parts) > 2})
        return (
            "a folder per split and class",
            "2d_classification",
            {"kind": "folder_per_class", "split_folder": True},
            inner,
        )
    return "a folder per class", "2d_classification", {"kind": "folder_per_class"}, names


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
