"""Which fields a model takes, and how: set by the user for an endpoint, or learnt from what the server refuses."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

LimitField = Literal["max_tokens", "max_completion_tokens"]
ResponseFormat = Literal["json_schema", "json_object", "none"]


class Dialect(BaseModel):
    """What goes into a request beside the messages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit_field: LimitField = "max_tokens"
    """Name of the field with the most tokens of an answer; newer OpenAI models take only the longer one."""
    temperature: float | bool = True
    """True sends that of the build or the benchmark, a number replaces it, false leaves it to the server."""
    seed: bool = True
    """Whether a seed is sent, where there is one."""
    response_format: ResponseFormat | None = None
    """How a JSON answer is asked for; none given takes that of the build."""
    reasoning_effort: str = ""
    """Effort, as the provider names it: `minimal`, `low`, `medium`, `high`; nothing is sent where it is empty."""
    reasoning_tokens: int = Field(default=0, ge=0)
    """Tokens that a model may think beside its answer; added to the limit."""
    extra_body: Mapping[str, Any] = Field(default_factory=dict)
    """Further fields as they are, such as `chat_template_kwargs: {enable_thinking: false}` of vLLM and SGLang."""

    def head(
        self,
        model: str,
        most_tokens: int,
        *,
        temperature: float,
        seed: int | None = None,
        schema: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the beginning of a body, up to the messages: JSON without its closing brace.

        Args:
            model: Name that the server knows it by.
            most_tokens: Of the answer itself.
            temperature: Of the build or the benchmark.
            seed: Likewise.
            schema: JSON schema of the answer, where it is to be JSON.
        """
        fields: dict[str, Any] = {"model": model}
        if self.temperature is not False:
            fields["temperature"] = temperature if self.temperature is True else self.temperature
        fields[self.limit_field] = most_tokens + self.reasoning_tokens
        if self.seed and seed is not None:
            fields["seed"] = seed
        if schema is not None and self.response_format == "json_schema":
            named = {"name": "reply", "strict": True, "schema": schema}
            fields["response_format"] = {"type": "json_schema", "json_schema": named}
        elif schema is not None and self.response_format == "json_object":
            fields["response_format"] = {"type": "json_object"}
        if self.reasoning_effort:
            fields["reasoning_effort"] = self.reasoning_effort
        return to_json(fields | dict(self.extra_body))[:-1]

    def without(self, field: str) -> "Dialect":
        """Return what is left when a server refuses a field: the other name, the weaker format, or not the field."""
        weaker: dict[Any, Any] = {"json_schema": "json_object", "json_object": "none"}
        if field == "limit_field":
            other = "max_tokens" if self.limit_field == "max_completion_tokens" else "max_completion_tokens"
            return self.model_copy(update={"limit_field": other})
        if field == "response_format":
            return self.model_copy(update={"response_format": weaker.get(self.response_format, "none")})
        return self.model_copy(update={field: False})

    def refused_field(self, param: str, words: str) -> str:
        """Return the field of this dialect that a refusal of a request (HTTP 400, 422) is about, or an empty text.

        Only fields that can be sent otherwise count: what the user asked for (effort, extra fields) is not dropped.

        Args:
            param: As the error names it.
            words: Of the server.
        """
        about = f"{param} {words}".lower()
        unsupported = bool(param) or re.search(
            r"unsupported|not support|unrecognized|unknown|unexpected|not (?:permitted|allowed|available)|extra inputs|"
            r"invalid|only the default|does not (?:take|accept)|instead",
            about,
        )
        if not unsupported:
            return ""
        if re.search(rf"\b{self.limit_field}\b", about) and not _too_many(about):
            return "limit_field"
        if self.temperature is not False and re.search(r"\btemperature\b", about):
            return "temperature"
        if self.seed and re.search(r"\bseed\b", about):
            return "seed"
        asked = self.response_format not in (None, "none")
        if asked and re.search(
            r"response_format|response format|json_schema|json_object|structured output|guided", about
        ):
            return "response_format"
        return ""


def _too_many(about: str) -> bool:
    """Return whether a limit is refused for its size, not for its name."""
    return "instead" not in about and bool(
        re.search(r"too (?:large|big|many|long)|at most|maximum|context|exceed", about)
    )
