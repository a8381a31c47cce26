import json
import shutil
from pathlib import Path

import pytest
import torch
from gmai_model.assembly.weights import WeightFiles
from gmai_model.training.export import assert_finite, export, is_whole
from gmai_model.training.lora import Adapter

PROJECTOR = "model.multi_modal_projector.linear_1.bias"
MATRIX = "model.language_model.layers.0.self_attn.q_proj.weight"


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return dict(WeightFiles(folder).tensors())


def on_disk(folder: Path, end: str) -> str:
    return next(name for name in WeightFiles(folder).names() if name.endswith(end))


def test_trained_tensors_take_the_place_of_the_old_and_all_others_stay(checkpoint: Path, tmp_path: Path) -> None:
    before = tensors(checkpoint)
    name = on_disk(checkpoint, "multi_modal_projector.linear_1.bias")
    trained = {PROJECTOR: torch.full(before[name].shape, 0.5)}
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").touch()
    export(checkpoint, tmp_path / "out", trained, history={"stage": 1})
    after = tensors(tmp_path / "out")
    assert after.keys() == before.keys()
    assert {one for one in before if not torch.equal(before[one], after[one])} == {name}
    assert (after[name] == 0.5).all()
    assert {one: tensor.dtype for one, tensor in after.items()} == {one: tensor.dtype for one, tensor in before.items()}
    assert json.loads((tmp_path / "out/gmai.json").read_text("utf-8"))["stages"] == [{"stage": 1}]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert not (tmp_path / "out/old").exists()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in checkpoint.iterdir()}
    export(tmp_path / "out", tmp_path / "second", {}, history={"stage": 2})
    assert json.loads((tmp_path / "second/gmai.json").read_text("utf-8"))["stages"] == [{"stage": 1}, {"stage": 2}]


def test_an_adapter_is_merged_into_its_matrix(checkpoint: Path, tmp_path: Path) -> None:
    name = on_disk(checkpoint, "layers.0.self_attn.q_proj.weight")
    if "vision" in name:
        name = next(n for n in WeightFiles(checkpoint).names() if n.endswith("model.layers.0.self_attn.q_proj.weight"))
    before = tensors(checkpoint)[name]
    adapter = Adapter(torch.ones(2, before.shape[1]), torch.ones(before.shape[0], 2), 0.25)
    export(checkpoint, tmp_path / "out", {MATRIX: adapter}, history={})
    assert torch.equal(tensors(tmp_path / "out")[name], (before.float() + 0.5).to(before.dtype))


def test_a_tensor_of_another_shape_leaves_nothing_behind(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"multi_modal_projector\.linear_1\.bias: trained \(3,\), stored \("):
        export(checkpoint, tmp_path / "out", {PROJECTOR: torch.ones(3)}, history={})
    assert not (tmp_path / "out").exists()


def test_weights_of_other_kinds_are_not_carried_along(checkpoint: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(checkpoint, tmp_path / "source"))
    for name in ("pytorch_model.bin", "other.safetensors", "model.old"):
        (source / name).touch()
    (source / "NOTICE").write_text("kept")
    export(source, tmp_path / "out", {}, history={})
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {path.name for path in checkpoint.iterdir()} | {"NOTICE"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_named(value: float) -> None:
    assert_finite({"a": torch.ones(3)})
    with pytest.raises(RuntimeError, match=r"^b holds values that are not finite; nothing was exported$"):
        assert_finite({"a": torch.ones(3), "b": torch.tensor([1.0, value])})


def test_an_exported_model_that_was_damaged_is_to_be_written_again(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not is_whole(tmp_path / "model")
    export(checkpoint, tmp_path / "model", {}, history={"stage": 1})
    assert is_whole(tmp_path / "model")
    assert capsys.readouterr().err == ""
    for name in ("model.safetensors", "config.json", "tokenizer.json", "gmai.json"):
        content = (tmp_path / "model" / name).read_bytes()
        for damaged in (content[:-9], bytes(len(content))):
            (tmp_path / "model" / name).write_bytes(damaged)
            assert not is_whole(tmp_path / "model")
            assert name in capsys.readouterr().err
        (tmp_path / "model" / name).unlink()
        if name != "gmai.json":  # without it, it is a checkpoint of others
            assert not is_whole(tmp_path / "model")
        (tmp_path / "model" / name).write_bytes(content)
