"""Ranks that prepare samples together: work shared out, one plan, one error for all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gmai_model.training.config import resolve
from gmai_model.training.inputs import Inputs

SCRIPT = """
import json, sys
from pathlib import Path
import torch.distributed as dist
dist.init_process_group("gloo")
from gmai_formats.errors import UserError
from gmai_model.training.config import resolve
from gmai_model.training.inputs import Inputs
model, data, out = map(Path, sys.argv[1:])
config = resolve(1, None, ["pack_tokens=512", "global_batch_size=4"])
try:
    inputs = Inputs(config.samples, model=model, data=data, out=out, is_main=dist.get_rank() == 0)
    said = [pack.tolist() for pack in inputs.plan.packs]
except UserError as error:
    said = str(error)
(out.parent / f"rank-{dist.get_rank()}.json").write_text(json.dumps(said))
dist.destroy_process_group()  # gloo's threads may abort a process that ends with them running
"""


def run_ranks(model: Path, data: Path, folder: Path) -> list[object]:
    (folder / "script.py").write_text(SCRIPT)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
        str(folder / "script.py"), str(model), str(data), str(folder / "run"),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.e2e
def test_ranks_measure_together_and_have_the_plan_of_one(checkpoint: Path, samples: Path, tmp_path: Path) -> None:
    config = resolve(1, None, ["pack_tokens=512", "global_batch_size=4"])
    inputs = Inputs(config.samples, model=checkpoint, data=samples, out=tmp_path / "alone", is_main=True)
    alone = [pack.tolist() for pack in inputs.plan.packs]
    assert run_ranks(checkpoint, samples, tmp_path) == [alone, alone]


@pytest.mark.e2e
def test_an_error_of_one_rank_is_the_error_of_all(checkpoint: Path, tmp_path: Path) -> None:
    """Two files, one for each rank; only the second is broken."""
    data = tmp_path / "data"
    data.mkdir()
    turns = [{"from": "human", "value": "Hello."}, {"from": "gpt", "value": "Hello."}]
    (data / "a.json").write_text(json.dumps([{"id": "a", "conversations": turns}]))
    (data / "b.json").write_text('[{"id": ')
    first, second = run_ranks(checkpoint, data, tmp_path)
    assert first == second
    assert "b.json row 0: not JSON" in str(first)
