"""vLLM's own class takes what gmai writes, tensor by tensor, and a checkpoint that is not whole it does not.

It is no dependency: `.ci/vllm FOLDER` makes an environment with it, and `GMAI_VLLM=FOLDER` names the folder. Nothing is
computed, so no GPU is needed.
"""

import json
import os
from pathlib import Path

import pytest
from gmai_model.assembly.assemble import assemble
from gmai_model.checking.check import LIMIT_S, VLLM_PROBE, _run, check
from safetensors.torch import load_file, save_file

from tests.gmai_model.assembly.stand_ins import LANGUAGES, VISIONS, by_name

PYTHON = Path(os.environ.get("GMAI_VLLM", "")) / "bin" / "python"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not os.environ.get("GMAI_VLLM") or not PYTHON.is_file(),
        reason="vLLM is not installed: run `.ci/vllm FOLDER`, and set GMAI_VLLM to that folder",
    ),
]


def made(tmp_path: Path, language: str, vision: str) -> Path:
    (tmp_path / "language").mkdir()
    (tmp_path / "vision").mkdir()
    by_name(LANGUAGES, language).write(tmp_path / "language")
    by_name(VISIONS, vision).write(tmp_path / "vision")
    assemble(tmp_path / "vision", tmp_path / "language", tmp_path / "made", image_mode="stretch", seed=0)
    return tmp_path / "made"


@pytest.mark.parametrize(
    ("language", "vision"),
    [
        ("Llama-3.2", "open_clip of CLIP layout, quick"), ("InternLM3", "SigLIP as MedSigLIP"),
        ("Mistral-Instruct-v0.3", "SigLIP without"), ("Qwen2.5-0.5B", "CLIP, whole"), ("Qwen3-4B", "SigLIP and"),
    ],
)  # fmt: skip
def test_each_class_of_language_models_takes_every_tensor(tmp_path: Path, language: str, vision: str) -> None:
    seen = _run(VLLM_PROBE, made(tmp_path, language, vision), PYTHON, LIMIT_S)
    assert isinstance(seen, dict)
    assert "error" not in seen, seen
    assert (seen["class"], seen["unfilled"]) == ("LlavaForConditionalGeneration", [])
    assert seen["parameters"] > 20


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("lost", "get no tensor"),
        ("renamed", "giving it the tensors failed"),
        ("narrow", "giving it the tensors failed"),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_named(
    tmp_path: Path, change: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(tmp_path, "Qwen3-8B", "CLIP, whole")
    (folder / "gmai.json").unlink()
    tensors = load_file(folder / "model.safetensors")
    name = "multi_modal_projector.linear_1.bias"
    held = tensors.pop(name)
    if change != "lost":
        tensors[name + "x" if change == "renamed" else name] = held[1:].clone() if change == "narrow" else held
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    monkeypatch.setattr("gmai_model.checking.check.check_folder", lambda _: ([], ""))  # vLLM is asked, not gmai's rules
    off = [line for line in check(folder, [PYTHON]).off if line.startswith("vLLM")]
    assert len(off) == 1, json.dumps(off)
    assert says in off[0]
