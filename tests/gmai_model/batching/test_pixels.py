"""Pixels: bit for bit what the checkpoint's own processor makes of an image."""

from pathlib import Path

import numpy as np
import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.batching.pixels import Pixels, values_of
from PIL import Image
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

SIDE = 336
SIZES = ((512, 400), (400, 512), (336, 336), (1000, 70), (31, 640), (20, 20), (1, 3))


def processor(**more: object) -> LlavaImageProcessorPil:
    square = {"height": SIDE, "width": SIDE}
    return LlavaImageProcessorPil(**{"size": square, "crop_size": square, "do_center_crop": False, **more})


@pytest.mark.parametrize("do_pad", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_those_of_the_processor(do_pad: bool, size: tuple[int, int]) -> None:
    theirs = processor(do_pad=do_pad)
    pixels = Pixels(theirs, size=SIDE)
    assert pixels.short
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    smooth = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    images = [noise, smooth, noise.convert("L"), Image.new("RGB", size, (255, 255, 255)), Image.new("RGB", size)]
    expected = theirs(images=[image.convert("RGB") for image in images], return_tensors="pt")["pixel_values"]
    found = pixels(images)
    assert found.dtype == torch.uint8
    assert torch.equal(values_of(found, pixels.table), expected)


def test_another_processor_is_called_itself() -> None:
    theirs = processor(size={"shortest_edge": SIDE}, do_center_crop=True)
    pixels = Pixels(theirs, size=SIDE)
    assert not pixels.short
    assert pixels.table is None
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 80, 3), dtype=np.uint8))
    assert (pixels([image]) == theirs(images=[image], return_tensors="pt")["pixel_values"]).all()


def test_processors_of_our_checkpoints_go_the_short_way(checkpoint: Path) -> None:
    from transformers import AutoProcessor

    assert Pixels(AutoProcessor.from_pretrained(checkpoint).image_processor, size=112).short


@pytest.mark.parametrize(
    "settings",
    [{"image_mean": None}, {"image_mean": [0.5]}, {"image_mean": [0.5] * 4}, {"image_std": []},
     {"rescale_factor": None}, {"size": None}, {"resample": 99},
     {"size": {"height": 5, "width": 5}}, {"image_mean": [float("nan")] * 3},
     {"image_mean": [1e308] * 3}],
    ids=str,
)  # fmt: skip
def test_settings_of_which_no_values_come_are_named(settings: dict[str, object]) -> None:
    theirs = processor(do_pad=True)
    for name, value in settings.items():
        setattr(theirs, name, value)
    with pytest.raises(UserError, match=r"preprocessor_config\.json makes no values of an image \(.*Restore the file"):
        Pixels(theirs, size=SIDE)
