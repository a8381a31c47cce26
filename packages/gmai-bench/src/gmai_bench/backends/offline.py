"""vLLM's offline engine on this machine's GPUs: `LLM.chat`, as https://docs.vllm.ai/en/latest/api/vllm/ documents it.

It is asked in pieces, so that a killed run loses the answers of one piece at most. A data-parallel run has one engine a
rank, each on a GPU of its own; `tensor_parallel_size` in the engine's settings spreads one engine over several.
"""

import base64
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from gmai_cli.console import say
from gmai_formats.chat.vllm_engine import chat_all, load_vllm
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from gmai_formats.safe_yaml import load_yaml, yaml_text

from gmai_bench.backends.asks import Answer, Ask, OpenImage
from gmai_bench.backends.local import Checkpoint

_PIECE = 512
"""Questions given to the engine at once, which it orders and batches itself."""
_OURS = ("model", "trust_remote_code", "limit_mm_per_prompt", "allowed_local_media_path")
"""Arguments that are not the user's: the checkpoint, what runs code or reads files, what a question needs."""


class OfflineEngine(Checkpoint):
    """A checkpoint folder, or a Hub id, in vLLM; the engine starts with the first question."""

    def __init__(
        self,
        model: str,
        *,
        max_new_tokens: int,
        temperature: float = 0,
        settings: Path | None = None,
        local_rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Check the checkpoint and take its digest.

        Args:
            model: Checkpoint folder or Hub id.
            max_new_tokens: Longest answer, in tokens.
            temperature: Of every answer; 0 is greedy.
            settings: YAML mapping of arguments of `vllm.LLM`, such as `max_model_len` or `tensor_parallel_size`.
            local_rank: This process's number on this machine.
            ranks: How many processes the run has.

        Raises:
            UserError: vLLM is missing, the folder is no safetensors checkpoint, or the settings are no such mapping.
        """
        if importlib.util.find_spec("vllm") is None:
            raise UserError(
                "--engine vllm: vllm is not installed. It brings the version of torch that it needs, so it belongs "
                f"into a separate environment: `pip install vllm` and `{pip_install('gmai-bench[parquet]')}` there. "
                "Or leave --engine out."
            )
        self._settings = {} if settings is None else _read(settings)
        super().__init__(model)
        self._max_new_tokens, self._temperature = max_new_tokens, temperature
        self._local_rank, self._ranks = local_rank, ranks
        self._engine: Any = None
        self._most_images = 0

    @property
    def generation(self) -> Mapping[str, Any]:
        """Temperature, token limit, the engine with its version, and its settings."""
        engine = f"vllm {importlib.metadata.version('vllm')}"
        settings = {"engine_settings": self._settings} if self._settings else {}
        fixed = {"temperature": self._temperature, "max_new_tokens": self._max_new_tokens, "engine": engine}
        return fixed | settings

    def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        """Yield answers piece by piece; a question that the engine refuses, one too long for it say, has its reason.

        Raises:
            UserError: The protocol weighs options by likelihood, or the engine does not start.
        """
        if any(ask.continuations for ask in asks):
            raise UserError(
                "--engine vllm: this protocol needs the likelihood of each option, which is not asked of this engine. "
                "Leave --engine out, or choose another protocol of `gmai bench list`."
            )
        self._start(max((len(ask.images) for ask in asks), default=0))
        for start in range(0, len(asks), _PIECE):
            yield from self._piece(asks[start : start + _PIECE], open_image)

    def _piece(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        vllm = load_vllm()
        sampling = [
            vllm.SamplingParams(temperature=self._temperature, max_tokens=self._max_new_tokens, seed=ask.seed)
            for ask in asks
        ]
        outputs = chat_all(self._engine, [_messages(ask, open_image) for ask in asks], sampling)
        for ask, output in zip(asks, outputs, strict=True):
            is_refusal = isinstance(output, str)
            yield Answer(ask.id, "", cut=False, refused=output) if is_refusal else _answer(ask, output)

    def _start(self, images: int) -> None:
        if self._engine is not None and images <= self._most_images:
            return
        self._most_images = max(images, 1)
        if self._engine is None:
            _choose_gpus(self._local_rank, self._ranks, int(self._settings.get("tensor_parallel_size", 1)))
        self._engine = None  # frees the memory of one that was made for fewer images a question
        say(f"starting vLLM with {self.name}")
        vllm = load_vllm()
        try:
            self._engine = vllm.LLM(
                model=self.name,
                trust_remote_code=False,
                limit_mm_per_prompt={"image": self._most_images},
                **self._settings,
            )
        except (ValueError, RuntimeError, OSError, TypeError) as error:
            raise UserError(
                f"{self.name}: vLLM does not start with it ({' '.join(str(error).split())[:300]}). It must know "
                "the architecture, and weights and cache must fit the GPU. Give other --engine-settings, or leave "
                "--engine out."
            ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        loaded: Any = load_yaml(yaml_text(path))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"--engine-settings {path}: not readable as YAML ({error}). Correct the file.") from error
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in cast("dict[Any, Any]", loaded)):
        raise UserError(
            f"--engine-settings {path}: not a mapping of vLLM's arguments. Write one a line, such as "
            "`max_model_len: 8192`."
        )
    settings = cast("dict[str, Any]", loaded)
    if taken := [name for name in _OURS if name in settings]:
        raise UserError(f"--engine-settings {path}: {', '.join(taken)} cannot be set here. Take it out.")
    return settings


def _choose_gpus(local_rank: int, ranks: int, each: int) -> None:
    """Leave each rank of a machine the GPUs of its own, where the scheduler lets it see those of others too."""
    if ranks == 1:
        return
    import torch

    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    devices = seen.split(",") if seen else [str(number) for number in range(torch.cuda.device_count())]
    if len(devices) > each:
        first = local_rank * each % (len(devices) // each * each)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(devices[first : first + each])


def _messages(ask: Ask, open_image: OpenImage) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for digest in ask.images:
        mime, encoded = open_image.encoded(digest)
        url = f"data:{mime};base64,{base64.b64encode(encoded).decode()}"
        content.append({"type": "image_url", "image_url": {"url": url}})
    before = [{"role": role, "content": text} for role, text in ask.turns]
    return [*before, {"role": "user", "content": [*content, {"type": "text", "text": ask.prompt}]}]


def _answer(ask: Ask, output: Any) -> Answer:
    completion = output.outputs[0]
    usage = {"input_tokens": len(output.prompt_token_ids or ()), "output_tokens": len(completion.token_ids)}
    return Answer(ask.id, str(completion.text).strip(), completion.finish_reason == "length", usage=usage)
