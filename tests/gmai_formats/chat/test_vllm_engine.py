"""What the writer and the benchmarks ask of vLLM's engine: no answer moves, whatever becomes of its neighbours."""

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_formats.chat.vllm_engine import chat_all, load_vllm
from gmai_formats.errors import UserError


class Engine:
    """Refuses a call with a prompt that is too long, and answers what it had taken of it with the next call."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.calls = 0

    def chat(self, messages: list[str], sampling: list[int], use_tqdm: bool = True, **more: Any) -> list[str | None]:
        assert not use_tqdm
        assert len(messages) == len(sampling)
        self.calls += 1
        made: list[str] = []
        for message, number in zip(messages, sampling, strict=True):
            if "long" in message:
                self.left += made
                raise ValueError("prompt  is\ntoo long")
            made.append(f"re {message} {number} {more.get('mode', '')}".strip())
        earlier, self.left = self.left, []
        return [*earlier, *made]


@pytest.mark.parametrize("refused", [(1,), (0, 5), (2, 3), ()])
def test_each_answer_is_that_of_its_own_prompt(refused: tuple[int, ...]) -> None:
    prompts = [f"long {number}" if number in refused else f"p{number}" for number in range(6)]
    found = chat_all(Engine(), prompts, list(range(6)), mode="m")
    assert found == ["prompt is too long" if n in refused else f"re p{n} {n} m" for n in range(6)]


def test_without_a_refusal_all_are_given_at_once() -> None:
    engine = Engine()
    chat_all(engine, ["a", "b", "c"], [0, 1, 2])
    assert engine.calls == 1


def test_an_error_that_is_no_refusal_is_raised_and_missing_answers_are_named() -> None:
    def broken(*_: Any, **__: Any) -> list[str]:
        raise TypeError("no such argument")

    with pytest.raises(TypeError, match="no such argument"):
        chat_all(SimpleNamespace(chat=broken), ["a"], [0])
    assert chat_all(SimpleNamespace(chat=broken), ["a"], [0], refusals=(TypeError,)) == ["no such argument"]
    with pytest.raises(UserError, match="vLLM gave 1 answers to 2 questions"):
        chat_all(SimpleNamespace(chat=lambda *_, **__: ["one"]), ["a", "b"], [0, 1])


def test_the_module_is_told_not_to_report_its_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLLM_NO_USAGE_STATS", raising=False)
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(name="stand-in"))  # type: ignore[arg-type]
    assert load_vllm().name == "stand-in"
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ImportError):
        load_vllm()
