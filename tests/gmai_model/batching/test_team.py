"""Ranks that prepare samples together: work shared out, one plan, one error for all."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
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
model, folder, *datasets = map(Path, sys.argv[1:])
config = resolve(1, None, ["pack_tokens=512", "global_batch_size=4"])
said = []
for number, data in enumerate(datasets):
    out = folder / f"run-{number}"
    try:
        inputs = Inputs(config.samples, model=model, data=data, out=out, is_main=dist.get_rank() == 0)
        said.append([pack.tolist() for pack in inputs.plan.packs])
    except UserError as error:
        said.append(str(error))
(folder / f"rank-{dist.get_rank()}.json").write_text(json.dumps(said))
dist.destroy_process_group()  # gloo's threads may abort a process that ends with them running
"""


@pytest.fixture(scope="session")
def two_ranks(
    checkpoint: Path, samples: Path, made_once: Callable[[str, Callable[[Path], object]], Path]
) -> list[list[object]]:
    """What each of two ranks made of the samples, and then of two files, of which the second is broken."""

    def make(folder: Path) -> None:
        broken = folder / "broken"
        broken.mkdir(parents=True)
        turns = [{"from": "human", "value": "Hello."}, {"from": "gpt", "value": "Hello."}]
        (broken / "a.json").write_text(json.dumps([{"id": "a", "conversations": turns}]))
        (broken / "b.json").write_text('[{"id": ')
        (folder / "script.py").write_text(SCRIPT)
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
                   *map(str, (folder / "script.py", checkpoint, folder, samples, broken))]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": "",
                       "GMAI_CACHE": str(folder / "cache")}  # fmt: skip
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr

    folder = made_once("two-ranks", make)
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.e2e
def test_ranks_measure_together_and_have_the_plan_of_one(
    checkpoint: Path, samples: Path, two_ranks: list[list[object]], tmp_path: Path
) -> None:
    config = resolve(1, None, ["pack_tokens=512", "global_batch_size=4"])
    inputs = Inputs(config.samples, model=checkpoint, data=samples, out=tmp_path / "alone", is_main=True)
    alone = [pack.tolist() for pack in inputs.plan.packs]
    assert [said[0] for said in two_ranks] == [alone, alone]


@pytest.mark.e2e
def test_an_error_of_one_rank_is_the_error_of_all(two_ranks: list[list[object]]) -> None:
    first, second = (said[1] for said in two_ranks)
    assert first == second
    assert "b.json row 0: not JSON" in str(first)
