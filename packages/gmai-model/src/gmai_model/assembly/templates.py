"""Chat templates: a language model's own one, with images and with marks around what is learned, its text unchanged."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError
from gmai_formats.json_text import read_json_object
from jinja2 import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

Messages = list[dict[str, Any]]
IMAGE_PART = "<image>\\n"
_PARTS = (
    "{%- if message['content'] is string -%}"
    "{%- set text = message['content'] -%}"
    "{%- else -%}"
    "{%- set parts = namespace(text='') -%}"
    "{%- for part in message['content'] -%}"
    f"{{%- if part['type'] == 'image' -%}}{{%- set parts.text = parts.text + '{IMAGE_PART}' -%}}"
    "{%- else -%}{%- set parts.text = parts.text + part['text'] -%}{%- endif -%}"
    "{%- endfor -%}"
    "{%- set text = parts.text -%}"
    "{%- endif -%}"
)
CHATML = (
    "{{ bos_token }}"
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}" + _PARTS + "{%- if message['role'] == 'assistant' -%}"
    "{% generation %}{{ text + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}"
    "{%- else -%}"
    "{{ text + '<|im_end|>\\n' }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
"""InternLM2's chat format. `generation` marks what the model is trained to say: the answer and the end of its turn."""
VICUNA = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + ' ' }}"
    "{% elif message['role'] == 'user' %}{{ 'USER: ' + message['content'] + ' ' }}"
    "{% else %}{{ 'ASSISTANT: ' + message['content'] + eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""Vicuna 1.1's format as LLaVA-1.5 uses it (FastChat `conversation.py`); Vicuna's own files hold no template."""
BUILT_IN = {"chatml": CHATML, "vicuna": VICUNA}

_REMEDY = "Give another with --chat-template: chatml, vicuna, or a Jinja file."
_CONTENT = "⟦content⟧"
_DAY = "26 Jul 2024"
"""What a template gets that asks for today, so that tokens never change: the day that Llama-3.1's falls back to."""
_WRAPPED = (
    "{%- macro strftime_now(format) -%}" + _DAY + "{%- endmacro -%}"
    "{%- macro own(messages, add_generation_prompt) %}{{ '' }}OWN{{ '' }}{% endmacro -%}"
    "{%- set all = namespace(plain=[], empty=[], before=none, joined='') -%}"
    "{%- for message in messages -%}"
    + _PARTS
    + "{%- if message['role'] == 'assistant' and all.before is none -%}{%- set all.before = all.empty -%}{%- endif -%}"
    "{%- if TRIMMED -%}{%- set text = text | trim -%}{%- endif -%}"
    "{%- set all.plain = all.plain + [dict(message, content=text)] -%}"
    f"{{%- set all.empty = all.empty + [dict(message, content='{_CONTENT}')] -%}}"
    "{%- endfor -%}"
    f"{{%- set pieces = own(all.empty, add_generation_prompt).split('{_CONTENT}') -%}}"
    "{%- if pieces | length != messages | length + 1 -%}"
    "{{ raise_exception('The chat template does not show every message once and in order, such as a system "
    "prompt.') }}{%- endif -%}"
    "{%- for message in all.plain -%}"
    "{%- set all.joined = all.joined + pieces[loop.index0] + message['content'] -%}{%- endfor -%}"
    "{%- if all.joined + pieces[-1] != own(all.plain, add_generation_prompt) -%}"
    "{{ raise_exception('The chat template changes the text of a message.') }}{%- endif -%}"
    "{%- set asked = '' -%}"
    "{%- if all.before -%}"
    f"{{%- set asked = own(all.before, true).split('{_CONTENT}')[-1] -%}}"
    "{%- endif -%}"
    "{%- for message in all.plain -%}"
    "{%- set head = pieces[loop.index0] -%}"
    "{%- set rest = pieces[loop.index] -%}"
    "{%- if loop.index0 > 0 and all.plain[loop.index0 - 1]['role'] == 'assistant' and END in head -%}"
    "{%- set head = head.split(END, 1)[1] -%}{%- endif -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- set shown = asked if head.startswith(asked) else head -%}"
    "{{ shown }}"
    "{% generation %}{{ head[shown | length:] + message['content'] }}"
    "{{ rest.split(END, 1)[0] + END if END in rest else '' }}{% endgeneration %}"
    "{%- else -%}{{ head + message['content'] }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- set last = pieces[-1] -%}"
    "{%- if all.plain and all.plain[-1]['role'] == 'assistant' and END in last -%}"
    "{%- set last = last.split(END, 1)[1] -%}{%- endif -%}"
    "{{ last }}"
)
"""The own template is rendered with the messages and with a mark in place of each; between the marks stands its own.
What follows the generation prompt, up to the end of the turn, is learned. Both renderings must be the same text."""


def read_template(folder: Path, settings: dict[str, Any]) -> str | None:
    """Return a model's own chat template, from whichever file it stands in.

    Args:
        folder: Of the model.
        settings: Its tokenizer_config.json.

    Raises:
        UserError: There are several, and none is the default.
    """
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text("utf-8")
    found: Any = settings.get("chat_template")
    if (folder / "chat_template.json").is_file():
        found = read_json_object(folder / "chat_template.json", remedy=_REMEDY).get("chat_template")
    if isinstance(found, list):
        named: dict[str, str] = {entry["name"]: entry["template"] for entry in found}  # pyright: ignore[reportUnknownVariableType]
        if named and "default" not in named:
            raise UserError(f"{folder}: chat templates {', '.join(named)}, and none of them is the default. {_REMEDY}")
        found = named.get("default")
    return found or None


def with_marks(own: str, tokens: dict[str, str], specials: Sequence[str]) -> tuple[str, str]:
    """Return a template of the same text with images and generation marks, and the token that ends an answer.

    Args:
        own: The model's own template.
        tokens: `bos_token` and the like, as it may use them.
        specials: Tokens that can end a turn.

    Raises:
        UserError: It fails, changes what a message says, ends an answer with no token of its own, or asks for an answer
            in another way than it shows one.
    """
    marked, end = None, None
    if _same(own, CHATML, tokens) is None:
        marked, end = CHATML, "<|im_end|>"
    else:
        own = re.sub(r"\{%(-?)\s*(end)?generation\s*(-?)%\}", _without_generation, own).removesuffix("\n")
        end = _turn_end(own, tokens, specials)
        for trimmed in ("false", "true"):
            wrapped = _WRAPPED.replace("TRIMMED", trimmed).replace("END", json.dumps(end)).replace("OWN", own)
            problem = _same(own, wrapped, tokens)
            if problem is None:
                marked = wrapped
                break
        else:
            raise UserError(f"the model's own chat template cannot be used: {problem}. {_REMEDY}")
    _check_prompt(own, tokens)
    return marked, end


def asking(own: str, tokens: dict[str, str]) -> tuple[str, str]:
    """Return a template that asks for an answer as it begins one, and what was added to it for that.

    A template that takes no heed of `add_generation_prompt` leaves it to the model to write `assistant` before each
    answer, and every reader would show it.

    Args:
        own: The model's own template.
        tokens: As for `with_marks`.

    Returns:
        The template as it is, and nothing, where it asks, or where its answers begin with no word of its own.
    """
    messages = next(conversations())[0]
    plain = own.removesuffix("\n")
    asked = render(plain, messages[:1], tokens, prompt=True)
    answered, found, _ = render(plain, messages, tokens).partition(messages[1]["content"])
    head = answered.removeprefix(asked)
    if asked != render(plain, messages[:1], tokens) or not found or head == answered or not re.search(r"\w", head):
        return own, ""
    return f"{plain}{{% if add_generation_prompt %}}{{{{ {json.dumps(head, ensure_ascii=False)} }}}}{{% endif %}}", head


def _check_prompt(own: str, tokens: dict[str, str]) -> None:
    """Refuse a template whose answers do not begin as it asks for them: what is learned would not be what is asked."""
    messages = next(conversations())[0]
    asked, answered = render(own, messages[:1], tokens, prompt=True), render(own, messages, tokens)
    if not answered.startswith(asked):
        common = next(n for n, letter in enumerate(asked) if answered[n : n + 1] != letter)
        raise UserError(
            f"the model's own chat template asks for an answer with {asked[common:]!r}, with which the answers in it "
            f"do not begin, so that what is learned would not be what is asked. {_REMEDY}"
        )


def _without_generation(found: re.Match[str]) -> str:
    return f"{{%{found[1]} {'endif' if found[2] else 'if true'} {found[3]}%}}"


def render(template: str, messages: Messages, tokens: dict[str, str], *, prompt: bool = False) -> str:
    """Return the text of a conversation, in the sandbox that transformers renders templates in.

    Raises:
        UserError: The template fails.
    """
    try:
        more: Any = tokens
        (text,), _ = render_jinja_template([messages], chat_template=template, add_generation_prompt=prompt, **more)
    except (TemplateError, TypeError, ValueError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the chat template fails ({reason}). {_REMEDY}") from error
    return text


def conversations() -> Iterator[tuple[Messages, bool]]:
    """Yield conversations that a template is proven with, and whether an answer is asked for."""
    user, answer = {"role": "user", "content": "What is shown?"}, {"role": "assistant", "content": "A 肝脏, as it is."}
    more = {"role": "user", "content": "<image>\nAnd here?\n"}, {"role": "assistant", "content": "No."}
    system = {"role": "system", "content": "Answer briefly."}
    for messages in ([user, answer], [user, answer, *more], [*more, user, {**answer, "content": "as"}]):
        yield messages, False
        yield messages[:-1], True
        yield [system, *messages], False


def _same(own: str, made: str, tokens: dict[str, str]) -> str | None:
    """Return where the two templates give different texts, or None."""
    frozen = {**tokens, "date_string": _DAY}
    for messages, prompt in conversations():
        try:
            expected = render(own, messages, frozen, prompt=prompt)
        except UserError as error:
            if messages[0]["role"] == "system":
                continue  # many templates know no system prompt
            return str(error).removesuffix(f" {_REMEDY}")
        try:
            text = render(made, messages, tokens, prompt=prompt)
        except UserError as error:
            if messages[0]["role"] == "system" and not begins_with_system(messages, expected):
                continue  # it refuses what it cannot mark: Mistral's puts a system prompt into the last question
            return str(error).removesuffix(f" {_REMEDY}")
        if text != expected:
            return f"with marks it says {text!r}, without {expected!r}"
    return None


def begins_with_system(messages: Messages, text: str) -> bool:
    """Return whether a rendered chat shows its system prompt before its first question."""
    system, first = (text.find(message["content"].strip()) for message in messages[:2])
    return 0 <= system < first


def _turn_end(own: str, tokens: dict[str, str], specials: Sequence[str]) -> str:
    mark = "gmai-answer"
    text = render(own, [{"role": "user", "content": "?"}, {"role": "assistant", "content": mark}], tokens)
    after = text.rpartition(mark)[2]
    found = [(after.index(token), -len(token), token) for token in specials if token and token in after]
    if not found:
        raise UserError(
            f"the model's own chat template ends an answer with {after!r}, which holds no special token, so that an "
            f"answer would never end. {_REMEDY}"
        )
    return min(found)[2]
