"""Types of tensors: vectors in fp32, and values that a type does not hold."""

import importlib.util
from pathlib import Path

import pytest
import torch
from gmai_formats.errors import UserError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="install gmai-model[gguf]")


def test_types() -> None:
    from gmai_model.llama_cpp.tensors import matrix_kind

    assert matrix_kind("f16", torch.float32, (8,)).name == "F32"
    assert matrix_kind("auto", torch.bfloat16, (8, 8)).name == "BF16"
    assert matrix_kind("q8_0", torch.float32, (8, 64)).name == "Q8_0"
    assert matrix_kind("q8_0", torch.float32, (64, 8)).name == "F16"  # no whole block in a row


def test_values_that_are_too_large(tmp_path: Path) -> None:
    from gmai_model.llama_cpp.tensors import Planned, matrix_kind, write_file

    kind = matrix_kind("f16", torch.float32, (1, 2))
    large = Planned("a.weight", (1, 2), kind, lambda: torch.tensor([[1e6, 0.0]]))
    with pytest.raises(UserError, match=r"a\.weight: values up to 1e\+06 are no numbers of F16.*--dtype bf16"):
        write_file(tmp_path / "x.gguf", "llama", [large], ())
