"""The writers and their options: `template` needs nothing, `openai` asks live, `openai-batch` by the Batch API."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gmai_formats.errors import UserError, did_you_mean, explain_validation
from pydantic import ValidationError

from gmai_data.generation.pending import Limits
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import WRITTEN_KINDS, WritingSettings
from gmai_data.vocabulary import Kind

WRITERS = ("template", "openai", "openai-batch")


@dataclass(frozen=True)
class WriterOptions:
    """What a run of a writer is given and the samples do not depend on.

    Attributes:
        endpoints: See `gmai_formats.chat.addresses`.
        concurrency: Most requests in flight, over all endpoints and all tasks of a job array.
        max_cost_usd: Most that the whole build may cost.
        prices: A price table in place of the bundled one.
        cache: Folder of journals that several builds share; without it the build keeps its own.
        timeout_s: Longest wait for one answer.
        limits: Of the Batch API.
        backoff_s: First wait after a failure.
        yes: The cost is not asked about before money is spent.
    """

    endpoints: tuple[str, ...] = ()
    concurrency: int = 64
    max_cost_usd: float | None = None
    prices: Path | None = None
    cache: Path | None = None
    timeout_s: float = 300.0
    limits: Limits = field(default_factory=Limits)
    backoff_s: float = 0.5
    yes: bool = False


def writing_settings(
    writer: str,
    *,
    model: str,
    temperature: float,
    detail: str,
    response_format: str,
    translate: Sequence[str],
    chinese_share: float,
    judge: str,
    judge_share: float,
    prompts: Path | None,
) -> WritingSettings | None:
    """Return the settings of a model that writes, or None for the offline writer.

    Args:
        writer: One of `WRITERS`.
        model: See `WritingSettings`, as the others are.
        temperature: See there.
        detail: See there.
        response_format: See there.
        translate: `KIND=SHARE`, for kinds of which another share than `chinese_share` is translated.
        chinese_share: Share of each written kind that is translated.
        judge: See there.
        judge_share: See there.
        prompts: Folder of prompts in place of the bundled ones.

    Raises:
        UserError: An option is unknown, or one is given that the writer does not have.
    """
    if writer not in WRITERS:
        raise UserError(f"--writer {writer}: no such writer.{did_you_mean(writer, WRITERS)}")
    if writer == "template":
        if model or judge or prompts is not None or translate:
            raise UserError(
                "--model, --judge, --prompts, --translate: the writer `template` asks no model. Give --writer openai "
                "or openai-batch, or leave them out."
            )
        return None
    if not model:
        raise UserError(f"--writer {writer}: no model is named. Give --model NAME, as the endpoint knows it.")
    shares: dict[Kind, float] = dict.fromkeys(WRITTEN_KINDS, chinese_share)
    for entry in translate:
        kind, _, share = entry.partition("=")
        if kind not in WRITTEN_KINDS or not re.fullmatch(r"0(\.\d+)?|1(\.0+)?", share):
            known = did_you_mean(kind, WRITTEN_KINDS)
            raise UserError(f"--translate {entry}: it is KIND=SHARE, the share from 0 to 1.{known}")
        shares[Kind(kind)] = float(share)
    try:
        return WritingSettings.model_validate(
            {
                "writer": writer,
                "model": model,
                "temperature": temperature,
                "detail": detail,
                "response_format": response_format,
                "translate": shares,
                "judge": judge,
                "judge_share": judge_share,
                "prompts": {name: prompt.digest for name, prompt in load_prompts(prompts).items()},
            }
        )
    except ValidationError as error:
        raise explain_validation(error, where="gmai data build", known_fields=WritingSettings.model_fields) from error
