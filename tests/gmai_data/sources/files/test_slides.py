"""Slides as scanners and converters write them, beside the pixels that were written."""

import sys

import numpy as np
import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.files.slides import at_scale, opened_slide, overview, tissue
from gmai_formats.errors import UserError

openslide = pytest.importorskip("openslide", reason="pip install 'gmai-data[pathology]'")
tifffile = pytest.importorskip("tifffile")

PIXELS = np.random.default_rng(0).integers(0, 256, (300, 450, 3), dtype=np.uint8)
PIXELS[64:192, 128:320] = (200, 120, 190)
APERIO = "Aperio Image Library v11.2.1 \r\n450x300 [0,0 450x300] (64x64) JPEG/RGB Q=70|AppMag = 40|MPP = 0.2500"


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a pyramid of three levels, at 0.25 µm per pixel where nothing else is said."""

    def pyramid(name, pixels=PIXELS, ome=False, mpp=0.25, levels=3, **options):
        with tifffile.TiffWriter(tmp_path / name, bigtiff=True, ome=ome) as file:
            known = {"tile": (64, 64), "photometric": "rgb", "compression": "zlib"}
            if mpp is not None:
                known |= {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
            known |= options
            more = {key: value for key, value in known.items() if key not in ("metadata", "description")}
            file.write(pixels, subifds=levels - 1 if ome else 0, **known)
            for level in range(1, levels):
                step = 2**level
                small = pixels[..., ::step, ::step] if pixels.shape[0] == 3 else pixels[::step, ::step]
                file.write(small, subfiletype=1, metadata=None, **more)
        return tmp_path

    return pyramid


OME = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 250.0}
OME["PhysicalSizeYUnit"] = "nm"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.tif", {}),
        ("a.tiff", {"compression": "lzw"}),
        ("a.svs", {"description": APERIO, "metadata": None}),
        ("a.ome.tif", {"ome": True, "metadata": OME}),
        ("a.ome.tiff", {"ome": True, "metadata": OME, "compression": "lzw", "tile": (128, 64)}),
    ],
)
def test_levels_scale_and_regions(write, name, options):
    with opened_slide(write(name, **options), name) as slide:
        assert slide.sizes == [(450, 300), (225, 150), (113, 75)]
        assert slide.mpp == pytest.approx((0.25, 0.25))
        assert np.array_equal(slide.region(0, 100, 40, 200, 170), PIXELS[40:210, 100:300])
        assert np.array_equal(slide.region(1, 10, 20, 30, 40), PIXELS[::2, ::2][20:60, 10:40])
        beyond = slide.region(0, 440, 290, 20, 20)
        assert np.array_equal(beyond[:10, :10], PIXELS[290:, 440:])
        assert (beyond[10:] == 255).all()


@pytest.mark.parametrize("planar", ["separate", "pages"])
def test_planes_of_ome_are_put_together(write, planar):
    planes = np.ascontiguousarray(np.moveaxis(PIXELS, 2, 0))
    options = {"planarconfig": "separate"} if planar == "separate" else {"photometric": "minisblack"}
    metadata = {**OME, "axes": "SYX" if planar == "separate" else "CYX"}
    with opened_slide(write("a.ome.tif", planes, ome=True, metadata=metadata, **options), "a.ome.tif") as slide:
        assert slide.sizes[0] == (450, 300)
        assert np.array_equal(slide.region(0, 33, 44, 100, 90), PIXELS[44:134, 33:133])


def test_jpeg_is_near_what_was_written(write):
    for name, options in (("a.tif", {}), ("a.svs", {"description": APERIO, "metadata": None}),
                          ("a.ome.tif", {"ome": True, "metadata": OME})):  # fmt: skip
        with opened_slide(write(name, compression="jpeg", **options), name) as slide:
            found = slide.region(0, 136, 72, 40, 40).astype(int)
            assert np.abs(found - (200, 120, 190)).max() <= 6


@pytest.mark.parametrize(("mpp", "stated"), [(None, None), (352.8, 352.8), (1.0, 1.0)])
def test_what_the_file_says_of_its_scale(write, mpp, stated):
    with opened_slide(write("a.tif", mpp=mpp), "a.tif") as slide:
        assert slide.mpp == (None if stated is None else pytest.approx((stated, stated)))


@pytest.mark.parametrize(
    ("pixels", "axes", "reason"),
    [
        (np.zeros((2, 64, 64), np.uint8), "ZYX", "slide of another kind"),
        (np.zeros((4, 64, 64), np.uint8), "CYX", "four channels of fluorescence"),
        (np.zeros((64, 64), np.uint16), "YX", "uint16; 8-bit grey or RGB in one plane is read"),
    ],
)
def test_ome_that_is_no_slide(write, pixels, axes, reason):
    root = write("a.ome.tif", pixels, ome=True, levels=1, photometric="minisblack", metadata={"axes": axes})
    with pytest.raises(SourceError, match=reason), opened_slide(root, "a.ome.tif"):
        pass


@pytest.mark.parametrize("name", ["a.svs", "a.tif", "a.ome.tif", "a.dcm"])
def test_files_that_are_no_slides(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(SourceError, match="slide unreadable"), opened_slide(tmp_path, name):
        pass


def test_the_extra_is_named_where_it_is_missing(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "openslide", None)
    root = write("a.tif")
    with (
        pytest.raises(UserError, match=r"need OpenSlide and imagecodecs\. Run `.*pathology"),
        opened_slide(root, "a.tif"),
    ):
        pass


@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_another_scale_is_the_mean_of_blocks(write, levels, factor):
    ramp = np.stack(np.broadcast_arrays(np.arange(240)[:, None], np.arange(240)[None], 100), axis=2).astype(np.uint8)
    with opened_slide(write("a.tif", ramp, levels=levels), "a.tif") as slide:
        found = at_scale(slide, (factor, factor), 24, 48, 30, 20).astype(float)
    rows, columns = 48 + factor * (np.arange(20) + 0.5) - 0.5, 24 + factor * (np.arange(30) + 0.5) - 0.5
    # Levels here are every n-th pixel, the first of each block.
    assert np.abs(found[..., 0] - rows[:, None]).max() <= 2
    assert np.abs(found[..., 1] - columns[None]).max() <= 2


def test_an_overview_is_the_same_in_one_block_and_in_many(write, monkeypatch):
    ramp = np.stack(np.broadcast_arrays(np.arange(300)[:, None] // 2, np.arange(450)[None] // 2, 9), axis=2)
    root = write("a.tif", ramp.astype(np.uint8))
    with opened_slide(root, "a.tif") as slide:
        whole, scale = overview(slide, (0.25, 0.25), 1.0)
        assert (whole.shape, scale) == ((75, 112, 3), 4.0)
        monkeypatch.setattr("gmai_data.sources.files.slides._BLOCK_PX", 64)
        parts, _ = overview(slide, (0.25, 0.25), 1.0)
        assert np.abs(whole.astype(int) - parts).max() <= 2  # one pixel of the level
        monkeypatch.setattr("gmai_data.sources.files.slides._OVERVIEW_PIXELS", 100)
        assert overview(slide, (0.25, 0.25), 1.0)[0].size <= 3 * 130


@pytest.mark.parametrize(
    ("colour", "is_tissue"),
    [((200, 120, 190), True), ((160, 150, 210), True), ((244, 243, 245), False), ((255, 255, 255), False),
     ((0, 0, 0), False), ((225, 225, 225), False), ((150, 100, 60), True)],
)  # fmt: skip
def test_tissue(colour, is_tissue):
    for background in ((245, 243, 246), colour):
        pixels = np.full((60, 80, 3), background, np.uint8)
        pixels[20:40, 20:60] = colour
        found = tissue(pixels)
        assert found[25:35, 25:55].all() == is_tissue
        assert found[25:35, 25:55].any() == is_tissue
        if background != colour:
            assert not found[:15].any()
