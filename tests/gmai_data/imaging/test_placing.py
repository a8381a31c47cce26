"""Where a picture lies among images: by SimpleITK's points, in any orientation, and what lies beside."""

import numpy as np
import pytest
import SimpleITK
from gmai_data.imaging.dicom_stacks import Slice
from gmai_data.imaging.placing import OtherGridError, Place, in_pixels, nearest, place_of, tolerance_mm

TURNED = (0.8, 0.6, 0.0, -0.6, 0.8, 0.0)


def images(orientation=(1, 0, 0, 0, 1, 0), steps_mm=(0, 3, 6, 9), spacing_mm=(1.0, 2.0)):
    direction = np.asarray(orientation, float)
    normal = np.cross(direction[:3], direction[3:])
    return [
        Slice(f"{n}", None, (6, 8), direction, np.array([-4.0, 7, 11]) + step * normal, spacing_mm,
              uid=f"1.{n}", space="s")
        for n, step in enumerate(steps_mm)
    ]  # fmt: skip


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), TURNED, (0, 1, 0, 0, 0, -1)])
def test_points_in_pixels_as_simpleitk_has_them(orientation):
    planes = images(orientation)
    picture = SimpleITK.Image(8, 6, 4, SimpleITK.sitkUInt8)
    direction = np.asarray(orientation, float)
    columns = [direction[:3], direction[3:], np.cross(direction[:3], direction[3:])]
    picture.SetDirection(np.stack(columns, axis=1).ravel().tolist())
    picture.SetSpacing((2.0, 1.0, 3.0))
    picture.SetOrigin(planes[0].position.tolist())
    points = np.random.default_rng(0).uniform(-20, 20, (9, 3))
    expected = [picture.TransformPhysicalPointToContinuousIndex(point.tolist()) for point in points]
    assert np.allclose(in_pixels(points, planes[0]) / (1, 1, 3), expected)


def test_the_nearest_image_within_the_limit():
    planes = images()
    flat = np.array([[0.0, 0, 17.1], [3, 4, 17.1]])
    assert nearest(flat, planes, 0.2) == 2
    assert nearest(flat, planes, 0.05) is None
    assert nearest(flat + np.array([[0, 0, 0], [0, 0, 1]]), planes, 0.2) is None, "not flat"


@pytest.mark.parametrize(
    ("steps_mm", "spacing_mm", "limit"), [((0, 3), (1, 2), 0.1), ((0, 0.5, 1), (1, 2), 0.05), ((0,), (4, 2), 0.2)]
)
def test_a_tenth_of_the_smallest_distance(steps_mm, spacing_mm, limit):
    assert tolerance_mm(images(steps_mm=steps_mm, spacing_mm=spacing_mm)) == pytest.approx(limit)


def put(size, orientation, position, spacing_mm=(1.0, 2.0), space="s", planes=None):
    found = images() if planes is None else planes
    return place_of(size, np.asarray(orientation, float), np.asarray(position, float), spacing_mm, space, found)


def test_the_whole_a_part_and_one_line():
    assert put((6, 8), (1, 0, 0, 0, 1, 0), (-4, 7, 14)) == Place(1)
    assert put((2, 3), (1, 0, 0, 0, 1, 0), (0, 9, 20)) == Place(3, start=(2, 2))
    assert put((1, 8), (-1, 0, 0, 0, 1, 0), (10, 9, 11)) == Place(0, is_flipped=(False, True), start=(2, 0))
    assert put((8, 6), (0, 1, 0, 1, 0, 0), (-4, 7, 11), (2.0, 1.0)) == Place(0, is_transposed=True)


@pytest.mark.parametrize(
    ("size", "orientation", "position", "spacing_mm", "space", "words"),
    [
        ((6, 8), TURNED, (-4, 7, 14), (1, 2), "s", "pixels are not the images' pixels"),
        ((6, 8), (0, 1, 0, 0, 0, -1), (-4, 7, 14), (1, 2), "s", "pixels are not the images' pixels"),
        ((6, 8), (1, 0, 0, 0, 1, 0), (-4, 7, 14), (1, 1), "s", "pixels are not the images' pixels"),
        ((6, 8), (1, 0, 0, 0, 1, 0), (-3, 7, 14), (1, 2), "s", r"1\.00 mm off"),
        ((6, 8), (1, 0, 0, 0, 1, 0), (-6, 7, 14), (1, 2), "s", r"beyond the images \(columns -1 to 6, rows 0 to 5\)"),
        ((7, 8), (1, 0, 0, 0, 1, 0), (-4, 7, 14), (1, 2), "s", r"beyond the images \(columns 0 to 7, rows 0 to 6\)"),
        ((6, 8), (1, 0, 0, 0, 1, 0), (-4, 7, 15), (1, 2), "s", r"no image at 15\.00 mm"),
        ((6, 8), (1, 0, 0, 0, 1, 0), (-4, 7, 14), (1, 2), "t", "another frame of reference"),
    ],
)
def test_what_lies_elsewhere(size, orientation, position, spacing_mm, space, words):
    with pytest.raises(OtherGridError, match=words) as caught:
        put(size, orientation, position, spacing_mm, space)
    assert caught.value.is_beside == ("no image" in words)


def test_uneven_slices_are_found_by_their_own_places():
    planes = images(steps_mm=(0, 3, 12, 13))
    assert [put((6, 8), (1, 0, 0, 0, 1, 0), (-4, 7, z), planes=planes).image for z in (11, 14, 23, 24)] == [0, 1, 2, 3]


def test_marks_are_painted_and_nothing_else_is_changed():
    onto = np.full((2, 3, 3), 7, np.uint8)
    assert Place(1, is_flipped=(False, True), start=(1, 0)).paint(onto, np.array([[1, 0]]))
    assert onto[1].tolist() == [[7, 7, 7], [7, 1, 7], [7, 7, 7]]
    assert not Place(0).paint(onto, np.zeros((2, 2)))
    assert (onto[0] == 7).all()
