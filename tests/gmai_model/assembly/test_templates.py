"""A model's own template with marks: the same text, what follows the prompt is learned, up to the end of the turn."""

import json
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_model.assembly.templates import BUILT_IN, CHATML, asking, conversations, read_template, render, with_marks
from transformers.utils.chat_template_utils import render_jinja_template

from . import stand_ins

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
SPECIALS = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>"]
TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]},
    {"role": "assistant", "content": "as"},
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "So <box>[[1, 2, 3, 4]]</box>."},
]
TEMPLATES = {
    "llama2": (stand_ins.LLAMA2, " as </s>"), "llama3": (stand_ins.LLAMA3, "as<|eot_id|>"),
    "mistral": (stand_ins.MISTRAL, " as</s>"), "qwen2.5": (stand_ins.QWEN25, "as<|im_end|>"),
    "qwen3": (stand_ins.QWEN3, "as<|im_end|>"), "deepseek": (stand_ins.DEEPSEEK, " as</s>"),
    "vicuna": (BUILT_IN["vicuna"], " as</s>"), "yi": (stand_ins.YI, "as<|im_end|>"),
    "no prompt": ("{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}</s>{% endfor %}", "[assistant]as</s>"),
    "marked already": (
        "{% for m in messages %}{% if m['role'] == 'user' %}U: {{ m['content'] }} A:{% else %}"
        "{%- generation -%} {{ m['content'] }}</s>{%- endgeneration -%}{% endif %}{% endfor %}",
        "as</s>",
    ),
}  # fmt: skip


def learned(template: str) -> list[str]:
    (text,), (spans,) = render_jinja_template(
        [TURNS], chat_template=template, return_assistant_tokens_mask=True, add_generation_prompt=False, **TOKENS
    )
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize("name", TEMPLATES)
def test_text_is_kept_and_the_answer_with_its_end_is_learned(name: str) -> None:
    own, first = TEMPLATES[name]
    marked, end = with_marks(own, TOKENS, SPECIALS)
    plain = own.replace("{%- generation -%}", "{%- if true -%}").replace("{%- endgeneration -%}", "{%- endif -%}")
    for messages, prompt in conversations():
        if messages[0]["role"] == "system" and name in {"llama2", "mistral", "marked already"}:
            continue
        assert render(marked, messages, TOKENS, prompt=prompt) == render(plain, messages, TOKENS, prompt=prompt)
    spans = learned(marked)
    assert spans[0].lstrip() == first.lstrip()
    assert all(span.endswith(end) for span in spans)
    assert (
        spans[1]
        .replace("<think>\n\n</think>\n\n", "")
        .strip()
        .endswith(f"So <box>[[1, 2, 3, 4]]</box>.{' ' * (name == 'llama2')}{end}")
    )
    assert "Why" not in "".join(spans)


def test_what_the_prompt_does_not_say_is_learned() -> None:
    assert learned(with_marks(stand_ins.QWEN3, TOKENS, SPECIALS)[0])[1].startswith("<think>\n\n</think>\n\nSo")


@pytest.mark.parametrize(
    ("own", "head"),
    [
        (stand_ins.LLAMA3.split("{% if add_generation_prompt")[0], "<|start_header_id|>assistant<|end_header_id|>\n\n"),
        (stand_ins.YI.split("{% if add_generation_prompt")[0] + "\n", "<|im_start|>assistant\n"),
        (TEMPLATES["no prompt"][0], "[assistant]"),
        (
            "{% for m in messages %}{{ '用户：' if m['role'] == 'user' else '助手：' }}"
            "{{ m['content'] }}</s>{% endfor %}",
            "助手：",
        ),
    ],
)
def test_template_that_asks_for_no_answer_is_given_the_words(own: str, head: str) -> None:
    asks, added = asking(own, TOKENS)
    assert added == head
    for messages, prompt in conversations():
        plain = render(own, messages, TOKENS)
        assert render(asks, messages, TOKENS, prompt=prompt) == plain + head * prompt
    marked, _ = with_marks(asks, TOKENS, SPECIALS)
    assert learned(marked)[0].startswith("as")


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name != "no prompt"])
def test_other_templates_stay_as_they_are(name: str) -> None:
    assert asking(TEMPLATES[name][0], TOKENS) == (TEMPLATES[name][0], "")


def test_chatml_is_taken_as_it_is() -> None:
    assert with_marks("{{ bos_token }}" + stand_ins.YI, TOKENS, SPECIALS) == (CHATML, "<|im_end|>")


def test_today_is_always_the_same_day() -> None:
    marked, _ = with_marks(stand_ins.LLAMA32, TOKENS, SPECIALS)
    assert render(marked, [{"role": "user", "content": "?"}], TOKENS).startswith("Today: 26 Jul 2024")


@pytest.mark.parametrize(
    ("own", "why"),
    [
        (
            "{% for m in messages %}{{ m['content'] | replace('a', 'b') }}</s>{% endfor %}",
            "changes the text of a message",
        ),
        ("{{ messages[-1]['content'] }}</s>", "does not show every message once"),
        ("{% for m in messages %}{{ m['content'] }}\n{% endfor %}", "holds no special token"),
        ("{% for m in messages %}{{ m['content'] }}{% endfor", "the chat template fails"),
        ("{{ cycler.__init__.__globals__ }}</s>", "the chat template fails"),
        (
            "{% for m in messages %}{{ m['content'] }}</s>{% endfor %}"
            "{% if add_generation_prompt %}<think>\n{% endif %}",
            "asks for an answer with '<think>\\\\n', with which the answers in it do not begin",
        ),
        (
            "{% for m in messages %}{{ m['content'] }}+{{ m['content'] }}</s>{% endfor %}",
            "does not show every message once",
        ),
    ],
)
def test_templates_that_cannot_be_marked(own: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        with_marks(own, TOKENS, SPECIALS)


MISTRAL_V3 = (
    "{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] %}{%- set rest = messages[1:] %}"
    "{%- else %}{%- set rest = messages %}{%- endif %}{{- bos_token }}{%- for m in rest %}{%- if m['role'] == 'user' %}"
    "{%- if loop.last and system is defined %}{{- '[INST] ' + system + '\n\n' + m['content'] + '[/INST]' }}"
    "{%- else %}{{- '[INST] ' + m['content'] + '[/INST]' }}{%- endif %}{%- else %}{{- ' ' + m['content'] + '</s>' }}"
    "{%- endif %}{%- endfor %}"
)
"""As Mistral-7B-Instruct-v0.3 and Mistral-Nemo treat a system prompt: in the last question, or nowhere."""


def test_system_prompt_that_is_moved_or_dropped_is_refused_and_the_rest_is_taken() -> None:
    marked, end = with_marks(MISTRAL_V3, TOKENS, SPECIALS)
    assert end == "</s>"
    for messages, prompt in conversations():
        if messages[0]["role"] == "system":
            with pytest.raises(UserError, match="does not show every message once and in order, such as a system"):
                render(marked, messages, TOKENS, prompt=prompt)
        else:
            assert render(marked, messages, TOKENS, prompt=prompt) == render(
                MISTRAL_V3, messages, TOKENS, prompt=prompt
            )


def test_a_message_that_its_template_bends_is_refused_later_too() -> None:
    own = stand_ins.YI.replace("message['content']", "message['content'].split('</think>')[-1]")
    marked, _ = with_marks(own, TOKENS, SPECIALS)
    with pytest.raises(UserError, match="changes the text of a message"):
        render(marked, [{"role": "user", "content": "a</think>b"}], TOKENS)


def test_own_template_is_found_wherever_it_stands(tmp_path: Path) -> None:
    assert read_template(tmp_path, {}) is None
    assert (
        read_template(
            tmp_path, {"chat_template": [{"name": "tool", "template": "t"}, {"name": "default", "template": "d"}]}
        )
        == "d"
    )
    with pytest.raises(UserError, match="chat templates rag, and none of them is the default"):
        read_template(tmp_path, {"chat_template": [{"name": "rag", "template": "t"}]})
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": "json"}))
    assert read_template(tmp_path, {"chat_template": "settings"}) == "json"
    (tmp_path / "chat_template.jinja").write_text("jinja")
    assert read_template(tmp_path, {"chat_template": "settings"}) == "jinja"
