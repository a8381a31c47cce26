"""What any number of ranks saved is exactly what any other number reads."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from gmai_model.training.master_state import KINDS, Fragment, Saved, fragments, tensors
from gmai_model.training.tensor_file import write_tensors
from torch import Tensor, nn

NUMEL = 23


def cut(flat: Tensor, ranks: int) -> list[tuple[int, Tensor]]:
    """Divide as ZeRO does: unevenly where it must, first element and values."""
    size = -(-len(flat) // ranks)
    return [(start, flat[start : start + size]) for start in range(0, len(flat), size)]


def write(folder: Path, values: dict[str, Tensor], ranks: int) -> list[Path]:
    files = [folder / f"rank-{rank}.safetensors" for rank in range(ranks)]
    pieces: list[dict[str, Tensor]] = [{} for _ in files]
    for kind in KINDS:
        for rank, (start, piece) in enumerate(cut(values[kind], ranks)):
            pieces[rank][f"llava.a:b@c@{start}:{kind}"] = piece
    for file, own in zip(files, pieces, strict=True):
        write_tensors(file, own)
    return files


@pytest.mark.parametrize(("wrote", "reads"), [(1, 1), (1, 3), (2, 1), (3, 2), (2, 5), (7, 4)])
def test_pieces_are_put_together_from_any_number_of_ranks(tmp_path: Path, wrote: int, reads: int) -> None:
    values = {kind: torch.randn(NUMEL) for kind in KINDS}
    saved = Saved(write(tmp_path, values, wrote))
    for kind in KINDS:
        for start, expected in cut(values[kind], reads):
            piece = Fragment("llava.a:b@c", start, torch.empty(0), 0, len(expected))
            into = torch.full_like(expected, -1.0)
            saved.read(piece, kind, into=into)
            assert torch.equal(into, expected)


def test_a_piece_that_is_nowhere_is_named(tmp_path: Path) -> None:
    files = write(tmp_path, {kind: torch.randn(NUMEL) for kind in KINDS}, 2)
    piece = Fragment("llava.a:b@c", 0, torch.empty(0), 0, NUMEL)
    with pytest.raises(RuntimeError, match=r"lacks 11 values of exp_avg of llava\.a:b@c"):
        Saved(files[:1]).read(piece, "exp_avg", into=torch.empty(NUMEL))


def zero_2(model: nn.Module, flat: Tensor) -> Any:
    """An engine whose rank holds all of the first parameter and the first four values of the second."""

    def address(start: int, numel: int) -> Any:
        return SimpleNamespace(start=start, numel=numel)

    (_, first), (_, second), (_, third) = model.named_parameters()
    third.requires_grad_(False)
    first._hp_mapping = SimpleNamespace(  # type: ignore[attr-defined]
        param_group_index=0, lp_fragment_address=address(0, 6), hp_fragment_address=address(0, 6)
    )
    second._hp_mapping = SimpleNamespace(  # type: ignore[attr-defined]
        param_group_index=0, lp_fragment_address=address(2, 4), hp_fragment_address=address(6, 4)
    )
    moments = {kind: flat + i for i, kind in enumerate(KINDS[1:], 1)}
    inner = SimpleNamespace(state={flat: moments})
    return SimpleNamespace(
        module=model, optimizer=SimpleNamespace(single_partition_of_fp32_groups=[flat], optimizer=inner)
    )


def test_flat_tensors_are_read_back_as_pieces_of_named_parameters() -> None:
    model = nn.Module()
    for name, shape in (("a", (2, 3)), ("b", (8,)), ("frozen", (4,))):
        model.register_parameter(name, nn.Parameter(torch.zeros(shape)))
    flat = torch.arange(10.0)
    engine = zero_2(model, flat)
    assert [(piece.name, piece.start, piece.offset, piece.numel) for piece in fragments(engine)] == [
        ("a", 0, 0, 6), ("b", 2, 6, 4),
    ]  # fmt: skip
    found = tensors(engine)
    assert list(found) == ["a@0:fp32", "a@0:exp_avg", "a@0:exp_avg_sq", "b@2:fp32", "b@2:exp_avg", "b@2:exp_avg_sq"]
    assert found["b@2:fp32"].tolist() == [6, 7, 8, 9]
    assert found["b@2:exp_avg_sq"].tolist() == [8, 9, 10, 11]
