"""Shapes of tools beside rasterisers of other people: scikit-image, shapely and pycocotools."""

import numpy as np
import pytest
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger
from gmai_data.sources.annotations.marked_picture import MarkedPicture
from gmai_data.sources.annotations.run_lengths import runs_of
from gmai_data.sources.annotations.shapes import add_object, shape_mask
from gmai_data.sources.annotations.tools.marked import Shape

WIDTH, HEIGHT = 80, 60


@pytest.fixture
def picture(tmp_path, toy):
    """Return a function that makes a picture of 80×60 on the way, and its ledger."""

    def make(stated=None):
        pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        (tmp_path / "1.png").write_bytes(encode_png(pixels))
        ledger = Ledger()
        return MarkedPicture(toy(), ledger, tmp_path, "1.png", "1.json", stated), ledger

    return make


def boxes(picture):
    return [(box.label, box.xyxy) for box in picture.picture("tool").boxes]


@pytest.mark.parametrize(
    ("centre", "half", "degrees"),
    [((40, 30), (20, 10), 0), ((35.5, 28.25), (18, 9), 30), ((40, 30), (12, 12), 0), ((33, 31), (25, 6), -75)],
)
def test_ellipses_are_those_of_scikit_image(picture, centre, half, degrees):
    draw = pytest.importorskip("skimage.draw")
    shape = Shape("a", "ellipse", [centre, half], rotation_deg=degrees)
    mask = shape_mask(picture()[0], shape, "shape 1", "1.json")
    # Its pixel centres are whole numbers, ours are at a half; its angle turns against the clock of the picture.
    rows, columns = draw.ellipse(
        centre[1] - 0.5, centre[0] - 0.5, half[1], half[0], shape=mask.shape, rotation=-np.deg2rad(degrees)
    )
    other = np.zeros_like(mask)
    other[rows, columns] = 1
    assert (mask != other).sum() <= 4  # centres that lie on the line


def test_a_circle_of_centre_and_rim(picture):
    shapely = pytest.importorskip("shapely")
    mask = shape_mask(picture()[0], Shape("a", "circle", [(40, 30), (40, 18.5)]), "s", "f")
    circle = shapely.Point(40, 30).buffer(11.5, quad_segs=90)
    ys, xs = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    assert (mask == shapely.contains_xy(circle, xs, ys)).all()


@pytest.mark.parametrize("degrees", [15, 90, 200, -40])
def test_turned_boxes_are_those_of_shapely(picture, degrees):
    shapely = pytest.importorskip("shapely")
    affinity = pytest.importorskip("shapely.affinity")
    mask = shape_mask(picture()[0], Shape("a", "box", [(30, 20), (54.5, 33)], rotation_deg=degrees), "s", "f")
    # Positive angles of shapely go against the clock where y points up, so with it where y points down.
    turned = affinity.rotate(shapely.box(30, 20, 54.5, 33), degrees, origin="center")
    ys, xs = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    assert (mask != shapely.contains_xy(turned, xs, ys)).sum() <= 2


def test_polygons_with_holes_are_those_of_shapely(picture):
    shapely = pytest.importorskip("shapely")
    outline, hole = [(5.2, 5.1), (70.7, 9.3), (60.1, 50.8), (10.3, 40.9)], [(20.1, 15.2), (40.3, 15.9), (30.2, 30.7)]
    mask = shape_mask(picture()[0], Shape("a", "polygon", outline, [hole]), "s", "f")
    ys, xs = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    assert (mask == shapely.contains_xy(shapely.Polygon(outline, [hole]), xs, ys)).all()


def test_masks_from_runs_are_those_of_pycocotools(picture):
    masks = pytest.importorskip("pycocotools.mask")
    part = np.random.default_rng(1).random((11, 17)) > 0.5
    shape = Shape("a", "mask", [(20, 30)], runs=runs_of(part), runs_size=(17, 11))
    whole = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    whole[30:41, 20:37] = part
    found, ledger = picture()
    add_object(found, [(shape, "s")], "f")
    x, y, width, height = masks.toBbox(masks.encode(whole))
    assert boxes(found) == [("alpha", (x, y, x + width, y + height))]
    assert ledger.boxes.kept == 1  # one object, in however many parts
    assert shape_mask(picture()[0], shape, "s", "f").tolist() == whole.tolist()


@pytest.mark.parametrize("corners", [[(5, 6), (20, 30)], [(20, 30), (5, 6)], [(20, 6), (5, 30)], [(5, 30), (20, 6)]])
def test_a_box_by_corners_in_any_order(picture, corners):
    found, _ = picture()
    add_object(found, [(Shape("b", "box", corners), "s")], "f")
    assert boxes(found) == [("beta", (5, 6, 20, 30))]


def test_shapes_of_a_picture_that_was_annotated_twice_as_large(picture):
    for shape in (
        Shape("a", "box", [(20, 20), (40, 60)]),
        Shape("a", "polygon", [(20, 20), (40, 20), (40, 60), (20, 60)]),
        Shape("a", "mask", [(20, 20)], runs=[0, 20 * 40], runs_size=(20, 40)),
    ):
        found, _ = picture((160, 120))
        add_object(found, [(shape, "s")], "f")
        assert boxes(found) == [("alpha", (10, 10, 20, 30))]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (
            Shape("a", "other", name="point"),
            "shape without an area: s is a point; name it in `leave_out` to do without",
        ),
        (Shape("a", "other", name="mask", problem="no PNG"), "shape unreadable: s: mask: no PNG"),
        (Shape("a", "polygon", [(1, 1), (5, 5)]), "segmentation unreadable: s: a polygon has at least three points"),
        (Shape("a", "polygon", [(1, 1), (90, 5), (3, 9)]), "polygon outside the image: s reaches 90, 9; the image is"),
        (Shape("a", "polygon", [(1, 1), (1.2, 1), (1.2, 1.2)]), "polygon without a pixel"),
        (Shape("a", "polygon", [(1, 1), (float("nan"), 1), (3, 3)]), "segmentation unreadable"),
        (Shape("a", "box", [(1, 1), (1, 9)]), "degenerate box"),
        (Shape("a", "mask", [(1, 1)], runs=[3, 4], runs_size=(2, 2)), "run lengths unreadable"),
        (Shape("a", "mask", [(1, 1)], runs=[-1, 5], runs_size=(2, 2)), "run lengths unreadable"),
        (Shape("a", "mask", [(79, 1)], runs=[0, 4], runs_size=(2, 2)), "mask outside the image"),
        (Shape("a", "mask", [(7, 1)], runs=[4], runs_size=(2, 2)), "mask without a pixel"),
        (Shape("a", "circle", [(5, 5), (5, 60)]), "polygon outside the image"),
    ],
)
def test_a_shape_that_cannot_be_used_keeps_its_label(picture, shape, reason):
    found, ledger = picture()
    add_object(found, [(shape, "s")], "1.json")
    whole = found.picture("tool")
    assert (whole.labels, whole.boxes, whole.incomplete) == (("alpha",), (), ("alpha",))
    assert ledger.quarantine[0]["reason"].startswith(reason)


def test_an_object_of_several_shapes_is_one_box(picture):
    found, ledger = picture()
    parts = [Shape("a", "box", [(2, 3), (8, 9)]), Shape("a", "polygon", [(20, 4), (30, 4), (30, 16), (20, 16)])]
    add_object(found, [(part, f"shape {number}") for number, part in enumerate(parts)], "1.json")
    assert [box.xyxy for box in found.picture("tool").boxes] == [(2, 3, 30, 16)]
    broken = Shape("a", "other", name="point")
    add_object(found, [(parts[0], "shape 1"), (broken, "shape 2")], "1.json")
    assert found.picture("tool").incomplete == ("alpha",)
    assert ledger.quarantine[0]["reason"].startswith("shape without an area: shape 2 is a point")
