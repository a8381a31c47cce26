"""Settings: Table 8 as it stands, one line for a mistake."""

import csv
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.training.config import resolve

TABLE_8 = Path(__file__).parents[4] / "shared" / "paper" / "table8_training_settings.csv"


def test_defaults_are_those_of_table_8() -> None:
    if not TABLE_8.is_file():
        pytest.skip(f"{TABLE_8} is not here; it holds the paper's Table 8")
    table = {row["setting"]: row for row in csv.DictReader(TABLE_8.open())}
    freeze = {
        "language_model": "freeze_llm",
        "projector": "freeze_projector",
        "vision_encoder": "freeze_vision_encoder",
    }
    for stage in (1, 2, 3):
        config = resolve(stage, None, [])
        column = f"stage{stage}"
        trainable = {part for part, row in freeze.items() if table[row][column] == "false"}
        assert config.trainable == trainable
        assert config.learning_rate == float(table["learning_rate"][column])
        assert list(config.adam_betas) == [float(beta) for beta in table["betas"][column].split(",")]
        devices, micro, accumulation = (int(n) for n in table["total_batch_size"][column].split("x"))
        assert config.global_batch_size == devices * micro * accumulation
        assert config.micro_batch_size == micro
        assert config.precision == "bf16"


def test_overrides_in_order_file_then_set(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("learning_rate: 2e-4\nepochs: 3\n")
    config = resolve(2, file, ["epochs=5", "packing=next_fit"])
    assert (config.learning_rate, config.epochs, config.packing) == (2e-4, 5, "next_fit")


@pytest.mark.parametrize(
    ("stage", "overrides", "message"),
    [
        (4, [], "stages 1, 2 and 3"),
        (1, ["learning_rat=1"], r'unknown key. Did you mean "learning_rate"\?'),
        (1, ["learning_rate"], "expected key=value"),
        (1, ["learning_rate=-1"], r"learning_rate: Input should be greater than 0 \(found -1\)"),
        (1, ["precision=fp8"], "precision: Input should be 'bf16' or 'fp32'"),
        (1, ["learning_rate=1e400"], r"learning_rate: Input should be a finite number"),
        (1, ["learning_rate=yes"], r"learning_rate: Input should be a number \(found true\)"),
        (1, ["seed=true"], r"seed: Input should be a number \(found true\)"),
        (1, ["seed=-1"], "seed: Input should be greater than or equal to 0"),
        (1, ["adam_betas=[0.9, 1.5]"], r"adam_betas\.1: Input should be less than 1"),
        (1, ["trainable=[]"], "trainable: "),
        (3, ["stage=2"], r"stage: 2, and --stage is 3, whose defaults stand under them\. Leave it out"),
    ],
)
def test_mistakes(stage: int, overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(stage, None, overrides)


def test_unknown_key_in_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("epoch: 3\n")
    with pytest.raises(UserError, match=r'c.yaml: epoch: unknown key. Did you mean "epochs"\?'):
        resolve(1, tmp_path / "c.yaml", [])


@pytest.mark.parametrize(
    ("stage", "overrides", "message"),
    [
        (3, ["offload=all"], "Set zero_stage=3"),
        (3, ["compile=true", "zero_stage=3"], "Set zero_stage=2"),
        (1, ["lora_rank=8"], "puts adapters into the language model, which stage 1 freezes"),
    ],
)
def test_settings_that_do_not_go_together(stage: int, overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(stage, None, overrides)
