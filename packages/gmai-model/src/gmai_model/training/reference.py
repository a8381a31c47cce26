"""The reference of the settings, written from the model and its docstrings: docs/reference/train-settings.md."""

from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from gmai_model.stages import STAGES
from gmai_model.training.config import MAY_CHANGE, TrainConfig

HEAD = """# Settings of `gmai train`

Written from the settings' own descriptions; `gmai train --stage N --print-config` shows the values of a stage. Give
them in a YAML file (`--config FILE`) or one by one (`--set key=value`, which wins). A resumed run keeps the settings
that it began with; those marked ↻ may change, as they leave the result as it is but for rounding.

| setting | default | meaning |
|---|---|---|
"""


def write_reference() -> str:
    """Return the page."""
    rows: list[str] = []
    for name, field in TrainConfig.model_fields.items():
        mark = " ↻" if name in MAY_CHANGE else ""
        meaning = (field.description or "The stage, 1, 2 or 3.").replace("|", "\\|").replace("\n", " ")
        rows.append(f"| `{name}`{mark} | {_default(name, field.default)} | {meaning} |")
    return HEAD + "\n".join(rows) + "\n"


def _default(name: str, default: Any) -> str:
    if default is PydanticUndefined:
        if name == "stage":
            return "`--stage`"
        of_stage = [getattr(stage, name) for stage in STAGES.values()]
        shown = [", ".join(sorted(value)) if isinstance(value, frozenset) else f"{value:g}" for value in of_stage]
        return "; ".join(f"{number}: {value}" for number, value in zip(STAGES, shown, strict=True))
    if isinstance(default, tuple):
        return ", ".join(f"`{value}`" for value in default) or "none"
    return "none" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    Path("docs/reference/train-settings.md").write_text(write_reference(), "utf-8")
