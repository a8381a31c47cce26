"""Tiny stand-ins of the models a lab has: the layouts, tokens and settings of each family, random weights."""

# ruff: noqa: E501 (a template or a kind of model a line)

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gmai_model.assembly.assemble import ImageMode, assemble
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SiglipConfig,
    SiglipModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

VERSIONS = Path(__file__).with_name("versions.json")
"""What each kind computes in which transformers, as test_versions.py found it last."""
TEXT = [
    "The chest radiograph shows a small nodule in the upper part of the left lung.",
    "An axial CT image of the abdomen with the liver, the spleen and both kidneys.",
    "肝脏大小形态正常，未见明显异常密度影。右肺上叶可见结节影，边缘清楚。",
] * 4
SIZES: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512,
}  # fmt: skip
VISION: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 56,
    "patch_size": 14,
}  # fmt: skip

LLAMA2 = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'].strip() + ' ' + eos_token }}{% else %}"
    "{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"
)
MISTRAL = LLAMA2.replace("bos_token + ", "").replace(".strip()", "").replace(" ' + eos", "' + eos")
LLAMA3 = (
    "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LLAMA32 = LLAMA3.replace(
    "{% for", "{{- 'Today: ' + (strftime_now('%d %b %Y') if not date_string is defined else date_string) }}{% for", 1
)
QWEN25 = (
    "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}"
    "{%- else %}{{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{%- endif %}\n"
    "{%- for message in messages %}{%- if message.role == 'user' or message.role == 'assistant' %}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}{%- endif %}{%- endfor %}\n"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}\n"
)
QWEN3 = (
    "{%- set last = namespace(user=0) %}{%- for message in messages %}{%- if message.role == 'user' %}"
    "{%- set last.user = loop.index0 %}{%- endif %}{%- endfor %}{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\n' }}{%- if message.role == 'assistant' and loop.index0 > last.user %}"
    "{{- '<think>\n\n</think>\n\n' }}{%- endif %}{{- message.content + '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
YI = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token }}"
    "{% else %}{{ message['content'] + '\n\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


@dataclass(frozen=True)
class Kind:
    """One kind of model, and why it is refused where it is."""

    name: str
    write: Callable[[Path], None]
    refused: str = ""


def write_tokenizer(
    folder: Path, specials: list[str], *, begins: str | None = None, only_in_settings: int = 0,
    words: tuple[str, ...] = (), **settings: Any,
) -> int:  # fmt: skip
    """Write a byte-level tokenizer.json and its settings; return how many tokens it has.

    Args:
        folder: Where to.
        specials: Special tokens, after the vocabulary.
        begins: A token that the tokenizer puts in front of every text, as those of Llama do.
        only_in_settings: How many of the last special tokens only tokenizer_config.json names.
        words: Patterns by which a text is cut into words, one after the other, then each digit; GPT-2's rule otherwise.
        settings: Of tokenizer_config.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = Tokenizer(models.BPE())
    steps: list[Any] = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in words]
    steps += [pre_tokenizers.Digits(individual_digits=True)] if words else []
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not words)
    made.pre_tokenizer, made.decoder = pre_tokenizers.Sequence([*steps, level]), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False))
    kept = specials[: len(specials) - only_in_settings]
    made.add_special_tokens([AddedToken(each, special=True, normalized=False) for each in kept])
    if begins:
        made.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportCallIssue]
            single=f"{begins} $A", pair=f"{begins} $A $B", special_tokens=[(begins, made.token_to_id(begins))]
        )
    made.save(str(folder / "tokenizer.json"))
    size = made.get_vocab_size()
    rest = {str(size + n): {"content": token, "special": True, "normalized": False, "lstrip": False, "rstrip": False,
                            "single_word": False} for n, token in enumerate(specials[len(kept) :])}  # fmt: skip
    if rest:
        settings["added_tokens_decoder"] = rest
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return size + len(rest)


def language(
    specials: list[str], *, model: Any = LlamaForCausalLM, config: Any = LlamaConfig, spare: int = 0,
    tokenizer: dict[str, Any] | None = None, change: Callable[[Path], object] | None = None, **more: Any,
) -> Callable[[Path], None]:  # fmt: skip
    """Return what writes a language model of a class of transformers."""

    def write(folder: Path) -> None:
        rows = write_tokenizer(folder, specials, **(tokenizer or {})) + spare
        torch.manual_seed(1)
        model(config(**{**SIZES, **more}, vocab_size=rows)).save_pretrained(folder)
        if change is not None:
            change(folder)

    return write


def edit(folder: Path, name: str = "config.json", **changes: Any) -> None:
    """Change fields of a JSON file; None takes one away."""
    content = {**json.loads((folder / name).read_text()), **changes}
    (folder / name).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def internlm2_tensors(
    rows: int, *, layers: int = 3, hidden: int = 32, heads: int = 4, kv_heads: int = 2
) -> dict[str, torch.Tensor]:
    """Return random tensors in InternLM2's own layout."""
    generator = torch.Generator().manual_seed(kv_heads)
    head_dim = hidden // heads

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.2

    tensors = {
        "model.tok_embeddings.weight": draw(rows, hidden), "model.norm.weight": draw(hidden),
        "output.weight": draw(rows, hidden),
    }  # fmt: skip
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        tensors |= {
            prefix + "attention.wqkv.weight": draw((heads + 2 * kv_heads) * head_dim, hidden),
            prefix + "attention.wo.weight": draw(hidden, heads * head_dim),
            prefix + "feed_forward.w1.weight": draw(48, hidden), prefix + "feed_forward.w3.weight": draw(48, hidden),
            prefix + "feed_forward.w2.weight": draw(hidden, 48),
            prefix + "attention_norm.weight": draw(hidden), prefix + "ffn_norm.weight": draw(hidden),
        }  # fmt: skip
    return tensors


def write_sentencepiece(folder: Path, **options: Any) -> int:
    """Write a tokenizer.model with InternLM2's documented settings and unused pieces; return its pieces."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    chosen: dict[str, Any] = {
        "model_type": "bpe", "vocab_size": 450, "byte_fallback": True, "add_dummy_prefix": False,
        "remove_extra_whitespaces": False, "normalization_rule_name": "identity", "hard_vocab_limit": False,
        "user_defined_symbols": [f"[UNUSED_TOKEN_{number}]" for number in range(130, 147)], **options,
    }  # fmt: skip
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT * 5), model_writer=model, character_coverage=0.999, minloglevel=2, num_threads=1,
        **chosen,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue()).get_piece_size()


def internlm2(**settings: Any) -> Callable[[Path], None]:
    """Return what writes an InternLM2 in its own layout with a sentencepiece tokenizer."""

    def write(folder: Path) -> None:
        rows = write_sentencepiece(folder)
        save_file(internlm2_tensors(rows), folder / "model.safetensors", metadata={"format": "pt"})
        config = {"model_type": "internlm2", "architectures": ["InternLM2ForCausalLM"], **SIZES, "vocab_size": rows,
                  "rms_norm_eps": 1e-5, "rope_theta": 1e6, "bias": False, "tie_word_embeddings": False,
                  "bos_token_id": 1, "eos_token_id": 2, **settings}  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config))

    return write


_SP = ["<unk>", "<s>", "</s>"]
_ENDS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "begins": "<s>"}
_L3 = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
_L3_SETTINGS = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "begins": "<|begin_of_text|>"}
_QW = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>"]
_QW_SETTINGS = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
_DS = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"]
DEEPSEEK_CODER = ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+")
"""How DeepSeek-Coder's tokenizer.json cuts words (https://github.com/ggml-org/llama.cpp/pull/7033 has its text)."""
_RESERVED = [f"<|reserved_special_token_{number}|>" for number in range(12)]
_UNUSED = [f"[UNUSED_TOKEN_{number}]" for number in range(130, 141)]
_LLAMA3_ROPE = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 128}  # fmt: skip


def _internlm3(folder: Path) -> None:
    edit(folder, model_type="internlm3", architectures=["InternLM3ForCausalLM"], bias=False, qkv_bias=False,
         rope_parameters=None, rope_theta=5e7, rope_scaling={"rope_type": "dynamic", "factor": 6.0})  # fmt: skip


def _yarn(folder: Path) -> None:
    scaling = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
    edit(folder, rope_parameters=None, rope_theta=1e4, rope_scaling=scaling)


def _sharded(folder: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")


def _foreign(model_type: str) -> Callable[[Path], None]:
    return language(_SP, tokenizer=_ENDS, change=lambda folder: edit(folder, model_type=model_type))


LANGUAGES = [
    Kind("Vicuna (no template of its own)", language(_SP, tokenizer=_ENDS)),
    Kind("Llama-2-chat (no spare row)", language(_SP, tokenizer={**_ENDS, "chat_template": LLAMA2})),
    Kind("Llama-3-Instruct (reserved tokens)", language([*_L3, *_RESERVED], tokenizer={**_L3_SETTINGS, "chat_template": LLAMA3})),
    Kind("Llama-3.1 (its position scaling)", language([*_L3, *_RESERVED], tokenizer={**_L3_SETTINGS, "chat_template": LLAMA3}, rope_parameters=_LLAMA3_ROPE)),
    Kind("Llama-3.2 (tied, writes today's date)", language([*_L3, *_RESERVED], tokenizer={**_L3_SETTINGS, "chat_template": LLAMA32}, tie_word_embeddings=True)),
    Kind("Yi-chat (tokens in tokenizer_config.json alone)", language(["<unk>", "<|startoftext|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"], tokenizer={"bos_token": "<|startoftext|>", "eos_token": "<|im_end|>", "unk_token": "<unk>", "only_in_settings": 2, "chat_template": YI})),
    Kind("DeepSeek-LLM-chat (end tokens of its own)", language(_DS, tokenizer={"bos_token": {"content": _DS[0]}, "eos_token": {"content": _DS[1]}, "begins": _DS[0], "chat_template": DEEPSEEK})),
    Kind("DeepSeek-Coder (its own rule of words)", language(_DS, tokenizer={"bos_token": _DS[0], "eos_token": _DS[1], "begins": _DS[0], "words": DEEPSEEK_CODER, "chat_template": DEEPSEEK})),
    Kind("SmolLM2-Instruct (tied)", language(_QW, tokenizer={"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template": QWEN25}, tie_word_embeddings=True)),
    Kind("Llama layout with biases", language(_SP, tokenizer=_ENDS, attention_bias=True, mlp_bias=True)),
    Kind("InternLM2 in the Llama layout (unused tokens)", language([*_SP, *_QW[1:3], *_UNUSED], tokenizer={**_ENDS, "chat_template": "{{ bos_token }}" + YI})),
    Kind("Mistral-Instruct-v0.1 (sliding window)", language(_SP, model=MistralForCausalLM, config=MistralConfig, sliding_window=128, tokenizer={**_ENDS, "chat_template": MISTRAL})),
    Kind("Mistral-Instruct-v0.3", language(_SP, model=MistralForCausalLM, config=MistralConfig, sliding_window=None, tokenizer={**_ENDS, "chat_template": MISTRAL})),
    Kind("Qwen2.5-7B-Instruct (spare rows)", language(_QW, model=Qwen2ForCausalLM, config=Qwen2Config, spare=24, tie_word_embeddings=False, tokenizer={**_QW_SETTINGS, "chat_template": QWEN25})),
    Kind("Qwen2.5-0.5B-Instruct (tied)", language(_QW, model=Qwen2ForCausalLM, config=Qwen2Config, spare=24, tie_word_embeddings=True, tokenizer={**_QW_SETTINGS, "chat_template": QWEN25})),
    Kind("Qwen3-4B (tied, empty thoughts)", language(_QW, model=Qwen3ForCausalLM, config=Qwen3Config, head_dim=16, spare=24, tie_word_embeddings=True, tokenizer={**_QW_SETTINGS, "chat_template": QWEN3})),
    Kind("Qwen3-8B", language(_QW, model=Qwen3ForCausalLM, config=Qwen3Config, head_dim=16, tie_word_embeddings=False, tokenizer={**_QW_SETTINGS, "chat_template": QWEN3})),
    Kind("InternLM2-chat (sentencepiece)", internlm2()),
    Kind("InternLM2.5-chat (dynamic position scaling)", internlm2(rope_scaling={"type": "dynamic", "factor": 2.0})),
    Kind("InternLM3-Instruct", language([*_SP, *_QW[1:3]], tokenizer={**_ENDS, "chat_template": "{{ bos_token }}" + YI}, change=_internlm3)),
    Kind("Mistral-Nemo (head_dim of its own)", language(_SP, model=MistralForCausalLM, config=MistralConfig, head_dim=16, sliding_window=None, tokenizer={**_ENDS, "chat_template": MISTRAL})),
    Kind("Qwen2.5-1.5B-Instruct (tied, with a sliding window)", language(_QW, model=Qwen2ForCausalLM, config=Qwen2Config, spare=24, tie_word_embeddings=True, use_sliding_window=True, sliding_window=128, max_window_layers=1, tokenizer={**_QW_SETTINGS, "chat_template": QWEN25})),
    Kind("Llama layout with YaRN, as older files write it", language([*_L3, *_RESERVED], tokenizer={**_L3_SETTINGS, "chat_template": LLAMA3}, change=_yarn)),
    Kind("Llama-3 in bf16, several files, its template among others", language([*_L3, *_RESERVED], tokenizer={**_L3_SETTINGS, "chat_template": [{"name": "tool_use", "template": YI}, {"name": "default", "template": LLAMA3}]}, change=_sharded)),
    Kind("Gemma", _foreign("gemma2"), "model_type is 'gemma2'"),
    Kind("Phi-3", _foreign("phi3"), "model_type is 'phi3'"),
    Kind("Mixtral", _foreign("mixtral"), "model_type is 'mixtral'"),
    Kind("InternLM2 with biases", internlm2(bias=True), "the model has biases"),
    Kind("Llama layout with a position scaling that transformers lacks", language(_SP, tokenizer=_ENDS, change=lambda folder: edit(folder, rope_parameters=None, rope_scaling={"type": "su", "factor": 2.0})), "transformers does not take it as 'llama'"),
    Kind("Llama layout that turns a part of each head", language(_SP, tokenizer=_ENDS, change=lambda folder: edit(folder, partial_rotary_factor=0.5)), "partial_rotary_factor is 0.5"),
    Kind("Llama layout with two rope_theta", language(_SP, tokenizer=_ENDS, change=lambda folder: edit(folder, rope_theta=5e5)), "rope_theta is 500000.0, rope_parameters says 10000.0"),
    Kind("Llama layout beside an adapter", language(_SP, tokenizer=_ENDS, change=lambda folder: (folder / "adapter_config.json").write_text("{}")), "an adapter, which would be lost"),
    Kind("Qwen2 of Qwen2.5-VL (multimodal positions)", language(_QW, model=Qwen2ForCausalLM, config=Qwen2Config, tokenizer=_QW_SETTINGS, change=lambda folder: edit(folder, rope_parameters=None, rope_scaling={"type": "mrope", "mrope_section": [1, 1, 2]})), "transformers does not take it as 'qwen2'"),
]  # fmt: skip


def _projected(folder: Path) -> None:
    CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)).save_pretrained(folder)


def _prepared(folder: Path, *, size: int = 56, resample: int = 3, kind: str = "CLIPImageProcessor") -> None:
    square = {"height": size, "width": size}
    settings = {"image_processor_type": kind, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_normalize": True,
                "do_rescale": True, "do_resize": True, "size": square if kind[0] == "S" else {"shortest_edge": size},
                "resample": resample, "rescale_factor": 1 / 255}  # fmt: skip
    if kind[0] == "C":
        settings |= {"crop_size": square, "do_center_crop": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def _clip(folder: Path) -> None:
    CLIPModel(CLIPConfig(vision_config=VISION, text_config={**SIZES, "vocab_size": 50})).save_pretrained(folder)


def _part(folder: Path) -> None:
    CLIPVisionModel(CLIPVisionConfig(**VISION, hidden_act="gelu")).save_pretrained(folder)
    _prepared(folder)


def _siglip(folder: Path) -> None:
    text = {**SIZES, "vocab_size": 50}
    SiglipModel(SiglipConfig(vision_config=VISION, text_config=text)).save_pretrained(folder)
    _prepared(folder, resample=2, kind="SiglipImageProcessor")


def _medsiglip(folder: Path) -> None:
    SiglipVisionModel(SiglipVisionConfig(**{**VISION, "image_size": 64, "patch_size": 14})).save_pretrained(folder)


def _headless(folder: Path) -> None:
    SiglipVisionModel(SiglipVisionConfig(**VISION, vision_use_head=False)).save_pretrained(folder)


def _grey(folder: Path) -> None:
    CLIPVisionModel(CLIPVisionConfig(**VISION, num_channels=1)).save_pretrained(folder)


def _named(folder: Path) -> None:
    _part(folder)
    edit(folder, "preprocessor_config.json", resample="bicubic")


def open_clip_tensors() -> dict[str, torch.Tensor]:
    """Return random tensors in open_clip's layout, with a text side."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    size, inner = VISION["hidden_size"], 64
    tensors = {
        "visual.class_embedding": draw(size), "visual.positional_embedding": draw(17, size),
        "visual.conv1.weight": draw(size, 3, 14, 14), "visual.proj": draw(size, 24), "logit_scale": draw(1),
        "token_embedding.weight": draw(50, size), "transformer.resblocks.0.ln_1.weight": draw(size),
    }  # fmt: skip
    for norm in ("ln_pre", "ln_post"):
        tensors |= {f"visual.{norm}.weight": draw(size) + 1, f"visual.{norm}.bias": draw(size)}
    for number in range(3):
        block = f"visual.transformer.resblocks.{number}"
        for name, shape in {
            "attn.in_proj_weight": (3 * size, size), "attn.in_proj_bias": (3 * size,), "attn.out_proj.weight": (size, size),
            "attn.out_proj.bias": (size,), "mlp.c_fc.weight": (inner, size), "mlp.c_fc.bias": (inner,),
            "mlp.c_proj.weight": (size, inner), "mlp.c_proj.bias": (size,), "ln_1.weight": (size,), "ln_1.bias": (size,),
            "ln_2.weight": (size,), "ln_2.bias": (size,),
        }.items():  # fmt: skip
            tensors[f"{block}.{name}"] = draw(*shape)
    return tensors


def open_clip(*, quick: bool = False, **vision: Any) -> Callable[[Path], None]:
    """Return what writes an open_clip folder."""

    def write(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(open_clip_tensors(), folder / "open_clip_model.safetensors")
        cfg = {
            "image_size": 56,
            "layers": 3,
            "width": 32,
            "patch_size": 14,
            "head_width": 8,
            "mlp_ratio": 2.0,
            **vision,
        }
        content = {"model_cfg": {"embed_dim": 24, "vision_cfg": cfg, "quick_gelu": quick},
                   "preprocess_cfg": {"mean": [0.4] * 3, "std": [0.3] * 3, "interpolation": "bilinear"}}  # fmt: skip
        (folder / "open_clip_config.json").write_text(json.dumps(content))

    return write


def _other(model_type: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        _part(folder)
        edit(folder, model_type=model_type)

    return write


VISIONS = [
    Kind("CLIP, whole", _clip),
    Kind("CLIP, vision part, other mean and deviation", _part),
    Kind("CLIP, vision part with projection", _projected),
    Kind("SigLIP and SigLIP2, whole, bilinear", _siglip),
    Kind("SigLIP as MedSigLIP and so400m: a size that is no multiple of the patch", _medsiglip),
    Kind("SigLIP without its pooling head", _headless),
    Kind("open_clip of CLIP layout", open_clip()),
    Kind("open_clip of CLIP layout, quick GELU", open_clip(quick=True)),
    Kind("open_clip with timm's encoder (BiomedCLIP)", open_clip(timm_model_name="vit_base_patch16_224"), "timm_model_name is"),
    Kind("DINOv2", _other("dinov2"), "model_type is 'dinov2'"),
    Kind("Chinese-CLIP", _other("chinese_clip_vision_model"), "model_type is 'chinese_clip_vision_model'"),
    Kind("SigLIP2 NaFlex", _other("siglip2_vision_model"), "model_type is 'siglip2_vision_model'"),
    Kind("CLIP of one channel", _grey, "num_channels is 1"),
    Kind("CLIP with a filter by name", _named, "Pillow's number of a filter"),
]  # fmt: skip


def by_name(kinds: list[Kind], start: str) -> Kind:
    """Return the first kind whose name starts so."""
    return next(kind for kind in kinds if kind.name.startswith(start))


def partner(kind: Kind) -> tuple[Kind, Kind]:
    """Return a vision encoder and a language model of which one is the kind."""
    if kind in VISIONS:
        return kind, by_name(LANGUAGES, "Vicuna")
    return by_name(VISIONS, "CLIP, vision part, other"), kind


def take(folder: Path, vision: Kind, language: Kind, *, image_mode: ImageMode = "pad") -> Path:
    """Write both and what `gmai model init` makes of them; return its folder."""
    for kind, name in ((vision, "vision"), (language, "language")):
        torch.manual_seed(0)
        (folder / name).mkdir()
        kind.write(folder / name)
    assemble(folder / "vision", folder / "language", folder / "made", image_mode=image_mode, seed=0)
    return folder / "made"
