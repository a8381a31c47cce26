"""Tasks ▶ replies in the journal by vLLM's offline engine, in this process and without a server.

The requests are the live writer's own bodies: their messages go to `LLM.chat`, their limits into `SamplingParams`
(https://docs.vllm.ai/en/stable/api/vllm/ and https://docs.vllm.ai/en/latest/features/structured_outputs.html). Each
task of a job array holds an engine of its own and works on its shards: data parallelism without anything to set up.
"""

import importlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from itertools import islice
from typing import Any, Protocol, cast

from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.vllm_engine import chat_all, load_vllm
from gmai_formats.errors import UserError, did_you_mean
from gmai_formats.installing import pip_install

from gmai_data.generation.asking import Usable
from gmai_data.generation.journal import Journal, Reply
from gmai_data.generation.pending import Asked, Pending, settle
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import WritingSettings

_AT_ONCE = 512
"""So many tasks are in memory with their images; the engine schedules their requests itself."""
_SAMPLING = (
    "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "stop", "stop_token_ids",
    "bad_words",
)  # fmt: skip
"""Fields of `extra_body` that `SamplingParams` has under the same name."""
_TEMPLATE = "chat_template_kwargs"


class _Completion(Protocol):
    text: str
    token_ids: Sequence[int]
    finish_reason: str | None


class _Output(Protocol):
    prompt_token_ids: Sequence[int] | None
    outputs: Sequence[_Completion]


class Engine(Protocol):
    """What is used of `vllm.LLM`."""

    def chat(
        self,
        messages: list[list[dict[str, Any]]],
        sampling_params: list[Any],
        use_tqdm: bool = True,
        *,
        chat_template_kwargs: dict[str, Any] | None = None,
    ) -> list[_Output]:
        """Return one output per conversation, in their order."""
        ...


def require_vllm() -> Any:
    """Return the module `vllm`.

    Raises:
        UserError: It is not installed, or does not load here.
    """
    try:
        return load_vllm()
    except ImportError as error:
        raise UserError(
            f"--writer vllm: vLLM does not load ({error}). It needs Linux and a GPU, and pins its own PyTorch: in a "
            f"separate environment, {pip_install('gmai-data', 'vllm')}. Without a GPU, give --writer openai a server."
        ) from error


def require_asked(settings: WritingSettings, engine: Mapping[str, Any]) -> None:
    """Check what the engine cannot do before it is loaded, which takes minutes.

    Raises:
        UserError: A setting that has no meaning for it.
    """
    if settings.reasoning_effort:
        raise UserError(
            "writing.reasoning_effort: a field of providers, which vLLM's engine does not take. Set what the model's "
            "chat template knows, as --set 'writing.extra_body={chat_template_kwargs: {enable_thinking: false}}'."
        )
    for name in settings.extra_body:
        if name not in (*_SAMPLING, _TEMPLATE):
            known = (*_SAMPLING, _TEMPLATE)
            raise UserError(
                f"writing.extra_body: {name}: the offline engine takes no such field.{did_you_mean(name, known)} It "
                f"takes {', '.join(known)}."
            )
    if engine.get("trust_remote_code"):
        raise UserError("writing.engine: trust_remote_code: code of checkpoints is never run. Leave it out.")
    if "model" in engine:
        raise UserError("writing.engine: model: give the model as --model.")


class OfflineAsker:
    """Asks the engine whatever the tasks still need."""

    def __init__(self, settings: WritingSettings, engine: Mapping[str, Any], *, at_once: int = _AT_ONCE) -> None:
        """Take the settings; nothing is loaded before the first request.

        Args:
            settings: See `WritingSettings`.
            engine: Arguments of `vllm.LLM` beside the model, such as `tensor_parallel_size`.
            at_once: Tasks that are in memory together.
        """
        require_asked(settings, engine)
        self._settings, self._arguments, self._at_once = settings, dict(engine), at_once
        self._dialect: Dialect = settings.dialect()
        self._vllm: Any = require_vllm()
        self._engine: Engine | None = None
        self._usable = Usable()
        self.in_flight = 0
        self.asked = Asked()

    def run(
        self,
        tasks: Iterable[Pending],
        done: Callable[[Pending], None],
        journals: MutableMapping[int, Journal],
        shown: Callable[[], None] = lambda: None,
    ) -> None:
        """Bring every task to its outcome.

        Args:
            tasks: Taken a few hundred at a time.
            done: Called for each task when it and all that follows from it has its outcome.
            journals: Those in use, which are brought to the disk after each round.
            shown: Called before and after each round.

        Raises:
            UserError: The engine does not load the model or stops, or no reply can be used.
        """
        left = iter(tasks)
        while waiting := list(islice(left, self._at_once)):
            while waiting:
                missing: dict[str, tuple[Pending, Request]] = {}
                same: dict[str, list[Journal]] = {}
                waiting = list(self._wait_for(waiting, missing, same, done))
                if missing:
                    self.in_flight = len(missing)
                    shown()
                    self._ask(list(missing.values()), same)
                    self.in_flight = 0
                    for journal in list(journals.values()):
                        journal.sync()
                    shown()

    def _wait_for(
        self,
        tasks: Sequence[Pending],
        missing: dict[str, tuple[Pending, Request]],
        same: dict[str, list[Journal]],
        done: Callable[[Pending], None],
    ) -> Iterator[Pending]:
        """Yield the tasks that lack a reply, and note which; two shards may ask the very same."""
        for pending in tasks:
            states = list(settle(pending))
            lacks = [(each, state) for each, state in states if isinstance(state, Request)]
            if not lacks:
                self.asked.note(states)
                done(pending)
                continue
            for each, request in lacks:
                missing.setdefault(request.key, (each, request))
                journals = same.setdefault(request.key, [])
                if each.journal not in journals:
                    journals.append(each.journal)
            yield pending

    def _ask(self, requests: Sequence[tuple[Pending, Request]], same: Mapping[str, list[Journal]]) -> None:
        """Put a reply, or the reason why there is none, into the journals for each request."""
        bodies = [json.loads(request.body(each.task.parameters, self._dialect)) for each, request in requests]
        began_s = time.monotonic()
        outputs = self._chat(bodies)
        seconds = (time.monotonic() - began_s) / len(bodies)
        self.asked.requests += len(bodies)
        for (pending, request), output in zip(requests, outputs, strict=True):
            if isinstance(output, str):
                for journal in same[request.key]:
                    journal.add_failure(request.key, output)
                continue
            (answer, *_) = output.outputs
            sent, received = len(output.prompt_token_ids or ()), len(answer.token_ids)
            model = self._settings.model
            reply = Reply(answer.text, answer.finish_reason == "length", model, sent, received, seconds)
            for journal in same[request.key]:
                journal.add_reply(request.key, reply)
            self.asked.answered += 1
            self._usable.judge(pending, request.key, reply)

    def _chat(self, bodies: Sequence[Mapping[str, Any]]) -> list[_Output | str]:
        """Return an output for each body, or in words why the engine takes it not; one must not cost the others."""
        engine = self._loaded()
        template: dict[str, Any] | None = self._settings.extra_body.get(_TEMPLATE)
        more: dict[str, Any] = {} if template is None else {_TEMPLATE: dict(template)}
        messages = [body["messages"] for body in bodies]
        try:
            sampling = [self._sampling(body) for body in bodies]
            outputs = chat_all(engine, messages, sampling, refusals=(ValueError, TypeError), **more)
        except UserError:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {str(error)[:300]}"
            raise UserError(
                f"{self._settings.model}: the engine stopped: {text}. What was answered is kept; the same command goes "
                "on. Where memory is short, set gpu_memory_utilization or max_model_len in writing.engine."
            ) from error
        return [f"the engine refuses it: {each}" if isinstance(each, str) else each for each in outputs]

    def _loaded(self) -> Engine:
        if self._engine is None:
            try:
                self._engine = cast("Engine", self._vllm.LLM(model=self._settings.model, **self._arguments))
            except Exception as error:
                text = f"{type(error).__name__}: {str(error)[:300]}"
                raise UserError(
                    f"{self._settings.model}: vLLM does not load it: {text}. --model is a folder or a Hub id of a "
                    "model that it serves; writing.engine has its further arguments."
                ) from error
        return self._engine

    def _sampling(self, body: Mapping[str, Any]) -> Any:
        """Return the limits of a body as vLLM's own parameters."""
        given: dict[str, Any] = {
            name: body[name] for name in ("max_tokens", "temperature", "seed", *_SAMPLING) if name in body
        }
        asked = body.get("response_format", {})
        if asked:
            # `json_object` of the API is any object.
            schema = asked["json_schema"]["schema"] if asked["type"] == "json_schema" else {"type": "object"}
            given |= self._structured(schema)
        return self._vllm.SamplingParams(**given)

    def _structured(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        parameters = importlib.import_module("vllm.sampling_params")
        if hasattr(parameters, "StructuredOutputsParams"):
            return {"structured_outputs": parameters.StructuredOutputsParams(json=schema)}
        # Before 0.11; of a version with neither, the schema stands in the prompt alone, as with response_format none.
        if hasattr(parameters, "GuidedDecodingParams"):
            return {"guided_decoding": parameters.GuidedDecodingParams(json=schema)}
        return {}
