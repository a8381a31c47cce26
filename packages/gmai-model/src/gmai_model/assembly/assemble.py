"""READ THIS FIRST of the assembly: vision encoder + projector + language model ▶ one LLaVA checkpoint folder."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import torch
from gmai_cli.console import say
from gmai_cli.folders import check_new, new_folder
from gmai_formats.checkpoints import naming_files
from gmai_formats.errors import UserError
from gmai_formats.files import write_json
from gmai_formats.weights import RECORD, sealed_files
from torch import Tensor
from transformers import LlavaConfig, PreTrainedTokenizerFast

from gmai_model.assembly.language import LanguageModel
from gmai_model.assembly.portable import make_portable, settings_digests, write_generation_config, write_processor
from gmai_model.assembly.proof import prove
from gmai_model.assembly.tokenizer import IMAGE_TOKEN, load_tokenizer
from gmai_model.assembly.vision import VisionEncoder
from gmai_model.assembly.weights import WeightWriter, count_not_finite

ImageMode = Literal["pad", "stretch", "crop"]
FEATURE_LAYER = -2
"""The penultimate layer of the vision encoder, as LLaVA and the authors' code take it."""


def assemble(
    vision: Path, language: Path, out: Path, *, image_mode: ImageMode, seed: int, keep_rope_scaling: bool = False,
    chat_template: str | None = None, names: tuple[str, str] | None = None,
) -> None:  # fmt: skip
    """Write a `LlavaForConditionalGeneration` checkpoint made of two local model folders and a fresh projector.

    Tensors are streamed, so memory stays near one shard. The names on disk are the classic ones
    (`vision_tower.vision_model…`, `language_model.model…`, `multi_modal_projector…`) that every server reads. Before
    the folder gets its name, it is compared with its sources (`proof.prove`).

    Args:
        vision: A vision encoder's folder.
        language: A language model's folder with a `tokenizer.json` or `tokenizer.model`.
        out: The folder to write; it must not exist.
        image_mode: How an image becomes square: `pad` with the mean colour (the authors' code), `stretch` (the
            paper's words), or `crop` the centre (CLIP).
        seed: Of the projector's initial weights.
        keep_rope_scaling: Keep InternLM2's dynamic position scaling, see `LanguageModel`.
        chat_template: In place of the language model's own, see `load_tokenizer`.
        names: Of vision encoder and language model, for the record; those of the folders when None.

    Raises:
        UserError: `out` holds something, or a part is not one that can be taken over whole and unchanged.
    """
    check_new(out)
    sources = f"{vision} and {language}"
    with naming_files(
        sources, "make no LLaVA", "A setting of one of them is none of its class. Download it again, or choose another."
    ):
        _assemble(
            vision, language, out, image_mode=image_mode, seed=seed, keep_rope_scaling=keep_rope_scaling,
            chat_template=chat_template, names=names or (vision.name, language.name),
        )  # fmt: skip


def _assemble(
    vision: Path, language: Path, out: Path, *, image_mode: ImageMode, seed: int, keep_rope_scaling: bool,
    chat_template: str | None, names: tuple[str, str],
) -> None:  # fmt: skip
    language_model, vision_encoder = LanguageModel(language, keep_rope_scaling=keep_rope_scaling), VisionEncoder(vision)
    loaded = load_tokenizer(
        language, config=language_model.config, rows=language_model.source_rows, chat_template=chat_template
    )
    tokenizer = loaded.tokenizer
    language_model.grow(max(tokenizer.get_vocab().values()) + 1)
    config = _llava_config(vision_encoder, language_model.text_config, tokenizer)

    with new_folder(out) as building:
        dtype = _write_weights(building, vision_encoder, language_model, config, seed=seed)
        write_json(building / "config.json", config)
        write_generation_config(building, tokenizer, loaded.ends)
        write_processor(building, tokenizer, vision_encoder, image_mode=image_mode)
        make_portable(building, dtype=str(dtype).removeprefix("torch."))
        proven = prove(building, vision_encoder, language_model, loaded)
        notes = [*language_model.notes, *loaded.notes]
        record = {"made_by": "gmai model init", "vision": names[0], "language": names[1],
                  "image_mode": image_mode, "projector_seed": seed, "notes": notes, "proven": proven,
                  "settings": settings_digests(building), "stages": [], **sealed_files(building)}  # fmt: skip
        write_json(building / RECORD, record)
    for note in notes:
        say(f"{names[1]}: {note}")
    say("; ".join(proven.values()))


def _write_weights(
    folder: Path, vision: VisionEncoder, language: LanguageModel, config: dict[str, Any], *, seed: int
) -> torch.dtype:
    """Write every tensor in the language model's dtype, which is returned."""
    dtype = language.dtype
    sizes = config["vision_config"]["hidden_size"], config["text_config"]["hidden_size"]
    writer = WeightWriter(folder)
    for source, name, tensor in itertools.chain(
        ((vision.folder, name, tensor) for name, tensor in vision.tensors()),
        ((folder, f"multi_modal_projector.{name}", tensor) for name, tensor in _new_projector(*sizes, seed=seed)),
        ((language.folder, f"language_model.{name}", tensor) for name, tensor in language.tensors()),
    ):
        stored = tensor.to(dtype)
        if count_not_finite(stored):
            raise UserError(
                f"{source}: {name} holds values that are not finite in {dtype}. A model with them answers nothing. "
                f"Download it again; if its own dtype is wider, convert the language model to bfloat16 or float32."
            )
        writer.add(name, stored)
    writer.close()
    return dtype


def _new_projector(vision_size: int, text_size: int, *, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of `linear_1` and `linear_2`, drawn as `torch.nn.Linear` draws them."""
    generator = torch.Generator().manual_seed(seed)
    for layer, (inputs, outputs) in {"linear_1": (vision_size, text_size), "linear_2": (text_size, text_size)}.items():
        bound = inputs**-0.5
        yield f"{layer}.weight", torch.empty(outputs, inputs).uniform_(-bound, bound, generator=generator)
        yield f"{layer}.bias", torch.empty(outputs).uniform_(-bound, bound, generator=generator)


def _llava_config(vision: VisionEncoder, text: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    image_token = cast("int", tokenizer.convert_tokens_to_ids(IMAGE_TOKEN))
    config: dict[str, Any] = LlavaConfig(
        vision_config=dict(vision.config),
        text_config={key: value for key, value in text.items() if key not in {"rope_theta", "rope_scaling"}},
        image_token_index=image_token,
        image_seq_length=vision.tokens,
        projector_hidden_act="gelu",
        vision_feature_select_strategy=cast("Literal['default', 'full']", vision.strategy),
        vision_feature_layer=FEATURE_LAYER,
        tie_word_embeddings=False,
    ).to_dict()
    tokens = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config["text_config"] = {**config["text_config"], **text, **tokens}
    return {
        **config,
        **tokens,
        "architectures": ["LlavaForConditionalGeneration"],
        "image_token_index": image_token,
    }
