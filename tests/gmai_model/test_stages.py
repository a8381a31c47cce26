import pytest
from gmai_model.stages import ADAM_BETAS, GLOBAL_BATCH_SIZE, MAX_GRAD_NORM, PARTS, STAGES, WARMUP_RATIO


@pytest.mark.parametrize(
    ("number", "name", "trainable", "rate", "micro", "accumulated"),
    [
        (1, "shallow_alignment", {"projector"}, 1e-3, 8, 2),
        (2, "deep_alignment", {"projector", "vision_encoder"}, 1e-4, 4, 4),
        (3, "instruction_tuning", {"projector", "vision_encoder", "language_model"}, 1e-5, 4, 4),
    ],
)
def test_stages_are_those_of_table_8(
    number: int, name: str, trainable: set[str], rate: float, micro: int, accumulated: int
) -> None:
    stage = STAGES[number]
    assert (stage.number, stage.name, stage.trainable, stage.learning_rate) == (number, name, trainable, rate)
    assert (stage.micro_batch_size, stage.gradient_accumulation_steps) == (micro, accumulated)
    assert 32 * stage.micro_batch_size * stage.gradient_accumulation_steps == GLOBAL_BATCH_SIZE


def test_what_is_the_same_in_every_stage() -> None:
    assert list(STAGES) == [1, 2, 3]
    assert set(PARTS) == STAGES[3].trainable
    assert (GLOBAL_BATCH_SIZE, ADAM_BETAS, WARMUP_RATIO, MAX_GRAD_NORM) == (512, (0.9, 0.999), 0.03, 1.0)
