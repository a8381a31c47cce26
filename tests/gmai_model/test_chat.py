"""Asking a checkpoint: the same answer as plain `generate`, in pieces, over several turns, in the terminal too."""

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.chat import DISCLAIMER, Assistant, Conversation
from gmai_model.terminal import Terminal
from PIL import Image
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


def test_checkpoint_that_does_not_open(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        Assistant(tmp_path)
    broken = Path(shutil.copytree(checkpoint, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(UserError, match=r"does not open .* `gmai model check"):
        Assistant(broken)
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="torch finds no GPU"):
            Assistant(checkpoint, device="cuda")


def test_terminal_answers_what_is_piped_in(
    assistant: Assistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    RED.save(tmp_path / "red.png")
    monkeypatch.setattr(
        "sys.stdin", io.StringIO(f"Which shape?\n\n/new\n/image {tmp_path / 'red.png'}\nAnd now?\n/quit\nno\n")
    )
    Terminal(assistant).run([], [])
    shown = capsys.readouterr()
    alone = "".join(assistant.answer(Conversation().with_question("Which shape?")))
    with_image = "".join(assistant.answer(Conversation().with_question("And now?", [RED])))
    assert shown.out == f"{alone}\n{with_image}\n"
    assert shown.err.count(DISCLAIMER) == 1
    assert "red.png: 90×60 px" in shown.err
    assert shown.err.count("cut at --max-new-tokens") == 2


class Pointing:
    """Stands in for a checkpoint: keeps what it is asked and points at the middle."""

    cut = False

    def __init__(self) -> None:
        self.asked: list[Conversation] = []

    def answer(self, conversation: Conversation) -> Iterator[str]:
        self.asked.append(conversation)
        yield "<ref>cyst</ref><box>[[250, 250, 750, 750]]</box>"


def test_terminal_names_regions_and_says_when_no_image_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RED.save(tmp_path / "red.png")
    Terminal(Pointing()).run([], ["Where?"])  # type: ignore[arg-type]
    assert "no image is shown with this question" in capsys.readouterr().err
    Terminal(Pointing()).run([tmp_path / "red.png"], ["Where?"])  # type: ignore[arg-type]
    shown = capsys.readouterr()
    assert shown.out == "<ref>cyst</ref><box>[[250, 250, 750, 750]]</box>\n"
    assert "cyst: x 22–68, y 15–45 px (46×30 px)" in shown.err


def test_a_new_image_is_a_new_conversation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, colour in (("first.png", (9, 9, 9)), ("second.png", (200, 0, 0)), ("third.png", (0, 200, 0))):
        Image.new("RGB", (20, 20), colour).save(tmp_path / name)
    lines = ["/image first.png", "Whose?", "/image second.png", "/add third.png", "And whose?", "/new", "Nobody?"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    pointing = Pointing()
    Terminal(pointing).run([], [])  # type: ignore[arg-type]
    assert [[image.getpixel((1, 1)) for image in asked.images] for asked in pointing.asked] == [
        [(9, 9, 9)], [(200, 0, 0), (0, 200, 0)], [],
    ]  # fmt: skip
    assert [len(asked.messages) for asked in pointing.asked] == [1, 1, 1]


def test_slices_are_for_the_images_that_have_some(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    RED.save(tmp_path / "red.png")
    volume = np.arange(5 * 8 * 9, dtype=np.int16).reshape(9, 8, 5)
    for name in ("a.nii", "b.nii"):
        nibabel.save(nibabel.Nifti1Image(volume, np.diag([2.0, 2.0, 3.0, 1.0])), tmp_path / name)
    images = [tmp_path / "a.nii", tmp_path / "red.png", tmp_path / "b.nii"]
    Terminal(Pointing(), numbers=[1, 3], window="40/400").run(images, ["?"])  # type: ignore[arg-type]
    shown = capsys.readouterr().err
    assert "a.nii: 9×8 px, axial slice 1 of 5" in shown
    assert "b.nii: 9×8 px, axial slice 3 of 5" in shown
    assert "mm)" in shown
    with pytest.raises(UserError, match="--slice is given 3 times for 2 images with slices"):
        Terminal(Pointing(), numbers=[1, 2, 3]).run(images, ["?"])  # type: ignore[arg-type]


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
