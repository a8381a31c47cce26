from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from gmai_model.checking.probe import QUESTION, _is_trained, _prompt, _rope_theta, _surprise, _tokens_differ
from transformers import AutoTokenizer


class Tokenizer:
    """Writes turns as `<role>text</end>`; every mark is one id."""

    chat_template = "own"
    all_special_ids = (1,)
    added_tokens_decoder = {2: "x"}  # noqa: RUF012

    def __init__(self) -> None:
        self.templates: list[Any] = []

    def apply_chat_template(self, messages: Any, *, chat_template: Any, tokenize: bool, **more: Any) -> str:
        self.templates.append(chat_template)
        turns = [f"{m['role']}:{''.join(part.get('text', '[image]') for part in m['content'])}</end>" for m in messages]
        return "\n".join([*turns, "assistant:"] if more.get("add_generation_prompt") else turns)

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        assert not add_special_tokens
        return {"input_ids": [7, 2, 1] if text == "</end>" else [7]}


def test_a_question_about_an_image_and_the_token_that_ends_an_answer() -> None:
    tokenizer = Tokenizer()
    prompt, end, after, off = _prompt(SimpleNamespace(tokenizer=tokenizer))
    assert (after, off) == ("</end>", "")
    assert prompt == f"user:[image]{QUESTION}</end>\nassistant:"
    assert end == 2
    assert set(tokenizer.templates) == {"own"}
    _prompt(SimpleNamespace(tokenizer=tokenizer, chat_template="of the processor"))
    assert tokenizer.templates[-1] == "of the processor"


@pytest.mark.parametrize(
    ("question", "answer", "off"),
    [
        ("user:{}\n", "assistant:{}", "does not ask for an answer with 'assistant:' when add_generation_prompt is set"),
        ("[INST] {} [/INST]", " {}</s>", ""),  # Llama-2's, which has nothing to add
        ("Describe. ", "{}", "leaves the question out"),
    ],
)
def test_template_that_asks_for_nothing_or_leaves_the_question_out(question: str, answer: str, off: str) -> None:
    class Own(Tokenizer):
        def apply_chat_template(self, messages: Any, *, chat_template: Any, tokenize: bool, **more: Any) -> str:
            return "".join(
                part.format(m["content"][-1]["text"]) for part, m in zip((question, answer), messages, strict=False)
            )

    assert _prompt(SimpleNamespace(tokenizer=Own()))[3] == off


@pytest.mark.parametrize("theta", [10_000.0, 1e6])
def test_the_rotary_base_is_read_from_the_frequencies(theta: float) -> None:
    frequencies = theta ** (-torch.arange(0, 16, 2).double() / 16)
    buffers = [("vision.inv_freq", torch.ones(4)), ("other", torch.ones(4)), ("layer.inv_freq", frequencies)]
    model = SimpleNamespace(named_buffers=lambda: buffers)
    assert _rope_theta(model) == pytest.approx(theta)
    assert _rope_theta(SimpleNamespace(named_buffers=lambda: buffers[:2])) is None


def test_a_prompt_that_ends_with_blanks_of_its_own() -> None:
    class Own(Tokenizer):
        def apply_chat_template(self, messages: Any, *, chat_template: Any, tokenize: bool, **more: Any) -> str:
            answer = f"A:{messages[1]['content'][0]['text']}" if len(messages) > 1 else "A: "
            return f"{messages[0]['content'][-1]['text']}\n{answer}"

    assert (
        _prompt(SimpleNamespace(tokenizer=Own()))[3] == "ends a question with blanks with which no answer in it begins"
    )


def test_class_that_makes_other_tokens_than_the_file(checkpoint: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    assert _tokens_differ(checkpoint, tokenizer) == ""
    assert _tokens_differ(checkpoint / "none", tokenizer) == ""
    other = SimpleNamespace(encode=lambda text, **_: tokenizer.encode(text.lower(), add_special_tokens=False))
    assert _tokens_differ(checkpoint, other) == QUESTION


def test_surprise_is_one_where_every_token_is_as_likely() -> None:
    class Model:
        def __call__(self, *, input_ids: torch.Tensor) -> Any:
            logits = torch.zeros(*input_ids.shape, 16)
            return SimpleNamespace(logits=logits.scatter(-1, input_ids.roll(-1, 1)[..., None], self.sure))

        sure = 0.0

    tokenizer = SimpleNamespace(bos_token_id=3, encode=lambda text, **_: [1, 2, 5])
    model = Model()
    assert _surprise(model, tokenizer, "x", "cpu") == pytest.approx(1.0)
    model.sure = 50.0
    assert _surprise(model, tokenizer, "x", "cpu") < 1e-6


def test_a_new_model_has_norms_of_one() -> None:
    def model(value: float) -> Any:
        named = [("vision.norm", torch.ones(2)), ("layers.0.norm.weight", torch.tensor([value, 1.0])), ("x", None)]
        return SimpleNamespace(named_parameters=lambda: named)

    assert not _is_trained(model(1.0))
    assert _is_trained(model(0.9))
