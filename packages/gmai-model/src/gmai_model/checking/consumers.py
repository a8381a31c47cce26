"""Whether a checkpoint's settings are as gmai wrote them, and what other programs do with it, by their rules."""

from collections.abc import Iterator, Sequence

from gmai_model.assembly.families import TEXT_CLASSES
from gmai_model.assembly.portable import settings_digests
from gmai_model.checking.rules import Files


def check_settings(files: Files, named: Sequence[str]) -> Iterator[str]:
    """Yield the files whose settings are not those that gmai wrote, with the fields.

    Args:
        files: Of the checkpoint.
        named: What is off already; a file that is named there is not named again.
    """
    written: dict[str, dict[str, str]] = files.read("gmai.json").get("settings", {})
    now = settings_digests(files.folder) if written else {}
    for name, fields in written.items():
        if any(name in line for line in named):
            continue
        found = now.get(name, {})
        changed = sorted(key for key in fields.keys() | found.keys() if fields.get(key) != found.get(key))
        if changed:
            what = ", ".join(changed[:6]) if changed != [""] else "its content"
            yield (
                f"{name}: {what} {'are' if len(changed) > 1 else 'is'} not as gmai wrote it. Restore the file of the "
                f"checkpoint; where the change is meant, `gmai model check --accept-settings` records it"
            )


def consumers(files: Files) -> Iterator[str]:
    """Yield what other programs do with a checkpoint in which nothing is off, by the rules of their loaders."""
    pad = files.image_processor.get("image_processor_type") == "LlavaImageProcessor"
    vision = {"clip_vision_model": "CLIP", "siglip_vision_model": "SigLIP"}.get(files.vision.get("model_type", ""))
    yield (
        f"transformers {'4.49' if pad else '4.45'} and later, `transformers serve`: by rule; --transformers VERSION "
        "proves one"
    )
    if vision and files.text.get("model_type", "llama") in TEXT_CLASSES:
        yield (
            f"vLLM (llava.py of 0.33): by rule, every tensor has the name and shape it looks for; takes {vision} "
            "encoders"
        )
    else:
        yield "vLLM: not known, for this vision encoder or language model"
    yield (
        "SGLang (llava.py of 0.5.23): no. Its LLaVA takes neither transformers' feature strategies nor this vision "
        "encoder's class; serve the model with vLLM or `transformers serve`"
    )
    yield "llama.cpp, Ollama: no. Their converter does not take the vision encoder of a transformers LLaVA"
