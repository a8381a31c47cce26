"""One request to a chat model: its digest, by which its reply is kept, and its body.

The digest covers everything that shapes the reply (model, parameters, prompts, record, image) and nothing else: not the
endpoint, not the key, not the time.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gmai_formats.chat.dialect import Dialect, ResponseFormat
from pydantic_core import to_json

from gmai_data.generation.prompts import Prompt

Detail = Literal["auto", "low", "high"]


@dataclass(frozen=True)
class Parameters:
    """What is sent with every request of a build and shapes the replies."""

    model: str
    temperature: float
    detail: Detail
    response_format: ResponseFormat
    seed: int
    further: str = ""
    """JSON of what is asked for beyond these: reasoning, and fields of the provider."""

    def digest(self) -> str:
        """Return a digest of the parameters."""
        sent = (self.model, self.temperature, self.detail, self.response_format, self.seed)
        return hashlib.sha256(repr((*sent, self.further) if self.further else sent).encode()).hexdigest()


@dataclass(frozen=True)
class Repair:
    """A reply that could not be used, and the request to mend it."""

    reply: str
    complaint: str


@dataclass(frozen=True)
class Request:
    """What a model is asked.

    Attributes:
        prompt: Gives the system message and the limits.
        text: The user message.
        image: Encoded image, or nothing.
        schema: JSON schema of the reply.
        attempt: 0 for the first; another number asks again, with another seed.
        repair: Set where the last reply is to be mended.
        key: Digest of all of it.
    """

    prompt: Prompt
    text: str
    image: bytes
    schema: Mapping[str, Any]
    attempt: int
    repair: Repair | None
    key: str

    def body(self, parameters: Parameters, dialect: Dialect) -> bytes:
        """Return the JSON body; the image goes in past the JSON writer.

        Args:
            parameters: Of the build.
            dialect: Of the endpoint.
        """
        head = dialect.head(
            parameters.model, self.prompt.specific.max_tokens, temperature=parameters.temperature,
            seed=parameters.seed + self.attempt, schema=self.schema,
        )  # fmt: skip
        parts = [
            head,
            b',"messages":[{"role":"system","content":',
            to_json(self.prompt.general.rules),
            b'},{"role":"user","content":[',
        ]
        if self.image:
            parts += [
                b'{"type":"image_url","image_url":{"detail":',
                to_json(parameters.detail),
                b',"url":"data:image/',
                b"jpeg" if self.image.startswith(b"\xff\xd8") else b"png",
                b";base64,",
                base64.b64encode(self.image),
                b'"}},',
            ]
        parts += [b'{"type":"text","text":', to_json(self.text), b"}]}"]
        if self.repair is not None:
            complaint = self.prompt.general.repair.format(complaint=self.repair.complaint)
            parts += [
                b',{"role":"assistant","content":',
                to_json(self.repair.reply),
                b'},{"role":"user","content":',
                to_json(complaint),
                b"}",
            ]
        parts.append(b"]}")
        return b"".join(parts)


def request_key(parameters: str, prompt: Prompt, text: str, image_digest: str) -> str:
    """Return the digest of a first request; `parameters` is their digest."""
    content = f"{parameters}\0{prompt.digest}\0{image_digest}\0{text}"
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def later_key(first: str, attempt: int, repair: Repair | None) -> str:
    """Return the digest of a request that follows the first one of the same record."""
    content = "" if repair is None else f"{repair.reply}\0{repair.complaint}"
    return hashlib.sha256(f"{first}\0{attempt}\0{content}".encode()).hexdigest()[:32]


def conversation_text(turns: Sequence[tuple[str, str]]) -> str:
    """Return turns as the JSON that models are shown."""
    return json.dumps([{"question": q, "answer": a} for q, a in turns], ensure_ascii=False)
