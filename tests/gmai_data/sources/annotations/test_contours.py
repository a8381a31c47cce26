"""RTSTRUCT ▶ masks, compared with shapely's geometry: which centres lie inside, with holes and keyholes."""

from collections import Counter

import numpy as np
import pytest
import shapely
from gmai_data.imaging.dicom_series import load_series
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.contours import combined, filled, load_structures

from ...dicom_objects import AXIAL, SAGITTAL, uid, write, write_series, write_structures

CLOSED, XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"
SHAPE = (24, 30)


def inside(outline, shape=SHAPE):
    """Return which centres of pixels shapely finds inside, and which lie on the border, where the rule decides."""
    polygon = shapely.Polygon(outline)
    columns, rows = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    points = shapely.points(columns, rows)
    return shapely.contains(polygon, points), shapely.distance(polygon.boundary, points) < 1e-9


def star(seed, points=11, centre=(14, 11), radius=9.0):
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, points))
    radii = random.uniform(0.3, 1, points) * radius
    return np.stack([centre[0] + radii * np.cos(angles), centre[1] + radii * np.sin(angles)], axis=1)


@pytest.mark.parametrize("seed", range(12))
def test_centres_inside_are_marked(seed):
    outline = star(seed)
    expected, on_edge = inside(outline)
    assert not on_edge.any()
    assert np.array_equal(filled(outline, SHAPE), expected)
    moved = outline + np.array([20, -12])
    assert np.array_equal(filled(moved, SHAPE), inside(moved)[0]), "cut at the border"


def test_of_centres_on_an_edge_left_and_upper_ones_count():
    square = np.array([[4, 5], [8, 5], [8, 9], [4, 9]], float)
    assert np.argwhere(filled(square, SHAPE)).min(axis=0).tolist() == [5, 4]
    assert np.argwhere(filled(square, SHAPE)).max(axis=0).tolist() == [8, 7]
    beside = filled(square + np.array([4, 0]), SHAPE)
    assert not (filled(square, SHAPE) & beside).any(), "neighbours share an edge, but no pixel"


def ring(centre, radius, points=40):
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)], axis=1) + 0.013


def test_a_contour_inside_another_is_a_hole_and_one_inside_that_is_marked():
    rings = [ring((14, 11), radius) for radius in (9.1, 6.1, 3.1)]
    expected = inside(rings[0])[0] & ~inside(rings[1])[0] | inside(rings[2])[0]
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        for kind in (CLOSED, XOR):
            assert np.array_equal(combined([(kind, rings[n]) for n in order], SHAPE), expected)


def test_overlap_and_the_same_contour_twice_are_one_region_unless_xor_is_asked_for():
    left, right = ring((11, 11), 6.2), ring((17, 11), 6.2)
    of_left, of_right = inside(left)[0], inside(right)[0]
    assert np.array_equal(combined([(CLOSED, left), (CLOSED, right)], SHAPE), of_left | of_right)
    assert np.array_equal(combined([(CLOSED, left), (CLOSED, left)], SHAPE), of_left)
    assert np.array_equal(combined([(XOR, left), (XOR, right)], SHAPE), of_left ^ of_right)
    assert not combined([(XOR, left), (XOR, left)], SHAPE).any()


def test_a_keyhole_leaves_the_hole_open():
    outer, inner = ring((14, 11), 9.1), ring((14, 11), 4.1)[::-1]
    keyhole = np.concatenate([outer, outer[:1], inner[-1:], inner, outer[:1]])
    assert np.array_equal(combined([(CLOSED, keyhole)], SHAPE), inside(outer)[0] & ~inside(inner)[0])


@pytest.fixture
def series(tmp_path):
    def make(count=5, **fields):
        headers = write_series(tmp_path / "s", count, shape=SHAPE, **fields)
        (volume,) = load_series(tmp_path, ["s"])
        return headers, volume.planes.slices

    return make


def in_space(outline, header):
    """Return points of (column, row) in millimetres (PS3.3 C.7.6.2.1.1)."""
    along_row, along_column = np.reshape([float(value) for value in header.ImageOrientationPatient], (2, 3))
    row_mm, column_mm = (float(value) for value in header.PixelSpacing)
    origin = np.asarray([float(value) for value in header.ImagePositionPatient])
    return origin + outline[:, :1] * along_row * column_mm + outline[:, 1:] * along_column * row_mm


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, (0.8, 0.6, 0, -0.6, 0.8, 0), (1, 0, 0, 0, 0, -1)])
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0), (0.7, 1.3)])
def test_contours_are_filled_on_the_slices_they_lie_on(series, tmp_path, orientation, spacing_mm):
    headers, images = series(orientation=orientation, spacing_mm=spacing_mm, origin_mm=(-31.5, 12.25, 100))
    outlines = {1: star(1), 2: star(2), 3: star(3)}
    contours = [(in_space(outline, headers[number]), CLOSED) for number, outline in outlines.items()]
    write_structures(tmp_path / "rt.dcm", headers, {"tumour": contours, "BODY": contours, "marker": []})
    found = dict(load_structures(tmp_path, "rt.dcm", images, ignored=frozenset({"BODY"})))
    assert list(found) == ["tumour", "marker"]
    assert found["marker"] is None
    by_place = {each.uid: mask for each, mask in zip(images, found["tumour"], strict=True)}
    for number, header in enumerate(headers):
        expected = inside(outlines[number])[0] if number in outlines else np.zeros(SHAPE, bool)
        assert np.array_equal(by_place[header.SOPInstanceUID], expected), number


def test_points_and_lines_are_no_region_and_are_counted(series, tmp_path):
    headers, images = series()
    square = in_space(np.array([[4, 4], [9, 4], [9, 9], [4, 9]], float), headers[1])
    thin = in_space(np.array([[4.2, 4.2], [4.4, 4.2], [4.4, 4.4]]), headers[3])
    write_structures(
        tmp_path / "rt.dcm", headers,
        {"a": [(square, CLOSED), (square[:1], "POINT"), (square, "OPEN_PLANAR"), (thin, CLOSED)],
         "b": [(square[:1], "POINT")]},
    )  # fmt: skip
    left_out = Counter()
    found = dict(load_structures(tmp_path, "rt.dcm", images, left_out=left_out))
    assert found["a"].sum() == 25
    assert found["b"] is None
    assert left_out == {
        "contour that is no closed region (POINT, 1 points)": 2,
        "contour that is no closed region (OPEN_PLANAR, 4 points)": 1,
        "contour between the centres of pixels": 1,
    }


def test_a_tenth_of_a_millimetre_is_rounding_and_more_is_refused(series, tmp_path):
    headers, images = series()
    square = in_space(star(1), headers[2])
    for off_mm, fits in ((0.09, True), (0.29, True), (0.5, False), (1.5, False)):
        write_structures(tmp_path / "rt.dcm", headers, {"a": [(square + np.array([0, 0, off_mm]), CLOSED)]})
        if fits:
            assert np.array_equal(dict(load_structures(tmp_path, "rt.dcm", images))["a"][2], inside(star(1))[0])
            continue
        with pytest.raises(SourceError, match=rf'grids differ: "a": a contour at {6 + off_mm:.2f} mm .* of no image'):
            dict(load_structures(tmp_path, "rt.dcm", images))
        left_out = Counter()
        found = dict(load_structures(tmp_path, "rt.dcm", images, partial=True, left_out=left_out))
        assert found == {"a": None}
        assert left_out == {"contour on no slice": 1}
    write_structures(
        tmp_path / "rt.dcm", headers, {"a": [(square + np.linspace(0, 6, 11)[:, None] * (0, 0, 1), CLOSED)]}
    )
    with pytest.raises(SourceError, match=r"a contour from 6\.00 to 12\.00 mm along the slices' normal"):
        dict(load_structures(tmp_path, "rt.dcm", images, partial=True))


def test_contours_of_every_second_slice_or_another_origin_are_refused(series, tmp_path):
    headers, images = series(7)
    contours = [(in_space(star(1), headers[number]), CLOSED) for number in (0, 2, 4, 6)]
    write_structures(tmp_path / "rt.dcm", headers, {"a": contours})
    with pytest.raises(SourceError, match='mask leaves images out: "a" is drawn on one of 2 images'):
        dict(load_structures(tmp_path, "rt.dcm", images))
    write_structures(tmp_path / "rt.dcm", headers, {"a": contours}, space=uid("elsewhere"))
    with pytest.raises(SourceError, match='grids differ: "a": another frame of reference'):
        dict(load_structures(tmp_path, "rt.dcm", images))


def test_what_is_no_structure_set_is_refused(series, tmp_path):
    _, images = series()
    write(tmp_path / "sr.dcm", "SR")
    with pytest.raises(SourceError, match=r"not an RTSTRUCT: SOP class 1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\.22"):
        dict(load_structures(tmp_path, "sr.dcm", images))
