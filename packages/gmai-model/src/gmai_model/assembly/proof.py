"""What `gmai model init` proves of a checkpoint before it says so: tokens, chat, logits and patch features."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gmai_formats.errors import UserError
from jinja2 import TemplateError
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModel, AutoModelForCausalLM, AutoProcessor

from gmai_model.assembly import open_clip
from gmai_model.assembly.internlm2 import reference_logits
from gmai_model.assembly.language import EMBEDDING, HEAD, LanguageModel
from gmai_model.assembly.layout import configuration
from gmai_model.assembly.templates import CHATML, VICUNA, begins_with_system, conversations, render
from gmai_model.assembly.tokenizer import REGION_TOKENS, RESERVED, LoadedTokenizer
from gmai_model.assembly.vision import VisionEncoder
from gmai_model.assembly.weights import WeightFiles

LAYERS = 2
"""Layers of the language model that both sides compute; all are built alike, and more would need more memory."""
TOKENS = 48
TOLERANCE = 1e-4
"""Largest difference of a logit or feature, relative to the largest value, that is rounding of fp32."""
_MOST_OWN = 40
"""Tokens of a source's own that are tried: those after them are of the same kind."""
_WORDS = (
    "The chest radiograph shows a small nodule in the left upper lobe.", "肝脏大小形态正常，未见明显异常密度影。",
    "HU = slope * pixel + intercept;  W/L 400/40", "def window(level, width):\n    return level - width / 2\n",
    "naïve café Ω≈ç√ µ ½ ﬁne", "T1-weighted, 3.0 mm, 12.5 %", "Befund: unauffällig (größer als früher)",
    "右肺上叶可见结节影", "🫀 heart", "全角ＡＢＣ　１２３", "<think>", "https://example.org/a?b=c&d=[1]",
    "COVID-19 (SARS-CoV-2)", "1234567890", "e\u0301 é", "\u200bzero\u200d width", "-1.5e-3 ± 0.2", "안녕하세요",
    "Привет, мир", "مرحبا", "don't can't I'll",
)  # fmt: skip
_EDGES = (
    "", "a", " a", "a ", "  two  spaces ", "\n\n\ttabs\n", " ", "\t", "\r\nline", "x" * 70, "   ", "A\n\n\nB", "..",
    "1 2 3",
)  # fmt: skip


def texts(count: int = 320) -> Iterator[str]:
    """Yield texts of many kinds, always the same ones: languages, digits, code, runs of blanks, odd characters."""
    yield from _WORDS
    yield from _EDGES
    draw = random.Random(0)  # noqa: S311 (no secret)
    joins = (" ", "", "\n", "  ", "\u3000", ", ", "\t")
    for _ in range(count - len(_WORDS) - len(_EDGES)):
        words = [draw.choice(draw.choice(_WORDS).split() or [" "]) for _ in range(draw.randint(2, 6))]
        yield draw.choice(("", "", " ", "\n")) + draw.choice(joins).join(words)


def prove(folder: Path, vision: VisionEncoder, language: LanguageModel, tokenizer: LoadedTokenizer) -> dict[str, str]:
    """Compare a checkpoint with its sources, as it lies on disk.

    Returns:
        What was compared ▶ how; for the record.

    Raises:
        UserError: A difference, with the first case.
    """
    processor: Any = AutoProcessor.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    made = WeightFiles(folder)
    return {
        "tokens": _tokens(processor.tokenizer, tokenizer),
        "chat_template": _chat(processor.tokenizer, tokenizer),
        "logits": _logits(made, language, processor.tokenizer),
        "features": _features(made, vision),
        "pixels": _pixels(processor.image_processor, vision),
    }


def _refuse(what: str, detail: str) -> UserError:
    return UserError(
        f"the made model is not its source: {what} differ. {detail} It is written only when both are the same. "
        f"Choose another model; if this one is listed by `gmai model families`, please report it."
    )


def _tokens(made: Any, source: LoadedTokenizer) -> str:
    tokens = made.added_tokens_decoder.values()  # sentencepiece knows only those that are no special ones
    added = [token.content for token in tokens if token.special or token.content in REGION_TOKENS]
    own = [token.content for token in tokens if token.content not in added and not RESERVED.fullmatch(token.content)]
    compared = 0
    for text in itertools.chain(texts(), _among_words(own)):
        if any(token in text for token in added):
            continue
        expected, found = source.source_ids(text), made.encode(text, add_special_tokens=False)
        if expected != found:
            raise _refuse(
                "the tokens (tokenizer)", f"{text!r} is {expected[:12]} in the source's and {found[:12]} here."
            )
        compared += 1
    return f"{compared} texts have the source's tokens"


def _among_words(tokens: Sequence[str]) -> Iterator[str]:
    """Yield texts with tokens that stand for themselves wherever they occur, alone, within words and beside blanks."""
    for token in tokens[:_MOST_OWN]:
        yield from (token, f"x{token}y", f"the {token} of", f"{token}{token}\n")


def _chat(made: Any, source: LoadedTokenizer) -> str:
    if source.own_template is None or source.own_template in {CHATML, VICUNA}:
        return "a chat template of gmai"
    names = ("bos_token", "eos_token", "pad_token", "unk_token")
    tokens = {name: token for name in names if (token := getattr(made, name)) is not None}
    compared = 0
    for messages, prompt in conversations():
        try:
            expected = render(source.own_template, messages, {**tokens, "date_string": "26 Jul 2024"}, prompt=prompt)
        except UserError:
            continue  # a system prompt, which some templates refuse
        try:
            found = made.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
        except TemplateError:
            if messages[0]["role"] == "system" and not begins_with_system(messages, expected):
                continue  # refused there as well
            raise
        if found != expected:
            raise _refuse("the chats", f"The source's template says {expected!r}, this one {found!r}.")
        compared += 1
    return f"{compared} chats have the text of the source's template"


def _logits(made: WeightFiles, language: LanguageModel, tokenizer: Any) -> str:
    text = tokenizer.encode(" ".join(_WORDS[:8]), add_special_tokens=False)[:TOKENS]
    ids = torch.tensor([number for number in text if number < language.source_rows] or [0])
    rows, place = ids.unique(return_inverse=True)  # of the vocabulary only what is asked about
    expected = _source_logits(language, rows, place)
    settings = {**language.text_config, "vocab_size": len(rows)}

    def tensor(name: str) -> Tensor:
        found = made.tensor(f"language_model.{name}")
        return (found[rows] if name in {EMBEDDING, HEAD} else found).float()

    return _compare("logits", expected, _run_text(settings, tensor, place), f"{len(ids)} tokens")


def _source_logits(language: LanguageModel, rows: Tensor, place: Tensor) -> Tensor:
    if language.kind == "internlm2":
        embedding = language.source_tensor("model.tok_embeddings.weight", rows)
        head = embedding if language.untied else language.source_tensor("output.weight", rows)
        config = {**language.config, "rope_theta": language.text_config["rope_theta"]}
        layers = min(LAYERS, language.text_config["num_hidden_layers"])
        return reference_logits(language.source_tensor, config, embedding[place], head, layers=layers)

    def tensor(name: str) -> Tensor:
        own_name = EMBEDDING if name == HEAD and language.untied else name
        return language.source_tensor(own_name, rows if name in {EMBEDDING, HEAD} else None)

    kind = language.kind if language.kind == language.family.text_type else language.family.text_type
    own = {
        key: value
        for key, value in language.config.items()
        if key not in {"auto_map", "architectures", "dtype", "torch_dtype"}
    }
    return _run_text({**own, "model_type": kind, "vocab_size": len(rows), "tie_word_embeddings": False}, tensor, place)


def _run_text(settings: dict[str, Any], tensor: Callable[[str], Tensor], ids: Tensor) -> Tensor:
    """Compute the logits of the first layers of a text model with the tensors that it asks for by name."""
    layers = min(LAYERS, settings["num_hidden_layers"])
    limited: dict[str, Any] = {**settings, "num_hidden_layers": layers}
    for key in ("layer_types", "pad_token_id", "bos_token_id", "eos_token_id"):  # of all layers; of all rows
        limited.pop(key, None)
    model = _filled(AutoModelForCausalLM.from_config, configuration(limited), tensor)
    with torch.no_grad():
        return model(ids[None], use_cache=False).logits[0]


def _filled(build: Any, config: Any, tensor: Callable[[str], Tensor]) -> Any:
    config._attn_implementation = "eager"
    with torch.device("meta"):
        names = list(build(config).state_dict())
    torch.set_default_dtype(torch.float32)
    model = build(config).eval()
    model.load_state_dict({name: tensor(name) for name in names})
    return model


def _features(made: WeightFiles, vision: VisionEncoder) -> str:
    size, dtype = vision.config["image_size"], made.dtype(made.names()[0])
    pixels = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    layers = vision.config["num_hidden_layers"] - 1

    def source(name: str) -> Tensor:
        return vision.weights.tensor(name).to(dtype).float()

    def under_any_name(name: str) -> Tensor:
        bare = name.removeprefix("vision_model.")
        return source(next(n for n in (f"vision_model.{bare}", bare) if n in vision.weights.file_of))

    def written(name: str) -> Tensor:
        return made.tensor(f"vision_tower.vision_model.{name.removeprefix('vision_model.')}").float()

    config = configuration(vision.config)
    with torch.no_grad():
        if vision.is_open_clip:
            expected = open_clip.reference_features(source, vision.config, pixels, layers=layers)
        else:
            expected = _filled(AutoModel.from_config, config, under_any_name)(
                pixels, output_hidden_states=True
            ).hidden_states[-2]
        found = _filled(AutoModel.from_config, config, written)(pixels, output_hidden_states=True).hidden_states[-2]
    return _compare("features", expected, found, f"{vision.tokens} patches")


def _compare(what: str, expected: Tensor, found: Tensor, of: str) -> str:
    largest = float((expected - found).abs().max())
    if not largest <= TOLERANCE * max(1.0, float(expected.abs().max())):
        at = np.unravel_index(int((expected - found).abs().argmax()), expected.shape)
        raise _refuse(f"the {what}", f"By up to {largest:.3g}, at {tuple(map(int, at))}.")
    return f"{what} of {of}: largest difference {largest:.2g}"


def _pixels(processor: Any, vision: VisionEncoder) -> str:
    """Compare square pictures, which every image mode resizes alike."""
    if vision.preparation.where not in {"preprocessor_config.json", "processor_config.json"}:
        return f"normalisation of {vision.preparation.where}"
    try:
        source: Any = AutoImageProcessor.from_pretrained(vision.folder, local_files_only=True, use_fast=False)
        source(images=[Image.new("RGB", (8, 8))], return_tensors="np")
    except (OSError, ValueError, ImportError) as error:
        return f"normalisation of {vision.preparation.where}; its own processor does not open here ({str(error)[:80]})"
    for side in (vision.config["image_size"], vision.config["image_size"] * 3 // 2):
        picture = Image.fromarray(np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8))
        expected, found = (
            np.asarray(p(images=[picture], return_tensors="np")["pixel_values"][0]) for p in (source, processor)
        )
        if expected.shape != found.shape or float(np.abs(expected - found).max()) > 0.02:
            raise _refuse(
                "the pixels",
                f"A picture of {side} px is prepared in another way (shape {expected.shape} and {found.shape}).",
            )
    return "square pictures have the source's pixel values"
