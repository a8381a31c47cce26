"""The writers and their options: `template` needs nothing, `openai` and `openai-batch` a server, `vllm` a GPU."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from gmai_formats.chat.limits import Limits
from gmai_formats.errors import did_you_mean
from pydantic import Field, field_validator, model_validator

from gmai_data.generation.knowledge import load_knowledge
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import WRITTEN_KINDS, Asking, WritingSettings
from gmai_data.vocabulary import Kind

WRITERS = ("template", "openai", "openai-batch", "vllm")


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
        judge_endpoints: Those of the judge, where it is not asked at `endpoints`.
        engine: Arguments of vLLM's offline engine.
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
    judge_endpoints: tuple[str, ...] = ()
    engine: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Writing(Asking):
    """The block `writing:` of a build's settings: who writes the text, and how it is asked."""

    writer: str = "template"
    """`template` (offline, no key), `openai`, `openai-batch` or `vllm` (on this machine's GPU); `--writer`."""
    model: str = ""
    """Name by which the endpoint knows the model; of `vllm` its folder or Hub id; `--model`."""
    endpoints: tuple[str, ...] = ()
    """URL, URL=WEIGHT or the path of a YAML list; none takes `$OPENAI_BASE_URL`; `--endpoint`."""
    judge_endpoints: tuple[str, ...] = ()
    """Where the judge is asked, in the form of `endpoints`; none asks it at those of the writer."""
    concurrency: int = Field(default=64, ge=1)
    """Most requests in flight, all array tasks together; `--concurrency`."""
    max_cost_usd: float | None = Field(default=None, ge=0)
    """Stop before the cost passes this; `--max-cost-usd`."""
    prices: Path | None = None
    """Price table (YAML) in place of the bundled one; `--prices`."""
    prompts: Path | None = None
    """Folder of prompt files in place of bundled ones."""
    knowledge: Path | None = None
    """YAML file of structures and findings, over the bundled ones; see how to write a prompt."""
    translate: Mapping[Kind, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict[Kind, float])
    """Kind ▶ share of its samples that is translated to Chinese, where it is not the build's `chinese_share`."""
    cache: Path | None = None
    """Folder of replies that several builds share; none keeps them in the build."""
    timeout_s: float = Field(default=300.0, ge=1)
    """Longest wait for one answer, in seconds."""
    engine: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    """vllm: arguments of `vllm.LLM` beside the model, such as `{tensor_parallel_size: 2, max_model_len: 8192}`."""
    batch_requests: int = Field(default=50_000, ge=1)
    """openai-batch: most requests of one batch."""
    batch_mb: float = Field(default=200.0, ge=0.001)
    """openai-batch: most megabytes of one batch."""
    batch_poll_s: float = Field(default=60.0, ge=0.01)
    """openai-batch: seconds between two looks at a batch."""

    @field_validator("translate")
    @classmethod
    def _written(cls, translate: Mapping[Kind, float]) -> Mapping[Kind, float]:
        for kind in translate:
            if kind not in WRITTEN_KINDS:
                raise ValueError(f"no model writes {kind}. Kinds: {', '.join(WRITTEN_KINDS)}.")
        return translate

    @model_validator(mode="after")
    def _goes_together(self) -> "Writing":
        if self.writer not in WRITERS:
            raise ValueError(f"writer {self.writer}: no such writer.{did_you_mean(self.writer, WRITERS)}")
        if self.writer == "template":
            of_a_model = ("model", "judge", "prompts", "knowledge", "translate", "judge_endpoints", "engine")
            if given := [name for name in of_a_model if getattr(self, name)]:
                raise ValueError(
                    f"{', '.join(given)}: the writer `template` asks no model. Give --writer openai, openai-batch "
                    "or vllm, or leave them out."
                )
        elif self.judge_endpoints and not self.judge:
            raise ValueError("judge_endpoints: no judge is named. Give writing.judge, as that endpoint knows it.")
        elif self.judge_endpoints and self.writer == "openai-batch":
            raise ValueError(
                "judge_endpoints: the batches of openai-batch go to one endpoint, those for the judge too. Leave it "
                "out, or write with --writer openai."
            )
        elif self.writer != "vllm" and self.engine:
            raise ValueError(
                f"engine: the writer `{self.writer}` loads no engine. Leave it out, or give --writer vllm."
            )
        elif self.writer == "vllm" and (self.endpoints or self.judge_endpoints or self.max_cost_usd is not None):
            raise ValueError(
                "writer vllm: the model runs on this machine, at no endpoint and no price. Leave out endpoints, "
                "judge_endpoints and max_cost_usd."
            )
        elif self.writer == "vllm" and self.judge not in ("", self.model):
            raise ValueError(
                f"judge {self.judge}: the engine holds one model, {self.model}. Name that one, or judge in a build "
                "with --writer openai that shares writing.cache."
            )
        elif not self.model:
            raise ValueError(f"writer {self.writer}: no model is named. Give --model NAME, as the endpoint knows it.")
        return self

    def settings(self, chinese_share: float) -> WritingSettings | None:
        """Return what the samples depend on, or None for the offline writer.

        Args:
            chinese_share: Share of each written kind that is translated, where `translate` has no other.

        Raises:
            UserError: The folder of prompts is not usable.
        """
        if self.writer == "template":
            return None
        shared = {name: getattr(self, name) for name in WritingSettings.model_fields if name in Writing.model_fields}
        shared["translate"] = {**dict.fromkeys(WRITTEN_KINDS, chinese_share), **self.translate}
        shared["prompts"] = {name: prompt.digest for name, prompt in load_prompts(self.prompts).items()}
        shared["knowledge"] = load_knowledge(self.knowledge).digest
        return WritingSettings.model_validate(shared)

    def options(self, *, yes: bool) -> WriterOptions:
        """Return what a run is given and the samples do not depend on."""
        return WriterOptions(
            self.endpoints, self.concurrency, self.max_cost_usd, self.prices, self.cache, self.timeout_s,
            Limits(self.batch_requests, round(self.batch_mb * 1e6), self.batch_poll_s), yes=yes,
            judge_endpoints=self.judge_endpoints, engine=self.engine,
        )  # fmt: skip
