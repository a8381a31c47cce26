import json
import stat
from pathlib import Path

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_formats.files import umask
from gmai_model.assembly.weights import WeightFiles, WeightWriter, count_not_finite, tensor_digest
from safetensors.torch import save_file


def written(folder: Path, *, limit: int = 2**30, **tensors: torch.Tensor) -> list[str]:
    writer = WeightWriter(folder, max_shard_bytes=limit)
    for name, tensor in tensors.items():
        writer.add(name, tensor)
    writer.close()
    return sorted(path.name for path in folder.iterdir())


def test_what_fits_is_one_file_that_the_group_may_read(tmp_path: Path) -> None:
    assert written(tmp_path, a=torch.ones(2), b=torch.zeros(3).bfloat16()) == ["model.safetensors"]
    assert stat.S_IMODE((tmp_path / "model.safetensors").stat().st_mode) == 0o666 & ~umask()
    files = WeightFiles(tmp_path)
    assert [(name, files.dtype(name), files.shape(name)) for name in files.names()] == [
        ("a", torch.float32, (2,)), ("b", torch.bfloat16, (3,)),
    ]  # fmt: skip


def test_shards_hold_no_more_than_their_limit_and_an_index_names_them(tmp_path: Path) -> None:
    names = written(tmp_path, limit=8, a=torch.ones(1), b=torch.ones(1), c=torch.ones(5), d=torch.ones(1))
    assert names == [*(f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)), "model.safetensors.index.json"]
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 32}
    assert index["weight_map"] == {
        name: f"model-0000{i}-of-00003.safetensors" for name, i in zip("abcd", (1, 1, 2, 3), strict=True)
    }
    assert [(name, tensor.numel()) for name, tensor in WeightFiles(tmp_path).tensors()] == [
        ("a", 1), ("b", 1), ("c", 5), ("d", 1),
    ]  # fmt: skip


def test_a_tensor_that_is_not_there_is_named(tmp_path: Path) -> None:
    written(tmp_path, a=torch.ones(1))
    for ask in (WeightFiles(tmp_path).tensor, WeightFiles(tmp_path).shape, WeightFiles(tmp_path).dtype):
        with pytest.raises(
            UserError, match=r"no tensor z among 1 \(the first is a\)\. Check that the folder holds the"
        ):
            ask("z")


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2, dtype=torch.int8)}, tmp_path / "model.safetensors")
    with pytest.raises(
        UserError, match=r"a is stored as I8\. Plain weights are F32, F16, BF16; anything else is quant"
    ):
        WeightFiles(tmp_path).dtype("a")


def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r": no weights, no model\.safetensors or model\.safetensors\.index\.json"):
        WeightFiles(tmp_path)
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(
        UserError, match=r"only pickled weights \(pytorch_model\.bin\).*Weights are read from safetensors"
    ):
        WeightFiles(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UserError, match=r"not a readable safetensors file \(a Git LFS pointer, not the file itself\)"):
        WeightFiles(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(UserError, match=r"not a readable safetensors file \(.*\)\. Download it again"):
        WeightFiles(tmp_path)


def test_an_index_that_does_not_fit_its_files_is_refused(tmp_path: Path) -> None:
    written(tmp_path, limit=4, a=torch.ones(1), b=torch.ones(1))
    path = tmp_path / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["c"] = "model-00001-of-00002.safetensors"
    path.write_text(json.dumps(index))
    with pytest.raises(
        UserError, match=r"00001-of-00002\.safetensors: the index lists c here, .* hold it \(1 such ten"
    ):
        WeightFiles(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    del index["weight_map"]["c"]
    path.write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"00002-of-00002\.safetensors: missing, but the index lists it"):
        WeightFiles(tmp_path)


def test_values_that_are_not_finite_are_counted() -> None:
    tensor = torch.zeros(2, 3)
    assert count_not_finite(tensor) == 0
    tensor[0, 0], tensor[1, 1], tensor[1, 2] = float("nan"), float("inf"), -float("inf")
    assert count_not_finite(tensor) == 3


def test_a_digest_is_of_dtype_shape_and_bytes() -> None:
    tensor = torch.arange(6.0)
    same = [tensor, tensor.clone(), torch.arange(12.0)[::2] / 2]
    others = [tensor.double(), tensor.reshape(2, 3), tensor + 1]
    assert len({tensor_digest(one) for one in same}) == 1
    assert len({tensor_digest(one) for one in (tensor, *others)}) == 4
