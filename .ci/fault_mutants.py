"""Mutants of what each reader reads, through the real command: for `make faults`."""

import io
import json
import random
import resource
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fault_commands  # beside this file
import numpy as np
import yaml
from PIL import Image

CPU_S, MEMORY_BYTES = 20, 6 * 2**30
"""What a command may take for a folder of mutants or one of them, beside what it has at its beginning."""
CARD = {
    "name": "mutants", "title": "Mutants", "homepage": "https://example.org", "citation": "None.", "license": "CC0-1.0",
    "modality": "X-ray", "department": "Pulmonary Medicine", "clinical_task": "Disease Diagnosis", "anatomy": "chest",
    "task": "2d_classification", "layout": {"kind": "folder_per_class"}, "labels": {"a": "mass", "b": "nodule"},
    "split": {"fractions": {"train": 1.0}},
}  # fmt: skip
VOLUMES = CARD | {
    "modality": "MR", "task": "3d_segmentation", "labels": {"1": "mass"},
    "slices": {"rule": "every_n", "n": 2},
}  # fmt: skip


def mutant(content: bytes, chance: random.Random) -> bytes:
    """Return content with one to eight faults of a kind drawn at random."""
    changed = bytearray(content)
    kind = chance.choice(("bits", "bits", "bytes", "cut", "zero tail", "doubled", "noise"))
    place = chance.randrange(len(changed))
    if kind == "cut":
        return bytes(changed[:place])
    if kind == "zero tail":
        return bytes(changed[:place]) + bytes(len(changed) - place)
    if kind == "doubled":
        return bytes(changed[:place]) + bytes(changed[place // 2 :])
    if kind == "noise":
        return bytes(changed[:place]) + chance.randbytes(20) + bytes(changed[place:])
    for _ in range(chance.randint(1, 8)):
        # Headers decide most: half of the faults go there.
        at = chance.randrange(min(400, len(changed)) if chance.random() < 0.5 else len(changed))
        changed[at] = changed[at] ^ 1 << chance.randrange(8) if kind == "bits" else chance.randrange(256)
    return bytes(changed)


def limit(cpu_s: int) -> Callable[[], None]:
    """Return what bounds the processor time and the memory of the process that calls it."""

    def bound() -> None:
        taken = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (taken + MEMORY_BYTES, taken + MEMORY_BYTES))
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(used.ru_utime + used.ru_stime) + cpu_s
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    return bound


def _problem(ended: fault_commands.Ended) -> str:
    if ended.code not in (0, 2, 3) or "Traceback" in ended.said or "this is a bug" in ended.said:
        return f"exit code {ended.code}: {ended.said[-500:]}"
    return ""


class Folder:
    """Builds a folder of mutants and a few sound files by one command: each mutant may cost itself alone.

    Args:
        folder: Works there.
        chance: What is drawn from.
        count: Mutants of each format.
    """

    def __init__(self, folder: Path, chance: random.Random, count: int) -> None:
        self._data, self._out, self._chance, self._count = folder / "mutants", folder / "out", chance, count

    def pictures(self, suffix: str, content: Callable[[int], bytes]) -> list[str]:
        """Return what was lost of pictures."""
        for label in "ab":
            (self._data / label).mkdir(parents=True)
            for number in range(3):
                sound = self._data / label / f"good-{number}{suffix}"
                sound.write_bytes(content(number + 10 * (label == "b")))
        for number in range(self._count):
            (self._data / "a" / f"{number:05d}{suffix}").write_bytes(mutant(content(number), self._chance))
        return self._lost(CARD, 6)

    def volumes(self, suffix: str, content: Callable[[int], bytes]) -> list[str]:
        """Return what was lost of volumes; every other mask is the mutant instead."""
        for name in ("images", "masks"):
            (self._data / name).mkdir(parents=True)
        for number in range(self._count + 3):
            image, mask = content(number), content(-1)
            if number >= 3 and number % 2:
                image = mutant(image, self._chance)
            elif number >= 3:
                mask = mutant(mask, self._chance)
            (self._data / "images" / f"{number:05d}{suffix}").write_bytes(image)
            (self._data / "masks" / f"{number:05d}{suffix}").write_bytes(mask)
        layout = {"kind": "volume", "image": f"images/{{case}}{suffix}", "mask": f"masks/{{case}}{suffix}"}
        return self._lost(VOLUMES | {"layout": layout}, 3)

    def arrays(self, suffix: str, content: Callable[[int], bytes]) -> list[str]:
        """Return what was lost of files of arrays, each of which names its patient where it can."""
        self._data.mkdir(parents=True)
        for number in range(self._count + 3):
            whole = content(number)
            file = self._data / f"{number:05d}{suffix}"
            file.write_bytes(whole if number < 3 else mutant(whole, self._chance))
        layout = {"kind": "arrays", "files": f"*{suffix}", "images": "images", "labels": "labels", "single": True}
        if suffix != ".npz":  # numpy stores texts in a type that is refused
            layout["group"] = "pid"
        return self._lost(CARD | {"labels": {"0": "mass", "1": "nodule"}, "layout": layout}, 3)

    def _lost(self, card: dict[str, Any], sound: int) -> list[str]:
        place = self._data.with_suffix(".yaml")
        place.write_text(yaml.safe_dump(card))
        words = ["data", "build", f"{place}={self._data}", "--workers", "1", "--out", str(self._out)]
        ended = fault_commands.run_command(words, {}, self._data.with_suffix(".said"), limit=limit(20 * CPU_S))
        try:
            return self._judged(ended, sound)
        finally:
            shutil.rmtree(self._data)
            shutil.rmtree(self._out, ignore_errors=True)

    def _judged(self, ended: fault_commands.Ended, sound: int) -> list[str]:
        if (problem := _problem(ended)) or ended.code == 2:
            return [problem or f"ended the build: {ended.said[-500:]}"]
        items = json.loads((self._out / "manifest.json").read_text())["recipes"]["mutants"]["items"]
        read = items["kept"] + items["quarantined"] + sum(items["dropped"].values())
        lost: list[str] = []
        if items["read"] != self._count + sound or read != items["read"] or items["kept"] < sound:
            lost.append(f"not accounted for: {items}")
        quarantine = map(json.loads, (self._out / "quarantine.jsonl").read_text().splitlines())
        return lost + [f"no reason known: {each}" for each in quarantine if "please report" in each["reason"]]


def each_by_a_command(
    folder: Path, name: str, content: bytes, words: Callable[[Path], list[str]], chance: random.Random, count: int
) -> list[str]:
    """Return what was lost of mutants of a file that one command each reads.

    Args:
        folder: Works there.
        name: Of the file.
        content: Of the file.
        words: Its path ▶ the command, which must take the sound one.
        chance: What is drawn from.
        count: Mutants.
    """
    lost: list[str] = []
    file = folder / name
    for number in range(-1, count):
        file.write_bytes(content if number < 0 else mutant(content, chance))
        command = [word.replace("NUMBER", str(number + 1)) for word in words(file)]
        ended = fault_commands.run_command(command, {}, folder / "mutant.said", limit=limit(CPU_S))
        problem = _problem(ended)
        if number < 0 and ended.code != 0:
            raise SystemExit(f"{name}: the sound one ended with {ended.code}: {ended.said[-1000:]}")
        if problem:
            lost.append(f"{name} {number}: {problem}")
    return lost


def pictures() -> dict[str, tuple[str, Callable[[int], bytes]]]:
    """Return format ▶ (suffix, what encodes a picture in it)."""

    def raster(name: str, **options: object) -> Callable[[int], bytes]:
        def encode(seed: int) -> bytes:
            file = io.BytesIO()
            Image.fromarray(_pixels(seed)).convert("RGB").save(file, name, **options)
            return file.getvalue()

        return encode

    found = {name: (f".{name.lower()}", raster(name)) for name in ("PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")}
    found["JPEG"] = (".jpg", raster("JPEG"))
    found["progressive JPEG"] = (".jpg", raster("JPEG", progressive=True))
    found["JPEG 2000"] = (".jp2", raster("JPEG2000"))
    return {**found, "DICOM": (".dcm", _dicom(False)), "DICOM with run lengths": (".dcm", _dicom(True))}


def _pixels(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (12, 16), np.uint8)
    return np.asarray(Image.fromarray(small).resize((80, 64), Image.Resampling.BICUBIC))


def _dicom(compressed: bool) -> Callable[[int], bytes]:
    def encode(seed: int) -> bytes:
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
        header.SOPInstanceUID = generate_uid(entropy_srcs=[str(seed)])
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.StudyInstanceUID = header.SeriesInstanceUID = generate_uid(entropy_srcs=["s", str(seed)])
        header.PatientID, header.Modality = f"p{seed}", "CR"
        header.Rows, header.Columns, header.SamplesPerPixel = 64, 80, 1
        header.PhotometricInterpretation = "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
        header.PixelData = (_pixels(seed).astype("<u2") * 16).tobytes()
        if compressed:
            header.compress(RLELossless)
        file = io.BytesIO()
        header.save_as(file, enforce_file_format=True)
        return file.getvalue()

    return encode


def volumes() -> dict[str, tuple[str, Callable[[int], bytes]]]:
    """Return format ▶ (suffix, what encodes a volume in it; the one of -1 is a mask)."""

    def values(seed: int) -> np.ndarray:
        if seed < 0:
            mask = np.zeros((40, 36, 6), np.uint8)
            mask[10:25, 8:20, 1:5] = 1
            return mask
        coarse = np.random.default_rng(seed).integers(0, 900, (10, 9, 6))
        return np.kron(coarse, np.ones((4, 4, 1))).astype(np.int16)

    def nifti(seed: int) -> bytes:
        import nibabel as nib

        return nib.Nifti1Image(values(seed), np.diag([1.0, 1.0, 3.0, 1.0])).to_bytes()

    def packed(seed: int) -> bytes:
        import gzip

        return gzip.compress(nifti(seed), mtime=0)

    def nrrd(seed: int) -> bytes:
        array = values(seed)
        kind = "uint8" if array.dtype == np.uint8 else "int16"
        header = f"NRRD0004\ntype: {kind}\ndimension: 3\nspace: left-posterior-superior\nsizes: 40 36 6\n"
        header += "space directions: (1,0,0) (0,1,0) (0,0,3)\nkinds: domain domain domain\nendian: little\n"
        return (header + "encoding: raw\nspace origin: (0,0,0)\n\n").encode() + array.tobytes("F")

    def mha(seed: int) -> bytes:
        array = values(seed)
        kind = "MET_UCHAR" if array.dtype == np.uint8 else "MET_SHORT"
        header = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        header += "CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\n"
        header += f"ElementSpacing = 1 1 3\nDimSize = 40 36 6\nElementType = {kind}\nElementDataFile = LOCAL\n"
        return header.encode() + array.tobytes("F")

    return {
        "NIfTI": (".nii", nifti),
        "packed NIfTI": (".nii.gz", packed),
        "NRRD": (".nrrd", nrrd),
        "MHA": (".mha", mha),
    }


def arrays(folder: Path) -> dict[str, tuple[str, Callable[[int], bytes]]]:
    """Return format ▶ (suffix, what encodes a picture, its label and its patient in it)."""

    def held(seed: int) -> dict[str, Any]:
        return {"images": _pixels(seed), "labels": np.uint8(seed % 2), "pid": f"patient {seed}"}

    def hdf5(packed: bool) -> Callable[[int], bytes]:
        def encode(seed: int) -> bytes:
            import h5py

            how: dict[str, Any] = {"compression": "gzip", "chunks": (32, 40), "fletcher32": True} if packed else {}
            place = folder / "one.h5"
            with h5py.File(place, "w", libver="latest" if packed else "earliest") as file:
                for name, value in held(seed).items():
                    file.create_dataset(name, data=value, **(how if name == "images" else {}))
            return place.read_bytes()

        return encode

    def matlab(seed: int) -> bytes:
        import scipy.io

        file = io.BytesIO()
        scipy.io.savemat(file, held(seed), do_compression=bool(seed % 2))
        return file.getvalue()

    def npz(seed: int) -> bytes:
        file = io.BytesIO()
        (np.savez_compressed if seed % 2 else np.savez)(file, **held(seed))
        return file.getvalue()

    return {
        "HDF5": (".h5", hdf5(False)), "packed HDF5": (".hdf5", hdf5(True)), "MATLAB": (".mat", matlab),
        "NumPy arrays": (".npz", npz),
    }  # fmt: skip


def samples(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Return format ▶ (name of a file of samples in it, its content)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shapes = fault_commands.module_of_tests("gmai_model/conftest.py")
    rows = shapes.make_rows(8)
    plain = [{"id": row["id"], "conversations": [
        {"from": ("human", "gpt")[place % 2], "value": message["content"].replace("<image>\n", "")}
        for place, message in enumerate(row["messages"])]} for row in rows]  # fmt: skip
    file = shapes.write_rows(folder / "rows.parquet", rows)
    table = pq.read_table(file)
    pq.write_table(table, folder / "zstd.parquet", compression="zstd")
    stream, archive, cells = io.BytesIO(), io.BytesIO(), ["id,question,answer"]
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for number, row in enumerate(plain):
            content = json.dumps(row).encode()
            member = tarfile.TarInfo(f"{number:05d}.json")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            cells.append(f'{number},"What, and where?",A square.')
    return {
        "Parquet": ("rows.parquet", file.read_bytes()),
        "Parquet packed by zstd": ("rows.parquet", (folder / "zstd.parquet").read_bytes()),
        "Arrow": ("rows.arrow", stream.getvalue()),
        "JSON": ("rows.json", json.dumps(plain).encode()),
        "JSON Lines": ("rows.jsonl", "\n".join(map(json.dumps, plain)).encode()),
        "CSV": ("rows.csv", "\n".join(cells).encode()),
        "WebDataset": ("rows.tar", archive.getvalue()),
    }


def answers(folder: Path) -> list[tuple[str, tuple[str, bytes], Path]]:
    """Return (format, (name of a file of answers, its content), the benchmark that was asked)."""
    inputs = fault_commands.module_of_tests("gmai_bench/conftest.py")
    declared = inputs.write_held_out(folder / "questions", inputs.held_out_rows(6))
    ids = [row["id"] for row in inputs.held_out_rows(6)]
    lines = "\n".join(json.dumps({"id": name, "response": "A"}) for name in ids) + "\n"
    cells = "\n".join(["id\tprediction", *(f"{name}\tA" for name in ids)]) + "\n"
    listed = json.dumps(dict.fromkeys(ids, "A"))
    return [
        (name, (file, content.encode()), declared)
        for name, file, content in (
            ("JSON Lines", "answers.jsonl", lines), ("a table", "answers.tsv", cells), ("JSON", "answers.json", listed),
        )
    ]  # fmt: skip
