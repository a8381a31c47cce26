"""Opens checkpoints in plain transformers of any version and writes down what they compute.

Runs by itself, also where there is no gmai: `python -I opened.py IN.json OUT.json`, where IN.json has `texts`, `chats`
and `folders`. It needs torch, transformers and Pillow. What does not open is written down with its error.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image


def opened(folder: str, texts: list[str], chats: list[Any]) -> dict[str, Any]:
    """Return what a checkpoint makes of texts, of chats and of a question about a picture, in fp32."""
    kind = "dtype" if int(transformers.__version__.split(".")[0]) > 4 else "torch_dtype"
    model, info = transformers.LlavaForConditionalGeneration.from_pretrained(
        folder, **{kind: torch.float32}, output_loading_info=True
    )
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    processor: Any = transformers.AutoProcessor.from_pretrained(folder)
    tokenizer = processor.tokenizer
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    written = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    content = [{"type": "image"}, {"type": "text", "text": "What is shown?"}]
    template = processor.chat_template or tokenizer.chat_template  # before 4.49 a processor has none of its own
    question = [{"role": "user", "content": content}]
    prompt = processor.apply_chat_template(question, chat_template=template, add_generation_prompt=True)
    picture = Image.linear_gradient("L").resize((90, 60)).convert("RGB")
    inputs = processor(images=[picture], text=[prompt], return_tensors="pt")
    features: list[torch.Tensor] = []
    projector = next(each for name, each in model.named_modules() if name.endswith("multi_modal_projector"))
    hook = projector.register_forward_hook(lambda _, given, __: features.append(given[0]))
    with torch.no_grad():
        logits = model(**inputs).logits[0, -1]
    hook.remove()
    answer = model.generate(**inputs, max_new_tokens=8, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    return {
        "tokens": hashlib.sha256(json.dumps(ids).encode()).hexdigest(),
        "template": hashlib.sha256(json.dumps([*written, prompt]).encode()).hexdigest(),
        "prompt": inputs["input_ids"][0].tolist(),
        "pixels": inputs["pixel_values"].flatten()[::97].tolist(),
        "features": features[0].flatten().tolist(),
        "logits": logits.tolist(),
        "answer": answer.tolist(),
    }


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    found: dict[str, Any] = {"transformers": transformers.__version__, "folders": {}}
    for each in given["folders"]:
        try:
            found["folders"][each] = opened(each, given["texts"], given["chats"])
        except Exception as error:
            found["folders"][each] = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"}
    Path(sys.argv[2]).write_text(json.dumps(found), "utf-8")
