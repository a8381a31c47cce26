"""Tables of objects in space, as LUNA16's, beside SimpleITK's own way from millimetres to voxels."""

import numpy as np
import pytest
import SimpleITK
from gmai_data.ledger import Ledger
from gmai_data.sources.annotations.spheres import SphereTable
from gmai_formats.errors import UserError
from pydantic import ValidationError

TABLE = {
    "table": "annotations.csv", "key": "seriesuid", "centre": ["coordX", "coordY", "coordZ"],
    "diameter": "diameter_mm", "label": "nodule",
}  # fmt: skip
HEADER = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
OBLIQUE = (0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1)


@pytest.fixture
def volume(tmp_path):
    """Return a function that writes an MHD of 40 × 32 × 12 voxels as LUNA16 has them, and returns it."""

    def write(
        name="1.2.3", spacing=(0.7, 0.7, 2.5), origin=(-195.0, 120.5, -378.0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)
    ):
        values = np.random.default_rng(0).integers(-1000, 400, (12, 32, 40)).astype(np.int16)
        image = SimpleITK.GetImageFromArray(values)
        image.SetSpacing(spacing)
        image.SetOrigin(origin)
        image.SetDirection(direction)
        (tmp_path / "subset0").mkdir(exist_ok=True)
        SimpleITK.WriteImage(image, str(tmp_path / "subset0" / f"{name}.mhd"))
        return image

    return write


@pytest.fixture
def nodules(tmp_path, toy, read):
    def make(rows, ledger=None, slices=None, **changes):
        (tmp_path / "annotations.csv").write_text(HEADER + rows)
        card = toy(
            modality="CT", task="3d_segmentation", labels={"nodule": "lung nodule"}, boxes={"min_px": 1},
            slices=slices or {}, layout={"kind": "volume", "image": "subset*/*.mhd", "spheres": {**TABLE, **changes}},
        )  # fmt: skip
        return read(card, ledger)

    return make


def due_boxes(image, centre_mm, diameter_mm):
    """Return slice ▶ box of the voxels whose centres SimpleITK places in the sphere."""
    found = {}
    for k in range(12):
        inside = [
            (i, j) for i in range(40) for j in range(32)
            if np.linalg.norm(np.subtract(image.TransformIndexToPhysicalPoint((i, j, k)), centre_mm)) <= diameter_mm / 2
        ]  # fmt: skip
        if inside:
            (left, top), (right, bottom) = np.min(inside, axis=0), np.max(inside, axis=0)
            found[k] = (left, top, right + 1, bottom + 1)
    return found


@pytest.mark.parametrize(
    ("spacing", "direction"),
    [((0.7, 0.7, 2.5), (1, 0, 0, 0, 1, 0, 0, 0, 1)), ((0.6, 0.6, 1.0), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
     ((0.7, 0.7, 2.5), OBLIQUE)],
)  # fmt: skip
def test_boxes_are_those_of_the_voxels_in_the_sphere(volume, nodules, spacing, direction):
    image = volume(spacing=spacing, direction=direction)
    centre = image.TransformContinuousIndexToPhysicalPoint((14.3, 12.8, 5.6))
    pictures, reasons = nodules(f"1.2.3,{centre[0]},{centre[1]},{centre[2]},8.4\n")
    assert reasons == {}
    found = {picture.geometry["slice"]: picture.boxes[0].xyxy for picture in pictures["subset0/1.2.3.mhd"]}
    assert found == due_boxes(image, centre, 8.4)
    assert len(found) > 2


def test_feet_first_and_mirrored_volumes(volume, nodules):
    image = volume(direction=(-1, 0, 0, 0, -1, 0, 0, 0, -1))
    centre = image.TransformContinuousIndexToPhysicalPoint((14, 12, 5))
    pictures, _ = nodules(f"1.2.3,{centre[0]},{centre[1]},{centre[2]},8.5\n")
    due = {
        11 - k: (40 - x2, 32 - y2, 40 - x1, 32 - y1) for k, (x1, y1, x2, y2) in due_boxes(image, centre, 8.5).items()
    }
    found = {picture.geometry["slice"]: picture.boxes[0].xyxy for picture in pictures["subset0/1.2.3.mhd"]}
    assert found == due


def test_touching_objects_are_two_and_small_ones_are_there(volume, nodules):
    image = volume()
    at = [
        image.TransformContinuousIndexToPhysicalPoint(place) for place in ((10, 10, 5), (18, 10, 5), (30.4, 20.4, 5.4))
    ]
    rows = "".join(f"1.2.3,{x},{y},{z},{mm}\n" for (x, y, z), mm in zip(at, (6, 6, 0.1), strict=True))
    (picture,) = [each for each in nodules(rows)[0]["subset0/1.2.3.mhd"] if each.geometry["slice"] == 5]
    assert sorted(box.xyxy for box in picture.boxes) == [(6, 6, 15, 15), (14, 6, 23, 15), (30, 20, 31, 21)]


def test_world_of_nifti(volume, nodules):
    image = volume()
    x, y, z = image.TransformContinuousIndexToPhysicalPoint((14, 12, 5))
    found = [
        {
            picture.geometry["slice"]: picture.boxes
            for picture in nodules(f"1.2.3,{row},8\n", world=world)[0]["subset0/1.2.3.mhd"]
        }
        for row, world in ((f"{x},{y},{z}", "LPS"), (f"{-x},{-y},{z}", "RAS"))
    ]
    assert found[0] == found[1]
    (reason,) = nodules(f"1.2.3,{x},{y},{z},8\n", world="RAS")[1].values()
    assert reason.startswith("mark outside the volume: data row 1 of annotations.csv is at voxel ")
    assert reason.endswith("(x, y, z) of 40×32×12; is `world` right?")


def test_volumes_without_a_row_are_healthy_and_rows_without_a_volume_are_told(volume, nodules):
    volume("1.2.3")
    volume("1.2.4")
    ledger = Ledger()
    pictures, reasons = nodules("1.2.3,-180,130,-365,9\n1.2.5,0,0,0,9\n1.2.5,1,1,1,9\n", ledger, {"negatives": 0.5})
    assert {picture.labels for picture in pictures["subset0/1.2.4.mhd"]} == {()}
    assert reasons == {
        "annotations.csv/1.2.5": 'marks without a volume: 2 rows of annotations.csv are of "1.2.5", which is not among '
        "the volumes"
    }


@pytest.mark.parametrize("row", ["-180,,-365,9", "-180,130,-365,0", "-180,130,-365,-2", "x,130,-365,9", "1,2,3,nan"])
def test_rows_that_are_not_read(volume, nodules, row):
    volume()
    (reason,) = nodules(f"1.2.3,{row}\n")[1].values()
    assert reason == "row unreadable: data row 1 of annotations.csv has no centre with a diameter above 0"


def test_a_table_that_is_not_that_of_the_card(volume, nodules, tmp_path):
    volume()
    with pytest.raises(UserError, match=r'no column "diameter", which recipe toy reads\. Did you mean "diameter_mm"'):
        nodules("", diameter="diameter")
    with pytest.raises(UserError, match=r"no such file\. Recipe toy reads its objects there"):
        nodules("", table="other.csv")
    with pytest.raises(ValidationError, match="give either label"):
        SphereTable.model_validate({**TABLE, "label_column": "kind"})
