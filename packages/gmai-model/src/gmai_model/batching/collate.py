"""Packs ▶ one row of tensors, with segment boundaries, images decoded and the loss mask shifted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.read import read_picture
from PIL import Image
from torch import Tensor

from gmai_model.batching.groups import number_of
from gmai_model.batching.pixels import Pixels
from gmai_model.batching.samples import SampleSource
from gmai_model.batching.tokens import Encoded, Encoder


@dataclass(frozen=True)
class Row:
    """One packed row: what a rank computes at once."""

    input_ids: Tensor
    """int64, shape `(1, tokens)`."""
    position_ids: Tensor
    """int64, shape `(1, tokens)`, from 0 in every segment."""
    cu_seq_lens: Tensor
    """int32, shape `(segments + 1,)`."""
    max_length: int
    predicts: Tensor
    """bool, shape `(tokens,)`: positions whose next token the loss counts."""
    targets: Tensor
    """int64, shape `(predicts.sum(),)`: those next tokens."""
    target_groups: Tensor
    """int64, shape like `targets`: the number of the `groups.LossGroup` that each target is of."""
    pixel_values: Tensor
    """float32, shape `(images, 3, size, size)`; one grey image where the row has none."""
    has_images: bool
    unreadable: list[str]
    """`id: reason` of samples left out because an image did not decode."""

    def to(self, device: torch.device) -> "Row":
        """Move the tensors."""
        values: dict[str, Any] = vars(self)
        moved = {k: v.to(device, non_blocking=True) for k, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **moved)


class Collator:
    """Builds rows from sample numbers.

    Args:
        source: The samples.
        encoder: The tokeniser used for the plan.
        image_processor: The checkpoint's image processor.
        image_size: Side of its output in px.
        sources: Number of each table's source among the groups that losses are kept apart for; by default its own.
    """

    def __init__(
        self, source: SampleSource, encoder: Encoder, image_processor: Any, *, image_size: int,
        sources: Sequence[int] = (),
    ) -> None:  # fmt: skip
        self._source, self._encoder = source, encoder
        self._sources = list(sources) or list(range(len(source.tables)))
        self._pixels = Pixels(image_processor, size=image_size)
        self._image_size = image_size

    def __call__(self, numbers: np.ndarray) -> Row:
        """Return the row of these samples, in this order.

        A sample whose image does not decode is left out and reported in `unreadable`; nothing takes its place.
        """
        encoded: list[Encoded] = []
        groups: list[int] = []
        images: list[Image.Image] = []
        unreadable: list[str] = []
        for number in numbers:
            sample = self._source[int(number)]
            try:
                tokens = self._encoder(sample)
                decoded = [decode_image(image.read(), keep_grey=True) for image in sample.images[: tokens.n_images]]
            except (OSError, PictureError) as error:
                unreadable.append(f"{sample.id}: {error}")
                continue
            encoded.append(tokens)
            groups.append(number_of(self._sources[int(self._source.dataset[number])], sample.id))
            images += decoded
        pixels = self._pixels(images) if images else None
        return make_row(encoded, pixels, image_size=self._image_size, unreadable=unreadable, groups=groups)


def make_row(
    encoded: list[Encoded], pixels: Tensor | None, *, image_size: int, unreadable: list[str],
    groups: Sequence[int] = (),
) -> Row:  # fmt: skip
    """Lay tokenised samples end to end.

    Args:
        encoded: The samples; none gives a row of one token without a target, which keeps the ranks in step.
        pixels: Shape `(images, 3, image_size, image_size)`, all images of the samples in order, or none.
        image_size: Side of an image in px.
        unreadable: Passed through.
        groups: Of each sample, the number of its `groups.LossGroup`; without them all are of the first.
    """
    if not encoded:
        encoded = [Encoded(np.zeros(1, dtype=np.int32), np.zeros(1, dtype=bool), 0)]
    lengths = np.array([len(sample.input_ids) for sample in encoded])
    input_ids = torch.from_numpy(np.concatenate([sample.input_ids for sample in encoded]).astype(np.int64))
    starts = np.concatenate([[0], lengths.cumsum()])
    learn = np.concatenate([sample.supervised for sample in encoded])
    learn[starts[:-1]] = False
    predicts = torch.from_numpy(np.concatenate([learn[1:], [False]]))
    of_sample = np.repeat(np.asarray(groups or [0] * len(encoded), dtype=np.int64), lengths)
    return Row(
        input_ids=input_ids[None],
        position_ids=torch.from_numpy(np.concatenate([np.arange(length) for length in lengths]))[None],
        cu_seq_lens=torch.from_numpy(starts.astype(np.int32)),
        max_length=int(lengths.max()),
        predicts=predicts,
        targets=input_ids[1:][predicts[:-1]],
        target_groups=torch.from_numpy(of_sample)[predicts],
        pixel_values=torch.zeros(1, 3, image_size, image_size) if pixels is None else pixels,
        has_images=pixels is not None,
        unreadable=unreadable,
    )


def decode_image(data: bytes, *, keep_grey: bool = False) -> Image.Image:
    """Return the picture that an image of a sample shows, in RGB: that of `gmai data`, chat and bench.

    Args:
        data: The encoded image.
        keep_grey: Leave a grey picture as it is (mode L).

    Raises:
        PictureError: It is not whole, no image, or of several pages.
    """
    picture = read_picture(data)
    return picture.image if keep_grey else picture.rgb
