"""Slides as a source: tiles of tissue, scale, regions, patients and what is refused."""

import json
import subprocess
import sys

import numpy as np
import pydicom
import pytest
from gmai_data.ledger import Ledger
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.slides import Slides
from gmai_data.sources.listing import listed_items
from gmai_data.sources.splits import group_of

pytest.importorskip("openslide", reason="pip install 'gmai-data[pathology]'")
tifffile = pytest.importorskip("tifffile")

LAYOUT = {"kind": "slides", "files": "{id}.tif", "mpp": 1.0, "tile_px": 64, "max_tiles": 99}
TASK = {"task": "2d_detection", "modality": "Histopathology"}


def tissue_of(shape=(512, 768), filled=(slice(64, 448), slice(128, 640))):
    """Return glass with a rectangle of stained tissue."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(240, 250, (*shape, 1), dtype=np.uint8).repeat(3, axis=2)
    pixels[filled] = np.array([190, 110, 180]) + rng.integers(-30, 30, pixels[filled].shape)
    return pixels


@pytest.fixture
def slide(tmp_path):
    """Return a function that writes a slide of one level of 768×512, at 0.5 µm per pixel."""

    def write(name="a.tif", pixels=None, mpp=0.5, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if mpp is not None:
            options |= {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
        pixels = tissue_of() if pixels is None else pixels
        tifffile.imwrite(path, pixels, tile=(128, 128), compression="zlib", photometric="rgb", **options)

    return write


def geojson(*features):
    return json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [points]},
         "properties": {"classification": {"name": label}}} for label, points in features
    ]})  # fmt: skip


def square(x1, y1, x2, y2):
    return [[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]]


def places(pictures):
    return {(each.geometry["x"], each.geometry["y"]) for each in pictures}


def test_tiles_lie_where_tissue_is_and_show_it(slide, read, toy):
    slide()
    card = toy(layout=LAYOUT, labels_of_every_image=["a"], **TASK)
    ((*tiles,),) = read(card)[0].values()
    # A tile takes 128×128 px of the slide; of the first and last rows half is tissue.
    assert places(tiles) == {(x, y) for x in (128, 256, 384, 512) for y in (0, 128, 256, 384)}
    whole = tissue_of().astype(float)
    for tile in tiles:
        x, y = tile.geometry["x"], tile.geometry["y"]
        wanted = whole[y : y + 128, x : x + 128].reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
        assert np.abs(tile.pixels - wanted).max() <= 1
        assert (tile.labels, tile.name) == (("alpha",), f"a.tif_x{x}_y{y}")
    assert {tile.geometry["tissue"] for tile in tiles if tile.geometry["y"] in (128, 256)} == {1.0}


@pytest.mark.parametrize(("changes", "count"), [({"min_tissue": 0.9}, 8), ({"max_tiles": 5}, 5), ({"tile_px": 128}, 2)])
def test_which_tiles(slide, read, toy, changes, count):
    slide()
    found = [read(toy(layout={**LAYOUT, **changes}, **TASK))[0]["a.tif"] for _ in range(2)]
    assert places(found[0]) == places(found[1])
    assert len(found[0]) == count


@pytest.mark.parametrize(
    ("mpp", "changes", "reason"),
    [
        (None, {}, "slide without a scale: the file states none; state it as `slide_mpp` in the layout"),
        (352.8, {}, "slide without a scale: the file states 352.8 µm per pixel, which is no microscope's"),
        (2.0, {}, "slide coarser than its tiles: 2 µm per pixel, but tiles are of 1"),
        (0.5, {"tile_px": 512}, "slide smaller than a tile: 768×512 px, a tile takes 1024×1024"),
        (None, {"slide_mpp": 0.5}, None),
    ],
)
def test_the_scale(slide, read, toy, mpp, changes, reason):
    slide(mpp=mpp)
    pictures, reasons = read(toy(layout={**LAYOUT, **changes}, **TASK))
    if reason is None:
        assert len(pictures["a.tif"]) == 16
    else:
        assert reasons["a.tif"].startswith(reason)


def test_a_slide_of_glass(slide, read, toy):
    slide(pixels=tissue_of(filled=(slice(0, 0), slice(0, 0))))
    assert read(toy(layout=LAYOUT, **TASK))[1] == {"a.tif": "no tissue found: no tile has 50% of tissue"}


def test_regions_become_boxes_of_tiles(slide, read, toy, put):
    shapely = pytest.importorskip("shapely")
    slide()
    triangle = [[150.3, 70.1], [500.7, 140.9], [260.3, 400.7], [150.3, 70.1]]
    put("a.geojson", geojson(("a", triangle), ("b", square(700, 10, 708, 18))))
    card = toy(layout={**LAYOUT, "regions": "{id}.geojson"}, boxes={"min_px": 1}, **TASK)
    ((*tiles,),) = read(card)[0].values()
    region, seen = shapely.Polygon(triangle), set()
    for tile in tiles:
        x, y = tile.geometry["x"], tile.geometry["y"]
        ys, xs = np.mgrid[:64, :64] + 0.5
        inside = shapely.contains_xy(region, x + 2 * xs, y + 2 * ys)
        boxes = [box.xyxy for box in tile.boxes if box.label == "alpha"]
        if inside.any():
            rows, columns = np.nonzero(inside)
            assert boxes == [(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]
            seen.add((x, y))
        else:
            assert (boxes, "alpha" in tile.labels) == ([], False)
    assert (640, 0) in places(tiles)  # glass, but a region lies there
    wanted = {(x, y) for x in range(0, 768, 128) for y in range(0, 512, 128)
              if region.intersection(shapely.box(x, y, x + 128, y + 128)).area > 50}  # fmt: skip
    assert seen >= wanted


def test_regions_become_labels_of_tiles(slide, read, toy, put):
    slide()
    put("a.xml", '<ASAP_Annotations><Annotations>' + "".join(
        f'<Annotation Type="Polygon" PartOfGroup="{label}"><Coordinates>' + "".join(
            f'<Coordinate Order="{order}" X="{x}" Y="{y}"/>' for order, (x, y) in enumerate(square(*box)[:4]))
        + "</Coordinates></Annotation>" for label, box in (("a", (128, 128, 300, 256)), ("hole", (128, 128, 256, 230))))
        + "</Annotations></ASAP_Annotations>")  # fmt: skip
    layout = {**LAYOUT, "regions": "{id}.xml", "regions_as": "labels", "min_region": 0.3, "cut_out": ["hole"]}
    tiles = {(each.geometry["x"], each.geometry["y"]): each for each in read(toy(layout=layout, **TASK))[0]["a.tif"]}
    assert (tiles[128, 128].labels, tiles[128, 128].uncertain) == ((), ("alpha",))  # a fifth is left of it
    assert (tiles[256, 128].labels, tiles[256, 128].uncertain) == (("alpha",), ())
    assert all(not tile.labels for place, tile in tiles.items() if place not in ((128, 128), (256, 128)))
    assert all(not tile.boxes for tile in tiles.values())


@pytest.mark.parametrize(
    ("without", "reasons"),
    [("refuse", ["file missing"]), ("leave_out", ["published without a mask"]), ("normal", [])],
)
def test_slides_without_regions(slide, read, toy, put, tmp_path, without, reasons):
    slide()
    slide("b.tif")
    put("a.geojson", geojson(("a", square(200, 200, 300, 250))))
    layout = {**LAYOUT, "regions": "{id}.geojson", "without_regions": without, "negatives": 2}
    pictures, found = read(toy(layout=layout, **TASK))
    assert [reason.split(":")[0] for reason in found.values()] == reasons
    assert len(pictures["a.tif"]) == 6  # two tiles with the region, and two for each without
    assert len(pictures.get("b.tif", [])) == (16 if without == "normal" else 0)
    card = toy(layout=layout, **TASK)
    files = {item.key: item.files for item in card.layout.list_items(card, tmp_path)}
    assert files["b.tif"] == (("b.tif", "b.geojson") if without == "refuse" else ("b.tif",))


def test_regions_that_cannot_be_used(slide, read, toy, put):
    slide()
    put("a.geojson", json.dumps([
        {"geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {"classification": {"name": "b"}}},
        {"geometry": {"type": "Polygon", "coordinates": [square(200, 200, 250, 250)]},
         "properties": {"classification": {"name": "a"}}}]))  # fmt: skip
    ledger = Ledger()
    card = toy(layout={**LAYOUT, "regions": "{id}.geojson"}, **TASK)
    ((*tiles,),) = read(card, ledger)[0].values()
    assert {tile.uncertain for tile in tiles} == {("beta",)}
    assert [each["reason"] for each in ledger.quarantine] == [
        "shape without an area: region 1 (b) is a Point without an area"
    ]  # fmt: skip
    put("a.geojson", geojson(("other", square(200, 200, 250, 250))))
    assert read(card)[1]["a.tif"].startswith('label not in the map: "other"')


def test_labels_of_slides_and_patients(slide, read, toy, put, tmp_path):
    slide("p1/s1.tif")
    slide("p1/s2.tif")
    put("t.csv", "slide;grade\ns1;a\ns3;b\n")
    layout = {**LAYOUT, "files": "{patient}/*.tif", "max_tiles": 2,
              "label_table": {"table": "t.csv", "key": "slide", "value": "grade"}}  # fmt: skip
    card = toy(layout=layout, task="2d_classification", modality="Histopathology")
    pictures, reasons = read(card)
    assert {tile.labels for tile in pictures["p1/s1.tif"]} == {("alpha",)}
    assert reasons == {"p1/s2.tif": "row without a label: t.csv has no label of it"}
    assert {group_of(item, card) for item in card.layout.list_items(card, tmp_path)} == {"p1"}


def write_dicom(path, pixels, mpp, patient, uid, kind="VOLUME", tile=64):
    """Write one level of a slide as a VL whole slide image, tiled in full (PS3.3, A.32.8)."""
    height, width = pixels.shape[:2]
    rows, columns = -(-height // tile), -(-width // tile)
    padded = np.full((rows * tile, columns * tile, 3), 255, np.uint8)
    padded[:height, :width] = pixels
    level = pydicom.Dataset()
    level.file_meta = pydicom.dataset.FileMetaDataset()
    level.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    level.SOPClassUID = level.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.6"
    level.SOPInstanceUID = level.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    level.SeriesInstanceUID, level.StudyInstanceUID = f"1.2.3.{uid}", f"1.2.4.{uid}"
    level.PatientID, level.Modality, level.ImageType = patient, "SM", ["DERIVED", "PRIMARY", kind, "NONE"]
    level.DimensionOrganizationType = "TILED_FULL"
    level.TotalPixelMatrixColumns, level.TotalPixelMatrixRows = width, height
    level.Rows = level.Columns = tile
    level.NumberOfFrames, level.NumberOfOpticalPaths, level.TotalPixelMatrixFocalPlanes = rows * columns, 1, 1
    level.SamplesPerPixel, level.PhotometricInterpretation, level.PlanarConfiguration = 3, "RGB", 0
    level.BitsAllocated = level.BitsStored = 8
    level.HighBit, level.PixelRepresentation = 7, 0
    measures, shared, optics = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = [mpp / 1000, mpp / 1000], 0.001
    shared.PixelMeasuresSequence, optics.OpticalPathIdentifier = [measures], "1"
    level.SharedFunctionalGroupsSequence, level.OpticalPathSequence = [shared], [optics]
    level.PixelData = padded.reshape(rows, tile, columns, tile, 3).swapaxes(1, 2).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    level.save_as(path, enforce_file_format=True)


def test_dicom_slides_are_a_series_each_and_their_patient_is_the_group(read, toy, tmp_path):
    whole = tissue_of()
    for number, patient in enumerate(("P1", "P1", "P2")):
        folder = tmp_path / f"slide{number}"
        write_dicom(folder / "a.dcm", np.ascontiguousarray(whole[::2, ::2]), 1.0, patient, number)
        write_dicom(folder / "b.dcm", whole, 0.5, patient, number)
        write_dicom(folder / "0.dcm", whole[:100, :100], 0.5, patient, number, kind="LABEL")
    card = toy(layout={**LAYOUT, "files": "*/{id}.dcm", "min_tissue": 0.4}, **TASK)
    items = list(listed_items(Source(card, tmp_path)))
    assert [item.key for item in items] == ["slide0/a.dcm", "slide1/a.dcm", "slide2/a.dcm"]
    groups = [group_of(item, card) for item in items]
    assert (groups[0] == groups[1], groups[0] == groups[2]) == (True, False)
    pictures, reasons = read(card)
    assert reasons == {}
    assert len(pictures["slide0/a.dcm"]) == 16
    for tile in pictures["slide0/a.dcm"]:
        x, y = tile.geometry["x"] // 2, tile.geometry["y"] // 2
        assert np.array_equal(tile.pixels, whole[::2, ::2][y : y + 64, x : x + 64])


def test_what_looks_like_it(put, tmp_path):
    assert Slides.recognise(Folder(tmp_path)) is None
    put("slides/s1.svs", b"x")
    put("xml/s1.xml", b"<Annotations/>")
    guess = Slides.recognise(Folder(tmp_path))
    assert guess.layout == {"kind": "slides", "files": "**/{id}.svs", "regions": "xml/{id}.xml"}


def test_a_draft_of_slides_with_dots_in_their_names_and_a_table(put, tmp_path):
    for name in ("1/TCGA-A1-A0SB-01Z-00-DX1.B34C.svs", "2/TCGA-A1-A0SD-01Z-00-DX1.DB17.svs", "3/b.tiff.ndpi"):
        put(name, b"x")
    put("t.csv", b"case,slide,subtype\nA0SB,TCGA-A1-A0SB-01Z-00-DX1.B34C,IDC\nA0SD,TCGA-A1-A0SD-01Z-00-DX1.DB17,ILC\n")
    guess = Slides.recognise(Folder(tmp_path))
    assert guess.layout["files"] == ["**/{id}.ndpi", "**/{id}.svs"]
    assert guess.layout["label_table"] == {"table": "t.csv", "key": "slide", "value": "subtype"}
    assert guess.labels == ["IDC", "ILC"]


MEASURE = """
import resource, sys
from pathlib import Path
from gmai_data.ledger import Ledger
from gmai_data.sources.cards.recipe import Recipe
import json
card = Recipe.model_validate(json.loads(sys.argv[2]))
root = Path(sys.argv[1])
(item,) = card.layout.list_items(card, root)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(1 for _ in card.layout.read(item, card, root, Ledger()))
print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_does_not_grow_with_the_slide(tmp_path, toy):
    """A slide of 6144² px would take 113 MB; benchmarks/data_slides.py does the same at two gigapixels."""
    side, tile = 6144, 512
    rng = np.random.default_rng(0)
    pattern = (np.array([190, 110, 180]) + rng.integers(-30, 30, (16, 16, 3))).astype(np.uint8)
    stained = np.tile(pattern, (tile // 16, tile // 16, 1))
    tiles = (stained for _ in range((side // tile) ** 2))
    tifffile.imwrite(tmp_path / "a.tif", tiles, shape=(side, side, 3), dtype=np.uint8, tile=(tile, tile),
                     compression="zlib", photometric="rgb", resolution=(40_000, 40_000),
                     resolutionunit="CENTIMETER")  # fmt: skip
    card = toy(layout={**LAYOUT, "mpp": 0.5, "tile_px": 512, "max_tiles": 20}, **TASK)
    run = subprocess.run([sys.executable, "-c", MEASURE, tmp_path, card.model_dump_json()], capture_output=True,
                         text=True, check=False)  # fmt: skip
    assert run.returncode == 0, run.stderr
    count, grown_mb = map(int, run.stdout.split())
    assert count == 20
    assert grown_mb < 90
