from pathlib import Path

from gmai_model.training.config import MAY_CHANGE, TrainConfig
from gmai_model.training.reference import write_reference
from gmai_model.tuning.config import TuneConfig


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs/reference/train-settings.md"
    assert page.read_text("utf-8") == write_reference(), "run: python -m gmai_model.training.reference"


def test_every_setting_is_a_row_with_its_meaning() -> None:
    paper, fourth = (
        {line.split("`")[1]: line for line in part.splitlines() if line.startswith("| `")}
        for part in write_reference().split("## Stage 4")
    )
    assert list(fourth) == list(TuneConfig.model_fields)
    assert list(paper) == list(TrainConfig.model_fields)
    rows = paper
    assert {name for name, row in rows.items() if row.startswith(f"| `{name}` ↻ |")} == set(MAY_CHANGE)
    for name, line in rows.items():
        assert line.replace("\\|", "").count("|") == 4, name
        assert line.split("|")[3].strip(), name
