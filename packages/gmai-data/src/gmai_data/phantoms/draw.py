"""`gmai data phantoms`: every practice dataset, each in a folder named like its recipe."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gmai_cli.console import progress, say, say_next
from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.installing import pip_install

from gmai_data.phantoms import pictures, texts, volumes
from gmai_data.phantoms.files import (
    write_csv,
    write_dicom_series,
    write_json_lines,
    write_nifti,
    write_png,
    write_video,
    write_voc,
)


@dataclass(frozen=True)
class Size:
    """How many patients each dataset has, and how many pictures each patient of a picture dataset."""

    volume_patients: int
    picture_patients: int
    pictures_per_patient: int
    texts: int


SIZES = {"small": Size(5, 12, 1, 10), "demo": Size(40, 72, 3, 160)}


def draw_all(directory: Path, size: str, seed: int) -> None:
    """Draw every phantom dataset below a new or empty directory.

    Raises:
        UserError: Unknown size, or the directory holds something.
    """
    if size not in SIZES:
        raise UserError(f"--size {size}: no such size.{did_you_mean(size, SIZES)}")
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory}: a file, and phantoms are drawn into a new folder. Give another one.")
    if directory.exists() and any(directory.iterdir()):
        raise UserError(f"{directory}: not empty. Phantoms are drawn into a new folder. Give another one.")
    with progress("draw", len(DATASETS), unit="datasets") as bar:
        for number, (name, draw) in enumerate(DATASETS.items()):
            if name in _VIDEOS and importlib.util.find_spec("av") is None:
                needed = pip_install("gmai-data[video]")
                say(
                    f"{name}: not drawn, since videos need PyAV. Install it with `{needed}` and draw into a new folder."
                )
                bar.advance(note=name)
                continue
            draw(directory / name, SIZES[size], seed * 1000 + number)
            bar.advance(note=name)
    say_next("data", "build", "phantoms", "--root", directory, "--out", "build")


def _rng(seed: int, patient: int) -> np.random.Generator:
    return np.random.default_rng([seed, patient])


def _ct(folder: Path, size: Size, seed: int) -> None:
    for patient in range(size.volume_patients):
        hu, labels = volumes.ct(_rng(seed, patient))
        case = folder / f"patient{patient:03d}"
        write_dicom_series(case / "dicom", hu, f"PHANTOM-CT-{seed}-{patient:03d}")
        write_nifti(case / "mask.nii.gz", labels, "LAS")


def _mr(folder: Path, size: Size, seed: int) -> None:
    kinds = sorted(volumes.MR_LESIONS)
    for patient in range(size.volume_patients):
        values, labels = volumes.mr(kinds[patient % len(kinds)], _rng(seed, patient))
        write_nifti(folder / f"patient{patient:03d}" / "t1.nii.gz", values, "RAS")
        write_nifti(folder / f"patient{patient:03d}" / "mask.nii.gz", labels, "PSR")


def _xray(folder: Path, size: Size, seed: int) -> None:
    rows: list[tuple[str, str, str]] = []
    for stem, patient, label, rng in _patients(size, seed, pictures.XRAY):
        write_png(folder / "images" / f"{stem}.png", pictures.xray(label, rng))
        rows.append((f"{stem}.png", patient, label))
    write_csv(folder / "labels.csv", ("image", "patient", "finding"), rows)


def _microscopy(folder: Path, size: Size, seed: int) -> None:
    for stem, _, label, rng in _patients(size, seed, pictures.CELLS):
        second = str(rng.choice([cell for cell in pictures.CELLS if cell != label]))
        labels = (label, second) if rng.random() < 0.5 else (label,)
        write_voc(folder, stem, *pictures.smear(labels, rng))


def _dermoscopy(folder: Path, size: Size, seed: int) -> None:
    for stem, _, label, rng in _patients(size, seed, pictures.SKIN):
        pixels, mask = pictures.skin(label, rng)
        write_png(folder / "images" / f"{stem}.png", pixels)
        write_png(folder / "masks" / f"{stem}.png", mask.astype(np.uint8) * (pictures.SKIN.index(label) + 1))


def _fundus(folder: Path, size: Size, seed: int) -> None:
    for stem, _, label, rng in _patients(size, seed, pictures.FUNDUS):
        write_png(folder / label / f"{stem}.png", pictures.fundus(label, rng))


def _ultrasound(folder: Path, size: Size, seed: int) -> None:
    rows: list[tuple[str, str, str]] = []
    lesions = pictures.ULTRASOUND[1:]  # every sweep begins in normal tissue
    for patient in range(size.picture_patients):
        name = f"patient{patient:03d}.avi"
        frames = list(pictures.cine(lesions[patient % len(lesions)], _rng(seed, patient)))
        write_video(folder / "videos" / name, [pixels for _, pixels in frames], frames_per_second=10)
        changes = [number for number in range(len(frames)) if number == 0 or frames[number - 1][0] != frames[number][0]]
        rows.extend((name, str(number), frames[number][0]) for number in changes)
    write_csv(folder / "frames.csv", ("video", "frame", "finding"), rows)


def _text(folder: Path, size: Size, seed: int) -> None:
    write_json_lines(folder / "questions.jsonl", texts.conversations(size.texts, seed))


def _patients(size: Size, seed: int, labels: tuple[str, ...]) -> list[tuple[str, str, str, np.random.Generator]]:
    """Return (file stem, patient, label, generator) of every picture; a patient has one label."""
    return [
        (f"patient{patient:03d}_{picture}", f"patient{patient:03d}", labels[patient % len(labels)], rng)
        for patient in range(size.picture_patients)
        for rng in [_rng(seed, patient)]
        for picture in range(size.pictures_per_patient)
    ]


DATASETS: dict[str, Callable[[Path, Size, int], None]] = {
    "phantom-ct": _ct,
    "phantom-mr": _mr,
    "phantom-xray": _xray,
    "phantom-microscopy": _microscopy,
    "phantom-dermoscopy": _dermoscopy,
    "phantom-fundus": _fundus,
    "phantom-ultrasound": _ultrasound,
    "phantom-text": _text,
}
"""Recipe ▶ what draws its folder."""

_VIDEOS = ("phantom-ultrasound",)
