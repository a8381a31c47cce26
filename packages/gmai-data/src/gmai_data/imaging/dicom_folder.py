"""A folder as a PACS exports it ▶ its series by header, each with its patient."""

import dataclasses
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from gmai_formats.pictures.dicom import header_errors, parse_dicom
from gmai_formats.pictures.problems import PictureError

from gmai_data.imaging.deidentify import set_aside
from gmai_data.imaging.rules import Deidentification
from gmai_data.imaging.source_files import on_disk, patient_group, relative_to, stated_patient
from gmai_data.ledger import SetAside

_READ = (
    "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "ImageType", "SOPClassUID", "BurnedInAnnotation",
    "SOPInstanceUID", "FrameOfReferenceUID",
)  # fmt: skip


@dataclass(frozen=True)
class Series:
    """The files of one series of a folder."""

    name: str
    """A digest of its UID, or nothing where the folder holds one series only."""
    files: tuple[str, ...]
    """The folder itself where it holds one series only."""
    group: str
    """What stands for the patient, see `patient_group`; nothing where no file names one."""
    uid: str = ""
    """Series Instance UID."""
    images: frozenset[str] = frozenset()
    """SOP Instance UIDs of its images."""
    space: str = ""
    """Frame of Reference UID of its first image."""


def series_of_folder(root: Path, folder: Path, rule: Deidentification, masks: Collection[str] = ()) -> list[Series]:
    """Return the image series of a folder, in the order of their first files.

    A folder of folders only, or of masks only, has none.

    What is no image of a series (localizers, dose pages, reports, stray files) goes with the first one, whose volume
    counts it. The patient is that of the series' own files, whichever comes first; where none of them names one, that
    of the folder's other files.

    Args:
        root: The source's folder.
        folder: The folder.
        rule: What is held back.
        masks: Files that are read as masks, and are no images.
    """
    kept: dict[str, list[str]] = {}
    people: dict[str, str] = {}
    studies: dict[str, str] = {}
    others: list[str] = []
    patients: dict[str, str] = {}
    images: dict[str, list[str]] = {}
    spaces: dict[str, str] = {}
    entries = sorted(folder.iterdir())
    inside = [path for path in entries if path.is_file() and not path.name.startswith(".")]
    named = [relative_to(root, path) for path in inside]
    if (entries and not inside) or (inside and all(file in masks for file in named)):
        return []
    for path, file in zip(inside, named, strict=True):
        if file in masks:
            continue
        header = _facts(path)
        patient, study = stated_patient(header.get("PatientID")), str(header.get("StudyInstanceUID") or "").strip()
        if patient:
            patients.setdefault(study, patient)
        if _is_image(header, rule, file):
            uid = str(header.get("SeriesInstanceUID") or "")
            kept.setdefault(uid, []).append(file)
            people[uid] = people.get(uid) or patient
            studies[uid] = studies.get(uid) or study
            images.setdefault(uid, []).append(str(header.get("SOPInstanceUID") or ""))
            spaces.setdefault(uid, str(header.get("FrameOfReferenceUID") or ""))
        else:
            others.append(file)
    alone = next(iter(patients.values())) if len(set(patients.values())) == 1 else ""

    def group(uid: str) -> str:
        study = studies.get(uid, "")
        return patient_group(people.get(uid) or patients.get(study) or alone or study)

    def made(name: str, files: tuple[str, ...], uid: str) -> Series:
        return Series(name, files, group(uid), uid, frozenset(images.get(uid, ())) - {""}, spaces.get(uid, ""))

    if len(kept) < 2:
        return [made("", (relative_to(root, folder),), next(iter(kept), ""))]
    names = {uid: hashlib.sha256(uid.encode()).hexdigest()[:12] for uid in kept}
    first = next(iter(kept))
    return [made(names[uid], (*files, *(others if uid == first else ())), uid) for uid, files in kept.items()]


def _facts(path: Path) -> pydicom.Dataset:
    try:
        with header_errors():
            return parse_dicom(path, stop_before_pixels=True, specific_tags=list(_READ))
    except PictureError:  # no DICOM file, or a damaged one: it is judged when the series is read
        return pydicom.Dataset()


def _is_image(header: pydicom.Dataset, rule: Deidentification, file: str) -> bool:
    if "Rows" not in header:
        return False
    try:
        set_aside(header, rule, file)
    except SetAside:
        return False
    return True


def files_of(root: Path, files: tuple[str, ...]) -> Iterator[str]:
    """Yield files, and those inside folders, hidden ones left out."""
    for file in files:
        path = on_disk(root, file)
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
            yield from (relative_to(root, each) for each in inside)
        else:
            yield file


def together(root: Path, listed: Sequence[tuple[str, Series]]) -> list[tuple[str, Series]]:
    """Return (key, series) with the files of a series that lies in several folders as one, under its first key."""
    found: dict[str, tuple[str, Series]] = {}
    for key, series in listed:
        name = series.uid or f"no series: {key}"
        if name in found:
            first, known = found[name]
            files = (*files_of(root, known.files), *files_of(root, series.files))
            series = dataclasses.replace(known, files=files, images=known.images | series.images)
            key = first
        found[name] = (key, series)
    return list(found.values())
