"""Stated sizes beside pictures: each turn of EXIF, each factor, and what is refused."""

import numpy as np
import pytest
from gmai_data.ledger import SourceError
from gmai_data.sources.annotations.fits import fit_of
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
