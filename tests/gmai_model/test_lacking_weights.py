"""A checkpoint whose weights are not all there, or not as config.json says, is refused by each command that opens it.

A weight that no file fills would be drawn at random: the commands would end well, with another model.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.gmai_model.tuning.conftest import make_tasks, write_tasks

IMPORTS = ("gmai_cli.main", "gmai_model.chat", "gmai_model.training.run", "gmai_model.tuning.run", "gmai_model.warmup",
           "deepspeed", "transformers.models.clip.modeling_clip", "transformers.models.llama.modeling_llama",
           "transformers.models.llava.modeling_llava", "transformers.models.llava.processing_llava")  # fmt: skip
STEP = ("global_batch_size=2", "micro_batch_size=1", "precision=fp32", "activation_checkpointing=false", "max_steps=1")
COMMANDS = ("chat", "train", "tune", "warmup")
NAME = "language_model.model.layers.1.mlp.down_proj.weight"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def gmai(forked_gmai: Any) -> Iterator[Any]:
    with forked_gmai.Server(IMPORTS, {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}) as server:
        yield server


@pytest.fixture(scope="module")
def few_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    for name, count in (("train", 4), ("validation", 2)):
        write_tasks(folder / f"GMAI-MM-Percept-{name}.parquet", make_tasks(count))
    return folder


@pytest.fixture
def run(gmai: Any, samples: Path, few_tasks: Path, tmp_path: Path) -> Callable[[str, Path], Any]:
    """Run a command on a checkpoint as far as one step or answer."""

    def start(command: str, model: Path) -> Any:
        out, sets = tmp_path / "out", [f"--set={each}" for each in STEP]
        words: dict[str, list[object]] = {
            "chat": ["model", "chat", model, "--prompt", "Which shape?", "--max-new-tokens", 2, "--device", "cpu"],
            "train": ["train", "--stage=1", f"--model={model}", f"--data={samples}", f"--out={out}", *sets,
                      "--set=pack_tokens=512", "--set=loader_workers=0"],
            "tune": ["train", "--stage=4", "--method=dpo", f"--model={model}", f"--data={few_tasks}", f"--out={out}",
                     *sets],
            "warmup": ["model", "warmup", f"--model={model}", f"--data={samples}", f"--out={out}", "--vision-steps=1",
                       "--language-steps=1"],
        }  # fmt: skip
        return gmai.run(words[command], {**os.environ, "GMAI_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"})

    return start


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy without the record of gmai, whose digests would tell first."""
    copy = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    (copy / "gmai.json").unlink()
    return copy


def weights(change: Callable[[Weights], object]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        held = load_file(folder / "model.safetensors")
        change(held)
        save_file(held, folder / "model.safetensors", {"format": "pt"})

    return do


def sharded(folder: Path) -> None:
    held = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(held)
    parts = dict(zip(SHARDS, (names[::2], names[1::2]), strict=True))
    for file, part in parts.items():
        save_file({name: held[name] for name in part}, folder / file, {"format": "pt"})
    places = {name: file for file, part in parts.items() for name in part}
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def without_shard(folder: Path) -> None:
    sharded(folder)
    (folder / SHARDS[1]).unlink()


def without_name_in_index(folder: Path) -> None:
    sharded(folder)
    place = folder / "model.safetensors.index.json"
    index = json.loads(place.read_text())
    index["weight_map"] = {name: file for name, file in index["weight_map"].items() if file == SHARDS[0]}
    place.write_text(json.dumps(index))


def adapter(alone: bool) -> Callable[[Path], None]:
    """Return what lays a LoRA adapter of another base into the folder, beside the weights or in their place."""

    def do(folder: Path) -> None:
        values = {"peft_type": "LORA", "base_model_name_or_path": "someone/base", "r": 2, "target_modules": ["q_proj"]}
        (folder / "adapter_config.json").write_text(json.dumps(values))
        name = "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_{}.weight"
        held = {name.format("A"): torch.ones(2, 128), name.format("B"): torch.ones(128, 2)}
        save_file(held, folder / "adapter_model.safetensors")
        if alone:
            (folder / "model.safetensors").unlink()

    return do


def config(**changes: Any) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        values = json.loads((folder / "config.json").read_text())
        values["text_config"] |= changes
        (folder / "config.json").write_text(json.dumps(values))

    return do


REFUSED = {
    "missing tensor": (weights(lambda held: held.pop(NAME)), ("down_proj",)),
    "missing projector": (
        weights(lambda held: [held.pop(name) for name in list(held) if "projector" in name]), ("projector",)),
    "renamed tensor": (weights(lambda held: held.update({NAME + "s": held.pop(NAME)})), ("down_proj",)),
    "wrong shape": (weights(lambda held: held.update({NAME: held[NAME][:, :64].clone()})), ("down_proj", "shape")),
    "transposed": (weights(lambda held: held.update({NAME: held[NAME].T.contiguous()})), ("down_proj", "shape")),
    "missing shard": (without_shard, (SHARDS[1],)),
    "missing in the index": (without_name_in_index, ("weights", "index")),
    "a layer more in config.json": (config(num_hidden_layers=5), ("layers.4",)),
    "a wider config.json": (config(intermediate_size=512), ("shape",)),
    "adapter without base": (adapter(alone=True), ("adapter", "base")),
    "adapter beside a base": (adapter(alone=False), ("adapter", "base")),
    "weights of whole numbers": (
        weights(lambda held: held.update({NAME: (held[NAME] * 100).to(torch.int32)})), ("down_proj", "int32")),
}  # fmt: skip


@pytest.mark.e2e
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", REFUSED)
def test_weights_that_are_not_as_config_says_are_refused_in_a_line(
    run: Callable[[str, Path], Any], copied: Path, name: str, command: str
) -> None:
    do, said = REFUSED[name]
    do(copied)
    done = run(command, copied)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("gmai: ")]
    assert str(copied) in line
    assert any(word in line for word in said), line


TAKEN = {
    "two shards": sharded,
    "another precision": weights(lambda held: held.update({NAME: held[NAME].to(torch.bfloat16)})),
    "an extra tensor": weights(lambda held: held.update({"other.weight": torch.ones(3)})),
}  # fmt: skip


@pytest.mark.e2e
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", TAKEN)
def test_weights_that_fill_the_model_are_taken(
    run: Callable[[str, Path], Any], copied: Path, name: str, command: str
) -> None:
    TAKEN[name](copied)
    done = run(command, copied)
    assert done.returncode == 0, done.stdout + done.stderr
