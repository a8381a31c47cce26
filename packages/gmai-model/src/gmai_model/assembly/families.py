"""Which language models and vision encoders are taken: one table, by what `config.json` says, never by a name."""

from dataclasses import dataclass

_TRIED = ("4.45.2", "4.49.0", "4.57.6", "5.23.0")
"""Versions of transformers in which a tiny model of each kind was opened (`docs/reference/families.md`)."""


@dataclass(frozen=True)
class LanguageFamily:
    """Language models that one text class of transformers computes exactly."""

    title: str
    text_type: str
    """`model_type` of the checkpoint's `text_config`."""
    examples: str
    proof: str
    """What `gmai model init` compares the made model with."""
    keeps: tuple[str, ...] = ()
    """Settings of its `config.json` beside those that all share."""
    same_in: tuple[str, ...] = _TRIED
    """Versions of transformers that were seen to compute the same of every kind of it."""


@dataclass(frozen=True)
class VisionFamily:
    """Vision encoders that one vision class of transformers computes exactly."""

    title: str
    vision_type: str
    """`model_type` of the checkpoint's `vision_config`."""
    examples: str
    proof: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    """Standard deviations per channel of a source without a preprocessor_config.json."""
    resample: int
    """The filter of such a source, as Pillow numbers it: 2 bilinear, 3 bicubic."""
    same_in: tuple[str, ...] = _TRIED
    """Versions of transformers that were seen to compute the same of every kind of it."""


_CLASS = "the source's own class of transformers"
LANGUAGE = {
    "llama": LanguageFamily(
        "Llama layout", "llama", "Vicuna, Llama-2, Llama-3, Llama-3.2, Yi, DeepSeek-LLM, SmolLM2", _CLASS,
        ("attention_bias", "mlp_bias"),
    ),
    "mistral": LanguageFamily("Mistral", "mistral", "Mistral-7B", _CLASS),
    "qwen2": LanguageFamily("Qwen2", "qwen2", "Qwen2, Qwen2.5", _CLASS),
    "qwen3": LanguageFamily("Qwen3", "qwen3", "Qwen3", _CLASS, ("attention_bias",), _TRIED[2:]),
    "internlm2": LanguageFamily(
        "InternLM2", "llama", "InternLM2, InternLM2.5", "a computation from its published layout"
    ),
    "internlm3": LanguageFamily("InternLM3", "llama", "InternLM3", "a Llama of the source's tensors, which it is"),
}  # fmt: skip
"""`model_type` of the source ▶ its family."""

TEXT_CLASSES = {
    "llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}  # fmt: skip
"""`model_type` of a `text_config` ▶ its class, by which vLLM picks its own."""

_OPENAI = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), 3
_HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 3
_CLIP = VisionFamily("CLIP", "clip_vision_model", "CLIP, whole or its vision part", _CLASS, *_OPENAI)
_SIGLIP = VisionFamily(
    "SigLIP", "siglip_vision_model", "SigLIP, SigLIP2 of fixed size, MedSigLIP", _CLASS, *_HALF, _TRIED[1:]
)
VISION = {
    "clip": _CLIP,
    "clip_vision_model": _CLIP,
    "siglip": _SIGLIP,
    "siglip_vision_model": _SIGLIP,
    "open_clip": VisionFamily(
        "open_clip", "clip_vision_model", "open_clip folders of CLIP layout",
        "a computation from its published layout", *_OPENAI,
    ),
}  # fmt: skip
"""`model_type` of the source's vision part (`open_clip`: an `open_clip_config.json`) ▶ its family."""


def describe() -> str:
    """Return both tables as text, for `gmai model families`."""
    titles = ("Language models, by model_type in config.json:", "Vision encoders, by model_type of the vision part:")
    lines: list[str] = []
    for title, table in zip(titles, (LANGUAGE, VISION), strict=True):
        lines.append(title)
        for kind, family in table.items():
            same = f"the same in transformers {', '.join(family.same_in)}"
            lines += [f"  {kind:20} {family.examples}", f"{'':23}proof: {family.proof}; {same}"]
        lines.append("")
    lines.append(
        "Each init compares tokens, chat template, logits and patch features with the source's and refuses a "
        "difference; docs/reference/families.md has the table of what was tried."
    )
    return "\n".join(lines)
