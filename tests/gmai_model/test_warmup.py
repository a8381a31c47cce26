"""The warm-up: both random parts learn, the projector stays as it was drawn."""

import json
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.assembly.weights import WeightFiles, tensor_digest
from gmai_model.warmup import warm_up


def digests(folder: Path, prefix: str) -> dict[str, str]:
    return {n: tensor_digest(t) for n, t in WeightFiles(folder).tensors() if n.startswith(prefix)}


@pytest.mark.e2e
def test_projector_is_untouched_and_the_parts_learn(checkpoint: Path, samples: Path, tmp_path: Path) -> None:
    warm_up(checkpoint, samples, tmp_path / "warm", vision_steps=20, language_steps=40, seed=0)
    assert digests(tmp_path / "warm", "multi_modal_projector.") == digests(checkpoint, "multi_modal_projector.")
    for part in ("vision_tower.vision_model.encoder.layers.0.", "language_model."):
        before, after = digests(checkpoint, part), digests(tmp_path / "warm", part)
        assert before.keys() == after.keys()
        assert all(before[name] != after[name] for name in before if not name.endswith("k_proj.bias"))
    history = json.loads((tmp_path / "warm" / "gmai.json").read_text())["stages"][-1]
    assert history["name"] == "warm_up"
    assert history["text_loss"] < 3.0  # ln(vocabulary) is 7.6


def test_never_overwrites(checkpoint: Path, samples: Path) -> None:
    with pytest.raises(UserError, match="not empty"):
        warm_up(checkpoint, samples, checkpoint, vision_steps=1, language_steps=1, seed=0)
