"""The chat template's side: the checkpoint's own one, writing in llama.cpp what it writes in transformers."""

import json
import re
from typing import Any

from gmai_formats.errors import UserError

from gmai_model.assembly.templates import render

_FLAT = """\
{%- set flat = namespace(messages=[], images='', text='') -%}
{%- for message in messages -%}
{%- set flat.images = '' -%}{%- set flat.text = '' -%}
{%- for piece in message['content'].split('<__media_') -%}
{%- set cut = piece.split('>', 1) -%}
{%- if loop.first -%}{%- set flat.text = piece -%}
{%- elif cut | length < 2 -%}{%- set flat.text = flat.text + '<__media_' + piece -%}
{%- elif message['content'].endswith('<__media__>') -%}
{%- set flat.images = flat.images + '<__media_' + cut[0] + '>' + AFTER -%}{%- set flat.text = flat.text + cut[1] -%}
{%- elif cut[1].startswith(AFTER) -%}{%- set flat.text = flat.text + '<__media_' + piece -%}
{%- else -%}{%- set flat.text = flat.text + '<__media_' + cut[0] + '>' + AFTER + cut[1] -%}
{%- endif -%}
{%- endfor -%}
{%- set flat.messages = flat.messages + [dict(message, content=flat.images + flat.text)] -%}
{%- endfor -%}
{%- set messages = flat.messages -%}
"""
"""llama.cpp hands over strings in which `<__media_…__>` stands for an image, with nothing behind it: here comes what
follows an image in training. `llama-mtmd-cli`, whose mark is `<__media__>`, puts it behind a question that has none; it
is moved to where images stand in training (https://github.com/ggml-org/llama.cpp/blob/master/common/chat.cpp,
https://github.com/ggml-org/llama.cpp/blob/master/tools/mtmd/mtmd-cli.cpp)."""
_WORD = "⟦gmai⟧"


def portable_template(template: str, image_token: str, tokens: dict[str, str]) -> str:
    """Return a chat template that writes the same text without what only transformers knows.

    Args:
        template: With `generation` marks around what is learned, which change no text.
        image_token: What it writes for an image.
        tokens: `bos_token` and the like. llama.cpp takes some other token for a start token that is not there.

    Raises:
        UserError: It fails, or takes no text as it stands.
    """
    plain = re.sub(r"({%[-+]?\s*)generation(\s*[-+]?%})", r"\1if true\2", template)
    plain = re.sub(r"({%[-+]?\s*)endgeneration(\s*[-+]?%})", r"\1endif\2", plain)
    plain = re.sub(r"(?:\\u[0-9a-fA-F]{4})+", lambda found: json.loads(f'"{found[0]}"'), plain)  # unknown to its reader
    if "macro strftime_now(" in plain:
        plain = plain.replace("strftime_now", "day_of_gmai")  # its own function would come before the macro
    plain = plain.replace("date_string", "given_date")  # it hands over today's, which no training has seen
    after = _after_image(plain, image_token, tokens)
    flat = _FLAT.replace("\n", "").replace("AFTER", json.dumps(after, ensure_ascii=False))
    return flat + ("" if "bos_token" in tokens else "{%- set bos_token = '' -%}") + plain


def begins_with_special(template: str, tokens: dict[str, str], specials: list[str]) -> bool:
    """Return whether a chat begins with a special token."""
    text = render(template, [{"role": "user", "content": _WORD}], tokens, prompt=True)
    return text.startswith(tuple(specials))


def _after_image(template: str, image_token: str, tokens: dict[str, str]) -> str:
    """Return what stands between an image and the text of its message."""
    parts: list[dict[str, Any]] = [{"type": "image"}, {"type": "text", "text": _WORD}]
    seen = render(template, [{"role": "user", "content": parts}], tokens, prompt=True)
    before, found, after = seen.partition(image_token)
    between, word, _ = after.partition(_WORD)
    whole = f"{image_token}{between}{_WORD}"
    if not found or not word or render(template, [{"role": "user", "content": whole}], tokens, prompt=True) != seen:
        raise UserError(
            f"the chat template cannot be exported to llama.cpp: a question with an image becomes {before[-40:]!r} …, "
            f"and {whole!r} as text does not. llama.cpp hands over text. Write a template that takes strings."
        )
    return between
