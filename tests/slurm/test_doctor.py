from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slurm


def test_doctor_finds_a_good_cluster_good(cluster: Any, tmp_path: Path) -> None:
    said = cluster.run("gmai", "doctor", "--slurm", "--shared", tmp_path, cwd=tmp_path)
    lines = {line.split("  ")[0]: line for line in said.splitlines()}
    for what in ("MaxArraySize", "srun inside sbatch", "shared folder", "ports", "signal"):
        assert " ok " in lines[what], said
    assert "2 of 2 tasks ran, on n0, n1" in said
    assert list(tmp_path.iterdir()) == [], "the probe cleans up behind itself"
