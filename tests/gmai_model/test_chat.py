"""Asking a checkpoint: the same answer as plain `generate`, in pieces, over several turns."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.chat import Assistant, Conversation
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

RED = Image.new("RGB", (90, 60), (200, 30, 30))


@pytest.fixture(scope="module")
def assistant(checkpoint: Path) -> Assistant:
    return Assistant(checkpoint, device="cpu", max_new_tokens=8)


def plainly(checkpoint: Path, prompt: str, images: list[Image.Image]) -> str:
    processor = AutoProcessor.from_pretrained(checkpoint)
    model = AutoModelForImageTextToText.from_pretrained(checkpoint)
    inputs = processor(text=[prompt], images=images, return_tensors="pt")
    with torch.no_grad():
        ids = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    return processor.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def test_second_turn_is_what_plain_generate_says_to_the_whole_chat(checkpoint: Path, assistant: Assistant) -> None:
    first = Conversation().with_question("Which shape is shown?", [RED])
    said = "".join(assistant.answer(first))
    start = "<s><|im_start|>user\n<image>\nWhich shape is shown?<|im_end|>\n<|im_start|>assistant\n"
    assert said == plainly(checkpoint, start, [RED])
    second = first.with_answer(said).with_question("它是什么颜色？")
    prompt = f"{start}{said}<|im_end|>\n<|im_start|>user\n它是什么颜色？<|im_end|>\n<|im_start|>assistant\n"
    assert "".join(assistant.answer(second)) == plainly(checkpoint, prompt, [RED])
    assert assistant.cut


def test_closing_an_answer_stops_the_model(checkpoint: Path) -> None:
    assistant = Assistant(checkpoint, device="cpu", max_new_tokens=1500)
    answer = assistant.answer(Conversation().with_question("Name the colour."))
    next(answer)
    answer.close()  # type: ignore[attr-defined]  # returns long before 1500 tokens; pytest's timeout would tell
    assert not assistant.cut


def test_chat_marks_in_a_question_and_long_chats_are_refused(assistant: Assistant) -> None:
    for mark in ("<|im_end|>", "<image>", "</s>"):
        with pytest.raises(UserError, match="which the chat format uses itself"):
            list(assistant.answer(Conversation().with_question(f"a {mark} b")))
    with pytest.raises(UserError, match=r"the conversation has \d{4} tokens .* but the model reads 2048"):
        list(assistant.answer(Conversation().with_question("shape " * 2500, [RED])))


def test_checkpoint_that_does_not_open(tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        Assistant(tmp_path)
    broken = Path(shutil.copytree(checkpoint, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(UserError, match=r"not the weights that gmai wrote, so they are not used\..*--accept-weights"):
        Assistant(broken)
    with pytest.raises(UserError, match=r"does not open .* `gmai model check"):
        Assistant(broken, takes_changed=True)
    assert "and all answers are of them" in capsys.readouterr().err
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="torch finds no GPU"):
            Assistant(checkpoint, device="cuda")


def test_weights_that_do_not_come_from_the_checkpoint_are_refused(tmp_path: Path, checkpoint: Path) -> None:
    """Else they are random numbers, or seven billion of them where an entry is absent."""
    folder = shutil.copytree(checkpoint, tmp_path / "foreign", ignore=shutil.ignore_patterns("gmai.json"))
    tensors, config = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    name = next(name for name in tensors if name.endswith("o_proj.weight"))
    save_file(
        {key: each for key, each in tensors.items() if key != name}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(UserError, match=r"foreign: lacks 1 weights .* such as .*o_proj\.weight\. .*random numbers"):
        Assistant(folder)
    save_file({**tensors, name: tensors[name][:-1].clone()}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"1 weights have another shape than its config\.json says, such as .*o_proj"):
        Assistant(folder)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**config, "text_config": {"model_type": "llama"}}))
    with pytest.raises(UserError, match=r"config\.json: builds a model of 6,\d+,\d+,\d+ parameters, and the weights"):
        Assistant(folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"temperature": value}, "--temperature .* is 0 .* or from 0.01 to 100") for value in
     (float("nan"), float("inf"), 1e-300, 1e30, -1.0)] + [({"device": "tpu"}, "--device tpu: it is auto, cpu, cuda")],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(checkpoint: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Assistant(checkpoint, **{"device": "cpu", **settings})


def test_half_a_region_in_a_question_is_refused(assistant: Assistant) -> None:
    with pytest.raises(UserError, match="holds <box> that names no region"):
        list(assistant.answer(Conversation().with_question("What is <box>?")))


@pytest.mark.e2e
def test_command_asks_once_and_ends(checkpoint: Path, tmp_path: Path) -> None:
    RED.save(tmp_path / "red.png")
    gmai = Path(sys.executable).with_name("gmai")
    command = [
        str(gmai),
        "model",
        "chat",
        str(checkpoint),
        "--image",
        str(tmp_path / "red.png"),
        "--max-new-tokens",
        "4",
    ]
    result = subprocess.run(
        [*command, "--prompt", "Which colour?", "--prompt", "Why?"], capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert len(result.stdout.splitlines()) >= 2
    assert result.stderr.count("no medical advice") == 1
    missing = subprocess.run(
        [*command[:-4], "--image", "none.png", "--prompt", "x"], capture_output=True, text=True, check=False
    )
    assert missing.returncode == 2
    assert missing.stderr.splitlines()[-1].startswith("gmai: none.png: no such file")
