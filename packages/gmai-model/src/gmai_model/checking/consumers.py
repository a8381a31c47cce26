"""Whether a checkpoint's settings are as gmai wrote them, and what other programs do with it, by their rules."""

import importlib.util
from collections.abc import Iterator, Sequence

from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from gmai_formats.weights import RECORD, shaping_digests

from gmai_model.assembly.families import TEXT_CLASSES
from gmai_model.assembly.portable import settings_digests
from gmai_model.checking.files import Files

_WHOLE = {"chat_template.jinja": "chat_template"}
"""A file that is one setting ▶ the name that it has elsewhere."""
_SINCE = {"qwen3": (4, 51), "siglip_vision_model": (4, 47)}
"""Part ▶ the transformers in which a LLaVA has it first, where it has not in 4.45: before 4.47 the processor counts a
class token for every encoder (`processing_llava.py`), before 4.51 there is no Qwen3."""


def check_settings(files: Files, named: Sequence[str]) -> Iterator[str]:
    """Yield the files whose settings are not those that gmai wrote, with the fields.

    Args:
        files: Of the checkpoint.
        named: What is off already; a file that is named there is not named again.
    """
    record = files.read(RECORD)
    written: dict[str, dict[str, str]] = record.get("settings", {})
    now = settings_digests(files.folder) if written else {}
    changed: dict[tuple[str, ...], list[str]] = {}
    for name, fields in written.items():
        if any(name in line for line in named):
            continue
        found = now.get(name, {})
        keys = sorted(key for key in fields.keys() | found.keys() if fields.get(key) != found.get(key))
        if keys:
            changed.setdefault(tuple(key or _WHOLE.get(name, "its content") for key in keys), []).append(name)
    for keys, names in changed.items():  # one setting in two files is one change
        yield (
            f"{', '.join(names)}: {', '.join(keys[:6])} {'are' if len(keys) > 1 else 'is'} not as gmai wrote it. "
            "Restore the file of the checkpoint; where the change is meant, `gmai model check --accept-settings` "
            "records it"
        )
    beside = shaping_digests(files.folder).keys() - record["files"].keys() if "files" in record else set[str]()
    more = sorted(name for name in beside if "safetensors" not in name)  # of weights, more is known
    if more and not any(more[0] in line for line in named):
        yield (
            f"{', '.join(more)}: not written by gmai, and readers that look for it find other settings there. Remove "
            "it; where it is meant, `gmai model check --accept-settings` records it"
        )


def consumers(files: Files, by_vllm: Sequence[str] = ()) -> Iterator[str]:
    """Yield what other programs do with a checkpoint in which nothing is off, by the rules of their loaders.

    Args:
        files: Of the checkpoint.
        by_vllm: What vLLM's own code was seen to do, in place of its rules.
    """
    pad = files.image_processor.get("image_processor_type") == "LlavaImageProcessor"
    vision = {"clip_vision_model": "CLIP", "siglip_vision_model": "SigLIP"}.get(files.vision.get("model_type", ""))
    parts = (str(part.get("model_type")) for part in (files.text, files.vision))
    since = max((4, 49) if pad else (4, 45), *(_SINCE.get(part, (4, 45)) for part in parts))
    yield (
        f"transformers {'.'.join(map(str, since))} and later, `transformers serve`: by rule; --transformers VERSION "
        "proves one"
    )
    if by_vllm:
        yield from by_vllm
    elif vision and files.text.get("model_type", "llama") in TEXT_CLASSES:
        yield (
            f"vLLM (llava.py of 0.33): by rule, every tensor has the name and shape it looks for; takes {vision} "
            "encoders. --python with an environment that has vLLM builds its own class"
        )
    else:
        yield "vLLM: not known, for this vision encoder or language model"
    elsewhere = "serve the model with vLLM or `transformers serve`"
    if files.config.get("vision_feature_select_strategy", "default") == "default":
        yield (
            "SGLang (llava.py of 0.5.23): no, by rule. Its LLaVA raises at the feature strategy default, and has no "
            f"CLIP encoder; {elsewhere}"
        )
    else:
        yield f"SGLang: not known, for this vision encoder; {elsewhere}"
    yield f"llama.cpp: {_llama_cpp(files)}"
    yield (
        "Ollama (its prompt.go): no, by rule. It puts an image right before the question, where this model has "
        "seen a line end between them, and writes chats by a template language of its own"
    )


def _llama_cpp(files: Files) -> str:
    if importlib.util.find_spec("gguf") is None:
        return f"not known without the package gguf. Install it: `{pip_install('gmai-model[gguf]')}`"
    from gmai_model.llama_cpp.export import Choice, plan

    refused = ""
    for words, choice, condition in (
        ("", Choice(), ""),
        (" --square-images", Choice(square_images=True), "for square images alone"),
        (" --text-only", Choice(text_only=True), "not its sight"),
    ):
        try:
            notes = plan(files, choice).notes
        except UserError as error:
            refused = refused or str(error)
            continue
        what = (
            f"`gmai model export --format gguf{words}` writes it, by rule; run: tokens, chats and logits were equal in "
            "xllamacpp 2026.10 for a tiny model of this family"
        )
        return "; ".join([what, *notes, *([f"{condition}: {refused}"] if condition else [])])
    return f"no: {refused}"
