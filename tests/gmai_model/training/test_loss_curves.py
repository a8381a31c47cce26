"""The losses of the three stages on the tiny model, to the bit: a change of the trainer that moves one is seen here.

`loss_curves.json` holds them as floats in hexadecimal: four steps and the validation after them. Kernels differ between
kinds of CPUs (its vendor, family and model) and versions of torch in their last bits; where those are others than the
file's, losses are held to six digits, and two runs on this machine to equal bits.
"""

import json
from pathlib import Path

import pytest
import torch

CURVES = json.loads(Path(__file__).with_name("loss_curves.json").read_text())
SETTINGS = ("precision=fp32", "max_steps=4", "pack_tokens=256", "global_batch_size=2", "micro_batch_size=1",
            "loader_workers=0", "answers=1", "answer_tokens=2", "learning_rate=1e-3",
            "save_every_steps=100")  # fmt: skip


def losses(train, stage, model, samples, out):
    words = ["train", f"--stage={stage}", f"--model={model}", f"--data={samples}",
               f"--out={out}", *(f"--set={setting}" for setting in SETTINGS)]  # fmt: skip
    done = train.run(words)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line[key] for key in ("loss", "validation_loss") for line in lines if key in line]


def kind_of_cpu():
    """Return the widest instructions that torch uses, and vendor, family and model, as Linux tells them."""
    told = Path("/proc/cpuinfo")
    lines = (line.partition(":") for line in told.read_text().splitlines()) if told.exists() else ()
    found = {name.strip(): value.strip() for name, _, value in lines}
    named = " ".join(found.get(name, "?") for name in ("vendor_id", "cpu family", "model"))
    return f"{torch.backends.cpu.get_cpu_capability()}, {named}"


@pytest.mark.e2e
def test_the_three_stages_lose_what_they_did(train, checkpoint, samples, tmp_path):
    here = (kind_of_cpu(), torch.__version__.partition("+")[0])
    is_same_arithmetic = here == (CURVES["cpu"], CURVES["torch"])
    model = checkpoint
    for stage in (1, 2, 3):
        found = losses(train, stage, model, samples, tmp_path / f"stage{stage}")
        expected = [float.fromhex(value) for value in CURVES["losses"][str(stage)]]
        assert found == pytest.approx(expected, rel=1e-6)
        if is_same_arithmetic:
            assert [value.hex() for value in found] == CURVES["losses"][str(stage)]
        model = tmp_path / f"stage{stage}" / "model"
    if not is_same_arithmetic:
        assert losses(train, 1, checkpoint, samples, tmp_path / "again") == losses(
            train, 1, checkpoint, samples, tmp_path / "more"
        )
