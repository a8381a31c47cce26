"""NIfTI files ▶ volumes in the display convention, in bounded memory: large ones are mapped, not loaded."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from isal import igzip

from gmai_data.imaging.grids import NO_ORIENTATION, NO_ORIENTATION_FIELD, NO_ORIENTATION_OF_MGH, Volume, to_display
from gmai_data.imaging.large import IN_MEMORY_BYTES, allocate, is_bomb, map_file, release
from gmai_data.imaging.source_files import require_data
from gmai_data.ledger import SourceError
from gmai_data.untyped import nifti

MAX_VOLUME_BYTES = 64 * 2**30
"""A header that claims more than this is damaged, or a bomb."""
_CHUNK_BYTES = 16 * 2**20


def open_nifti(root: Path, relative: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64], float, float]:
    """Return (stored array `[i, j, k, …]`, affine, slope, intercept).

    Raises:
        SourceError: Missing, unreadable, truncated, or not of numbers.
    """
    path = require_data(root, relative)
    try:
        image = nifti.load(path)
        affine = np.diag([*[_unit_mm(image.header)] * 3, 1.0]) @ np.asarray(image.affine, dtype=np.float64)
        array, slope, intercept = _stored(image)
    except SourceError as problem:
        raise SourceError(problem.rule, problem.detail, relative) from problem
    except Exception as error:  # damaged headers and streams raise many kinds
        detail = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise SourceError("NIfTI unreadable", f"{detail}; download it again", relative) from error
    if array.dtype.kind not in "biuf":
        raise SourceError("not a grey volume", f"its voxels are of type {array.dtype}", relative)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]  # a fourth axis of length 1 is common and says nothing
    return array, affine, slope, intercept


def unsure_orientation(root: Path, relative: str) -> tuple[str, ...]:
    """Return flags of a file of nibabel's formats whose header leaves open how the volume lies in the patient.

    Raises:
        SourceError: Missing or unreadable, or its two forms turn the volume in two ways.
    """
    path = require_data(root, relative)
    try:
        header: Any = nifti.load(path).header
        if "goodRASFlag" in header:
            return () if _has_directions(path) else (NO_ORIENTATION_OF_MGH,)
        if "qform_code" not in header:
            return (NO_ORIENTATION_FIELD,) if path.name.lower().endswith(PAIR_ENDINGS) else ()
        codes = (int(header["qform_code"]), int(header["sform_code"]))
        # A form whose code is 0 says nothing, and may hold numbers that are no rotation.
        turned = [_directions(form) for form in (header.get_qform(), header.get_sform())] if min(codes) > 0 else []
    except Exception as error:  # as `open_nifti`
        detail = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise SourceError("NIfTI unreadable", f"{detail}; download it again", relative) from error
    if turned and np.any((turned[0] * turned[1]).sum(axis=0) < _AS_NEAR):
        raise SourceError(
            "two orientations",
            "qform and sform turn the volume in two ways, so that left and right are open; correct its header "
            "(nibabel: `image.set_qform(image.get_sform())`, or the other way round)",
            relative,
        )
    return (NO_ORIENTATION,) if max(codes) <= 0 else ()


def _has_directions(path: Path) -> bool:
    """Return whether a file of FreeSurfer has directions: nibabel fills in some, and says that they were there."""
    with igzip.open(path, "rb") if _is_gzip(path) else path.open("rb") as opened:
        file: Any = opened
        return int.from_bytes(file.read(30)[28:], "big") > 0


def _directions(form: Any) -> npt.NDArray[np.float64]:
    """Return the directions of the three axes of an affine, one a column."""
    turn = np.asarray(form, dtype=np.float64)[:3, :3]
    return turn / np.maximum(np.linalg.norm(turn, axis=0), 1e-12)


_AS_NEAR = 0.5
"""Cosine of 60°: to another space, which sform may be of, a head turns less; what is mirrored or swapped turns more."""
MGH_ENDINGS = (".mgz", ".mgh")
"""FreeSurfer's volumes (https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat), which nibabel reads."""
PAIR_ENDINGS = (".hdr", ".hdr.gz", ".img", ".img.gz")
"""Volumes in two files, the header and the voxels: NIfTI pairs and ANALYZE 7.5."""


_UNITS_MM = {1: 1000.0, 3: 0.001}
"""`xyzt_units` of lengths in metres and micrometres; 2 is mm, and 0 says nothing (nifti1.h, NIFTI_UNITS_*)."""


def _unit_mm(header: Any) -> float:
    return _UNITS_MM.get(int(header["xyzt_units"]) % 8, 1.0) if "xyzt_units" in header else 1.0


def load_nifti(root: Path, relative: str) -> Volume:
    """Read a 3-D NIfTI volume into the display convention; its header's slope is applied where slices are taken.

    Raises:
        SourceError: As `open_nifti`, or not 3-D.
    """
    array, affine, slope, intercept = open_nifti(root, relative)
    return scaled(to_display(array, affine, file=relative), slope, intercept)


def scaled(volume: Volume, slope: float, intercept: float) -> Volume:
    """Return the volume with a slope; whole numbers in the range of 16 bits are applied at once."""
    array = volume.array
    whole = slope == 1.0 and intercept != 0 and intercept == int(intercept) and array.dtype == np.int16
    # Looking at every voxel of a mapped volume would bring all of it into memory.
    if whole and array.nbytes <= IN_MEMORY_BYTES:
        low, high = int(array.min()) + intercept, int(array.max()) + intercept
        if low >= -32768 and high <= 32767:
            return Volume(array + np.int16(intercept), volume.affine, volume.spacing_mm)
    return Volume(volume.array, volume.affine, volume.spacing_mm, slope, intercept)


def _stored(image: Any) -> tuple[npt.NDArray[Any], float, float]:
    proxy: Any = image.dataobj
    if type(proxy).__name__ != "ArrayProxy":  # formats with a layout of their own are left to nibabel
        return np.asanyarray(proxy), 1.0, 0.0
    shape, dtype = tuple(int(size) for size in proxy.shape), np.dtype(proxy.dtype)
    slope, intercept = float(np.float64(proxy.slope)), float(np.float64(proxy.inter))
    size_bytes = int(np.prod(shape, dtype=np.float64)) * dtype.itemsize
    if not 0 < size_bytes <= MAX_VOLUME_BYTES:
        raise ValueError(f"the header claims {size_bytes / 2**30:.1f} GiB")
    source = Path(str(image.file_map["image"].filename))
    if _is_gzip(source):
        packed_bytes = source.stat().st_size
        if is_bomb(packed_bytes, size_bytes):
            raise SourceError("zip bomb", f"{packed_bytes} bytes claim to unpack to {size_bytes}", source.name)
        return _unpacked(source, shape, dtype, int(proxy.offset)), slope, intercept
    if source.stat().st_size < proxy.offset + size_bytes:
        raise ValueError(f"{source.stat().st_size} bytes, but the header claims {proxy.offset + size_bytes}")
    return map_file(source, shape, dtype, offset=int(proxy.offset)), slope, intercept


def _is_gzip(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _unpacked(source: Path, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int) -> npt.NDArray[Any]:
    array = allocate(shape, dtype, order="F")
    flat: Any = array.reshape(-1, order="F").view(np.uint8)
    done = 0
    with igzip.open(source, "rb") as opened:
        file: Any = opened
        while offset and (skipped := len(file.read(min(offset, _CHUNK_BYTES)))):
            offset -= skipped
        while done < flat.size:
            read = file.readinto(memoryview(flat[done : done + _CHUNK_BYTES]))
            if not read:
                raise ValueError(f"ends after {done} of {flat.size} bytes")
            done += read
            release(array)
    return array
