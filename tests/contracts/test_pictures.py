"""One picture file is the same pixels, or the same refusal, in build, training, chat and both ways of the benchmark."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from gmai_bench.images import ImageStore, Shown
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.sources.reading import read_pictures
from gmai_formats.errors import UserError
from gmai_formats.pictures.problems import PictureError
from gmai_model.batching.collate import decode_image
from gmai_model.pictures import open_picture
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

HEIGHT, WIDTH = 48, 64
GREY = ((np.add.outer(np.arange(HEIGHT) * 3, np.arange(WIDTH) * 2) % 211) + 20).astype(np.uint8)
COLOUR = np.dstack([GREY, GREY[::-1], 255 - GREY])
ALPHA = np.where(np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) % 5 > 2, 255, 60).astype(np.uint8)
DEEP = GREY.astype(np.uint16) * 40 + 900
Make = Callable[[], bytes]


def encoded(image: Any, format_: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, format_, **options)
    return buffer.getvalue()


def turned(orientation: int, format_: str, picture: np.ndarray = COLOUR) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture, format_, exif=exif, **({"quality": 95} if format_ == "JPEG" else {}))


def tiff(values: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def png(bits: int, colour: int, values: np.ndarray) -> bytes:
    """A PNG of a kind that Pillow does not write, its rows unfiltered (ISO/IEC 15948)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def with_small_copy(*, first: bool) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for is_copy in (first, not first):
            writer.write(COLOUR[::4, ::4] if is_copy else COLOUR, photometric="rgb", subfiletype=int(is_copy))
    return buffer.getvalue()


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def dicom(stored: np.ndarray, modality: str = "DX", bits: int = 16, compress: bool = False, **fields: Any) -> bytes:
    classes = {"CT": "1.2.840.10008.5.1.4.1.1.2", "DX": "1.2.840.10008.5.1.4.1.1.1.1"}
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = classes.get(modality, "1.2.840.10008.5.1.4.1.1.77.1.4")
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(fields)])
    header = pydicom.Dataset()
    header.file_meta = meta
    header.SOPClassUID, header.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    header.Modality, header.PatientID, header.StudyInstanceUID = modality, "case", "1.2.3"
    colour = stored.shape[-1] == 3
    header.Rows, header.Columns = stored.shape[-3:-1] if colour else stored.shape[-2:]
    header.SamplesPerPixel, header.PixelRepresentation = (3 if colour else 1), 0
    header.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit = (8 if bits <= 8 else 16), bits, bits - 1
    if colour:
        header.PlanarConfiguration = 0
    if stored.ndim == 4 or (stored.ndim == 3 and not colour):
        header.NumberOfFrames = len(stored)
    header.PixelData = stored.astype("<u1" if bits <= 8 else "<u2").tobytes()
    for name, value in fields.items():
        setattr(header, name, value)
    if compress:
        header.compress(RLELossless)
    buffer = io.BytesIO()
    header.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def group(**fields: Any) -> pydicom.Sequence:
    item = pydicom.Dataset()
    for name, value in fields.items():
        setattr(item, name, value)
    return pydicom.Sequence([item])


def nifti(codes: str, spacing: tuple[float, float, float] = (1, 1, 1), packed: bool = True) -> bytes:
    lps = np.zeros((20, 24, 5), np.int16)
    lps[2:18, 3:21] = np.arange(1, 16 * 18 * 5 + 1).reshape(16, 18, 5)
    image = nibabel.Nifti1Image(lps, np.diag([-spacing[0], -spacing[1], spacing[2], 1.0]))
    start = nibabel.orientations.io_orientation(image.affine)
    turn = nibabel.orientations.ornt_transform(start, nibabel.orientations.axcodes2ornt(codes))
    data = image.as_reoriented(turn).to_bytes()
    if packed:
        import gzip

        return gzip.compress(data, mtime=0)
    return data


def animated(format_: str) -> bytes:
    frames = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1].copy())]
    return encoded(frames[0], format_, save_all=True, append_images=frames[1:])


def palette(**options: Any) -> bytes:
    return encoded(Image.fromarray(COLOUR).quantize(40), options.pop("format_", "PNG"), **options)


PALETTE = {
    f"{name}PaletteColorLookupTable{part}": value
    for name, shift in (("Red", 0), ("Green", 85), ("Blue", 170))
    for part, value in (
        ("Descriptor", [256, 0, 16]),
        ("Data", (((np.arange(256) + shift) % 256) * 257).astype("<u2").tobytes()),
    )
}
HU = np.clip(GREY.astype(int) * 4 - 300 + 1024, 0, 4095)
RESCALED = {"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}
ENHANCED = {
    "SharedFunctionalGroupsSequence": group(PixelMeasuresSequence=group(PixelSpacing=[1.0, 2.0])),
    "PerFrameFunctionalGroupsSequence": pydicom.Sequence([
        group(PixelValueTransformationSequence=group(RescaleSlope=1, RescaleIntercept=-1024 - 50 * number),
              FrameVOILUTSequence=group(WindowCenter=[40 + number, 300], WindowWidth=[400, 1500]))[0]
        for number in range(3)
    ]),
}  # fmt: skip

SHOWN: dict[str, Make] = {
    "grey.png": lambda: encoded(GREY, "PNG"),
    "colour.png": lambda: encoded(COLOUR, "PNG"),
    "palette.bmp": lambda: palette(format_="BMP"),
    "palette.png": palette,
    "palette_clear_entry.png": lambda: palette(transparency=3),
    "palette.gif": lambda: palette(format_="GIF"),
    "rgba.png": lambda: encoded(np.dstack([COLOUR, ALPHA]), "PNG"),
    "rgba_opaque.png": lambda: encoded(np.dstack([COLOUR, np.full_like(GREY, 255)]), "PNG"),
    "rgba.webp": lambda: encoded(np.dstack([COLOUR, ALPHA]), "WEBP", lossless=True),
    "rgba.tif": lambda: encoded(np.dstack([COLOUR, ALPHA]), "TIFF"),
    "grey_alpha.png": lambda: encoded(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]), "PNG"),
    "grey_clear_value.png": lambda: encoded(GREY, "PNG", transparency=40),
    "colour_clear_value.png": lambda: encoded(COLOUR, "PNG", transparency=tuple(map(int, COLOUR[3, 4]))),
    "deep.png": lambda: encoded(DEEP, "PNG"),
    "deep_hot_pixel.png": lambda: encoded(np.where(DEEP.max() == DEEP, 65535, DEEP).astype(np.uint16), "PNG"),
    "deep_opaque.png": lambda: png(16, 4, np.dstack([DEEP, np.full_like(DEEP, 65535)]).astype(">u2")),
    "deep_half_clear.png": lambda: png(16, 4, np.dstack([DEEP, np.where(DEEP > 5000, 65535, 0)]).astype(">u2")),
    "deep_colour.png": lambda: png(16, 2, (COLOUR.astype(np.uint16) * 257).astype(">u2")),
    "small_copy_first.tif": lambda: with_small_copy(first=True),
    "small_copy_last.tif": lambda: with_small_copy(first=False),
    "deep.tif": lambda: tiff(DEEP),
    "deep_white_is_zero.tif": lambda: tiff(DEEP, photometric="miniswhite"),
    "deep_colour.tif": lambda: tiff(COLOUR.astype(np.uint16) * 200, photometric="rgb"),
    "deep_colour_alpha.tif": lambda: tiff(
        np.dstack([COLOUR, ALPHA]).astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"]
    ),
    "planar.tif": lambda: tiff(COLOUR.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"),
    "float.tif": lambda: tiff(GREY.astype(np.float32) / 7 - 3),
    "signed.tif": lambda: tiff(GREY.astype(np.int16) - 90),
    "turned.tif": lambda: turned(6, "TIFF"),
    "deep_turned.tif": lambda: tiff(
        COLOUR.astype(np.uint16) * 200, photometric="rgb", extratags=[(274, 3, 1, 8, True)]
    ),
    "deep.jp2": lambda: encoded(DEEP, "JPEG2000"),
    "deep.pgm": lambda: b"P5 64 48 65535\n" + DEEP.astype(">u2").tobytes(),
    "plain.jpg": lambda: encoded(COLOUR, "JPEG", quality=95),
    "grey.jpg": lambda: encoded(GREY, "JPEG", quality=95),
    "progressive.jpg": lambda: encoded(COLOUR, "JPEG", progressive=True),
    "cmyk.jpg": lambda: encoded(Image.fromarray(COLOUR).convert("CMYK"), "JPEG", quality=95),
    "turned.webp": lambda: turned(8, "WEBP"),
    "turned.png": lambda: turned(5, "PNG"),
    "turned_grey.png": lambda: turned(3, "PNG", GREY),
    "no_such_turn.jpg": lambda: turned(9, "JPEG"),
    **{f"exif_{number}.jpg": lambda number=number: turned(number, "JPEG") for number in range(1, 9)},
    "window.dcm": lambda: dicom(DEEP, WindowCenter=5000, WindowWidth=8000),
    "monochrome2.dcm": lambda: dicom(DEEP),
    "monochrome1.dcm": lambda: dicom(65535 - DEEP, PhotometricInterpretation="MONOCHROME1"),
    "oblong.dcm": lambda: dicom(DEEP, PixelSpacing=[2.0, 0.5]),
    "imager_oblong.dcm": lambda: dicom(DEEP, ImagerPixelSpacing=[0.1, 0.3]),
    "aspect.dcm": lambda: dicom(DEEP, PixelAspectRatio=[3, 2]),
    "ct.dcm": lambda: dicom(HU, "CT", 12, **RESCALED),
    "enhanced.dcm": lambda: dicom(np.stack([HU] * 3), "CT", 12, **ENHANCED),
    "photograph.dcm": lambda: dicom(COLOUR, "XC", 8),
    "cine.dcm": lambda: dicom(np.stack([COLOUR, COLOUR[::-1], COLOUR]), "XC", 8),
    "palette.dcm": lambda: dicom(GREY, "XC", 8, PhotometricInterpretation="PALETTE COLOR", **PALETTE),
    "rle.dcm": lambda: dicom(DEEP, compress=True),
}  # fmt: skip
VOLUMES: dict[str, Make] = {
    **{f"{codes}.nii.gz": lambda codes=codes: nifti(codes) for codes in ("LPS", "RAS", "PSR", "IAL")},
    "oblong.nii": lambda: nifti("RPI", (1, 3, 2), packed=False),
}
REFUSED: dict[str, tuple[Make, str]] = {
    "cut.png": (lambda: cut(encoded(COLOUR, "PNG"), 0.7), "image unreadable"),
    "cut.jpg": (lambda: cut(encoded(COLOUR, "JPEG"), 0.6), "image unreadable"),
    "cut.tif": (lambda: cut(tiff(DEEP), 0.5), "image unreadable"),
    "no_end.png": (lambda: encoded(COLOUR, "PNG")[:-12], "image unreadable"),
    "five_channels.tif": (
        lambda: tiff(np.dstack([COLOUR, GREY, GREY]), photometric="minisblack", planarconfig="contig"),
        "image unreadable",
    ),
    "cut_header.png": (lambda: encoded(COLOUR, "PNG")[:40], "image unreadable"),
    "words.png": (lambda: b"<html>not found</html>" * 9, "image unreadable"),
    "animated.gif": (lambda: animated("GIF"), "several pages in one file"),
    "animated.webp": (lambda: animated("WEBP"), "several pages in one file"),
    "animated.png": (lambda: animated("PNG"), "several pages in one file"),
    "pages.tif": (lambda: animated("TIFF"), "several pages in one file"),
    "deep_pages.tif": (lambda: tiff(np.stack([DEEP, DEEP])), "several pages in one file"),
    "lab.tif": (lambda: tiff(COLOUR, photometric="cielab"), "image unreadable"),
    "large.png": (lambda: encoded(Image.new("1", (10_000, 6_000)), "PNG"), "image too large"),
    "flat_deep.png": (lambda: encoded(np.full((9, 9), 7, np.uint16), "PNG"), "nothing to see in the image"),
    "cut.dcm": (lambda: cut(dicom(DEEP), 0.6), "DICOM pixels unreadable"),
    "flat.dcm": (lambda: dicom(np.full((9, 9), 7)), "nothing to see in the image"),
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("zoo")
    (root / "pictures" / "one").mkdir(parents=True)
    (root / "volumes").mkdir()
    for name, make in {**SHOWN, **{name: make for name, (make, _) in REFUSED.items()}}.items():
        (root / "pictures" / "one" / name).write_bytes(make())
    for name, make in VOLUMES.items():
        (root / "volumes" / name).write_bytes(make())
    return root


@pytest.fixture(scope="module")
def built(zoo: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """What the readers of `gmai data build` make of the zoo: name ▶ RGB pixels, and name ▶ reason."""
    card = {
        "name": "zoo", "title": "zoo", "homepage": "none", "citation": "none", "license": "CC0-1.0",
        "department": "Oncology", "clinical_task": "Disease Diagnosis", "anatomy": "body", "labels": {"one": "one"},
    }  # fmt: skip
    endings = sorted({Path(name).suffix for name in (*SHOWN, *REFUSED)})
    pictures = {"kind": "folder_per_class", "extensions": endings}
    cards = {
        "pictures": {"modality": "X-ray", "task": "2d_classification", "layout": pictures},
        "volumes": {
            "modality": "MR", "task": "3d_classification", "layout": {"kind": "volume", "image": "*"},
            "labels_of_every_image": ["one"], "slices": {"rule": "centre"},
        },
    }  # fmt: skip
    pixels: dict[str, np.ndarray] = {}
    reasons: dict[str, str] = {}
    for name, more in cards.items():
        recipe, root = Recipe.model_validate({**card, **more}), zoo / name
        for item in recipe.layout.list_items(recipe, root):
            try:
                (picture,) = read_pictures(item, recipe, root, Ledger())
                written = Image.open(io.BytesIO(picture.encoded or encode_png(picture.pixels)))
                pixels[Path(item.key).name] = np.asarray(written.convert("RGB"))
            except SourceError as problem:
                reasons[Path(item.key).name] = str(problem)
    return pixels, reasons


def read_by_all(file: Path, store: Path) -> dict[str, np.ndarray | str]:
    """Return the picture, or the reason for its refusal, of chat, training, and the two ways of the benchmark."""
    data = file.read_bytes()
    images = ImageStore(store)
    shown = Shown(images, "none", 0)

    def served() -> Image.Image:
        """What a server makes of the image in a request: pixels as they are stored, without turning."""
        return Image.open(io.BytesIO(shown.encoded(images.add(data, file.name))[1])).convert("RGB")

    readers: dict[str, Callable[[], Image.Image]] = {
        "chat": lambda: open_picture(file).rgb,
        "training": lambda: decode_image(data, keep_grey=True).convert("RGB"),
        "bench --model": lambda: shown(images.add(data, file.name)),
        "bench --endpoint": served,
    }
    found: dict[str, np.ndarray | str] = {}
    for name, read in readers.items():
        try:
            found[name] = np.asarray(read())
        except (UserError, PictureError) as error:
            found[name] = str(error)
    return found


@pytest.mark.parametrize("name", [*SHOWN, *VOLUMES])
def test_pixels_are_equal(name: str, zoo: Path, built: Any, tmp_path: Path) -> None:
    file = zoo / ("volumes" if name in VOLUMES else "pictures/one") / name
    pixels, reasons = built
    due = pixels.get(name)
    assert due is not None, reasons.get(name)
    assert len(np.unique(due)) > 1
    for reader, found in read_by_all(file, tmp_path).items():
        assert isinstance(found, np.ndarray), f"{reader}: {found}"
        assert found.shape == due.shape, reader
        assert np.array_equal(found, due), f"{reader}: {np.abs(found.astype(int) - due).max()} of 255 levels apart"


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_equal(name: str, zoo: Path, built: Any, tmp_path: Path) -> None:
    rule = REFUSED[name][1]
    assert built[1][name].startswith(rule)
    for reader, found in read_by_all(zoo / "pictures" / "one" / name, tmp_path).items():
        assert isinstance(found, str), f"{reader} shows it"
        assert rule in found, f"{reader}: {found}"


def test_the_zoo_is_what_it_seems(built: Any) -> None:
    """Some of the pictures, by values that no reader of gmai had a part in."""
    pixels, _ = built
    white = ALPHA[..., None] / 255
    assert np.abs(pixels["rgba.png"] - (COLOUR * white + 255 * (1 - white))).max() <= 1
    assert np.array_equal(pixels["rgba_opaque.png"], COLOUR)
    assert np.array_equal(pixels["deep_opaque.png"], pixels["deep.png"])
    assert np.array_equal(pixels["deep_half_clear.png"], np.where(DEEP[..., None] > 5000, pixels["deep.png"], 255))
    assert np.array_equal(pixels["deep_colour.png"], COLOUR)
    assert np.array_equal(pixels["small_copy_first.tif"], COLOUR)
    assert np.array_equal(pixels["small_copy_last.tif"], COLOUR)
    assert np.array_equal(pixels["turned.webp"].shape, (WIDTH, HEIGHT, 3))
    assert np.array_equal(pixels["turned.png"], COLOUR.transpose(1, 0, 2))
    assert np.array_equal(pixels["turned_grey.png"][..., 0], GREY[::-1, ::-1])
    assert np.array_equal(pixels["turned.tif"], np.rot90(COLOUR, -1))
    assert np.array_equal(pixels["monochrome1.dcm"], pixels["monochrome2.dcm"])
    assert pixels["oblong.dcm"].shape[:2] == (4 * HEIGHT, WIDTH)
    assert pixels["imager_oblong.dcm"].shape[:2] == (HEIGHT, 3 * WIDTH)
    assert pixels["enhanced.dcm"].shape[:2] == (HEIGHT, 2 * WIDTH)
    assert np.array_equal(pixels["cine.dcm"], COLOUR[::-1])
    assert np.array_equal(pixels["palette.dcm"], np.dstack([GREY, GREY + np.uint8(85), GREY + np.uint8(170)]))
    assert np.array_equal(pixels["RAS.nii.gz"], pixels["LPS.nii.gz"])
    assert np.array_equal(pixels["IAL.nii.gz"], pixels["LPS.nii.gz"])
    assert pixels["oblong.nii"].shape[:2] == (72, 20)
