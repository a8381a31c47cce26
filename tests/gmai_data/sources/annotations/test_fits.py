"""Stated sizes beside pictures: each turn of EXIF, each factor, and what is refused."""

import numpy as np
import pytest
from gmai_data.imaging.raster import load_raster
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.fits import facts_of_masks, fit_of, fitted_mask
from PIL import Image, ImageOps

STORED = (40, 24)


def picture(root, orientation, size=STORED, shrink=1):
    """Save a picture with a marked rectangle; return its shown size and the rectangle found there."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[4:10, 6:18] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(pixels).resize((size[0] // shrink, size[1] // shrink), Image.Resampling.BOX)
    image.save(root / "a.png", exif=exif)
    shown = ImageOps.exif_transpose(Image.open(root / "a.png"))
    rows, columns = np.nonzero(np.asarray(shown)[..., 0] > 127)
    return shown.size, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("shrink", [1, 2])
def test_boxes_and_masks_of_the_stored_picture_are_turned_as_pillow_turns_it(tmp_path, orientation, shrink):
    shown, wanted = picture(tmp_path, orientation, shrink=shrink)
    fit = fit_of(STORED, shown, tmp_path, "a.png")
    assert fit.box((6, 4, 18, 10)) == tuple(wanted)
    mask = np.zeros(STORED[::-1], np.uint8)
    mask[4:10, 6:18] = 1
    rows, columns = np.nonzero(fit.mask(mask))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == wanted
    assert fit.facts["boxes_turned"] == orientation
    assert fit.facts.get("boxes_scaled") == (None if shrink == 1 else 0.5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_size_that_is_the_shown_one_changes_nothing(tmp_path, orientation):
    shown, _ = picture(tmp_path, orientation)
    for stated in (shown, None):
        fit = fit_of(stated, shown, tmp_path, "a.png", "shown")
        assert (fit.box((1.5, 2, 3, 4)), dict(fit.facts)) == ((1.5, 2, 3, 4), {})


@pytest.mark.parametrize("size", [STORED, (40, 40)])
@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("is_stated", [True, False])
def test_what_the_size_does_not_tell_the_card_must(tmp_path, size, orientation, is_stated):
    shown, wanted = picture(tmp_path, orientation, size)
    stated = shown if is_stated else None
    told = is_stated and orientation > 4 and size == STORED
    fit = fit_of(stated, shown, tmp_path, "a.png", "unknown")
    if told:
        assert fit.box((6, 4, 18, 10)) == (6, 4, 18, 10)
    else:
        for ask in (lambda: fit.box((6, 4, 18, 10)), lambda: fit.mask(np.zeros(size[::-1], np.uint8)),
                    lambda: fit.points(np.zeros((1, 2)))):  # fmt: skip
            with pytest.raises(SourceError, match=rf"EXIF orientation {orientation}; .* `boxes.turned`"):
                ask()
    assert fit_of(stated, shown, tmp_path, "a.png", "shown").box((6, 4, 18, 10)) == (6, 4, 18, 10)
    fit = fit_of(stated, shown, tmp_path, "a.png", "stored")
    assert fit.box((6, 4, 18, 10)) == ((6, 4, 18, 10) if told else wanted)
    assert fit.facts == ({} if told else {"boxes_turned": orientation})


@pytest.mark.parametrize("turned", ["unknown", "stored"])
def test_a_picture_that_nothing_turns_leaves_no_question(tmp_path, turned):
    shown, _ = picture(tmp_path, 1)
    assert fit_of(None, shown, tmp_path, "a.png", turned).box((6, 4, 18, 10)) == (6, 4, 18, 10)
    picture(tmp_path, 3)
    assert fit_of(None, shown, tmp_path, "a.png", turned, is_as_stored=True).orientation == 1


@pytest.mark.parametrize(
    ("stated", "factor"), [((80, 48), 0.5), ((20, 12), 2.0), ((400, 240), 0.1), ((41, 25), 0.97561)]
)
def test_one_factor_scales_boxes(tmp_path, stated, factor):
    shown, _ = picture(tmp_path, 1)
    fit = fit_of(stated, shown, tmp_path, "a.png")
    assert fit.facts == {"annotated_size": f"{stated[0]}×{stated[1]}", "boxes_scaled": factor}
    assert fit.box((0, 0, *stated)) == pytest.approx((0, 0, *STORED))


@pytest.mark.parametrize("stated", [(24, 40), (80, 40), (40, 30), (1, 100), (0, 24)])
def test_anything_else_is_refused_with_both_sizes(tmp_path, stated):
    shown, _ = picture(tmp_path, 1)
    with pytest.raises(
        SourceError, match=rf"annotated at {stated[0]}×{stated[1]}, but the picture is 40×24"
    ) as refused:
        fit_of(stated, shown, tmp_path, "a.png")
    assert refused.value.rule == "annotated at another size"


def test_a_file_without_exif_is_not_turned(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"no raster")
    with pytest.raises(SourceError, match="resized by one factor"):
        fit_of((24, 40), STORED, tmp_path, "a.dcm")


@pytest.mark.parametrize("turned", ["unknown", "shown", "stored"])
@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_a_resized_annotation_does_not_tell_a_turn_that_keeps_the_size(tmp_path, orientation, turned):
    shown, wanted = picture(tmp_path, orientation, shrink=2)
    fit = fit_of(STORED, shown, tmp_path, "a.png", turned)
    if turned == "unknown":
        with pytest.raises(SourceError, match=f"turned by EXIF, or not: EXIF orientation {orientation}"):
            fit.box((6, 4, 18, 10))
    else:
        assert fit.box((6, 4, 18, 10)) == (tuple(wanted) if turned == "stored" else (3, 2, 9, 5))


@pytest.mark.parametrize("size", [(40, 24), (80, 48), (120, 72), (20, 12), (27, 16), (41, 24), (97, 58)])
def test_a_mask_that_differs_by_one_factor_is_scaled_as_pillow_scales_the_nearest(tmp_path, toy, size):
    Image.new("L", STORED).save(tmp_path / "a.png")
    mask = np.zeros(size[::-1], np.uint8)
    mask[size[1] // 4 : size[1] // 2, size[0] // 3 :] = 3
    mask[size[1] // 2 :, : size[0] // 5] = 200
    fitted, facts = fitted_mask(mask, load_raster(tmp_path, "a.png"), toy(), tmp_path, "a.png", "m.png")
    assert np.array_equal(fitted, np.asarray(Image.fromarray(mask).resize(STORED, Image.Resampling.NEAREST)))
    assert (facts.get("annotated_size") == f"{size[0]}×{size[1]}") == (size != STORED)
    assert facts.get("boxes_scaled", 1) == pytest.approx(40 / size[0], abs=1e-6)


@pytest.mark.parametrize("size", [(24, 40), (40, 40), (80, 40), (40, 10), (20, 16)])
def test_a_mask_of_another_shape_is_refused_with_both_sizes(tmp_path, toy, size):
    Image.new("L", STORED).save(tmp_path / "a.png")
    with pytest.raises(SourceError, match=f"sizes differ: image 40×24, mask {size[0]}×{size[1]}; they must be equal"):
        fitted_mask(np.zeros(size[::-1], np.uint8), load_raster(tmp_path, "a.png"), toy(), tmp_path, "a.png", "m.png")


@pytest.mark.parametrize("values", [(7,), (7, 9), (255,)])
def test_a_structure_that_scaling_would_lose_is_not_called_absent(tmp_path, toy, values):
    Image.new("L", STORED).save(tmp_path / "a.png")
    mask = np.zeros((240, 400), np.uint8)
    mask[20:90, 20:90] = 1
    for number, value in enumerate(values):
        mask[101, 101 + 10 * number] = value
    with pytest.raises(SourceError, match="loses a structure: scaled from 400×240 to 40×24 it loses " + str(values[0])):
        fitted_mask(mask, load_raster(tmp_path, "a.png"), toy(), tmp_path, "a.png", "m.png")


def test_what_was_done_to_masks_is_said_once_or_by_file():
    half, whole = {"boxes_scaled": 0.5}, {}
    assert facts_of_masks({"a": half, "b": half}) == half
    assert facts_of_masks({"a": half, "b": whole}) == {"masks": {"a": half}}
    assert facts_of_masks({"a": whole}) == {}
