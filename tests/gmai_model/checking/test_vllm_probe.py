"""What is asked of vLLM's own class: by fakes here, by vLLM itself in `tests/contracts/test_vllm.py`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from gmai_model.checking import vllm_probe
from safetensors.torch import save_file


def test_where_there_is_no_vllm_that_is_written(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", vllm_probe.__file__, str(tmp_path), str(tmp_path / "out.json")]
    subprocess.run(command, check=True)  # -S: as an environment without any package
    assert json.loads((tmp_path / "out.json").read_text()) == {"absent": True}


class Config:
    """A configuration in which layers are kept by name, as vLLM's is."""

    def __init__(self) -> None:
        self.compilation_config = self
        self.static_forward_context: dict[str, object] = {}


@pytest.mark.parametrize("absent", [(), ("one",), ("two", "three")])
def test_operators_that_are_not_compiled_are_stood_in_for(absent: tuple[str, ...]) -> None:
    class Model(torch.nn.Module):
        def __init__(self, vllm_config: Config, prefix: str) -> None:
            super().__init__()
            if "layer" in vllm_config.static_forward_context:
                raise ValueError("a second layer of this name")
            vllm_config.static_forward_context["layer"] = self
            for name in absent:
                getattr(torch.ops.gmai_probe_test, f"{name}_{len(absent)}")
            self.linear = torch.nn.Linear(2, 3)

    model = vllm_probe._build(Model, Config())
    assert model.linear.weight.device.type == "meta"


@pytest.mark.parametrize("message", ["no such thing", "'_OpNamespace' 'of_none' object has no attribute 'ever'"])
def test_other_mistakes_of_a_class_are_its_own(message: str) -> None:
    def broken(**_: Any) -> None:
        raise AttributeError(message)

    with pytest.raises(AttributeError, match=message.split()[0]):
        vllm_probe._build(broken, Config())


def test_names_and_shapes_alone_are_read(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2, 3)}, tmp_path / "model-1.safetensors")
    save_file({"b": torch.ones(4)}, tmp_path / "model-2.safetensors")
    found = {name: (tuple(tensor.shape), tensor.device.type) for name, tensor in vllm_probe._tensors(tmp_path)}
    assert found == {"a": ((2, 3), "meta"), "b": ((4,), "meta")}
