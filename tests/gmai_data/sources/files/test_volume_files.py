"""Volume files of any format ▶ the display convention."""

import dataclasses
import sys

import nibabel as nib
import numpy as np
import pytest
from gmai_data.imaging.grids import NO_ORIENTATION, NO_ORIENTATION_OF_MGH, NO_SPACE, require_same_grid
from gmai_data.ledger import SourceError
from gmai_data.sources.files.volume_files import (
    VOLUME_ENDINGS,
    load_channel,
    load_masks,
    load_segments,
    load_volumes,
    volume_stem,
)
from gmai_formats.errors import UserError

SHAPE = (4, 3, 2)
"""`[x, y, z]` as NIfTI stores it."""
VALUES = np.arange(24, dtype=np.int16).reshape(SHAPE)
AFFINE = np.diag([-1.0, -1.5, 2.0, 1.0])


def nifti(path, array, affine=AFFINE):
    nib.save(nib.Nifti1Image(array, affine), path)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.nii.gz", "a"), ("a.NII.GZ", "a"), ("a.b.nii", "a.b"), ("a.nrrd", "a"), ("a.mha", "a"), ("a.npz", "a"),
        ("a.npy", "a"), ("a.png", "a"), ("a.b.png", "a.b"), ("a", "a"),
    ],
)  # fmt: skip
def test_stems(name, stem):
    assert volume_stem(name) == stem


def test_endings():
    assert VOLUME_ENDINGS == (
        ".nii.gz", ".nii", ".hdr", ".hdr.gz", ".img", ".img.gz", ".mgz", ".mgh", ".nrrd", ".nhdr", ".mha", ".mhd",
        ".npy", ".npz", ".h5", ".hdf5", ".hdf", ".he5", ".mat",
    )  # fmt: skip


@pytest.mark.parametrize("ending", ["nrrd", "mha", "mhd", "nhdr"])
def test_itk_files_lie_where_the_nifti_file_lies(tmp_path, ending):
    import SimpleITK

    nifti(tmp_path / "x.nii", VALUES)
    image = SimpleITK.GetImageFromArray(VALUES.transpose(2, 1, 0))
    image.SetSpacing((1.0, 1.5, 2.0))
    SimpleITK.WriteImage(image, str(tmp_path / f"x.{ending}"))
    ((_, expected),) = load_volumes(tmp_path, "x.nii", key="", frames="none")
    ((_, found),) = load_volumes(tmp_path, f"x.{ending}", key="", frames="none")
    assert np.array_equal(found.array, expected.array)
    assert np.allclose(found.affine, expected.affine)
    assert found.spacing_mm == expected.spacing_mm == (2.0, 1.5, 1.0)


def test_an_itk_file_in_colour_or_damaged(tmp_path):
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.zeros((2, 3, 4, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "c.mha"))
    with pytest.raises(SourceError, match=r"not a grey volume: 4×3×2 voxels of 3 value\(s\), uint8"):
        load_volumes(tmp_path, "c.mha", key="", frames="none")
    (tmp_path / "d.nrrd").write_bytes(b"no header")
    with pytest.raises(SourceError, match=r"volume unreadable: .*; download it again"):
        load_volumes(tmp_path, "d.nrrd", key="", frames="none")


@pytest.mark.parametrize("first", [True, False])
def test_a_fourth_axis_of_nrrd_is_one_wherever_it_stands(first, tmp_path):
    directions = ["none", "(1,0,0)", "(0,1,0)", "(0,0,2)"] if first else ["(1,0,0)", "(0,1,0)", "(0,0,2)", "none"]
    array = np.stack([VALUES, VALUES + 1, VALUES + 2], 0 if first else -1).astype(np.int16)
    write_nrrd(tmp_path / "x.nrrd", array, directions)
    with pytest.raises(SourceError, match="say in the layout which `frames` of the fourth axis"):
        load_volumes(tmp_path, "x.nrrd", key="", frames="none")
    shown = load_volumes(tmp_path, "x.nrrd", key="", frames="all")
    assert [number for number, _ in shown] == [0, 1, 2]
    for number, volume in shown:
        assert np.array_equal(volume.array, VALUES.transpose(2, 1, 0) + number)


def test_the_segments_of_a_slicer_file_have_names_numbers_and_layers(tmp_path):
    marked = np.zeros((2, 3, 4, 5), np.uint8)
    marked[0, :2], marked[0, 2], marked[1, 1:] = 1, 2, 1
    told = ["Segment0_ID:=s1", "Segment0_Name:=liver", "Segment0_LabelValue:=1", "Segment0_Layer:=0"]
    told += ["Segment1_ID:=s2", "Segment1_LabelValue:=2", "Segment1_Layer:=0"]
    told += ["Segment2_ID:=s3", "Segment2_Name:=tumour", "Segment2_LabelValue:=1", "Segment2_Layer:=1"]
    directions = ["none", "(1,0,0)", "(0,1,0)", "(0,0,2)"]
    write_nrrd(tmp_path / "a.seg.nrrd", marked, directions, told)
    found = load_segments(tmp_path, "a.seg.nrrd")
    assert [(name, number) for name, number, _ in found] == [("liver", 1), ("s2", 2), ("tumour", 1)]
    for (_, number, volume), layer in zip(found, (0, 0, 1), strict=True):
        assert np.array_equal(volume.array, (marked[layer] == number).transpose(2, 1, 0))
    # Before numbers and layers were written, each segment had a layer of its own.
    old = [line for line in told if "_ID" in line or "_Name" in line][:3]
    write_nrrd(tmp_path / "b.seg.nrrd", marked, directions, old)
    assert [int(volume.array.sum()) for _, _, volume in load_segments(tmp_path, "b.seg.nrrd")] == [40, 40]
    write_nrrd(tmp_path / "c.seg.nrrd", marked[0], directions[1:], [*told[:3], "Segment0_Layer:=3"])
    with pytest.raises(SourceError, match=r"volume unreadable: segment 0: .*; save it again"):
        load_segments(tmp_path, "c.seg.nrrd")
    write_nrrd(tmp_path / "none.seg.nrrd", np.zeros((1, 1, 1), np.uint8), directions[1:], ["Segmentation_Source:=x"])
    assert load_segments(tmp_path, "none.seg.nrrd") == []
    write_nrrd(tmp_path / "labels.nrrd", marked[0], directions[1:])
    assert load_segments(tmp_path, "labels.nrrd") is None
    assert load_segments(tmp_path, "x.nii") is None


def write_nrrd(path, array, directions, told=()):
    """Write raw NRRD by hand; SimpleITK drops what it does not know."""
    kind = {"uint8": "uchar", "int16": "short"}[array.dtype.name]
    kinds = ["list" if direction == "none" else "domain" for direction in directions]
    lines = [
        "NRRD0004", f"type: {kind}", f"dimension: {array.ndim}", f"sizes: {' '.join(map(str, array.shape))}",
        "space: left-posterior-superior", f"space directions: {' '.join(directions)}", "space origin: (0,0,0)",
        "endian: little", "encoding: raw", f"kinds: {' '.join(kinds)}", *told,
    ]  # fmt: skip
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + array.tobytes(order="F"))


def test_arrays_are_as_they_are_shown_with_voxels_of_1_mm(tmp_path):
    np.savez(tmp_path / "x.npz", imgs=VALUES, gts=VALUES + 1)
    np.save(tmp_path / "x.npy", VALUES)
    for name, key, more in (("x.npz", "imgs", 0), ("x.npz", "gts", 1), ("x.npy", "imgs", 0)):
        ((number, found),) = load_volumes(tmp_path, name, key=key, frames="none")
        assert number is None
        assert np.array_equal(found.array, VALUES + more)
        assert found.spacing_mm == (1.0, 1.0, 1.0)


def test_a_single_picture_is_a_volume_of_one_slice(tmp_path):
    nifti(tmp_path / "x.nii", VALUES[..., 0])
    ((_, found),) = load_volumes(tmp_path, "x.nii", key="", frames="none")
    assert np.array_equal(found.array, VALUES[..., 0].T[None])


@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 1)])
def test_an_orientation_that_the_header_does_not_say_is_a_flag(tmp_path, codes):
    nifti(tmp_path / "x.nii", VALUES)
    data = bytearray((tmp_path / "x.nii").read_bytes())
    data[252:256] = np.array(codes, "<i2").tobytes()
    (tmp_path / "x.nii").write_bytes(data)
    flags = () if any(codes) else (NO_ORIENTATION,)
    ((_, volume),) = load_volumes(tmp_path, "x.nii", key="", frames="none")
    assert (volume.flags, load_channel(tmp_path, "x.nii", 0).flags) == (flags, flags)
    if flags:
        known = dataclasses.replace(volume, affine=volume.affine @ np.diag([1, 1, 2, 1]), flags=())
        with pytest.raises(SourceError, match="mask: the header does not say how the volume lies"):
            require_same_grid(known, volume, file="x.nii")


@pytest.mark.parametrize(("frames", "numbers"), [("first", [0]), ("centre", [2]), ("all", [0, 1, 2, 3, 4])])
def test_frames_of_a_fourth_axis(tmp_path, frames, numbers):
    nifti(tmp_path / "x.nii", np.stack([VALUES + 100 * number for number in range(5)], axis=3))
    found = load_volumes(tmp_path, "x.nii", key="", frames=frames)
    assert [number for number, _ in found] == numbers
    for number, volume in found:
        assert np.array_equal(volume.array, VALUES.transpose(2, 1, 0) + 100 * number)
    with pytest.raises(SourceError, match=r"not a 3-D volume: shape \(4, 3, 2, 5\); say in the layout which `frames`"):
        load_volumes(tmp_path, "x.nii", key="", frames="none")


def one_hot(*channels):
    array = np.zeros((*SHAPE, len(channels)), np.uint8)
    for number, place in enumerate(channels):
        array[place][..., number] = 1
    return array


def test_channels_of_a_mask_become_ids(tmp_path):
    left, right = np.s_[:2], np.s_[3:]
    nifti(tmp_path / "some.nii", one_hot(left, right))
    ((_, mask),) = load_masks(tmp_path, "some.nii", key="", frames="none")
    assert mask.array[0, 0].tolist() == [1, 1, 0, 2], "channels count from 1"
    nifti(tmp_path / "all.nii", one_hot(np.s_[2:], np.s_[:2]))
    ((_, mask),) = load_masks(tmp_path, "all.nii", key="", frames="none")
    assert mask.array[0, 0].tolist() == [1, 1, 0, 0], "where each voxel has a channel, the first is the background"


def test_channels_that_overlap_or_hold_other_numbers(tmp_path):
    nifti(tmp_path / "o.nii", one_hot(np.s_[:2], np.s_[1:]))
    with pytest.raises(SourceError, match="channels of a mask overlap: 2 channels, of which several are set in one vo"):
        load_masks(tmp_path, "o.nii", key="", frames="none")
    nifti(tmp_path / "n.nii", one_hot(np.s_[:2], np.s_[3:]) * np.uint8(2))
    with pytest.raises(SourceError, match="and not one-hot; say in the layout which `frames`"):
        load_masks(tmp_path, "n.nii", key="", frames="none")
    assert len(load_masks(tmp_path, "n.nii", key="", frames="all")) == 2


def test_a_channel_of_a_file(tmp_path):
    nifti(tmp_path / "x.nii", np.stack([VALUES, VALUES + 50], axis=3))
    assert load_channel(tmp_path, "x.nii", 1).array.max() == 73
    with pytest.raises(SourceError, match="no such channel: channel 2, but the file has 2"):
        load_channel(tmp_path, "x.nii", 2)
    nifti(tmp_path / "y.nii", VALUES)
    assert load_channel(tmp_path, "y.nii", 0).array.max() == 23


@pytest.mark.parametrize("name", ["a.h5", "a.mat", "a7.mat", "a.npz", "a.npy"])
def test_slices_of_arrays_are_those_that_were_written(tmp_path, name):
    h5py, scipy_io = pytest.importorskip("h5py"), pytest.importorskip("scipy.io")
    values = np.random.default_rng(0).integers(0, 900, (5, 20, 24)).astype(np.int16)  # z, y, x
    if name == "a.h5":
        with h5py.File(tmp_path / name, "w") as file:
            file["imgs"] = values
    elif name == "a.mat":
        scipy_io.savemat(tmp_path / name, {"imgs": np.moveaxis(values, 0, 2)})
    elif name == "a7.mat":
        with h5py.File(tmp_path / name, "w", userblock_size=512) as file:
            file["imgs"] = np.moveaxis(values, 0, 2).T  # as MATLAB 7.3 stores [y, x, z]
    elif name == "a.npz":
        np.savez_compressed(tmp_path / name, imgs=values)
    else:
        np.save(tmp_path / name, values)
    ((_, volume),) = load_volumes(tmp_path, name, key="imgs", frames="none")
    assert np.array_equal(volume.array, values)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"NRRD0004")
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(UserError, match=r"NRRD and MetaImage files need SimpleITK\. Run `.*gmai-data\[nrrd\]"):
        load_channel(tmp_path, name, 0)


NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 6 5 4\n{}encoding: raw\nendian: little\n\n"
META = (
    "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementSpacing = 1 1.5 2\n{}"
    "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
)
DIRECTIONS = "space directions: (1,0,0) (0,1.5,0) (0,0,2)\nspace origin: (0,0,0)\n"


@pytest.mark.parametrize(
    ("ending", "head", "field", "is_known"),
    [
        ("nrrd", NRRD, "space: left-posterior-superior\n" + DIRECTIONS, True),
        ("nrrd", NRRD, "space: RAS\n" + DIRECTIONS, True),
        ("nrrd", NRRD, "space dimension: 3\n" + DIRECTIONS, False),
        ("nrrd", NRRD, "space: 3D-right-handed\n" + DIRECTIONS, False),
        ("nrrd", NRRD, "space: scanner-xyz\n" + DIRECTIONS, False),
        ("nrrd", NRRD, "spacings: 1 1.5 2\n", False),
        ("mha", META, "TransformMatrix = 1 0 0 0 1 0 0 0 1\n", True),
        ("mha", META, "", False),
    ],
)
def test_a_header_without_a_space_is_a_flag(tmp_path, ending, head, field, is_known):
    values = np.arange(120, dtype="<i2")
    # What looks like a field behind the header is none.
    data = values.tobytes()[:-40] + b"\nspace: RAS\nTransformMatrix = 1 0 0 ".ljust(40)
    (tmp_path / f"x.{ending}").write_bytes(head.format(field).encode() + data)
    ((_, volume),) = load_volumes(tmp_path, f"x.{ending}", key="", frames="none")
    assert volume.flags == (() if is_known else (NO_SPACE,))


@pytest.mark.parametrize(
    ("shear", "degrees"),
    [((0, 1), [16.7, 0, 0]), ((0, 2), [0, 5.7, 0]), ((1, 2), [0, 0, 5.7]), (None, None)],
)
def test_axes_that_lean_are_a_flag(tmp_path, shear, degrees):
    affine = np.diag([-1.0, -1.0, 3.0, 1.0])
    if shear is not None:
        affine[shear] = 0.3
    nib.save(nib.Nifti1Image(VALUES, affine), tmp_path / "x.nii")
    ((_, volume),) = load_volumes(tmp_path, "x.nii", key="", frames="none")
    if degrees is None:
        assert volume.flags == ()
    else:
        axial, coronal, sagittal = degrees
        words = f"axial {axial:.1f}, coronal {coronal:.1f}, sagittal {sagittal:.1f}"
        assert volume.flags == (f"sheared: rows and columns lean by degrees of {words}",)


@pytest.mark.parametrize("ending", ["mgz", "mgh"])
@pytest.mark.parametrize(
    "affine", [np.diag([-1.0, -1, 3, 1]), np.array([[0, 0, 2.0, 5], [1, 0, 0, 6], [0, -1, 0, 7], [0, 0, 0, 1]])]
)
def test_files_of_freesurfer_lie_where_the_nifti_file_lies(tmp_path, ending, affine):
    values = VALUES.astype(np.float32)
    nib.save(nib.Nifti1Image(values, affine), tmp_path / "x.nii")
    nib.save(nib.MGHImage(values, affine), tmp_path / f"x.{ending}")
    ((_, expected),) = load_volumes(tmp_path, "x.nii", key="", frames="none")
    ((_, found),) = load_volumes(tmp_path, f"x.{ending}", key="", frames="none")
    assert np.array_equal(found.array, expected.array)
    assert np.allclose(found.affine, expected.affine, atol=1e-4)
    assert found.flags == ()


def test_a_file_of_freesurfer_without_directions_is_a_flag(tmp_path):
    image = nib.MGHImage(VALUES.astype(np.float32), np.eye(4))
    image.header["goodRASFlag"] = 0
    nib.save(image, tmp_path / "x.mgh")
    data = bytearray((tmp_path / "x.mgh").read_bytes())
    data[28:30] = b"\0\0"
    (tmp_path / "x.mgh").write_bytes(data)
    ((_, volume),) = load_volumes(tmp_path, "x.mgh", key="", frames="none")
    assert volume.flags == (NO_ORIENTATION_OF_MGH,)
