"""The check passes on what is right and fails on what is not."""

from pathlib import Path

import pytest
import torch
from gmai_formats.errors import UserError
from gmai_model.training.config import resolve
from gmai_model.training.selfcheck import selfcheck

SETTINGS = ["precision=fp32", "pack_tokens=512", "global_batch_size=2", "micro_batch_size=1"]


def test_packed_equals_separate(
    checkpoint: Path, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert selfcheck(resolve(3, None, SETTINGS), model=checkpoint, data=samples, out=tmp_path / "run")
    said = capsys.readouterr().out
    assert "norm of all gradients" in said
    assert "packed == separate" in said


def test_samples_that_see_each_other_are_noticed(
    checkpoint: Path, samples: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The attention function forgets the boundaries."""
    from gmai_model import attention
    from transformers import AttentionInterface

    def leaking(
        module: torch.nn.Module, query: torch.Tensor, *rest: object, cu_seq_lens_q: torch.Tensor, **more: object
    ):
        ends = torch.tensor([0, query.shape[2]], dtype=torch.int32)
        return attention.varlen_attention(module, query, *rest, cu_seq_lens_q=ends, **more)  # pyright: ignore

    AttentionInterface.register(attention.NAME, leaking)
    try:
        assert not selfcheck(resolve(1, None, SETTINGS), model=checkpoint, data=samples, out=None)
    finally:
        AttentionInterface.register(attention.NAME, attention.varlen_attention)
    assert "FAILED" in capsys.readouterr().out


def test_packs_of_one_sample_prove_nothing(checkpoint: Path, samples: Path) -> None:
    with pytest.raises(UserError, match="nothing to compare"):
        selfcheck(resolve(1, None, [*SETTINGS, "packing=none"]), model=checkpoint, data=samples, out=None)
