"""Answers asked during training are those that transformers gives after it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from gmai_model.packed import PackedLlava
from gmai_model.training.callbacks.answers import Answers
from gmai_model.training.config import resolve
from gmai_model.training.inputs import Inputs
from transformers import AutoProcessor, LlavaForConditionalGeneration

SETTINGS = ["precision=fp32", "pack_tokens=512", "global_batch_size=2", "micro_batch_size=1"]


@pytest.fixture
def inputs(checkpoint: Path, samples: Path, tmp_path: Path) -> Inputs:
    return Inputs(
        resolve(1, None, SETTINGS).samples, model=checkpoint, data=samples, out=tmp_path / "run", is_main=False
    )


def load(checkpoint: Path) -> LlavaForConditionalGeneration:
    """Return the tiny model, spiced so that its answers are longer than nothing."""
    model = LlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="sdpa")
    with torch.no_grad():
        torch.manual_seed(3)
        model.lm_head.weight.normal_(std=0.5)
        for parameter in model.model.language_model.layers.parameters():
            parameter.mul_(3)
    return model.eval()


def test_answers_are_those_of_generate(checkpoint: Path, inputs: Inputs, tmp_path: Path) -> None:
    answers = Answers(inputs, count=5, seed=0, max_tokens=6, path=tmp_path / "answers.jsonl")
    packed = PackedLlava(load(checkpoint)).eval()
    packed.device = torch.device("cpu")  # what a DeepSpeed engine has
    answers.ask(packed, step=3, write=True)
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == 5

    stock, processor = load(checkpoint), AutoProcessor.from_pretrained(checkpoint)
    by_id = {sample.id: sample for sample in (inputs.held_out[i] for i in range(len(inputs.held_out)))}
    for line in lines:
        sample = by_id[line["id"]]
        user = sample.messages[0]["content"]
        chat = processor.tokenizer.apply_chat_template(
            [{"role": "user", "content": user}], tokenize=False, add_generation_prompt=True
        )
        images = next(question.images for question in answers.questions if question.id == line["id"])
        asked = processor(text=chat, images=images or None, return_tensors="pt", add_special_tokens=False)
        output = stock.generate(**asked, do_sample=False, max_new_tokens=6)
        expected = processor.tokenizer.decode(output[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
        assert line["answer"] == expected
        assert line["question"] == user.replace("<image>", "").strip()
        assert line["reference"] == sample.messages[1]["content"]
    assert any(line["answer"] for line in lines)


def test_the_questions_are_the_same_in_every_session_and_a_repeated_round_replaces_its_lines(
    checkpoint: Path, inputs: Inputs, tmp_path: Path
) -> None:
    path = tmp_path / "answers.jsonl"
    packed = PackedLlava(load(checkpoint)).eval()
    packed.device = torch.device("cpu")
    rounds = []
    for step in (2, 4, 4):
        answers = Answers(inputs, count=3, seed=0, max_tokens=1, path=path)
        answers.ask(packed, step=step, write=True)
        rounds.append([question.id for question in answers.questions])
    assert rounds[0] == rounds[1] == rounds[2]
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [2] * 3 + [4] * 3


def test_an_answer_ends_with_the_families_own_token(checkpoint: Path, samples: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(checkpoint, own)
    template = (own / "chat_template.jinja").read_text("utf-8")
    (own / "chat_template.jinja").write_text(template.replace("<|im_end|>", "<|im_start|>"), "utf-8")
    inputs = Inputs(resolve(1, None, SETTINGS).samples, model=own, data=samples, out=tmp_path / "run", is_main=False)
    answers = Answers(inputs, count=3, seed=0, max_tokens=6, path=tmp_path / "answers.jsonl")
    tokenizer = AutoProcessor.from_pretrained(own).tokenizer
    assert {question.end for question in answers.questions} == {tokenizer.convert_tokens_to_ids("<|im_start|>")}
