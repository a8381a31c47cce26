"""Settings of stage 4."""

import pytest
from gmai_formats.errors import UserError
from gmai_model.tuning.config import METHODS, resolve


@pytest.mark.parametrize("method", METHODS)
def test_defaults_hold_together(method):
    config = resolve(method, None, [])
    assert (config.stage, config.method) == (4, method)
    assert config.at_once % config.micro_batch_size == 0


@pytest.mark.parametrize(
    ("method", "overrides", "match"),
    [
        (None, [], "needs --method dpo"),
        ("ppo", [], "no such method"),
        ("dpo", ["beta=0"], "beta above 0"),
        ("dpo", ["trainable=[projector]"], "lora_rank=0"),
        ("grpo", ["global_batch_size=3", "answers_per_question=3", "micro_batch_size=4"], "9 answers"),
        ("grpo", ["packing=none"], "unknown key"),
        ("grpo", ["answers_per_question=1"], "answers_per_question"),
        ("dpo", ["method=grpo"], "method: grpo, and --method is dpo"),
        ("dpo", ["beta=inf"], "beta: Input should be a finite number"),
    ],
)
def test_what_does_not_go_together_is_refused(method, overrides, match):
    with pytest.raises(UserError, match=match):
        resolve(method, None, overrides)


def test_other_parts_train_without_adapters():
    assert resolve("grpo", None, ["lora_rank=0", "trainable=[projector]"]).trainable == {"projector"}


def test_whole_weights_have_a_tenth_of_the_rate_of_adapters_by_default() -> None:
    for method in ("dpo", "grpo"):
        assert resolve(method, None, []).learning_rate == 1e-5
        assert resolve(method, None, ["lora_rank=0"]).learning_rate == 1e-6
        assert resolve(method, None, ["lora_rank=0", "learning_rate=3e-5"]).learning_rate == 3e-5
