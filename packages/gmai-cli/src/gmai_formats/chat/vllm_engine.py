"""vLLM's offline engine as the writer and the benchmarks both use it: loaded without a report, asked by `LLM.chat`.

https://docs.vllm.ai/en/stable/api/vllm/ documents the interface.
"""

import importlib
import os
from collections.abc import Sequence
from typing import Any

from gmai_formats.errors import UserError


def load_vllm() -> Any:
    """Return the module `vllm`, told not to report its use to its makers.

    Source: https://docs.vllm.ai/en/latest/usage/usage_stats.html

    Raises:
        ImportError: It is not installed, or does not load here.
    """
    os.environ["VLLM_NO_USAGE_STATS"] = "1"
    return importlib.import_module("vllm")


def chat_all(
    engine: Any,
    conversations: Sequence[Any],
    sampling: Sequence[Any],
    *,
    refusals: tuple[type[Exception], ...] = (ValueError,),
    **more: Any,
) -> list[Any]:
    """Return an output for each conversation, or in words why the engine takes it not: one costs no other.

    Args:
        engine: A `vllm.LLM`.
        conversations: Messages each.
        sampling: The `SamplingParams` of each.
        refusals: How the engine refuses a prompt that is too long or an image that it cannot read, and with it all
            that were given at once; they are then given in halves.
        more: Further arguments of `LLM.chat`.

    Raises:
        UserError: It gave fewer outputs than it was asked for.
    """
    try:
        outputs = engine.chat(list(conversations), list(sampling), use_tqdm=False, **more)
    except refusals as error:
        if len(conversations) == 1:
            return [" ".join(str(error).split())[:300]]
        half = len(conversations) // 2
        first = chat_all(engine, conversations[:half], sampling[:half], refusals=refusals, **more)
        return [*first, *chat_all(engine, conversations[half:], sampling[half:], refusals=refusals, **more)]
    if len(outputs) < len(conversations):
        raise UserError(f"vLLM gave {len(outputs)} answers to {len(conversations)} questions. Report this.")
    # Some versions keep requests of a call that failed, and answer them with the next; those come first.
    return list(outputs[-len(conversations) :])
