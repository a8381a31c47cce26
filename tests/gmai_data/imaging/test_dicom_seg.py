"""DICOM SEG ▶ masks on the images it was drawn on, compared with highdicom's own reading."""

import numpy as np
import pydicom
import pytest
from gmai_data.imaging.dicom_seg import load_segments, require_every_image
from gmai_data.imaging.dicom_series import load_series, slice_of_image
from gmai_data.imaging.grids import on_planes
from gmai_data.ledger import SourceError

from ..dicom_objects import AXIAL, SAGITTAL, noise, uid, write, write_seg, write_series

SHAPE = (5, 6, 7)
"""Pixels of a frame are no whole number of bytes, as bits are packed across frames."""


@pytest.fixture
def series(tmp_path):
    """Return (headers, planes) of a series below `tmp_path`; keywords go to its writer."""

    def make(**fields):
        headers = write_series(tmp_path / "s", SHAPE[0], shape=SHAPE[1:], **fields)
        (volume,) = load_series(tmp_path, ["s"], gaps="flag")
        return headers, volume.planes

    return make


def masks(count=2, seed=1):
    found = np.random.default_rng(seed).integers(0, 2, (*SHAPE, count)).astype(np.uint8)
    found[0] = 0  # highdicom leaves empty frames out
    found[3, :, :, 0] = 0
    return found


def read(tmp_path, planes, **settings):
    return dict(load_segments(tmp_path, "seg.dcm", planes.slices, **settings))


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, (0.8, 0.6, 0, -0.6, 0.8, 0), (-1, 0, 0, 0, -1, 0)])
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]])
def test_segments_lie_where_they_were_drawn(series, tmp_path, orientation, order):
    import highdicom as hd

    headers, planes = series(orientation=orientation)
    drawn = masks(3)
    write_seg(tmp_path / "seg.dcm", [headers[n] for n in order], drawn[order], ["a", "b", "c"])
    found = read(tmp_path, planes)
    assert list(found) == ["a", "b", "c"]
    for number, mask in enumerate(found.values()):
        assert np.array_equal(mask, drawn[..., number])
    # The same by highdicom, as a volume with an affine, whatever it leaves out.
    (image,) = load_series(tmp_path, ["s"])
    theirs = hd.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=False, allow_missing_positions=True)
    for number, mask in enumerate(found.values()):
        ours = on_planes(mask, planes, file="")
        at = {tuple(np.rint(image.affine @ [x, y, z, 1])[:3]) for z, y, x in np.argwhere(ours.array)}
        to_ras = np.diag([-1, -1, 1, 1]) @ theirs.affine
        expected = {tuple(np.rint(to_ras @ [*index, 1])[:3]) for index in np.argwhere(theirs.array[..., number])}
        assert at == expected


def test_a_mask_that_is_turned_or_cut_is_laid_as_it_lies(series, tmp_path):
    headers, planes = series()
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[2, 1:4, 2:6] = np.random.default_rng(0).integers(0, 2, (3, 4))
    drawn[2, 1, 2] = 1
    write_seg(tmp_path / "seg.dcm", headers, drawn[..., None], ["a"])
    made = pydicom.dcmread(tmp_path / "seg.dcm")
    frame = np.array([[int(value) for value in row] for row in drawn[2]])
    turned = {  # orientation, position of the first pixel, pixels
        (1, 0, 0, 0, 1, 0): ((2, 1, 6), frame[1:4, 2:6]),
        (-1, 0, 0, 0, 1, 0): ((5, 1, 6), frame[1:4, 5:1:-1]),
        (0, 1, 0, 1, 0, 0): ((2, 1, 6), frame[1:4, 2:6].T),
        (0, -1, 0, 1, 0, 0): ((2, 3, 6), frame[3:0:-1, 2:6].T),
    }
    for orientation, (position, pixels) in turned.items():
        made.Rows, made.Columns = pixels.shape
        made.PixelData = np.packbits(pixels.ravel(), bitorder="little").tobytes() + b"\0\0"
        made.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = list(orientation)
        made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient = list(position)
        made.save_as(tmp_path / "seg.dcm")
        assert np.array_equal(read(tmp_path, planes)["a"], drawn), orientation


def test_a_fraction_is_marked_from_the_threshold_on(series, tmp_path):
    headers, planes = series()
    shares = np.linspace(0, 1, np.prod(SHAPE)).reshape(*SHAPE, 1).astype(np.float32)
    write_seg(tmp_path / "seg.dcm", headers, shares, ["a"], "FRACTIONAL")
    with pytest.raises(SourceError, match=r"the SEG holds fractions; say in the layout .*`fraction: 0.5`"):
        read(tmp_path, planes)
    stored = np.rint(shares[..., 0] * 255)
    for fraction in (0.01, 0.25, 0.5, 1.0):
        assert np.array_equal(read(tmp_path, planes, fraction=fraction)["a"], stored >= fraction * 255)


def test_a_label_map_and_overlapping_segments(series, tmp_path):
    headers, planes = series()
    numbers = np.random.default_rng(2).integers(0, 3, SHAPE).astype(np.uint8)
    write_seg(tmp_path / "seg.dcm", headers, numbers, ["a", "b"], "LABELMAP")
    found = read(tmp_path, planes)
    assert all(np.array_equal(found[label], numbers == number) for number, label in ((1, "a"), (2, "b")))
    both = np.zeros((*SHAPE, 2), np.uint8)
    both[1:3, 1:4, 1:4, 0] = both[1:3, 2:5, 2:5, 1] = 1
    write_seg(tmp_path / "seg.dcm", headers, both, ["a", "b"])
    found = read(tmp_path, planes)
    assert (found["a"] & found["b"]).sum() == 2 * 2 * 2


@pytest.mark.parametrize(("shift_mm", "fits"), [(0.09, True), (0.11, False), (-0.09, True), (0.5, False)])
def test_a_tenth_of_the_smallest_distance_is_rounding(series, tmp_path, shift_mm, fits):
    headers, planes = series()
    write_seg(tmp_path / "seg.dcm", headers, masks(), ["a", "b"])
    made = pydicom.dcmread(tmp_path / "seg.dcm")
    for group in made.PerFrameFunctionalGroupsSequence:
        group.PlanePositionSequence[0].ImagePositionPatient[1] += shift_mm
    made.save_as(tmp_path / "seg.dcm")
    if fits:
        assert np.array_equal(read(tmp_path, planes)["b"], masks()[..., 1])
    else:
        with pytest.raises(SourceError, match="grids differ: the mask's pixels are not the images' pixels"):
            read(tmp_path, planes)


def test_a_frame_beside_all_images_is_refused_unless_others_are_known_to_be_missing(series, tmp_path):
    headers, planes = series()
    write_seg(tmp_path / "seg.dcm", headers, masks(), ["a", "b"])
    few = planes.slices[:2] + planes.slices[3:]
    with pytest.raises(SourceError, match=r"grids differ: no image at 6\.00 mm along the slices' normal"):
        dict(load_segments(tmp_path, "seg.dcm", few))
    from collections import Counter

    left_out = Counter()
    found = dict(load_segments(tmp_path, "seg.dcm", few, partial=True, left_out=left_out))
    assert np.array_equal(found["b"], masks()[[0, 1, 3, 4], ..., 1])
    assert left_out == {"frame of a mask on no slice": 2}
    far = [slice_of_image("x", header, 0) for header in write_series(tmp_path / "t", origin_mm=(0, 0, 500))]
    with pytest.raises(SourceError, match="grids differ"):
        dict(load_segments(tmp_path, "seg.dcm", far, partial=True))


def test_positions_from_another_origin_are_refused(series, tmp_path):
    headers, planes = series()
    write_seg(tmp_path / "seg.dcm", headers, masks(), ["a", "b"], FrameOfReferenceUID=uid("elsewhere"))
    with pytest.raises(SourceError, match="grids differ: another frame of reference than the images; register"):
        read(tmp_path, planes)


def test_what_is_drawn_on_every_second_image_says_nothing_of_those_between(series, tmp_path):
    headers, planes = series()
    drawn = masks()
    drawn[..., 1] = 0
    drawn[[0, 2, 4], 1, 1, 1] = 1
    write_seg(tmp_path / "seg.dcm", headers, drawn, ["a", "b"])
    with pytest.raises(SourceError, match='mask leaves images out: "b" is drawn on one of 2 images'):
        read(tmp_path, planes)
    require_every_image(drawn[:3, ..., 1], "two parts are no rule", "")
    scattered = np.zeros((12, 2, 2), np.uint8)
    scattered[[0, 3, 9]] = 1
    require_every_image(scattered, "small things lie anywhere", "")


def test_an_x_ray_has_no_position_and_is_named(tmp_path):
    image = write(tmp_path / "x", "DX", noise((6, 7)), FrameOfReferenceUID=uid("space"), ImagerPixelSpacing=[1, 1])
    drawn = masks(1)[1:2]
    write_seg(tmp_path / "seg.dcm", [image], drawn, ["a"])
    plane = slice_of_image("x", image, 0)
    assert not plane.has_place
    assert np.array_equal(dict(load_segments(tmp_path, "seg.dcm", [plane]))["a"], drawn[..., 0])
    other = write(tmp_path / "y", "DX", noise((6, 7)))
    with pytest.raises(SourceError, match="frame 1 of the SEG names 0 of the images"):
        dict(load_segments(tmp_path, "seg.dcm", [slice_of_image("y", other, 0)]))
    small = write(tmp_path / "x", "DX", noise((6, 6)))
    with pytest.raises(SourceError, match="grids differ: 7×6 pixels on an image of 6×6"):
        dict(load_segments(tmp_path, "seg.dcm", [slice_of_image("x", small, 0)]))


def test_what_is_no_seg_is_refused(series, tmp_path):
    headers, planes = series()
    with pytest.raises(SourceError, match=r"not a DICOM SEG: SOP class 1\.2\.840\.10008\.5\.1\.4\.1\.1\.2, no seg"):
        dict(load_segments(tmp_path, "s/s-00", planes.slices))
    write_seg(tmp_path / "seg.dcm", headers, masks(), ["a", "b"], PixelData=b"\0\0")
    with pytest.raises(SourceError, match="DICOM pixels unreadable: the pixels end before frame"):
        read(tmp_path, planes)
