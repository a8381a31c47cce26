"""Packs ▶ one row of tensors, with segment boundaries, images decoded and the loss mask shifted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from gmai_formats import limits
from gmai_formats.pictures.guarded import read_guarded
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.read import read_picture
from PIL import Image
from torch import Tensor

from gmai_model.batching.groups import number_of
from gmai_model.batching.pixels import Pixels, values_of
from gmai_model.batching.samples import SampleSource
from gmai_model.batching.tokens import Encoded, Encoder, Rejected


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
    """uint8 or float32, shape `(images, 3, size, size)`; one grey image where the row has none. See `pixels`."""
    pixel_table: Tensor | None
    """With uint8: what each byte stands for, float32, shape `(3, 256)`."""
    has_images: bool
    unreadable: list[str]
    """`id: reason` of samples left out because an image did not decode."""

    @property
    def pixels(self) -> Tensor:
        """What the vision encoder takes, float32, shape `(images, 3, size, size)`."""
        return values_of(self.pixel_values, self.pixel_table)

    def to(self, device: torch.device) -> "Row":
        """Move the tensors; to a GPU from pinned memory, without which it would wait for each of them."""
        values: dict[str, Any] = vars(self)
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        if device.type == "cuda":
            tensors = {name: tensor.pin_memory() for name, tensor in tensors.items()}
        return replace(self, **{name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()})


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
        self.harmful: dict[int, str] = {}
        """Samples whose images ended a process ▶ how; they count as unreadable."""
        self._begins: Callable[[int], None] | None = None

    def work_apart(self, begins: Callable[[int], None]) -> None:
        """Decode in this process, which is one that may be lost, within the limits of `gmai_formats.limits`.

        Args:
            begins: Called with the number of a sample before its images are decoded, and with -1 behind them.
        """
        self._begins = begins

    def _decode(self, number: int, images: Sequence[bytes]) -> list[Image.Image]:
        if number in self.harmful:
            raise PictureError(*self.harmful[number].split(": ", 1))
        if self._begins is None or not images:
            return [decode_image(image, keep_grey=True) for image in images]
        self._begins(number)
        limits.begin(sum(map(len, images)))
        try:
            return [read_picture(image).image for image in images]
        except MemoryError as error:
            raise PictureError(limits.TOO_MUCH, limits.too_much()) from error
        finally:
            limits.end()
            self._begins(-1)

    def __call__(self, numbers: np.ndarray) -> Row:
        """Return the row of these samples, in this order.

        A sample whose image does not decode is left out and reported in `unreadable`; nothing takes its place. So is
        one that was planned before an upgrade and is refused since.
        """
        encoded: list[Encoded] = []
        groups: list[int] = []
        images: list[Image.Image] = []
        unreadable: list[str] = []
        for number in numbers:
            sample = self._source[int(number)]
            try:
                tokens = self._encoder(sample)
                decoded = self._decode(int(number), [image.read() for image in sample.images[: tokens.n_images]])
            except (OSError, PictureError, Rejected) as error:
                unreadable.append(f"{sample.id}: {error}")
                continue
            encoded.append(tokens)
            groups.append(number_of(self._sources[int(self._source.dataset[number])], sample.id))
            images += decoded
        pixels = self._pixels(images) if images else None
        return make_row(
            encoded, pixels, image_size=self._image_size, unreadable=unreadable, groups=groups,
            table=self._pixels.table if images else None,
        )  # fmt: skip


def make_row(
    encoded: list[Encoded], pixels: Tensor | None, *, image_size: int, unreadable: list[str],
    groups: Sequence[int] = (), table: Tensor | None = None,
) -> Row:  # fmt: skip
    """Lay tokenised samples end to end.

    Args:
        encoded: The samples; none gives a row of one token without a target, which keeps the ranks in step.
        pixels: Shape `(images, 3, image_size, image_size)`, all images of the samples in order, or none.
        image_size: Side of an image in px.
        unreadable: Passed through.
        groups: Of each sample, the number of its `groups.LossGroup`; without them all are of the first.
        table: What the bytes of `pixels` stand for.
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
        pixel_table=table,
        has_images=pixels is not None,
        unreadable=unreadable,
    )


def decode_image(data: bytes, *, keep_grey: bool = False) -> Image.Image:
    """Return the picture that an image of a sample shows, in RGB: that of `gmai data`, chat and bench.

    Args:
        data: The encoded image.
        keep_grey: Leave a grey picture as it is (mode L).

    Raises:
        PictureError: It is not whole, no image, of several pages, or harms its decoder.
    """
    picture = read_guarded(data)
    return picture.image if keep_grey else picture.rgb
