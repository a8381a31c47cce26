from types import SimpleNamespace
from typing import Any

from gmai_model.flops import Flops
from gmai_model.training.callbacks.speed import Meter, Speed

WEIGHTS: Any = {"vision_encoder": 10, "projector": 20, "language_model": 300}
FLOPS = Flops(WEIGHTS, 40, {"projector"}, positions_per_image=5, tokens_per_image=4)


def test_a_steps_numbers_are_shares_of_what_is_possible() -> None:
    found = Speed(FLOPS, 1e5, 1000).of_step(tokens=1500, supervised=100, images=3, packs=2, seconds=10, waited_s=0.5)
    done = FLOPS.count(tokens=1500, supervised=100, images=3)
    assert found == {
        "tokens_per_second": 150.0, "fill": 0.75, "data_wait_share": 0.05, "mfu": round(done / 10 / 1e5, 4),
    }  # fmt: skip
    assert found["mfu"] > 0


def test_an_unknown_device_has_no_utilisation() -> None:
    speed = Speed(FLOPS, None, 1000)
    found = speed.of_step(tokens=1500, supervised=100, images=3, packs=2, seconds=10, waited_s=0.5)
    assert "mfu" not in found
    assert speed.note(found) == "150 tokens/s, packs 75% full, waited for data 5%"
    assert speed.note({**found, "mfu": 0.456}) == "150 tokens/s, packs 75% full, MFU 45.6%, waited for data 5%"


def test_the_meter_takes_the_wait_of_the_mean_rank() -> None:
    meter: Any = Meter(Speed(FLOPS, None, 1000))
    assert meter.note() == ""
    totals = SimpleNamespace(tokens=500, supervised=1, images=0, waited_s=8.0)
    step = SimpleNamespace(totals=totals, packs=[0], seconds=2.0, values={"loss": 1.0})
    meter.after_step(SimpleNamespace(world=4), step)
    assert step.values == {"loss": 1.0, "tokens_per_second": 250.0, "fill": 0.5, "data_wait_share": 1.0}
    assert meter.note() == "250 tokens/s, packs 50% full, waited for data 100%"
