"""NIfTI files: values, slope and intercept, and a reason for each that is damaged."""

import gzip
import struct
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from gmai_data.imaging import nifti
from gmai_data.imaging.grids import NO_ORIENTATION, NO_ORIENTATION_FIELD, Volume, take_slice
from gmai_data.imaging.nifti import load_nifti, open_nifti, scaled, unsure_orientation
from gmai_data.ledger import SourceError

LPS = np.diag([-1.0, -2.0, 3.0, 1.0])
VALUES = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def write(path, array=VALUES, slope=None):
    image = nib.Nifti1Image(array, LPS)
    if slope is not None:
        image.header.set_slope_inter(*slope)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_values_and_geometry(tmp_path, name):
    write(tmp_path / name)
    volume = load_nifti(tmp_path, name)
    assert np.array_equal(volume.array, VALUES.transpose(2, 1, 0))
    assert volume.spacing_mm == (3.0, 2.0, 1.0)
    assert (volume.slope, volume.intercept) == (1.0, 0.0)


def test_a_packed_file_without_the_ending_and_a_plain_one_with_it_open(tmp_path):
    plain = write(tmp_path / "x.nii").read_bytes()
    (tmp_path / "p.nii.gz").write_bytes(gzip.compress(plain))
    assert np.array_equal(open_nifti(tmp_path, "p.nii.gz")[0], VALUES)


def test_axes_of_length_1_behind_the_third_are_taken_off(tmp_path):
    write(tmp_path / "x.nii", VALUES[..., None, None])
    assert open_nifti(tmp_path, "x.nii")[0].shape == (2, 3, 4)
    write(tmp_path / "y.nii", np.stack([VALUES, VALUES], axis=3))
    assert open_nifti(tmp_path, "y.nii")[0].shape == (2, 3, 4, 2)
    with pytest.raises(SourceError, match="not a 3-D volume"):
        load_nifti(tmp_path, "y.nii")


def test_a_slope_of_the_header_is_applied_where_a_slice_is_taken(tmp_path):
    write(tmp_path / "x.nii", slope=(0.5, -3.0))
    volume = load_nifti(tmp_path, "x.nii")
    assert (volume.array.dtype, volume.slope, volume.intercept) == (np.int16, 0.5, -3.0)
    assert np.array_equal(take_slice(volume, "axial", 2), VALUES.transpose(2, 1, 0)[2] * 0.5 - 3)


@pytest.mark.parametrize(
    ("values", "slope", "intercept", "at_once"),
    [
        ([0, 10], 1.0, -1024.0, True),
        ([-32768 + 1024, 0], 1.0, -1024.0, True),
        ([-32768 + 1023, 0], 1.0, -1024.0, False),
        ([0, 32767 - 8], 1.0, 8.0, True),
        ([0, 32767 - 7], 1.0, 8.0, False),
        ([0, 10], 1.0, 0.5, False),
        ([0, 10], 2.0, -1024.0, False),
    ],
)
def test_a_whole_intercept_is_applied_at_once_where_16_bits_hold_it(values, slope, intercept, at_once):
    stored = np.array(values, np.int16).reshape(1, 1, 2)
    volume = scaled(Volume(stored, np.eye(4), (1.0, 1.0, 1.0)), slope, intercept)
    if at_once:
        assert (volume.slope, volume.intercept, volume.array.dtype) == (1.0, 0.0, np.int16)
        assert volume.array.ravel().tolist() == [value + int(intercept) for value in values]
    else:
        assert (volume.slope, volume.intercept) == (slope, intercept)
        assert volume.array.ravel().tolist() == values


def test_a_file_that_ends_early_is_refused(tmp_path):
    data = write(tmp_path / "x.nii").read_bytes()
    (tmp_path / "x.nii").write_bytes(data[:-1])
    with pytest.raises(SourceError, match=r"NIfTI unreadable: ValueError: 399 bytes, but the header claims 400; "):
        open_nifti(tmp_path, "x.nii")
    (tmp_path / "p.nii.gz").write_bytes(gzip.compress(data[:-5]))
    with pytest.raises(SourceError, match=r"NIfTI unreadable: ValueError: ends after 43 of 48 bytes; download it"):
        open_nifti(tmp_path, "p.nii.gz")


def test_what_lies_before_the_voxels_is_not_held(tmp_path):
    content = bytearray(write(tmp_path / "x.nii").read_bytes())
    before, voxels = 40_000_000, bytes(content[352:])
    content[108:112] = struct.pack("<f", before)
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(bytes(content[:352]) + bytes(before - 352) + voxels))
    tracemalloc.start()
    try:
        array = open_nifti(tmp_path, "x.nii.gz")[0]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert array.tobytes(order="F") == voxels
    assert peak < 2 * nifti._CHUNK_BYTES


def test_a_header_that_claims_too_much_is_refused(tmp_path, monkeypatch):
    write(tmp_path / "x.nii")
    monkeypatch.setattr(nifti, "MAX_VOLUME_BYTES", VALUES.nbytes)
    open_nifti(tmp_path, "x.nii")
    monkeypatch.setattr(nifti, "MAX_VOLUME_BYTES", VALUES.nbytes - 1)
    with pytest.raises(SourceError, match=r"NIfTI unreadable: ValueError: the header claims 0\.0 GiB"):
        open_nifti(tmp_path, "x.nii")


def test_a_bomb_is_named_with_its_file(tmp_path, monkeypatch):
    write(tmp_path / "x.nii.gz")
    monkeypatch.setattr(nifti, "is_bomb", lambda packed, unpacked: unpacked == VALUES.nbytes and packed > 0)
    with pytest.raises(SourceError, match=r"zip bomb: \d+ bytes claim to unpack to 48") as caught:
        open_nifti(tmp_path, "x.nii.gz")
    assert caught.value.file == "x.nii.gz"


def test_voxels_that_are_no_numbers_are_refused(tmp_path):
    write(tmp_path / "x.nii", VALUES.astype(np.complex64))
    with pytest.raises(SourceError, match="not a grey volume: its voxels are of type complex64"):
        open_nifti(tmp_path, "x.nii")
    (tmp_path / "y.nii").write_bytes(b"no header at all")
    with pytest.raises(SourceError, match="NIfTI unreadable: "):
        open_nifti(tmp_path, "y.nii")


@pytest.mark.parametrize(("unit", "mm"), [("micron", 0.001), ("meter", 1000.0), ("mm", 1.0), ("unknown", 1.0)])
def test_lengths_are_in_the_unit_of_the_header_as_itk_reads_them(tmp_path, unit, mm):
    sitk = pytest.importorskip("SimpleITK")
    image = nib.Nifti1Image(VALUES, LPS + np.array([[0, 0, 0, 40.0]] + [[0] * 4] * 3))
    image.header.set_xyzt_units(unit, "sec")
    nib.save(image, tmp_path / "x.nii")
    volume = load_nifti(tmp_path, "x.nii")
    assert volume.spacing_mm == pytest.approx((3 * mm, 2 * mm, mm))
    peer = sitk.ReadImage(str(tmp_path / "x.nii"))
    assert volume.spacing_mm[::-1] == pytest.approx(peer.GetSpacing(), rel=1e-5)
    assert volume.affine[:3, 3] * (-1, -1, 1) == pytest.approx(peer.GetOrigin(), rel=1e-5)


@pytest.mark.parametrize(("codes", "states"), [((0, 0), False), ((1, 0), True), ((0, 2), True), ((1, 1), True)])
@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_whether_a_header_says_how_the_volume_lies(tmp_path, codes, states, name):
    data = bytearray(write(tmp_path / "plain.nii").read_bytes())
    data[252:256] = np.array(codes, "<i2").tobytes()  # qform_code and sform_code of nifti1.h
    (tmp_path / name).write_bytes(gzip.compress(bytes(data)) if name.endswith(".gz") else bytes(data))
    assert unsure_orientation(tmp_path, name) == (() if states else (NO_ORIENTATION,))


def test_a_damaged_header_says_nothing(tmp_path):
    (tmp_path / "x.nii").write_bytes(b"x" * 400)
    with pytest.raises(SourceError, match="NIfTI unreadable"):
        unsure_orientation(tmp_path, "x.nii")


@pytest.mark.parametrize(
    ("other", "agree"),
    [
        (np.diag([-1.0, 2.0, 3.0, 1.0]), False),  # left is right
        (np.array([[0, 2.0, 0, 0], [1, 0, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]]), False),  # two axes swapped
        (np.diag([1.0, 2.0, -3.0, 1.0]), False),
        (np.array([[0.98, -0.4, 0, 0], [0.2, 1.96, 0, 0], [0, 0, 3, 9], [0, 0, 0, 1]]), True),  # a turned head
        (np.diag([1.1, 2.2, 3.3, 1.0]), True),
    ],
)
def test_two_forms_that_turn_a_volume_in_two_ways_are_refused(tmp_path, other, agree):
    image = nib.Nifti1Image(VALUES, np.diag([1.0, 2.0, 3.0, 1.0]))
    image.set_qform(np.diag([1.0, 2.0, 3.0, 1.0]), 1)
    image.set_sform(other, 2)
    nib.save(image, tmp_path / "x.nii.gz")
    if agree:
        assert unsure_orientation(tmp_path, "x.nii.gz") == ()
        return
    with pytest.raises(SourceError, match=r"two orientations: .*set_qform"):
        unsure_orientation(tmp_path, "x.nii.gz")


@pytest.mark.parametrize("packed", [False, True])
def test_a_pair_reads_as_one_file_and_analyze_leaves_open_how_it_lies(tmp_path, packed):
    nib.save(nib.Nifti1Image(VALUES, LPS), tmp_path / "x.nii")
    end = ".gz" if packed else ""
    for name, made in {"n": nib.Nifti1Pair(VALUES, LPS), "a": nib.analyze.AnalyzeImage(VALUES, LPS)}.items():
        nib.save(made, tmp_path / f"{name}.img")
        for ending in (".hdr", ".img") if packed else ():
            path = tmp_path / f"{name}{ending}"
            (tmp_path / f"{name}{ending}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    assert np.array_equal(load_nifti(tmp_path, f"n.hdr{end}").array, load_nifti(tmp_path, "x.nii").array)
    assert unsure_orientation(tmp_path, f"n.img{end}") == ()
    assert load_nifti(tmp_path, f"a.hdr{end}").array.shape == load_nifti(tmp_path, "x.nii").array.shape
    assert unsure_orientation(tmp_path, f"a.hdr{end}") == (NO_ORIENTATION_FIELD,)


@pytest.mark.parametrize(("codes", "flags"), [((0, 1), ()), ((0, 0), (NO_ORIENTATION,))])
def test_a_qform_that_says_nothing_may_hold_anything(tmp_path, codes, flags):
    path = tmp_path / "x.nii"
    nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4)).to_filename(path)
    data = bytearray(path.read_bytes())
    data[252:256] = np.array(codes, "<i2").tobytes()  # qform_code and sform_code of nifti1.h
    data[256:260] = np.array([2], "<f4").tobytes()  # quatern_b, of which no rotation is above 1
    path.write_bytes(bytes(data))
    assert unsure_orientation(tmp_path, "x.nii") == flags
