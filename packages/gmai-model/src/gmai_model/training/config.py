"""The settings of one stage: Table 8 as defaults, a YAML file over them, `--set key=value` over that."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from gmai_formats import settings
from gmai_formats.errors import UserError
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gmai_model import stages
from gmai_model.training.presets import preset_of

Beta = Annotated[float, Field(ge=0, lt=1)]


class TrainConfig(BaseModel):
    """Resolved settings; `gmai train --print-config` shows them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    stage: Literal[1, 2, 3]
    """The stage, 1, 2 or 3."""
    trainable: frozenset[stages.Part] = Field(min_length=1)
    """Parts that train (Table 8)."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate (Table 8); rises linearly, then falls to 0 along a cosine."""
    warmup_ratio: float = Field(stages.WARMUP_RATIO, ge=0, lt=1)
    """Share of the steps with rising learning rate."""
    adam_betas: tuple[Beta, Beta] = stages.ADAM_BETAS
    """AdamW's betas (Table 8)."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW's weight decay."""
    max_grad_norm: float = Field(stages.MAX_GRAD_NORM, gt=0)
    """Gradients are scaled down to this norm."""
    global_batch_size: int = Field(stages.GLOBAL_BATCH_SIZE, gt=0)
    """Packs per optimiser step over all devices (Table 8)."""
    micro_batch_size: int = Field(gt=0)
    """Packs that one device computes at once (Table 8)."""
    epochs: int = Field(1, gt=0)
    """Passes over the mixture."""
    max_steps: int | None = Field(None, gt=0)
    """Train only the first steps of the plan; the learning rate's cosine ends there."""
    pack_tokens: int = Field(4096, gt=0)
    """Room of a pack in tokens. The paper gives none; the authors' launch script says 2048."""
    packing: Literal["best_fit", "next_fit", "none"] = "best_fit"
    """How samples share packs: `next_fit` is the paper's soft packing, `best_fit` the same with fuller packs."""
    long_samples: Literal["cut", "skip"] = "cut"
    """A sample longer than a pack loses whole turns at its end, or is left out; both are counted."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Precision of weights and activations (Table 8: bf16); master weights and optimiser states are always fp32."""
    zero_stage: Literal[2, 3] = 2
    """DeepSpeed ZeRO stage."""
    offload: Literal["none", "optimizer", "all"] = "none"
    """Keep optimiser states, or with ZeRO-3 also the weights, in the host's memory: less GPU memory, slower steps."""
    activation_checkpointing: bool = True
    """Recompute activations in the backward pass: less memory, a third more compute."""
    compile: bool = False
    """Compile each layer of the language model at its first call, a minute or two: fewer and larger kernels. Only on a
    GPU, where it was not run yet."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seed of the mixture's shares and the order of samples."""
    device: Literal["auto", "cpu"] = "auto"
    """`auto` takes a GPU; where GPUs were given that torch cannot use, it stops, and only `cpu` trains without them."""
    loader_workers: int = Field(2, ge=0, le=1024)
    """Processes per device that read, tokenise and decode ahead; 0 does it in between steps. Fewer are started where
    `/dev/shm` is too small for their rows."""
    save_every_steps: int = Field(200, gt=0)
    """Steps between two checkpoints to resume from."""
    keep_checkpoints: int = Field(2, gt=0)
    """Resume checkpoints kept; older ones are removed."""
    validate_every_steps: int | None = Field(None, gt=0)
    """Steps between two measurements of the validation loss, and two rounds of answers; the end always has both."""
    validation_samples: int = Field(500, gt=0)
    """Most validation samples that are measured: a fixed draw, with the shares of sources and kinds that all have."""
    benchmark: str | None = None
    """What `gmai bench --benchmarks` takes, such as a build's `held_out.yaml`: asked at the end, and before it every
    `benchmark_every_steps` steps, of the model as it then is. It runs beside the run's own memory, on the same GPU."""
    benchmark_every_steps: int | None = Field(None, gt=0)
    """Steps between two rounds of the benchmark."""
    benchmark_options: tuple[str, ...] = ()
    """More options of `gmai bench`, such as `[--limit, "200", --max-new-tokens, "16"]`."""
    select_by: Literal["validation_loss", "benchmark"] = "validation_loss"
    """What `export=best` and `patience` go by: the lowest validation loss or the highest mean accuracy."""
    patience: int | None = Field(None, gt=0)
    """End the run when what `select_by` names has not improved in this many measurements; none never does."""
    export: Literal["last", "best"] = "last"
    """Weights that become the model: after the last step (the paper), or the best ones by `select_by`."""
    answers: int = Field(8, ge=0)
    """Held-out questions, always the same ones, that the model answers whenever the validation loss is measured."""
    answer_tokens: int = Field(48, gt=0)
    """Longest of these answers in tokens."""
    max_bad_fraction: float = Field(0.001, ge=0, le=1)
    """Share of samples with an unreadable image above which training stops."""
    startup_timeout_s: float = Field(300, gt=0)
    """Seconds within which all processes must have met; also how long one may give no sign of life later."""
    stall_timeout_s: float = Field(1800, gt=0)
    """Seconds without progress after which the run ends and says which rank it waited for."""
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()
    """Where metrics go besides `metrics.jsonl`: the extras `gmai-model[tensorboard]`, `[wandb]` and `[mlflow]`."""
    profile_steps: int = Field(0, ge=0)
    """Steps of which a trace is written into `profile/` (`--profile N`); two are made before it."""
    callbacks: tuple[str, ...] = ()
    """Behaviours of other packages beside the steps: names of entry points of the group `gmai.training_callbacks`."""
    lora_rank: int = Field(0, ge=0)
    """0 trains all weights (the paper); above, `lora_parts` train adapters of this rank: `gmai-model[lora]`."""
    lora_alpha: float = Field(32.0, gt=0)
    """Adapters are scaled by `lora_alpha / lora_rank`."""
    lora_parts: frozenset[stages.Part] = frozenset({"language_model"})
    """Parts that train adapters in place of their weights; other parts of `trainable` train their weights."""
    lora_adapter: bool = False
    """Write the adapters by themselves, too, into `OUT/adapter/`, which peft opens; `OUT/model/` has them merged."""

    quantize: Literal["none", "nf4"] = "none"
    """`nf4` holds the frozen language model in 4 bits (QLoRA, `gmai-model[qlora]`), in a quarter of the memory. What
    trains beside it, adapters or another part, does so against rounded weights; the exported ones are not rounded."""

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        if self.quantize != "none" and "language_model" in self.trained_whole:
            raise ValueError(
                f"quantize={self.quantize} rounds the language model's weights to 4 bits, which cannot train. Set "
                "lora_rank, with language_model in lora_parts, so that adapters train in their place."
            )
        if self.quantize != "none" and self.zero_stage == 3:
            raise ValueError(
                f"quantize={self.quantize} packs weights in blocks that ZeRO-3 cannot divide among GPUs"
                + (", nor offload=all move" if self.offload == "all" else "")
                + ". Set zero_stage=2: each GPU holds them."
            )
        if self.compile and self.zero_stage == 3:
            raise ValueError("compile needs a layer's weights in place; ZeRO-3 gathers them inside. Set zero_stage=2.")
        if self.offload == "all" and self.zero_stage != 3:
            raise ValueError("offload=all moves weights to the host, which ZeRO-3 alone can. Set zero_stage=3.")
        frozen = sorted(self.lora_parts - self.trainable)
        if self.lora_rank and frozen:
            raise ValueError(
                f"lora_rank={self.lora_rank} puts adapters into the {frozen[0].replace('_', ' ')}, which stage "
                f"{self.stage} freezes. Set lora_parts to parts that train: {', '.join(sorted(self.trainable))}."
            )
        if self.lora_rank and not self.lora_parts:
            raise ValueError("lora_parts is empty. Name a part, or set lora_rank=0.")
        if self.lora_adapter and (not self.lora_rank or self.lora_parts != self.trainable):
            raise ValueError(
                "lora_adapter writes adapters alone, so that nothing else may train. Set lora_rank, and lora_parts to "
                f"what trains: [{', '.join(sorted(self.trainable))}]."
            )
        if self.select_by == "benchmark" and self.benchmark is None:
            raise ValueError("select_by=benchmark needs one: set benchmark to what `gmai bench --benchmarks` takes.")
        if self.benchmark is None and (self.benchmark_every_steps or self.benchmark_options):
            raise ValueError("benchmark_every_steps and benchmark_options go with benchmark. Set it, too.")
        if self.patience and self.select_by == "validation_loss" and self.validate_every_steps is None:
            raise ValueError("patience counts measurements of the validation loss. Set validate_every_steps, too.")
        if self.patience and self.select_by == "benchmark" and self.benchmark_every_steps is None:
            raise ValueError("patience counts measurements of the benchmark. Set benchmark_every_steps, too.")
        return self

    @property
    def trained_whole(self) -> frozenset[stages.Part]:
        """The parts whose own weights train, rather than adapters beside them."""
        return self.trainable - self.lora_parts if self.lora_rank else self.trainable

    @property
    def samples(self) -> "SampleSettings":
        """What the choice, the order and the packing of samples depend on."""
        return SampleSettings(**{field.name: getattr(self, field.name) for field in fields(SampleSettings)})


@dataclass(frozen=True)
class SampleSettings:
    """The settings of `TrainConfig` by these names that samples are read, chosen and packed by."""

    stage: int
    seed: int
    epochs: int
    pack_tokens: int
    packing: Literal["best_fit", "next_fit", "none"]
    long_samples: Literal["cut", "skip"]
    global_batch_size: int
    validation_samples: int


MAY_CHANGE = frozenset({
    "micro_batch_size", "activation_checkpointing", "compile", "device", "loader_workers", "save_every_steps",
    "keep_checkpoints", "validate_every_steps", "patience", "answers", "benchmark", "benchmark_every_steps",
    "benchmark_options", "answer_tokens", "max_bad_fraction", "startup_timeout_s", "stall_timeout_s", "trackers",
    "callbacks", "profile_steps",
})  # fmt: skip
"""Settings that leave the result as it is, but for rounding: a resumed run may have others than it began with."""


def resolve(stage: int, file: Path | None, overrides: list[str], preset: str | None = None) -> TrainConfig:
    """Return the settings of a stage.

    Args:
        stage: 1, 2 or 3.
        file: A YAML mapping over the stage's defaults, or none.
        overrides: `key=value`, values in YAML, over both.
        preset: Name of a machine, whose settings stand under the file's.

    Raises:
        UserError: An unknown stage or key, a value out of range, or two stages.
    """
    if stage not in stages.STAGES:
        raise UserError(
            f"--stage {stage}: the paper has the stages 1, 2 and 3 (Table 8); 4 is gmai's own. Give one of these."
        )
    row = stages.STAGES[stage]
    defaults: dict[str, Any] = {
        "stage": stage,
        "trainable": sorted(row.trainable),
        "learning_rate": row.learning_rate,
        "micro_batch_size": row.micro_batch_size,
        **(preset_of(preset).settings(stage) if preset else {}),
    }
    found = settings.resolve(TrainConfig, file, overrides, defaults=defaults)
    if found.stage != stage:
        raise UserError(
            f"settings: stage: {found.stage}, and --stage is {stage}, whose defaults stand under them. Leave it out."
        )
    return found
