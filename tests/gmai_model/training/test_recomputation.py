"""The arithmetic of a run, computed again from the raw rows and image files with stock transformers.

From gmai come only which samples are in which step. Text, targets, loss, gradient norm, clipping, AdamW, the cosine and
what is frozen are this file's own.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

RATE = 1e-3
STEPS = 2
PACKS = 4
TRAINED = {
    1: ("multi_modal_projector",),
    2: ("multi_modal_projector", "vision_tower"),
    3: ("multi_modal_projector", "vision_tower", "language_model", "lm_head"),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    """48 LLaVA rows of random words, 0 to 2 images each, 1 to 3 exchanges."""
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(0)
    words = ["red", "circle", "shape", "is", "the", "which", "colour", "square", "a", "it"]
    found = []
    for number in range(48):
        names = []
        for each in range(int(rng.choice([0, 1, 1, 2]))):
            size = rng.integers(20, 60, 2)
            Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{number}-{each}.png")
            names.append(f"{number}-{each}.png")
        turns = []
        for turn in range(int(rng.choice([1, 1, 2, 3]))):
            mark = "<image>\n" * len(names) if turn == 0 else ""
            turns.append({"from": "human", "value": mark + " ".join(rng.choice(words, rng.integers(1, 8)))})
            turns.append({"from": "gpt", "value": " ".join(rng.choice(words, rng.integers(1, 30)))})
        found.append({"id": str(number), **({"image": names} if names else {}), "conversations": turns})
    (folder / "rows.json").write_text(json.dumps(found))
    return folder / "rows.json"


def tokens_of(row, processor, folder):
    """Return ids, targets and pixels of a row: an own search for what lies behind each assistant's head."""
    text = processor.tokenizer.bos_token
    for turn in row["conversations"]:
        who = "user" if turn["from"] == "human" else "assistant"
        text += f"<|im_start|>{who}\n{turn['value']}<|im_end|>\n"
    images = [Image.open(folder / name).convert("RGB") for name in row.get("image", [])]
    made = processor(text=[text], images=images or None, return_tensors="pt", add_special_tokens=False)
    ids = made["input_ids"][0]
    head = processor.tokenizer("<|im_start|>assistant\n", add_special_tokens=False)["input_ids"]
    end = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    learned = torch.zeros(len(ids), dtype=torch.bool)
    for place in range(len(ids) - len(head)):
        if ids[place : place + len(head)].tolist() == head:
            last = place + len(head) + (ids[place + len(head) :] == end).nonzero()[0, 0]
            learned[place + len(head) : last + 1] = True
    return ids, learned, made.get("pixel_values")


@pytest.mark.e2e
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_loss_norm_and_weights_are_those_of_an_own_computation(train, checkpoint, rows, tmp_path, stage):
    settings = {"precision": "fp32", "pack_tokens": 512, "global_batch_size": PACKS, "micro_batch_size": 2,
                "activation_checkpointing": "false", "loader_workers": 0, "learning_rate": RATE, "max_steps": STEPS,
                "answers": 0, "device": "cpu"}  # fmt: skip
    out = tmp_path / "run"
    done = train.run(
        ["train", f"--stage={stage}", f"--model={checkpoint}", f"--data={rows}", f"--out={out}",
         *(f"--set={key}={value}" for key, value in settings.items())]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in map(json.loads, (out / "metrics.jsonl").open()) if "loss" in line]
    order, starts, of_row = (np.load(out / "plan" / "train" / f"{name}.npy") for name in ("order", "starts", "row"))
    raw = json.loads(rows.read_text())

    processor = AutoProcessor.from_pretrained(checkpoint)
    model = LlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="sdpa")
    model.train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(part in name for part in TRAINED[stage]))
    parameters = {name: each for name, each in model.named_parameters() if each.requires_grad}
    moments = {name: (torch.zeros_like(each), torch.zeros_like(each)) for name, each in parameters.items()}
    for step in range(STEPS):
        chosen = order[starts[step * PACKS] : starts[(step + 1) * PACKS]]
        encoded = [tokens_of(raw[int(of_row[number])], processor, rows.parent) for number in chosen]
        targets = sum(int(learned[1:].sum()) for _, learned, _ in encoded)
        total = 0.0
        model.zero_grad()
        for ids, learned, pixels in encoded:
            logits = model(input_ids=ids[None], pixel_values=pixels).logits[0].float()
            loss = torch.nn.functional.cross_entropy(logits[:-1][learned[1:]], ids[1:][learned[1:]], reduction="sum")
            if loss.requires_grad:  # a row without an image teaches the projector nothing
                (loss / targets).backward()
            total += float(loss.detach())
        norm = math.sqrt(sum(float(each.grad.double().square().sum()) for each in parameters.values()
                             if each.grad is not None))  # fmt: skip
        assert lines[step]["supervised_tokens"] == targets
        assert lines[step]["loss"] == pytest.approx(total / targets, rel=2e-5)
        assert lines[step]["gradient_norm"] == pytest.approx(norm, rel=2e-4)
        warm = math.ceil(STEPS * 0.03)
        rate = RATE if step < warm else RATE * 0.5 * (1 + math.cos(math.pi * (step - warm) / (STEPS - warm)))
        assert lines[step]["learning_rate"] == pytest.approx(rate)
        clip = min(1.0, 1.0 / (norm + 1e-6))
        with torch.no_grad():
            for name, each in parameters.items():
                if each.grad is None:
                    continue
                first, second = moments[name]
                first.mul_(0.9).add_(each.grad * clip, alpha=0.1)
                second.mul_(0.999).addcmul_(each.grad * clip, each.grad * clip, value=0.001)
                corrected = second.div(1 - 0.999 ** (step + 1)).sqrt_().add_(1e-8)
                each.sub_(rate * first / (1 - 0.9 ** (step + 1)) / corrected)
    trained = LlavaForConditionalGeneration.from_pretrained(out / "model", dtype=torch.float32)
    start = LlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    for (name, found), (_, due), (_, before) in zip(
        trained.named_parameters(), model.named_parameters(), start.named_parameters(), strict=True
    ):
        if name not in parameters or parameters[name].grad is None:
            assert torch.equal(found, before), name
        elif not name.endswith("k_proj.bias"):  # its true gradient is 0, so that Adam multiplies noise
            moved = (due - before).norm()
            assert (found - due).norm() <= 2e-2 * moved + 1e-7, name
