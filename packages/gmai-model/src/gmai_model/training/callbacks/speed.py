"""How fast a step was: useful tokens, how full its packs were, the share of the device's peak, the wait for data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import LlavaForConditionalGeneration

from gmai_model.flops import Flops, peak_flops
from gmai_model.stages import Part
from gmai_model.training.callbacks.callback import Callback, Run, Step
from gmai_model.training.parts import product_weights


@dataclass(frozen=True)
class Speed:
    """What the counts of a step mean for one model on some devices."""

    flops: Flops
    peak: float | None
    """FLOP/s of all devices together; none where the device is not in the table."""
    pack_tokens: int

    def of_step(
        self, *, tokens: float, supervised: float, images: float, packs: int, seconds: float, waited_s: float
    ) -> dict[str, float]:
        """Return `tokens_per_second`, `fill`, `data_wait_share` and, where the peak is known, `mfu`.

        Args:
            tokens: Of all ranks, images' tokens included; rows have no padding.
            supervised: Tokens that the loss counted.
            images: Images in the rows.
            packs: Packs of the step.
            seconds: The step took.
            waited_s: For data, mean over the ranks.
        """
        measured = {
            "tokens_per_second": round(tokens / seconds, 1),
            "fill": round(tokens / (packs * self.pack_tokens), 4),
            "data_wait_share": round(waited_s / seconds, 4),
        }
        if self.peak is not None:
            done = self.flops.count(tokens=tokens, supervised=supervised, images=images)
            measured["mfu"] = round(done / seconds / self.peak, 4)
        return measured

    def note(self, measured: Mapping[str, float]) -> str:
        """Return the numbers of `of_step` for people."""
        mfu = f", MFU {measured['mfu']:.1%}" if "mfu" in measured else ""
        return (
            f"{measured['tokens_per_second']:,.0f} tokens/s, packs {measured['fill']:.0%} full{mfu}, "
            f"waited for data {measured['data_wait_share']:.0%}"
        )


def of_model(
    llava: LlavaForConditionalGeneration, *, trainable: frozenset[Part], pack_tokens: int, device_name: str, world: int
) -> Speed:
    """Return the speed meter of a model; call it before the engine cuts the weights into shards."""
    weights, head = product_weights(llava)
    config: Any = llava.config
    patches = (config.vision_config.image_size // config.vision_config.patch_size) ** 2
    peak = peak_flops(device_name)
    return Speed(
        Flops(weights, head, trainable, positions_per_image=patches + 1, tokens_per_image=config.image_seq_length),
        None if peak is None else peak * world,
        pack_tokens,
    )


class Meter(Callback):
    """Adds the speed of each step to its values."""

    def __init__(self, speed: Speed) -> None:
        self._speed, self._note = speed, ""

    def after_step(self, run: Run, step: Step) -> None:
        """Measure."""
        totals = step.totals
        measured = self._speed.of_step(
            tokens=totals.tokens, supervised=totals.supervised, images=totals.images, packs=len(step.packs),
            seconds=step.seconds, waited_s=totals.waited_s / run.world,
        )  # fmt: skip
        step.values.update(measured)
        self._note = self._speed.note(measured)

    def note(self) -> str:
        """Return the speed of the last step."""
        return self._note
