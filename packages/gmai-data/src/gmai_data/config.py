"""The settings of `gmai data build`: a YAML file, `--set`, and the options of the command, which win over both."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gmai_formats import settings
from pydantic import BaseModel, ConfigDict, Field

from gmai_data.generation.writers import Writing

HEAD = """# Settings of `gmai data build`

Written from the settings' own descriptions; `gmai data build RECIPES --print-config` shows those of a build. Give them
in a YAML file (`--config FILE`), one by one (`--set key=value`, which wins), or as the option that is named, which wins
over both. Those of the block `writing:` have dotted keys: `--set writing.temperature=0.2`. Relative paths start where
the command runs.

| setting | default | meaning |
|---|---|---|
"""


class BuildConfig(BaseModel):
    """Resolved settings; `gmai data build --print-config` shows them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    chinese_share: float = Field(default=0.2, ge=0, le=1)
    """Share of the samples in Chinese: written so, or translated by the model; `--chinese-share`."""
    text_share: float = Field(default=0.15, ge=0, le=1)
    """Share of records, and of the sources' texts, that become a text; `--text-share`."""
    limit: int | None = Field(default=None, ge=1)
    """Use only this many items of each source; `--limit`."""
    seed: int = 0
    """Another seed draws other questions and wordings; splits stay; `--seed`."""
    writing: Writing = Field(default_factory=Writing)


def resolve(file: Path | None, overrides: Sequence[str], options: Mapping[str, Any]) -> BuildConfig:
    """Return the settings of a build.

    Args:
        file: A YAML mapping, or none.
        overrides: `key=value`, values in YAML, over the file.
        options: Dotted key ▶ value of an option of the command, over both; None where it was not given.

    Raises:
        UserError: An unknown key, a value out of range, or settings that do not go together.
    """
    return settings.resolve(BuildConfig, file, overrides, options=options)


def write_reference() -> str:
    """Return the page docs/reference/build-settings.md."""
    return HEAD + "\n".join(settings.reference(BuildConfig)) + "\n"


if __name__ == "__main__":
    Path("docs/reference/build-settings.md").write_text(write_reference(), "utf-8")
