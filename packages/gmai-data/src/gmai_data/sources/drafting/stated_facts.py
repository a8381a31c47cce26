"""What files of a folder state about the whole of it: title, licence, address, and how the images were made.

Read are `dataset_description.json` of BIDS, `dataset.json` of nnU-Net and the Decathlon, COCO's `info` and `licenses`,
`data.yaml` of Roboflow, and the headers of DICOM files.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from gmai_formats.json_text import parse_json
from gmai_formats.safe_yaml import load_yaml

from gmai_data.imaging.dicom_pixels import read_header
from gmai_data.ledger import SourceError
from gmai_data.sources.files.folder import Folder
from gmai_data.vocabulary import Modality

_LARGEST = 50_000_000
_LOOKED_AT = 5
_OF_DICOM = {
    "CT": Modality.CT, "MR": Modality.MR, "PT": Modality.PET, "US": Modality.ULTRASOUND, "CR": Modality.X_RAY,
    "DX": Modality.X_RAY, "MG": Modality.X_RAY, "OPT": Modality.OCT, "ES": Modality.ENDOSCOPY,
    "SM": Modality.HISTOPATHOLOGY, "OP": Modality.FUNDUS,
}  # fmt: skip
"""Modality (0008,0060), https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.7.3.html."""
_OF_CHANNEL = {
    "ct": Modality.CT, "mri": Modality.MR, "mr": Modality.MR, "t1": Modality.MR, "t2": Modality.MR, "t1w": Modality.MR,
    "t2w": Modality.MR, "t1ce": Modality.MR, "t1gd": Modality.MR, "flair": Modality.MR, "adc": Modality.MR,
    "pet": Modality.PET,
}  # fmt: skip
_OF_BIDS = re.compile(r"/anat/sub-[^/]*_(?:T1w|T2w|FLAIR|PDw|T2starw|inplaneT1|inplaneT2)\.nii")
_SPDX = re.compile(r"(CC0|CC[ -]?BY(?:[ -](?:NC|SA|ND))*|MIT|Apache)[ -]?(?:License)?[ -]?v?(\d\.\d)?", re.IGNORECASE)


def stated_facts(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return (field of a card ▶ value, field ▶ the file that states it)."""
    folder = Folder(root)
    facts: dict[str, str] = {}
    homes: dict[str, str] = {}

    def note(field: str, value: object, path: Path | str) -> None:
        if isinstance(value, str) and value.strip() and field not in facts:
            facts[field] = " ".join(value.split())
            homes[field] = path if isinstance(path, str) else folder.below(path)

    for path in folder.with_ending(".json", "data.yaml")[:200]:
        document = _document(path)
        if path.name == "dataset_description.json":
            note("title", document.get("Name"), path)
            note("license", _licence(document.get("License")), path)
        elif path.name == "dataset.json" and isinstance(document.get("labels"), dict):
            note("title", document.get("name"), path)
            note("homepage", document.get("reference") if "://" in str(document.get("reference")) else None, path)
            note("license", _licence(document.get("licence") or document.get("license")), path)
            channels = document.get("channel_names") or document.get("modality")
            made = {_OF_CHANNEL.get(str(each).lower()) for each in _values(channels)}
            if len(made) == 1:
                note("modality", next(iter(made)), path)
        elif path.name == "data.yaml" and isinstance(document.get("roboflow"), dict):
            note("homepage", document["roboflow"].get("url"), path)
            note("license", _licence(document["roboflow"].get("license")), path)
        elif isinstance(document.get("annotations"), list) and isinstance(document.get("licenses"), list):
            named = {_licence(each.get("name")) for each in document["licenses"] if isinstance(each, dict)}
            if len(named) == 1:
                note("license", next(iter(named)), path)
    anat = next((folder.below(path) for path in folder.volumes if _OF_BIDS.search(f"/{folder.below(path)}")), None)
    if anat is not None:
        note("modality", Modality.MR, anat)
    _note_headers(folder, note)
    return facts, homes


def _note_headers(folder: Folder, note: Any) -> None:
    files = folder.dicom
    looked_at = files[:: len(files) // _LOOKED_AT + 1]
    headers: list[Any] = []
    for path in looked_at:
        try:
            headers.append(read_header(folder.root, folder.below(path)))
        except SourceError:
            continue
    made = {_OF_DICOM.get(str(header.get("Modality"))) for header in headers}
    parts = {str(header.get("BodyPartExamined") or "").strip().lower() for header in headers}
    words = f"the header of {folder.below(looked_at[0])}" if looked_at else ""
    if len(made) == 1:
        note("modality", next(iter(made)), words)
    if len(parts) == 1:
        note("anatomy", next(iter(parts)), words)


def _document(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            return {}
        document: Any = parse_json(path.read_bytes()) if path.suffix == ".json" else load_yaml(path.read_text("utf-8"))
    except (ValueError, OSError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def _values(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else []


def _licence(value: object) -> str | None:
    """Return a licence as SPDX writes it, where it is one of the common ones, else as it stands."""
    found = _SPDX.fullmatch(str(value).strip()) if value else None
    if found is None:
        return str(value).strip() if isinstance(value, str) else None
    name = found[1].upper().replace(" ", "-")
    if name in ("MIT", "APACHE"):
        return {"MIT": "MIT", "APACHE": f"Apache-{found[2] or '2.0'}"}[name]
    if name == "CC0":
        return "CC0-1.0"
    return f"{name.replace('CCBY', 'CC-BY')}-{found[2]}" if found[2] else str(value).strip()
