"""Opens a checkpoint as a user of plain transformers would and writes down what it saw.

This file runs by itself in a clean process, also of an environment that has no gmai and an older transformers:
`python -I probe.py CHECKPOINT OUT.json`. It needs torch, transformers and Pillow. An error is written down, too.
"""

import json
import sys
from pathlib import Path
from typing import Any

QUESTION = "What does the image show? 图像显示了什么?"
OTHER = "Is the left kidney enlarged? Answer yes or no."
PLAIN = (
    "The doctor looked at the picture of the chest and said that the heart was normal.",
    "医生看了胸部的图片，说心脏是正常的，病人可以回家休息。",
)
"""Sentences that every language model of its language finds likely."""
NEW_TOKENS = 16
_MARK = "gmai-probe-answer"


def probe(folder: str, seen: dict[str, Any]) -> None:
    """Load, count, compute and answer; what is learned goes into `seen`, step by step."""
    import torch
    import transformers
    from PIL import Image

    torch.manual_seed(0)
    transformers.utils.logging.set_verbosity_error()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    seen |= {"transformers": transformers.__version__, "torch": torch.__version__, "device": device}

    seen["step"] = "reading config.json"
    config: Any = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    seen["step"] = "opening the processor"
    processor: Any = transformers.AutoProcessor.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    tokenizer = processor.tokenizer
    seen["tokens"] = len(tokenizer)
    seen["tokens_differ"] = _tokens_differ(Path(folder), tokenizer)
    seen["image_processor"] = type(processor.image_processor).__name__

    seen["step"] = "loading the model"
    major, minor = (int(part) for part in transformers.__version__.split(".")[:2])
    dtype = "dtype" if (major, minor) >= (4, 56) else "torch_dtype"
    model, info = getattr(transformers, config.architectures[0]).from_pretrained(
        folder, **{dtype: "auto"}, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    model = model.to(device).eval()
    seen["dtype"] = str(model.dtype).removeprefix("torch.")
    for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        seen[key] = sorted(str(name) for name in info[key])
    seen["rope_theta"] = _rope_theta(model)
    seen["embedding_rows"] = int(model.get_input_embeddings().weight.shape[0])
    seen["step"] = "reading plain text"
    seen["trained"] = _is_trained(model)
    seen["surprise"] = min(_surprise(model, tokenizer, text, device) for text in PLAIN)

    seen["step"] = "writing a chat with the template"
    prompt, seen["turn_end"], seen["after_answer"], seen["prompt_off"] = _prompt(processor)
    seen["step"] = "processing an image"
    image = Image.linear_gradient("L").resize((90, 60)).convert("RGB")
    other = Image.radial_gradient("L").resize((90, 60)).convert("RGB")
    inputs = processor(images=[image], text=[prompt], return_tensors="pt").to(device)
    pixels = processor(images=[other], text=[prompt], return_tensors="pt").to(device)["pixel_values"]
    ids = inputs["input_ids"][0].tolist()
    image_token = getattr(config, "image_token_index", None) or getattr(config, "image_token_id", None)
    seen["image_tokens"] = ids.count(image_token)
    seen["start_tokens"] = next((i for i, token in enumerate(ids) if token != tokenizer.bos_token_id), len(ids))
    seen["ends_with"] = tokenizer.convert_ids_to_tokens(ids[-1]) if ids[-1] == tokenizer.eos_token_id else None
    seen["pixels"] = list(inputs["pixel_values"].shape[-2:])
    if hasattr(processor, "_get_num_multimodal_tokens"):  # what servers plan their memory by
        seen["planned_tokens"] = int(processor._get_num_multimodal_tokens([[60, 90]])["num_image_tokens"][0])

    seen["step"] = "computing logits"
    with torch.no_grad():
        logits = model(**{**inputs, "pixel_values": inputs["pixel_values"].to(model.dtype)}).logits[0, -1].float()
        others = model(**{**inputs, "pixel_values": pixels.to(model.dtype)}).logits[0, -1].float()
        asked = processor(images=[image], text=[prompt.replace(QUESTION, OTHER)], return_tensors="pt").to(device)
        answered = model(**{**asked, "pixel_values": asked["pixel_values"].to(model.dtype)}).logits[0, -1].float()
    seen["influence"] = float((logits - others).abs().max())
    seen["text_influence"] = float((logits - answered).abs().max())
    seen["finite"] = bool(torch.isfinite(logits).all())
    seen["logits"] = logits.tolist()
    seen["step"] = "generating an answer"
    ends = model.generation_config.eos_token_id
    seen["ends"] = ends if isinstance(ends, list) else [ends]
    known = [end for end in seen["ends"] if end is not None]
    seen["shown_ends"] = tokenizer.decode(known, skip_special_tokens=True).strip()
    with torch.no_grad():
        answer = model.generate(
            **{**inputs, "pixel_values": inputs["pixel_values"].to(model.dtype)},
            max_new_tokens=NEW_TOKENS, do_sample=False, use_cache=True,
        )  # fmt: skip
    seen["answer_ids"] = answer[0, len(ids) :].tolist()
    seen["answer"] = tokenizer.decode(seen["answer_ids"], skip_special_tokens=True)
    del seen["step"]


def _prompt(processor: Any) -> tuple[str, Any, str, str]:
    """Return a question about an image in the checkpoint's chat format, and what the template does with an answer.

    Returns:
        The prompt; the id that ends an answer, None where none does; the text after an answer; what is off, or nothing.
    """
    template = getattr(processor, "chat_template", None) or processor.tokenizer.chat_template
    question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}
    answer = {"role": "assistant", "content": [{"type": "text", "text": _MARK}]}

    def render(messages: list[Any], **more: Any) -> str:
        return str(processor.tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, **more))

    after = render([question, answer]).rsplit(_MARK, 1)[1].strip()
    ids = processor.tokenizer(after, add_special_tokens=False)["input_ids"]
    special = set(processor.tokenizer.all_special_ids) | set(processor.tokenizer.added_tokens_decoder)
    end = next((token for token in ids if token in special), None)
    prompt, off = render([question], add_generation_prompt=True), ""
    answered = render([question, answer]).partition(_MARK)[0]
    if QUESTION not in prompt:
        off = "leaves the question out"
    elif not answered.startswith(prompt) and answered.startswith(prompt.rstrip()):
        off = "ends a question with blanks with which no answer in it begins"
    elif prompt == render([question]) and any(letter.isalpha() for letter in answered.removeprefix(prompt)):
        off = f"does not ask for an answer with {answered.removeprefix(prompt)!r} when add_generation_prompt is set"
    return prompt, end, after, off


def _tokens_differ(folder: Path, tokenizer: Any) -> str:
    """Return a text of which transformers' class makes other tokens than tokenizer.json says; nothing where none is."""
    if not (folder / "tokenizer.json").is_file():
        return ""
    from tokenizers import Tokenizer

    plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return next(
        (text for text in (QUESTION, *PLAIN, "  two  blanks\n\n1234 (a)")
         if plain.encode(text, add_special_tokens=False).ids != tokenizer.encode(text, add_special_tokens=False)), ""
    )  # fmt: skip


def _is_trained(model: Any) -> bool:
    """Return whether the language model's norms are not the ones of a new model."""
    norms = [each for name, each in model.named_parameters() if "norm" in name and "vision" not in name]
    return bool(norms) and not any(bool((each == 1).all()) for each in norms)


def _surprise(model: Any, tokenizer: Any, text: str, device: str) -> float:
    """Return the mean loss on a text, 1.0 where every token is as likely to the model as any other."""
    import torch

    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids = torch.tensor([start + tokenizer.encode(text, add_special_tokens=False)], device=device)
    with torch.no_grad():
        likely = model(input_ids=ids).logits[0, :-1].float().log_softmax(-1)
    loss = -likely.gather(1, ids[0, 1:, None])[max(len(start) - 1, 0) :].mean()
    return float(loss / torch.log(torch.tensor(float(likely.shape[-1]))))


def _rope_theta(model: Any) -> Any:
    """Return the rotary base that the language model computes with, from its frequencies; None where unknown."""
    for name, buffer in model.named_buffers():
        if name.endswith("inv_freq") and "vision" not in name and len(buffer) > 1:
            return float(buffer[1].double()) ** -len(buffer)
    return None


if __name__ == "__main__":
    found: dict[str, Any] = {}
    try:
        probe(sys.argv[1], found)
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        found["error"] = f"{type(error).__name__}: {lines[0][:300]}"
    Path(sys.argv[2]).write_text(json.dumps(found), "utf-8")
