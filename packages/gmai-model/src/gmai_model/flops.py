"""What a step costs in floating-point operations, counted by what trains, and what GPUs can do at best."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gmai_model.stages import PARTS, Part

PEAK_BF16_TFLOPS: dict[str, float] = {
    "B200": 2250.0,
    "GH200": 989.4,
    "H200": 989.4,
    "H100 PCIe": 756.0,
    "H100": 989.4,
    "H800": 989.4,
    "A100": 312.0,
    "A800": 312.0,
    "L40S": 362.0,
    "A40": 149.7,
    "A30": 165.0,
    "A10": 125.0,
    "L4": 121.0,
    "RTX 4090": 165.2,
    "RTX 3090": 71.0,
}
"""Dense bf16 matrix products with fp32 sums, from NVIDIA's data sheet or white paper of each card. The first name that
stands in a device's name as a whole word is its row, so that longer names come before shorter ones."""


def peak_flops(device_name: str) -> float | None:
    """Return a device's peak in FLOP/s, or nothing for one that is not in the table."""
    for name, tflops in PEAK_BF16_TFLOPS.items():
        if re.search(rf"\b{name}\b", device_name, re.IGNORECASE):
            return tflops * 1e12
    return None


@dataclass(frozen=True)
class Flops:
    """The cost of training, by part.

    A weight takes 2 operations per position forward, 2 more where a gradient has to pass on to something that trains,
    and 2 more where it trains itself: a language model takes 4 per weight and token in stages 1 and 2, and 6 in stage
    3. Recomputed activations do not count, nor do the scores of attention, and the head counts where it is computed: at
    the supervised positions.
    """

    weights: Mapping[Part, int]
    """Parameters of each part that take part in products: the language model's layers, without embedding and head."""
    head_weights: int
    trainable: Collection[Part]
    positions_per_image: int
    """Sequence length of the vision encoder: patches and the class token."""
    tokens_per_image: int

    def factor(self, part: Part) -> int:
        """Return the operations per weight and position."""
        upstream = PARTS[: PARTS.index(part) + 1]
        return 2 + 2 * any(name in self.trainable for name in upstream) + 2 * (part in self.trainable)

    def count(self, *, tokens: float, supervised: float, images: float) -> float:
        """Return the operations of training on this many tokens (images' included), of which some are supervised."""
        positions = {
            "vision_encoder": images * self.positions_per_image,
            "projector": images * self.tokens_per_image,
            "language_model": tokens,
        }
        layers = sum(self.factor(part) * self.weights[part] * positions[part] for part in PARTS)
        return layers + self.factor("language_model") * self.head_weights * supervised
