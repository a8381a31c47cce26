"""Decoded images ▶ what the vision encoder takes: the numbers of the checkpoint's own image processor, sooner.

A quarter of them travels to the device: bytes, which become numbers there by the table that a processor here would use.
"""

from typing import Any

import numpy as np
import torch
from gmai_formats.errors import UserError
from PIL import Image
from torch import Tensor

_PROBES = ((37, 23), (23, 37), (30, 30))
"""Width and height of the images that the short way is tried on."""


class Pixels:
    """Turns images into pixel values.

    Padding happens in bytes, only the picture itself is resized along its rows, grey is resized once instead of three
    times, and rescaling and normalising are left to `values_of`, one look-up per byte. Where a processor does something
    else, as seen on three small images, it is called instead.

    Args:
        processor: The checkpoint's image processor.
        size: Side of its output in px.

    Raises:
        UserError: The processor's settings are such that it makes nothing of an image.
    """

    def __init__(self, processor: Any, *, size: int) -> None:
        self._processor, self._size = processor, size
        try:
            self._try(processor)
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(
                f"the checkpoint's preprocessor_config.json makes no values of an image "
                f"({' '.join(str(error).split())[:200]}). Restore the file; `gmai model check` says more."
            ) from error

    def _try(self, processor: Any) -> None:
        levels = np.arange(256, dtype=np.float64) * processor.rescale_factor
        mean, std = (np.array(v, dtype=np.float32)[:, None] for v in (processor.image_mean, processor.image_std))
        self._table = torch.from_numpy((levels.astype(np.float32)[None] - mean) / std)
        self._colour = tuple(int(value * 255) for value in processor.image_mean)
        self.short = self._agrees()
        """Whether the short way is taken."""

    @property
    def table(self) -> Tensor | None:
        """What `values_of` takes: float32, shape `(3, 256)`; none where the short way is not taken."""
        return self._table if self.short else None

    def __call__(self, images: list[Image.Image]) -> Tensor:
        """Return shape `(images, 3, size, size)`: uint8 where there is a `table`, else float32.

        Args:
            images: RGB, or grey (mode L), which stands for three equal channels.
        """
        if not self.short:
            colour = [image.convert("RGB") for image in images]
            return self._processor(images=colour, return_tensors="pt")["pixel_values"]
        return torch.from_numpy(np.stack([self._read(image) for image in images]))

    def _read(self, image: Image.Image) -> np.ndarray:
        side, resample = self._size, self._processor.resample
        width, height = image.size
        if self._processor.do_pad and width != height:
            longest = max(width, height)
            if width > height:  # the rows of padding are constant, so that resizing along them changes nothing
                image = image.resize((side, height), resample)
            image = image.convert("RGB")  # the padding has a colour
            square = Image.new("RGB", (image.width if width > height else longest, longest), self._colour)
            square.paste(image, (0, (longest - height) // 2) if width > height else ((longest - width) // 2, 0))
            image = square
        values = np.asarray(image.resize((side, side), resample)).reshape(side, side, -1)
        return np.broadcast_to(values.transpose(2, 0, 1), (3, side, side))

    def _agrees(self) -> bool:
        generator = np.random.default_rng(0)
        for width, height in _PROBES:
            probe = Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
            expected = self._processor(images=[probe], return_tensors="np")["pixel_values"][0]
            if expected.shape != (3, self._size, self._size):
                made = "×".join(map(str, expected.shape))
                raise ValueError(f"it makes {made} of one, and its crop_size is {self._size}")
            found = values_of(torch.from_numpy(np.array(self._read(probe)))[None], self._table)
            if not np.array_equal(found[0].numpy(), expected):
                return False
        return True


def values_of(pixels: Tensor, table: Tensor | None) -> Tensor:
    """Return what the vision encoder takes, float32, shape `(images, 3, size, size)`.

    Args:
        pixels: What `Pixels` returns.
        table: That of the same `Pixels`, on the same device.
    """
    if table is None:
        return pixels
    return torch.stack([table[channel][pixels[:, channel].int()] for channel in range(3)], dim=1)
