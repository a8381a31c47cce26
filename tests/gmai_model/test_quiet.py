import os

import pytest
import torch
from gmai_model.quiet import quiet
from transformers.utils import logging


@pytest.mark.parametrize(("is_there", "accelerator"), [(False, "cpu"), (True, None)])
def test_without_a_gpu_deepspeed_is_told_so(
    monkeypatch: pytest.MonkeyPatch, is_there: bool, accelerator: str | None
) -> None:
    monkeypatch.setenv("DS_ACCELERATOR", "")
    monkeypatch.delenv("DS_ACCELERATOR")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: is_there)
    was_shown = logging.is_progress_bar_enabled()
    try:
        quiet()
        assert os.environ.get("DS_ACCELERATOR") == accelerator
        assert not logging.is_progress_bar_enabled()
    finally:
        if was_shown:
            logging.enable_progress_bar()


def test_a_choice_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DS_ACCELERATOR", "xpu")
    quiet()
    assert os.environ["DS_ACCELERATOR"] == "xpu"
