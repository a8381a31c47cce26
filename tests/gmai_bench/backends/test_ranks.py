import pytest
from gmai_bench.backends.ranks import Ranks, from_environment, join

VARIABLES = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_STEP_ID", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID",
)  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "due"),
    [
        ({}, Ranks()),
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, Ranks(3, 8, 1)),
        (
            {"SLURM_STEP_ID": "0", "SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "0"},
            Ranks(2, 4, 0),
        ),
        # a batch script that does not use srun runs once, whatever it was given
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4"}, Ranks()),
    ],
)
def test_the_place_is_told_by_the_launcher(
    environment: dict[str, str], due: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert from_environment() == due


def test_one_process_alone_needs_no_connection() -> None:
    join(Ranks())
    Ranks().wait()
    assert Ranks().share("value") == "value"
