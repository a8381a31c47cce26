"""The plan: a function of seed and data, the same for any number of ranks."""

import numpy as np
from gmai_model.batching.plan import make_plan


def plan(seed: int = 0, epochs: int = 2):
    tokens = np.random.default_rng(1).integers(10, 90, 200).astype(np.int32)
    tokens[[3, 50]] = 0  # rejected
    return make_plan(tokens, pack_tokens=100, packs_per_step=8, method="best_fit", epochs=epochs, seed=seed)


def test_each_epoch_sees_every_usable_sample_once() -> None:
    seen = np.bincount(np.concatenate(plan().packs), minlength=200)
    assert seen[[3, 50]].tolist() == [0, 0]
    assert set(np.delete(seen, [3, 50])) == {2}


def test_same_seed_same_plan_other_seed_other_plan() -> None:
    assert all(np.array_equal(a, b) for a, b in zip(plan().packs, plan().packs, strict=True))
    assert not np.array_equal(np.concatenate(plan().packs), np.concatenate(plan(seed=1).packs))


def test_steps_cover_all_packs_in_order() -> None:
    made = plan()
    again = [pack for step in range(made.steps) for pack in made.step(step)]
    assert len(again) == len(made.packs)
    assert all(np.array_equal(a, b) for a, b in zip(again, made.packs, strict=True))
    assert 0.8 < made.fill <= 1.0


def test_samples_of_the_first_steps_are_those_that_they_train() -> None:
    made = plan()
    first = np.concatenate([pack for step in range(3) for pack in made.step(step)])
    assert made.samples(3).tolist() == first.tolist()
    assert made.samples(0).size == 0
    assert made.samples(made.steps).size == 2 * 198
