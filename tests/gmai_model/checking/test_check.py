"""`gmai model check`: a good checkpoint passes here and in older transformers; each fault is named in a line."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_formats.weights import damaged
from gmai_model.assembly.assemble import assemble
from gmai_model.assembly.tokenizer import train_tokenizer
from gmai_model.checking import check as checking
from gmai_model.checking.check import accept, check, probe
from gmai_model.checking.environments import older_python
from gmai_model.checking.files import Files
from gmai_model.checking.rules import check_files
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def edit(folder: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))


def test_nothing_is_opened_where_the_files_are_off(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "probe", lambda *_: pytest.fail("opened"))
    edit(copied, "preprocessor_config.json", lambda c: c.update(image_mean=[0, 0, 0], image_std=[1, 1, 1]))
    outcome = check(copied)
    (line,) = outcome.off
    assert line.startswith("preprocessor_config.json: image_mean, image_std are not as gmai wrote it.")
    assert "not opened by any program" in outcome.facts[-1]


def test_a_meant_change_is_recorded(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "probe", lambda *_: {"error": "stop here", "transformers": "0"})
    edit(copied, "generation_config.json", lambda c: c.update(temperature=0.5))
    assert "temperature is not as gmai wrote it" in check(copied).off[0]
    accept(copied, settings=True)
    assert check(copied).off[0].startswith("transformers 0: starting failed: stop here")


def test_changed_weights_are_recorded_by_a_word_of_their_own(copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"other")
    accept(copied, settings=True)
    assert "model.safetensors" in damaged(copied)
    edit(copied, "generation_config.json", lambda c: c.update(temperature=0.5))
    accept(copied, weights=True)
    assert damaged(copied) == ""
    assert "generation_config.json" in damaged(copied, weights_only=False)
    (copied / "gmai.json").unlink()
    accept(copied, settings=True, weights=True)
    assert not (copied / "gmai.json").exists()


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json here"):
        check(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match="model_type is 'llama'"):
        check(tmp_path)
    with pytest.raises(UserError, match="--python takes an interpreter"):
        probe(tmp_path, tmp_path / "python")


def test_encoder_whose_needs_are_not_known_is_refused(copied: Path) -> None:
    edit(copied, "config.json", lambda c: c["vision_config"].update(model_type="pixtral"))
    with pytest.raises(UserError, match=r"its vision encoder is 'pixtral'\. `gmai model check` knows"):
        check(copied)


def is_at_work(group: str) -> bool:
    """Return whether a process of a group is there, other than as an entry that nobody collects."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of_group = stat.read_text().rpartition(")")[2].split()[:3]
            if of_group == group and state not in ("Z", "X"):
                return True
    return False


@pytest.mark.parametrize(
    "does",
    [
        "exec sleep 60",
        "sleep 60 & wait",
        "trap '' TERM; while :; do :; done",
        "sleep 60 >&2 & echo >&2 x; kill -STOP $$",
    ],
    ids=["sleeps", "waits for its child", "ignores signals", "stands still"],
)
def test_an_environment_that_never_answers_is_ended(
    checkpoint: Path, tmp_path: Path, does: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/started\n{does}\n")
    python.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(UserError, match=r"was ended after 0\.5 s while it opened it\..* --time-limit") as refused:
        probe(checkpoint, python, 0.5)
    assert time.monotonic() - began < 10
    assert "\n" not in str(refused.value)
    while any(map(is_at_work, (tmp_path / "started").read_text().split())):
        time.sleep(0.1)  # the run's limit of time holds
    monkeypatch.setattr(checking, "probe", lambda *_: SEEN)
    outcome = check(checkpoint, [python], 0.5)
    assert any("not known, since it was ended after 0.5 s; --time-limit" in fact for fact in outcome.facts)


SEEN: dict[str, Any] = {
    "transformers": "5.0", "device": "cpu", "dtype": "float32", "missing_keys": [], "unexpected_keys": [],
    "mismatched_keys": [], "finite": True, "influence": 1.0, "text_influence": 1.0, "logits": [1.0], "prompt_off": "",
    "ends_with": None, "image_tokens": 64, "pixels": [112, 112], "start_tokens": 1, "tokens": 2048,
    "embedding_rows": 2048, "after_answer": "", "turn_end": 4, "ends": [4], "rope_theta": None, "answer_ids": [1],
    "answer": "x", "tokens_differ": "", "surprise": 0.9, "trained": True, "shown_ends": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        ({"tokens": 32000, "embedding_rows": 32000}, "finds plain English and Chinese unlikely (0.90 of the loss of"),
        ({"tokens": 32000, "embedding_rows": 32000, "trained": False}, ""),
        ({"tokens": 32000, "embedding_rows": 32000, "surprise": 0.4}, ""),
        ({}, ""),
        ({"tokens_differ": "a b"}, "makes other tokens of 'a b' than tokenizer.json says"),
        ({"shown_ends": "<end>"}, "'<end>' ends an answer and is no special token"),
        ({"shown_ends": "<end>", "turn_end": 5, "ends": [7]}, "generation stops at [7]"),
    ],
)
def test_what_a_clean_process_saw(
    copied: Path, monkeypatch: pytest.MonkeyPatch, seen: dict[str, Any], line: str
) -> None:
    (copied / "gmai.json").unlink()
    monkeypatch.setattr(checking, "probe", lambda *_: {**SEEN, **seen})
    off = check(copied).off
    assert len(off) == bool(line)
    assert line in "".join(off)


VLLM: dict[str, Any] = {"vllm": "0.33.0", "class": "Llava", "parameters": 9, "unfilled": []}


@pytest.mark.parametrize(
    ("seen", "off", "fact"),
    [
        ({"absent": True}, "", "vLLM (llava.py of 0.33): by rule"),
        (VLLM, "", "vLLM 0.33.0, run: its own Llava, built on the meta device, takes every tensor, and all its 9"),
        ({**VLLM, "unfilled": ["a", "b"]}, "vLLM 0.33.0: 2 of its parameters get no tensor, a first. Its class", ""),
        (
            {"vllm": "0.33.0", "step": "building its class", "error": "AssertionError: 63"},
            "vLLM 0.33.0: building its class failed: AssertionError: 63. Its class must take every tensor",
            "",
        ),
        ({"step": "importing vLLM", "error": "ImportError: no"}, "", "not run, since it does not import there (Import"),
        ("ended with -11 (no output)", "", "not run, since it does not import there (ended with -11 (no output))"),
    ],
)
def test_what_the_code_of_vllm_said(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, seen: dict[str, Any] | str, off: str, fact: str
) -> None:
    scripts = {checking.PROBE: SEEN, checking.VLLM_PROBE: seen}
    monkeypatch.setattr(checking, "_run", lambda script, *_: scripts[script])
    outcome = check(checkpoint)
    assert len(outcome.off) == bool(off)
    assert off in "".join(outcome.off)
    assert fact in "\n".join(outcome.facts)
    by_rule = "llava.py of 0.33" in "\n".join(outcome.facts)
    assert by_rule == (seen is not VLLM)  # rules stand where its own code has not said yes


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.e2e
def test_clean_process_finds_what_no_file_shows(copied: Path) -> None:
    (copied / "gmai.json").unlink()  # as a checkpoint of others: no record of its settings
    edit(copied, "generation_config.json", lambda c: c.update(eos_token_id=2))
    edit(copied, "preprocessor_config.json", lambda c: c.update(size={"height": 98, "width": 98}))
    (line,) = check(copied).off
    assert line.startswith("transformers 5")
    assert "computing logits failed" in line
    edit(copied, "preprocessor_config.json", lambda c: c.update(size={"height": 112, "width": 112}))
    (line,) = check(copied).off
    assert "an answer ends with token 4 in the chat template, generation stops at [2]. Add it" in line


@pytest.mark.e2e
@pytest.mark.parametrize("how", ["first layer constant", "second layer tiny"])
def test_model_that_cannot_see_is_found(copied: Path, how: str) -> None:
    def blind(tensors: dict[str, torch.Tensor]) -> None:
        if how == "first layer constant":
            tensors["multi_modal_projector.linear_1.bias"].fill_(-1e9)  # GELU gives 0 for every image
        else:
            tensors["multi_modal_projector.linear_2.weight"].mul_(1e-30)

    change_weights(copied, blind)
    (line,) = check(copied).off
    assert "the logits of two different images are equal" in line


@pytest.mark.e2e
def test_sound_checkpoint_and_what_each_program_does_with_it(checkpoint: Path) -> None:
    outcome = check(checkpoint)
    assert not outcome.off
    text = "\n".join(outcome.facts)
    assert "transformers 4.49 and later, `transformers serve`: by rule" in text
    assert "vLLM (llava.py of 0.33): by rule" in text
    assert "SGLang (llava.py of 0.5.23): no, by rule" in text
    assert "llama.cpp: `gmai model export --format gguf --text-only` writes it" in text
    assert "not its sight: a CLIP encoder cannot be exported" in text
    assert "Ollama (its prompt.go): no, by rule" in text
    assert "on cpu, run: 64 image tokens, float32" in text


def older(version: str) -> Path:
    try:
        return older_python(version)
    except UserError as error:
        pytest.skip(f"no environment with transformers {version}, which needs a package index: {error}")


@pytest.fixture
def checkpoint_of_576_tokens(tmp_path: Path) -> Path:
    """Parts of a few thousand parameters with the image size and patches of CLIP-L/14-336."""
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=336, patch_size=14
    )
    text = LlamaConfig(
        vocab_size=400, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=False, rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )  # fmt: skip
    CLIPVisionModel(vision).save_pretrained(tmp_path / "clip")
    LlamaForCausalLM(text).save_pretrained(tmp_path / "llama")
    train_tokenizer(["hello world"] * 9, vocab_size=380).save_pretrained(tmp_path / "llama")
    assemble(tmp_path / "clip", tmp_path / "llama", tmp_path / "model", image_mode="pad", seed=0)
    return tmp_path / "model"


@pytest.mark.e2e
def test_older_transformers_read_the_same_model(checkpoint_of_576_tokens: Path) -> None:
    pythons = [older("4.49.0"), older("4.57.6")]
    outcome = check(checkpoint_of_576_tokens, pythons)
    assert not outcome.off
    run = [fact for fact in outcome.facts if ", run: " in fact]
    names = [fact.partition(" on ")[0] for fact in run]
    assert names[1:] == ["transformers 4.49.0", "transformers 4.57.6"]
    assert all("576 image tokens, float32, answers" in fact for fact in run)

    edit(checkpoint_of_576_tokens, "config.json", lambda c: c["text_config"].pop("rope_theta"))
    seen = probe(checkpoint_of_576_tokens, pythons[0])
    assert round(seen["rope_theta"]) == 10000  # what users met: another model without a word
    assert any("rope_theta is None" in line for line in check_files(Files(checkpoint_of_576_tokens)))
