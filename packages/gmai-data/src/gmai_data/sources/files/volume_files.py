"""A volume file of any format ▶ the display convention: NIfTI, MGH (nibabel), NRRD, MetaImage (SimpleITK), arrays."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install

from gmai_data.imaging.dicom_series import TILT_DEGREES
from gmai_data.imaging.grids import NO_SPACE, PLANES, Volume, lean_degrees, to_display
from gmai_data.imaging.nifti import MGH_ENDINGS, PAIR_ENDINGS, open_nifti, scaled, unsure_orientation
from gmai_data.imaging.source_files import require_data
from gmai_data.ledger import SourceError
from gmai_data.sources.files.array_containers import MAT_ENDINGS
from gmai_data.sources.files.array_files import ARRAY_ENDINGS, open_array
from gmai_data.sources.files.detached import META_ENDINGS, NRRD_ENDINGS, names_a_space, require_own_data

_ITK_ENDINGS = (*NRRD_ENDINGS, *META_ENDINGS)
VOLUME_ENDINGS = (".nii.gz", ".nii", *PAIR_ENDINGS, *MGH_ENDINGS, *_ITK_ENDINGS, *ARRAY_ENDINGS)


def volume_stem(name: str) -> str:
    """Return a file name without the ending of a volume format."""
    for ending in VOLUME_ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name.rsplit(".", 1)[0]


def load_volumes(root: Path, relative: str, *, key: str, frames: str) -> list[tuple[int | None, Volume]]:
    """Return (frame number or None, volume) for each 3-D volume that is asked of a file.

    Args:
        root: The source's folder.
        relative: Path below it.
        key: Name of the array inside an `.npz`.
        frames: `none`, `first`, `centre` or `all` of a fourth axis.

    Raises:
        SourceError: Missing, unreadable, or a fourth axis that the recipe does not expect.
    """
    array, affine, slope, intercept = _open(root, relative, key)
    if array.ndim == 2:
        array = array[..., None]  # a single picture, as echocardiography is often stored
    if array.ndim != 4:
        volume = scaled(to_display(array, affine, file=relative), slope, intercept)
        return [(None, _flagged(volume, root, relative))]
    count = array.shape[3]
    if frames == "none":
        detail = f"shape {array.shape}; say in the layout which `frames` of the fourth axis to use"
        raise SourceError("not a 3-D volume", detail, relative)
    chosen = {"first": [0], "centre": [count // 2]}.get(frames, list(range(count)))
    volumes = [scaled(to_display(array[..., number], affine, file=relative), slope, intercept) for number in chosen]
    return [(number, _flagged(volume, root, relative)) for number, volume in zip(chosen, volumes, strict=True)]


def _flagged(volume: Volume, root: Path, relative: str) -> Volume:
    flags = list(volume.flags)
    if max(lean_degrees(volume, axis) for axis in PLANES) > TILT_DEGREES:
        leaning = ", ".join(f"{axis} {lean_degrees(volume, axis):.1f}" for axis in PLANES)
        flags.append(f"sheared: rows and columns lean by degrees of {leaning}")
    if relative.lower().endswith(_ITK_ENDINGS):
        flags += [] if names_a_space(root, relative) else [NO_SPACE]
    elif not relative.lower().endswith(ARRAY_ENDINGS):
        flags += unsure_orientation(root, relative)
    return dataclasses.replace(volume, flags=tuple(flags))


def load_masks(root: Path, relative: str, *, key: str, frames: str) -> list[tuple[int | None, Volume]]:
    """Return the label maps of a file as `load_volumes` does; a fourth axis that is one-hot becomes ids.

    Raises:
        SourceError: As `load_volumes`, or the channels of a fourth axis overlap.
    """
    array, affine, slope, intercept = _open(root, relative, key)
    if array.ndim != 4 or frames != "none":
        return load_volumes(root, relative, key=key, frames=frames)
    return [(None, scaled(to_display(_ids_of_one_hot(array, relative), affine, file=relative), slope, intercept))]


def load_segments(root: Path, relative: str) -> list[tuple[str, int, Volume]] | None:
    """Return (name, number, binary mask) of the segments of a 3D Slicer segmentation, or None where a file is none.

    Segments may overlap, on several layers, and the grid may be cut to what is marked
    (https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html). Numbers are given in the order
    in which segments were made, and differ from case to case.

    Raises:
        SourceError: Missing or unreadable.
    """
    if not relative.lower().endswith(NRRD_ENDINGS):
        return None
    image = _itk_image(root, relative)
    fields = {key: str(image.GetMetaData(key)) for key in image.GetMetaDataKeys() if key.startswith("Segment")}
    count = next(number for number in itertools.count() if f"Segment{number}_ID" not in fields)
    if not count and not any(key.startswith("Segmentation_") for key in fields):
        return None
    array, affine = _itk_values(image)
    layers = array if array.ndim == 4 else array[..., None]
    found: list[tuple[str, int, Volume]] = []
    for index in range(count):
        try:  # before 2020 each segment had a layer of its own, and no number
            number = int(fields.get(f"Segment{index}_LabelValue", 1))
            layer = layers[..., int(fields.get(f"Segment{index}_Layer", index))]
        except (ValueError, IndexError) as error:
            raise SourceError("volume unreadable", f"segment {index}: {error}; save it again", relative) from error
        name = fields.get(f"Segment{index}_Name", fields[f"Segment{index}_ID"])
        marked = (layer == number).astype(np.uint8)
        found.append((name, number, to_display(marked, affine, file=relative)))
    return found


def _ids_of_one_hot(array: npt.NDArray[Any], relative: str) -> npt.NDArray[np.uint16]:
    """Return the ids of `[x, y, z, channel]`.

    Where each voxel has a channel, the first one is the background, 0; else channels count from 1, and 0 is none.
    """
    channels = array.shape[3]
    total = np.zeros(array.shape[:3], np.uint16)
    ids = np.zeros(array.shape[:3], np.uint16)
    for channel in range(channels):
        values = array[..., channel]
        is_set = values == 1
        if not np.all(is_set | (values == 0)):
            detail = f"shape {array.shape}, and not one-hot; say in the layout which `frames` of the fourth axis to use"
            raise SourceError("not a 3-D volume", detail, relative)
        total += is_set
        ids[is_set] = channel + 1
    if int(total.max(initial=0)) > 1:
        detail = f"{channels} channels, of which several are set in one voxel; store one file per structure"
        raise SourceError("channels of a mask overlap", detail, relative)
    return ids - 1 if total.all() else ids


def load_channel(root: Path, relative: str, channel: int) -> Volume:
    """Return one channel of a volume file; a file without a fourth axis has only channel 0.

    Raises:
        SourceError: As `load_volumes`, or no such channel.
    """
    array, affine, slope, intercept = _open(root, relative, "imgs")
    if array.ndim == 4:
        if channel >= array.shape[3]:
            raise SourceError("no such channel", f"channel {channel}, but the file has {array.shape[3]}", relative)
        array = array[..., channel]
    return _flagged(scaled(to_display(array, affine, file=relative), slope, intercept), root, relative)


def _open(root: Path, relative: str, key: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64], float, float]:
    lower = relative.lower()
    if lower.endswith(_ITK_ENDINGS):
        array, affine = _read_itk(root, relative)
        return array, affine, 1.0, 0.0
    if lower.endswith(ARRAY_ENDINGS):
        # Such files have no geometry: `[z, y, x]` as it is shown, with cubic voxels of 1 mm. MATLAB's slices are last.
        array = np.asarray(open_array(root, relative, key)[:])
        if lower.endswith(MAT_ENDINGS) and array.ndim == 3:
            array = np.moveaxis(array, 2, 0)
        return array.transpose(*reversed(range(array.ndim))), np.diag([-1.0, -1.0, 1.0, 1.0]), 1.0, 0.0
    return open_nifti(root, relative)


def _read_itk(root: Path, relative: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    image = _itk_image(root, relative)
    array, affine = _itk_values(image)
    count = image.GetNumberOfComponentsPerPixel()
    is_colour = count in (3, 4) and array.dtype == np.uint8
    if is_colour or array.ndim not in (3, 4) or array.dtype.kind not in "biuf":
        size = "×".join(map(str, image.GetSize()))
        raise SourceError("not a grey volume", f"{size} voxels of {count} value(s), {array.dtype}", relative)
    return array, affine


def _itk_image(root: Path, relative: str) -> Any:
    path = require_data(root, relative)
    try:
        import SimpleITK  # takes a third of a second, for the few sources that need it
    except ImportError as error:
        needed = pip_install("gmai-data[nrrd]")
        raise UserError(f"{path}: NRRD and MetaImage files need SimpleITK. Run `{needed}`.") from error
    require_own_data(root, relative, path)
    reader = "NrrdImageIO" if relative.lower().endswith(NRRD_ENDINGS) else "MetaImageIO"
    try:
        return cast(Any, SimpleITK).ReadImage(str(path), imageIO=reader)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[-200:]
        raise SourceError("volume unreadable", f"{detail}; download it again", relative) from error


def _itk_values(image: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Return (`[x, y, z]`, or with several values per voxel or a fourth axis `[x, y, z, value]`; affine to RAS)."""
    import SimpleITK

    array: npt.NDArray[Any] = cast(Any, SimpleITK).GetArrayViewFromImage(image).copy()
    dimensions = image.GetDimension()
    direction = np.asarray(image.GetDirection(), dtype=np.float64).reshape(dimensions, dimensions)[:3, :3]
    affine = np.eye(4)
    affine[: len(direction), : len(direction)] = direction * np.asarray(image.GetSpacing(), dtype=np.float64)[:3]
    affine[: len(direction), 3] = np.asarray(image.GetOrigin(), dtype=np.float64)[:3]
    axes = (*reversed(range(dimensions)), *range(dimensions, array.ndim))
    # ITK's world is LPS, NIfTI's is RAS.
    return array.transpose(*axes), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
