import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch.distributed as dist
from gmai_formats.errors import UserError
from gmai_model.training.callbacks.callback import Step
from gmai_model.training.callbacks.guard import Guard
from gmai_model.training.place import Place


@pytest.fixture(autouse=True)
def one_rank(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


class Source:
    def __len__(self) -> int:
        return 1000

    def __getitem__(self, number: int) -> Any:
        return SimpleNamespace(id=f"sample {number}")


def check(out: Path, *, loss: float = 1.0, norm: float = 1.0, unreadable: int = 0) -> None:
    run: Any = SimpleNamespace(
        out=out, is_main=True, place=Place(3, unreadable), inputs=SimpleNamespace(source=Source())
    )
    totals: Any = SimpleNamespace(mean_loss=loss)
    Guard(0.01).after_step(run, Step(3, [np.array([4, 2]), np.array([7])], 0.1, totals, norm, 1.0, stop=False))


@pytest.mark.parametrize(("loss", "norm"), [(float("nan"), 1.0), (1.0, float("inf")), (float("-inf"), float("nan"))])
def test_a_step_that_is_no_number_lists_its_samples(tmp_path: Path, loss: float, norm: float) -> None:
    with pytest.raises(UserError, match=r"step 3: the loss is .* the 3 samples of the step are listed in"):
        check(tmp_path, loss=loss, norm=norm)
    found = json.loads((tmp_path / "not_finite.json").read_text())
    assert found["samples"] == ["sample 4", "sample 2", "sample 7"]
    assert found["step"] == 3


def test_unreadable_images_are_bounded(tmp_path: Path) -> None:
    check(tmp_path, unreadable=10)
    with pytest.raises(UserError, match=r"11 of 1000 samples have an image .*--max-bad-fraction 0\.01 allows"):
        check(tmp_path, unreadable=11)
    assert not (tmp_path / "not_finite.json").exists()
