"""A stand-in for the module `vllm`: the interface of `LLM.chat` as its documents have it, and no model behind it.

`LLM(model=…, **arguments)`; `chat(messages, sampling_params, use_tqdm, *, chat_template_kwargs)` with a list of
conversations and a list of parameters of the same length, images as `image_url` parts; `RequestOutput` with
`prompt_token_ids` and `.outputs[0]` with `text`, `token_ids` and `finish_reason`
(https://docs.vllm.ai/en/stable/api/vllm/).
Arguments that vLLM does not have are a TypeError here as there. The texts are those of the stand-in server.
"""

import json
from types import ModuleType
from typing import Any

PARAMETERS = {
    "n", "temperature", "max_tokens", "seed", "structured_outputs", "guided_decoding", "top_p", "top_k", "min_p",
    "presence_penalty", "frequency_penalty", "repetition_penalty", "stop", "stop_token_ids", "bad_words",
}  # fmt: skip
ARGUMENTS = {
    "model", "tensor_parallel_size", "max_model_len", "gpu_memory_utilization", "limit_mm_per_prompt", "dtype",
    "quantization", "enforce_eager", "seed",
}  # fmt: skip


class StructuredOutputsParams:
    def __init__(self, *, json: dict[str, Any]) -> None:
        self.json = json


class SamplingParams:
    def __init__(self, **given: Any) -> None:
        if strange := given.keys() - PARAMETERS:
            raise TypeError(f"Unexpected keyword argument '{min(strange)}'")
        self.given = given


class _Completion:
    def __init__(self, text: str, most: int) -> None:
        words = text.split(" ")
        self.finish_reason = "length" if len(words) > most else "stop"
        self.text = " ".join(words[:most])
        self.token_ids = list(range(min(len(words), most)))


class RequestOutput:
    def __init__(self, prompt: str, completion: _Completion) -> None:
        self.prompt_token_ids = list(range(len(prompt) // 4))
        self.outputs = [completion]


def module(server: Any, *, name: str = "structured_outputs") -> tuple[ModuleType, ModuleType, list[Any]]:
    """Return `vllm`, `vllm.sampling_params` and the engines that were made; `server` is tests/servers/openai.py."""
    engines: list[Any] = []

    class LLM:
        behaviour = ""
        longest = 1 << 30
        stops_after = 1 << 30

        def __init__(self, model: str, **arguments: Any) -> None:
            if strange := arguments.keys() - ARGUMENTS:
                raise TypeError(f"EngineArgs.__init__() got an unexpected keyword argument '{min(strange)}'")
            self.model, self.arguments = model, arguments
            self.calls: list[int] = []
            self.asked: list[dict[str, Any]] = []
            engines.append(self)

        def chat(
            self,
            messages: list[list[dict[str, Any]]],
            sampling_params: list[SamplingParams],
            use_tqdm: bool = True,
            *,
            chat_template_kwargs: dict[str, Any] | None = None,
        ) -> list[RequestOutput]:
            assert len(messages) == len(sampling_params)
            assert not use_tqdm
            if len(self.calls) >= type(self).stops_after:
                raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
            for conversation in messages:
                size = sum(len(json.dumps(message)) for message in conversation if message["role"] != "system")
                if size > type(self).longest:
                    raise ValueError(f"The decoder prompt (length {size}) is longer than the maximum model length")
            self.calls.append(len(messages))
            return [
                self._answer(conversation, parameters, chat_template_kwargs)
                for conversation, parameters in zip(messages, sampling_params, strict=True)
            ]

        def _answer(
            self, conversation: list[dict[str, Any]], parameters: SamplingParams, template: Any
        ) -> RequestOutput:
            body = {"messages": conversation, "seed": parameters.given.get("seed")}
            self.asked.append({**parameters.given, "template": template})
            prompt = server.prompt_of(body)
            text = server.answer(prompt, server.digest(body))
            if type(self).behaviour == "thinking aloud":
                text = f"<think>\nThe record {{names}} it.\n</think>\n{text}"
            elif type(self).behaviour == "useless":
                text = "Sure! Here is a picture of a kidney."
            return RequestOutput(prompt, _Completion(text, parameters.given["max_tokens"]))

    vllm, parameters = ModuleType("vllm"), ModuleType("vllm.sampling_params")
    vllm.LLM, vllm.SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    known = {"structured_outputs": "StructuredOutputsParams", "guided_decoding": "GuidedDecodingParams"}
    if name:
        setattr(parameters, known[name], StructuredOutputsParams)
    return vllm, parameters, engines
