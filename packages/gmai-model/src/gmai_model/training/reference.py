"""The reference of the settings, written from the model and its docstrings: docs/reference/train-settings.md."""

from pathlib import Path

from gmai_formats import settings

from gmai_model.stages import STAGES
from gmai_model.training.config import MAY_CHANGE, TrainConfig
from gmai_model.tuning import config as tuning
from gmai_model.tuning.config import TuneConfig

HEAD = """# Settings of `gmai train`

Written from the settings' own descriptions; `gmai train --stage N --print-config` shows the values of a stage. Give
them in a YAML file (`--config FILE`) or one by one (`--set key=value`, which wins). A resumed run keeps the settings
that it began with; those marked ↻ may change, as they leave the result as it is but for rounding.

| setting | default | meaning |
|---|---|---|
"""


FOURTH = """
## Stage 4

`gmai train --stage 4 --method dpo|grpo`; settings of its own.

| setting | default | meaning |
|---|---|---|
"""


def write_reference() -> str:
    """Return the page."""
    given = {
        "stage": "`--stage`",
        **{name: _of_stages(name) for name in ("trainable", "learning_rate", "micro_batch_size")},
    }
    paper = settings.reference(TrainConfig, marked=MAY_CHANGE, given=given)
    fourth = settings.reference(
        TuneConfig, marked=tuning.MAY_CHANGE, given={"method": "`--method`", "beta": "dpo: `0.1`; grpo: `0.0`",
                                                     "learning_rate": "`1e-05`"},
    )  # fmt: skip
    return HEAD + "\n".join(paper) + "\n" + FOURTH + "\n".join(fourth) + "\n"


def _of_stages(name: str) -> str:
    of_stage = [getattr(stage, name) for stage in STAGES.values()]
    shown = [", ".join(sorted(value)) if isinstance(value, frozenset) else f"{value:g}" for value in of_stage]
    return "; ".join(f"{number}: {value}" for number, value in zip(STAGES, shown, strict=True))


if __name__ == "__main__":
    Path("docs/reference/train-settings.md").write_text(write_reference(), "utf-8")
