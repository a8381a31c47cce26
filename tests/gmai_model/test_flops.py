"""Operations counted by hand for the paper's sizes, and the table of GPUs."""

import pytest
from gmai_model.flops import Flops, peak_flops
from gmai_model.stages import STAGES

WEIGHTS = {"vision_encoder": 300, "projector": 20, "language_model": 7000}


def flops(stage: int) -> Flops:
    return Flops(WEIGHTS, 400, STAGES[stage].trainable, positions_per_image=577, tokens_per_image=576)


def test_a_language_model_takes_4n_in_stages_1_and_2_and_6n_in_stage_3() -> None:
    for stage, per_weight in ((1, 4), (2, 4), (3, 6)):
        found = flops(stage).count(tokens=10, supervised=3, images=0)
        assert found == per_weight * (7000 * 10 + 400 * 3)


def test_the_vision_encoder_takes_2n_frozen_and_6n_trained() -> None:
    assert flops(1).count(tokens=0, supervised=0, images=2) == 2 * (2 * 300 * 577 + 6 * 20 * 576)
    assert flops(2).count(tokens=0, supervised=0, images=2) == 2 * (6 * 300 * 577 + 6 * 20 * 576)


@pytest.mark.parametrize(
    ("name", "tflops"),
    [("NVIDIA H200", 989.4), ("NVIDIA H100 PCIe", 756), ("NVIDIA A100-SXM4-80GB", 312), ("NVIDIA A10", 125)],
)
def test_devices_are_found_by_name(name: str, tflops: float) -> None:
    assert peak_flops(name) == tflops * 1e12


@pytest.mark.parametrize("name", ["cpu, 2 threads", "NVIDIA A10G", "NVIDIA L40"])
def test_an_unknown_device_has_no_peak(name: str) -> None:
    assert peak_flops(name) is None
