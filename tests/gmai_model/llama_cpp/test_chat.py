"""The chat template as llama.cpp gets it: the same text, an image where it stands in training."""

import pytest
from gmai_formats.errors import UserError
from gmai_model.assembly.templates import CHATML, render
from gmai_model.llama_cpp.chat import begins_with_special, portable_template

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
HEAD = "<s><|im_start|>user\n"


def asked(template: str, content: str) -> str:
    text = render(template, [{"role": "user", "content": content}], TOKENS)
    return text.removeprefix(HEAD).removesuffix("<|im_end|>\n")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("What?", "What?"),
        ("<__media_aB3__>What?", "<__media_aB3__>\nWhat?"),
        ("<__media_aB3__>\nWhat?", "<__media_aB3__>\nWhat?"),
        ("What?<__media__><__media__>", "<__media__>\n<__media__>\nWhat?"),
        ("odd <__media_", "odd <__media_"),
    ],
)
def test_an_image_is_followed_by_what_follows_it_in_training(content: str, text: str) -> None:
    assert asked(portable_template(CHATML, "<image>", TOKENS), content) == text


def test_no_start_token_is_none(tmp_path: object) -> None:
    made = portable_template(CHATML, "<image>", {"eos_token": "</s>"})
    assert render(made, [{"role": "user", "content": "a"}], {"bos_token": ","}).startswith("<|im_start|>")
    assert begins_with_special(CHATML, TOKENS, ["<s>"])
    assert not begins_with_special("{{ messages[0]['content'] }}", TOKENS, ["<s>"])


def test_what_its_reader_does_not_know_is_written_otherwise() -> None:
    made = portable_template(
        "{%- macro strftime_now(format) -%}26 Jul{%- endmacro -%}{{ strftime_now('%d') + '\\u2581' }}" + CHATML,
        "<image>", TOKENS,
    )  # fmt: skip
    assert "strftime_now" not in made
    assert "▁" in made
    assert "generation %}" not in made


def test_a_template_that_takes_no_text_is_refused() -> None:
    typed = (
        "{% for part in messages[0]['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}"
        "{% endif %}{% endfor %}"
    )
    with pytest.raises(UserError, match=r"cannot be exported to llama\.cpp|the chat template fails"):
        portable_template(typed, "<image>", TOKENS)
