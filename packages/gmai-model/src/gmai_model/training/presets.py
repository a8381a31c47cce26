"""Settings for machines that people have, over those of Table 8: one card of a hospital, one node, the paper's 32."""

from dataclasses import dataclass, field
from typing import Any

from gmai_formats.errors import UserError, did_you_mean


@dataclass(frozen=True)
class MachinePreset:
    """One machine."""

    name: str
    gpu: str
    """A name of `flops.PEAK_BF16_TFLOPS`, for `--dry-run`."""
    gpus: int
    memory_gib: float
    """Memory of one GPU, as torch reports it."""
    every_stage: dict[str, Any] = field(default_factory=dict[str, Any])
    of_stage: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])

    def settings(self, stage: int) -> dict[str, Any]:
        """Return what the preset sets in a stage."""
        return {**self.every_stage, **self.of_stage.get(stage, {})}


_ADAPTERS_2: dict[str, Any] = {"lora_rank": 16, "lora_parts": ["vision_encoder"]}
_ADAPTERS_3: dict[str, Any] = {"lora_rank": 16, "lora_parts": ["language_model", "vision_encoder"]}
PRESETS = {
    preset.name: preset
    for preset in (
        # The 8 B weights alone take 15 GiB; what trains beside them must be small, and the pack, too. In stage 3 they
        # are held in 4 bits, which leaves room for packs of full length.
        MachinePreset(
            "one-24gb", "RTX 4090", 1, 23.5, {"pack_tokens": 2048, "micro_batch_size": 1},
            {2: {**_ADAPTERS_2, "learning_rate": 1e-4},
             3: {**_ADAPTERS_3, "learning_rate": 1e-4, "quantize": "nf4", "pack_tokens": 4096}},
        ),
        MachinePreset(
            "one-80gb", "H100", 1, 79.0, {"micro_batch_size": 2}, {3: {**_ADAPTERS_3, "learning_rate": 1e-4}}
        ),
        MachinePreset("eight-80gb", "H100", 8, 79.0, {}, {1: {"micro_batch_size": 4}, 2: {}, 3: {}}),
        MachinePreset("paper-32", "A100", 32, 79.0),
    )
}  # fmt: skip
"""Name ▶ preset. Adapters take a higher rate than whole weights; 1e-4 is what LoRA was published with
(https://arxiv.org/abs/2106.09685, appendix D) and was not searched for here."""


def preset_of(name: str) -> MachinePreset:
    """Return a preset.

    Raises:
        UserError: There is none of that name.
    """
    if name not in PRESETS:
        raise UserError(f"--preset {name}: no such preset.{did_you_mean(name, PRESETS)}")
    return PRESETS[name]
