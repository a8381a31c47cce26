"""Run as a program of its own, with limits: opens a checkpoint's tokenizer and renders its chat templates once.

It prints what it is about to open, so that whoever started it knows where it ended. It imports nothing of gmai.
"""

import contextlib
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TEMPLATES_CPU_S = 3
"""Processor time for all chat templates together. Each takes milliseconds."""
CPU_S = 8
"""Processor time for the tokenizer. The largest take 2 s."""
WALL_S = 600
"""Clock time for everything, since a busy machine or a slow disk may give little of a processor."""
TOKENIZER = "tokenizer.json"
MEMORY_BYTES = 2 * 2**30
TOO_MUCH, TOO_LONG, TOO_HIGH = 9, 10, 11
"""Exit codes: memory ran out, or a template calls itself without end; a text becomes longer than these, or a
token's number is higher:"""
MOST_CHARACTERS, MOST_TOKENS = 200_000, 20_000
"""What a template makes of a short conversation, and a tokenizer of a sentence. Tools and rules of use take 30,000."""
HIGHEST = 2**24
"""Number of a token. Libraries make lists of so many places."""

_RUNS = [run + end for run in ("a" * 3000, "1" * 3000, " " * 3000, "!" * 3000, "aA1 .\n" * 500, "肺" * 2000)
         for end in ("", "\0")]  # fmt: skip
"""What makes a pattern that backtracks take for ever."""
_QUESTION, _ANSWER = "Which organ is shown, and what is wrong with it?", "The left lung. It shows a nodule of 5 mm."


def main(folder: Path) -> None:
    """Open what is in a folder."""
    with contextlib.suppress(ImportError):
        importlib.import_module("jinja2.sandbox")  # a slow disk takes none of the templates' time
    _limit(TEMPLATES_CPU_S)
    for name, work in _works(folder):
        print(name, flush=True)
        if name == TOKENIZER:
            _limit(CPU_S)
        try:
            work()
        except (MemoryError, RecursionError):
            raise SystemExit(TOO_MUCH) from None
        except Exception:  # noqa: S112 - whoever uses it says what is wrong
            continue


def _limit(cpu_s: int) -> None:
    """Let the system end this process after so much more time, also inside of a library."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + cpu_s, hard))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))


def _works(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    for name, template in _templates(folder):
        yield name, lambda template=template: _render(template)
    if (folder / TOKENIZER).is_file():
        yield TOKENIZER, lambda: _tokenize(folder / TOKENIZER)


def template_files(folder: Path) -> list[Path]:
    """Return the files that are chat templates as a whole."""
    return sorted({*folder.glob("*.jinja"), *folder.glob("additional_chat_templates/*.jinja")})


def _templates(folder: Path) -> Iterator[tuple[str, str]]:
    for path in template_files(folder):
        yield path.name, path.read_text("utf-8", errors="replace")
    for name in ("tokenizer_config.json", "chat_template.json", "processor_config.json"):
        found: Any = None
        with contextlib.suppress(OSError, ValueError, AttributeError):
            found = json.loads((folder / name).read_bytes()).get("chat_template")
        for each in found if isinstance(found, list) else [{"template": found}]:
            if isinstance(each, dict) and isinstance(each.get("template"), str):
                yield f"the chat template in {name}", each["template"]


def _render(template: str) -> None:
    """Render as transformers does: in the sandbox, with its extensions."""
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 - jinja2's own way

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return nodes.Scope(body, lineno=line)

    def refuse(message: str) -> None:
        raise TemplateError(message)

    def as_json(value: Any, **_: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    def today(form: str) -> str:
        return form

    environment: Any = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation]
    )
    environment.filters["tojson"] = as_json
    environment.globals |= {"raise_exception": refuse, "strftime_now": today}
    compiled = environment.from_string(template)
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    parts = [{"type": "image"}, {"type": "text", "text": _QUESTION}]
    turns = [{"role": "user", "content": _QUESTION}, {"role": "assistant", "content": _ANSWER}]
    for messages in ([{"role": "user", "content": parts}], turns, [*turns, turns[0]]):
        with contextlib.suppress(TemplateError, TypeError, ValueError, AttributeError, KeyError):
            text = compiled.render(messages=messages, tools=None, documents=None, add_generation_prompt=True, **tokens)
            if len(text) > MOST_CHARACTERS:
                raise SystemExit(TOO_LONG)


def _tokenize(path: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    if max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0) > HIGHEST:
        raise SystemExit(TOO_HIGH)
    ids = tokenizer.encode(_QUESTION).ids
    if max(len(ids), len(tokenizer.decode(ids))) > MOST_TOKENS:
        raise SystemExit(TOO_LONG)
    for text in _RUNS:
        tokenizer.decode(tokenizer.encode(text).ids)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
