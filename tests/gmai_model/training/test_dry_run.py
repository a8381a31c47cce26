"""The dry run: what it prints, and that it leaves nothing behind."""

import shutil
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_formats.rows.images import FilePart
from gmai_model.batching.samples import Sample
from gmai_model.batching.tokens import Encoder
from gmai_model.training.config import resolve
from gmai_model.training.dry_run import dry_run
from gmai_model.training.preview import spans
from transformers import AutoTokenizer

SAMPLE = Sample(
    "a",
    [
        {"role": "user", "content": "<image>\nWhich shape is shown?"},
        {"role": "assistant", "content": "A red circle."},
        {"role": "user", "content": "Which colour is it?"},
        {"role": "assistant", "content": "It is red."},
    ],
    [FilePart(Path("a.png"))],
)
SMALL = ["pack_tokens=512", "global_batch_size=4", "micro_batch_size=1"]


def test_dry_run_needs_no_weights_and_writes_nothing(
    checkpoint: Path, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    light = tmp_path / "light"
    shutil.copytree(checkpoint, light, ignore=shutil.ignore_patterns("*.safetensors"))
    before = sorted(tmp_path.rglob("*")), sorted(samples.rglob("*"))
    dry_run(resolve(3, None, SMALL), model=light, data=samples, gpu="h100", gpus=2, mfu=0.5)
    assert (sorted(tmp_path.rglob("*")), sorted(samples.rglob("*"))) == before
    printed = capsys.readouterr()
    assert "48    1.0    48         0      36    3756  100.0%" in printed.err
    assert "in 2 steps of 4 packs = 2 GPUs × 1 packs × 2 accumulated" in printed.out
    assert "6N per token in the language model" in printed.out
    assert "⟦A green triangle.<|im_end|>⟧" in printed.out
    assert "<image>×64" in printed.out


def test_hours_follow_from_operations_and_peak(
    checkpoint: Path, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def hours(**more: float) -> float:
        dry_run(resolve(1, None, SMALL), model=checkpoint, data=samples, gpu="a100", gpus=2, **{"mfu": 0.4, **more})
        line = next(line for line in capsys.readouterr().out.splitlines() if " hours on " in line)
        return float(line.split()[0])

    assert hours(mfu=0.2) == pytest.approx(2 * hours(mfu=0.4), rel=0.01)


def test_gpus_that_do_not_divide_the_batch_are_refused(checkpoint: Path, samples: Path) -> None:
    with pytest.raises(UserError, match="global_batch_size 4 is no multiple of 3 GPUs × micro_batch_size 1"):
        dry_run(resolve(1, None, SMALL), model=checkpoint, data=samples, gpu="a100", gpus=3, mfu=0.4)


def test_spans_are_the_whole_text_with_the_answers_marked(checkpoint: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    found = spans(Encoder(tokenizer, tokens_per_image=4, max_tokens=200)(SAMPLE), tokenizer)
    assert [text for text, learned in found if learned] == ["A red circle.<|im_end|>", "It is red.<|im_end|>"]
    text = tokenizer.apply_chat_template(SAMPLE.messages, tokenize=False).replace("<image>", "<image>×4")
    assert "".join(text for text, _ in found) == text
