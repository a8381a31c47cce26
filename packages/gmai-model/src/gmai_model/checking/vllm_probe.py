"""Builds vLLM's own class for a checkpoint, and gives it every tensor's name and shape, as its loader would.

This file runs by itself in a clean process, of an environment that has vLLM:
`python -I vllm_probe.py CHECKPOINT OUT.json`. Everything is on torch's meta device: it needs no GPU and no memory for
weights, and computes nothing. An error is written down, too; where there is no vLLM, that is what is written.
"""

import importlib.util
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

IMPORTING = "importing vLLM"
_OPERATOR = re.compile(r"'_OpNamespace' '(\w+)' object has no attribute '(\w+)'")


def probe(folder: str, seen: dict[str, Any]) -> None:
    """Build, load and count; what is learned goes into `seen`, step by step."""
    os.environ |= {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    seen["step"] = IMPORTING
    vllm: Any = importlib.import_module("vllm")
    seen["vllm"] = vllm.__version__
    platforms: Any = importlib.import_module("vllm.platforms")
    platforms._current_platform = importlib.import_module("vllm.platforms.cpu").CpuPlatform()
    arguments: Any = importlib.import_module("vllm.engine.arg_utils").EngineArgs
    loading: Any = importlib.import_module("vllm.model_executor.model_loader.utils")

    seen["step"] = "reading its settings"
    config = arguments(model=folder, enforce_eager=True).create_engine_config()
    seen["step"] = "choosing its class"
    chosen, _ = loading.get_model_architecture(config.model_config)
    seen["class"] = chosen.__name__
    seen["step"] = "building its class"
    with importlib.import_module("vllm.config").set_current_vllm_config(config):
        _begin_alone()
        model = _build(chosen, config)
        seen["step"] = "giving it the tensors"
        loaded: set[str] = model.load_weights(_tensors(Path(folder)))
    parameters = {name for name, _ in model.named_parameters()}
    seen["parameters"], seen["unfilled"] = len(parameters), sorted(parameters - loaded)
    del seen["step"]


def _begin_alone() -> None:
    """Let this process be the only one of its group, without which no layer of vLLM is built."""
    parallel: Any = importlib.import_module("vllm.distributed.parallel_state")
    meeting = Path(tempfile.mkdtemp()) / "alone"
    parallel.init_distributed_environment(1, 0, f"file://{meeting}", 0, backend="gloo")
    parallel.initialize_model_parallel(1, 1)


def _build(chosen: Any, config: Any) -> Any:
    torch: Any = importlib.import_module("torch")
    stand_ins: dict[str, Any] = {}
    while True:
        try:
            with torch.device("meta"):
                return chosen(vllm_config=config, prefix="")
        except AttributeError as error:
            # Without a GPU vLLM's compiled operators are not loaded; layers look them up, and nothing calls them here.
            absent = _OPERATOR.search(str(error))
            if absent is None or absent[2] in stand_ins:
                raise
            stand_ins[absent[2]] = torch.library.Library(absent[1], "FRAGMENT")
            stand_ins[absent[2]].define(f"{absent[2]}(Tensor x) -> ()")
            config.compilation_config.static_forward_context.clear()  # the layers of the attempt before


def _tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    torch: Any = importlib.import_module("torch")
    open_file: Any = importlib.import_module("safetensors").safe_open
    for file in sorted(folder.glob("*.safetensors")):
        with open_file(file, "pt") as held:
            for name in held.keys():  # noqa: SIM118 (no mapping)
                yield name, torch.empty(held.get_slice(name).get_shape(), device="meta")


if __name__ == "__main__":
    found: dict[str, Any] = {}
    if importlib.util.find_spec("vllm") is None:
        found["absent"] = True
    else:
        try:
            probe(sys.argv[1], found)
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            found["error"] = f"{type(error).__name__}: {lines[0][:300]}"
    Path(sys.argv[2]).write_text(json.dumps(found), "utf-8")
