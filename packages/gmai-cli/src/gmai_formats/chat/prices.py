"""Tokens and money: what a request costs by a dated table that the user can replace, and the cap on the whole."""

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gmai_formats.chat.completion import Completion
from gmai_formats.errors import UserError, did_you_mean, explain_validation
from gmai_formats.safe_yaml import load_yaml, yaml_text

_DATED = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]")
_CHARACTERS_PER_TOKEN = 4.0
"""For English, by OpenAI's rule of thumb; a Chinese character counts as one token."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tiles(_Entry):
    """`base` tokens and `tile` for each 512-px tile, after a fit into 2048 px and a shorter side of 768 px."""

    by: Literal["tiles"]
    base: int
    tile: int

    def tokens(self, width_px: int, height_px: int, detail: str) -> int:
        """Return the tokens of an image."""
        if detail == "low":
            return self.base
        scale = min(1.0, 2048 / max(width_px, height_px))
        scale = min(scale, 768 / min(width_px, height_px))
        wide, high = (math.ceil(round(side * scale / 512, 6)) for side in (width_px, height_px))
        return self.base + self.tile * wide * high


class Patches(_Entry):
    """One token per patch, times `multiplier`; an image of more than `most` patches is shrunk to fit."""

    by: Literal["patches"]
    patch_px: int
    most: int
    multiplier: float = 1.0

    def tokens(self, width_px: int, height_px: int, detail: str) -> int:
        """Return the tokens of an image."""
        del detail
        wide, high = width_px / self.patch_px, height_px / self.patch_px
        if math.ceil(wide) * math.ceil(high) > self.most:
            scale = math.sqrt(self.most / (wide * high))
            # The side that loses less by it is cut to whole patches, and the other one follows.
            scale *= min(max(1, math.floor(side * scale)) / (side * scale) for side in (wide, high))
            wide, high = (round(side * scale, 6) for side in (wide, high))
        return math.ceil(min(math.ceil(wide) * math.ceil(high), self.most) * self.multiplier)


class Fixed(_Entry):
    """The same for every image."""

    by: Literal["fixed"]
    per_image: int

    def tokens(self, width_px: int, height_px: int, detail: str) -> int:
        """Return the tokens of an image."""
        del width_px, height_px, detail
        return self.per_image


class Price(_Entry):
    """What a model costs."""

    input_usd: float = Field(ge=0)
    """Per million input tokens, images included."""
    output_usd: float = Field(ge=0)
    """Per million output tokens."""
    batch: float = Field(default=1.0, gt=0, le=1)
    """Factor of the Batch API."""
    image: Annotated[Tiles | Patches | Fixed, Field(discriminator="by")]
    """How the provider counts the tokens of an image."""

    def usd(self, input_tokens: int, output_tokens: int, *, batch: bool) -> float:
        """Return the price of so many tokens."""
        factor = self.batch if batch else 1.0
        return (input_tokens * self.input_usd + output_tokens * self.output_usd) / 1e6 * factor


class Table(_Entry):
    """A price table."""

    as_of: str
    source: str
    models: Mapping[str, Price]

    def price(self, model: str) -> Price | None:
        """Return the price of a model; a dated snapshot costs what its model does."""
        return self.models.get(model) or self.models.get(_DATED.sub("", model))


UNPRICED = Price(input_usd=0, output_usd=0, image=Patches(by="patches", patch_px=28, most=1280))
"""Stands in for a model that the table lacks: tokens as Qwen2-VL counts them, and no price."""


def load_table(path: Path | None = None) -> Table:
    """Return the bundled price table, or the user's own.

    Raises:
        UserError: The file is missing, is no YAML, or breaks the schema.
    """
    if path is None:
        return _bundled()
    try:
        return Table.model_validate(load_yaml(yaml_text(path)))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not readable as YAML ({error}). --prices is a table like the bundled one.") from error
    except ValidationError as error:
        raise explain_validation(error, where=str(path), known_fields=Table.model_fields) from error


@functools.cache
def _bundled() -> Table:
    text = (resources.files("gmai_formats.chat") / "prices.yaml").read_text(encoding="utf-8")
    return Table.model_validate(load_yaml(text))


def text_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    han = 0 if text.isascii() else len(_HAN.findall(text))
    return math.ceil((len(text) - han) / _CHARACTERS_PER_TOKEN) + han


def used_tokens(completion: Completion, sent: int) -> tuple[int, int, bool]:
    """Return the tokens that an answer used: as the server counts, or estimated where it does not.

    Args:
        completion: The answer.
        sent: Estimate of what the request sent.

    Returns:
        Tokens in, tokens out, and whether one of them is estimated.
    """
    received = text_tokens(completion.text) + text_tokens(completion.reasoning)
    estimated = not completion.input_tokens or (not completion.output_tokens and received > 0)
    return completion.input_tokens or sent, completion.output_tokens or received, estimated


class OutOfBudgetError(Exception):
    """The next request could pass the cap; what was answered is kept."""


@dataclass
class Budget:
    """What a run has spent, and the cap it stops at: before a request that could pass it, not after."""

    prices: Mapping[str, Price]
    """Model ▶ price."""
    batch: bool
    cap_usd: float | None = None
    spent_usd: float = 0.0
    reserved_usd: float = 0.0
    estimated: int = 0
    """Answers whose tokens the server does not count."""

    @property
    def in_use(self) -> bool:
        """Return whether something is set aside for requests in flight."""
        return self.reserved_usd > 1e-9

    def reserve(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """Set the most that a request can cost aside and return it, or None where the cap would be passed."""
        usd = self.prices[model].usd(input_tokens, output_tokens, batch=self.batch)
        if self.cap_usd is not None and self.spent_usd + self.reserved_usd + usd > self.cap_usd:
            return None
        self.reserved_usd += usd
        return usd

    def settle(self, reserved_usd: float, model: str, input_tokens: int, output_tokens: int) -> float:
        """Replace what was set aside by what was used, and return it."""
        usd = self.prices[model].usd(input_tokens, output_tokens, batch=self.batch)
        self.reserved_usd -= reserved_usd
        self.spent_usd += usd
        return usd


def budget_for(models: list[str], table: Table, *, cap_usd: float | None, batch: bool) -> Budget:
    """Return a budget for the models of a build.

    Raises:
        UserError: There is a cap, and a model has no price.
    """
    prices: dict[str, Any] = {}
    for model in models:
        price = table.price(model)
        if price is None and cap_usd is not None:
            raise UserError(
                f'--max-cost-usd: the price table of {table.as_of} has no model "{model}".'
                f"{did_you_mean(model, table.models)} Give a table that has it with --prices FILE."
            )
        prices[model] = price or UNPRICED
    return Budget(prices, batch, cap_usd)
