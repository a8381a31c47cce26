import hashlib
from pathlib import Path

import pytest
import torch
from gmai_model.training.tensor_file import NotFiniteError, write_tensors
from safetensors.torch import load_file


@pytest.mark.parametrize("count", [0, 1, 7])
def test_safetensors_reads_what_was_written_and_the_digest_is_the_files(tmp_path: Path, count: int) -> None:
    tensors = {f"layer.{i}@{i}:fp32": torch.randn(3 * i + 1) for i in range(count)}
    digest = write_tensors(tmp_path / "x.safetensors", tensors)
    found = load_file(tmp_path / "x.safetensors")
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert digest == hashlib.sha256((tmp_path / "x.safetensors").read_bytes()).hexdigest()


def test_a_view_is_written_as_it_looks(tmp_path: Path) -> None:
    flat = torch.arange(10.0)
    write_tensors(tmp_path / "x.safetensors", {"a": flat.narrow(0, 3, 4), "b": flat[::2]})
    found = load_file(tmp_path / "x.safetensors")
    assert found["a"].tolist() == [3, 4, 5, 6]
    assert found["b"].tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_never_written(tmp_path: Path, value: float) -> None:
    with pytest.raises(NotFiniteError, match=r"^bad$"):
        write_tensors(tmp_path / "x", {"good": torch.zeros(3), "bad": torch.tensor([0.0, value])})


@pytest.mark.parametrize("tensor", [torch.zeros(2, 2), torch.zeros(2, dtype=torch.bfloat16)])
def test_only_flat_fp32_is_taken(tmp_path: Path, tensor: torch.Tensor) -> None:
    with pytest.raises(TypeError, match="expected a flat fp32 tensor"):
        write_tensors(tmp_path / "x", {"t": tensor})
