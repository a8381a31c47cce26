"""The shapes of published rows by name, for mixtures: which columns make each, so that a wrong file is noticed early.

Rows are read by their columns (`shapes`), whatever a mixture says; an adapter names what is expected.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gmai_formats.rows.shapes import CAPTIONS, CHATS, REPORT, shape_of

Shape = str | tuple[str, str]


@dataclass(frozen=True)
class Adapter:
    """A shape of rows.

    Attributes:
        shapes: What `shape_of` may say of its columns; empty: this program does not read such files.
        about: Columns, or what is to be done first, in words.
    """

    shapes: frozenset[Shape]
    about: str


def _of(*shapes: Shape) -> frozenset[Shape]:
    return frozenset(shapes)


ADAPTERS: dict[str, Adapter] = {
    "messages": Adapter(_of("messages"), "`messages`: role and content, as gmai-data writes them"),
    "conversations": Adapter(
        _of("conversations", "conversatons", "conversation"),
        "`conversations`: from and value (LLaVA, ShareGPT), also in the spelling of LLaVA-Med's file",
    ),
    "strings": Adapter(_of(*CHATS), "a list of texts, question and answer in turn (LIMA, UltraChat)"),
    "caption": Adapter(_of(*CAPTIONS), "an image and its `caption`, `text` or `s2_caption`"),
    "report": Adapter(_of(REPORT), "`path_to_image`, `section_findings`, `section_impression`"),
    "question_answer": Adapter(
        _of(("question", "answer"), ("Question", "Answer"), ("query", "response"), ("question", "response")),
        "`question` and `answer`, with an image or none; `context` goes before, `Choice A` to `D` behind the question",
    ),
    "instruction": Adapter(
        _of(("instruction", "output"), ("instruction", "response")), "`instruction`, `input`, `output` (Alpaca)"
    ),
    "input_target": Adapter(_of(("input", "target"), ("input", "output")), "`input` and `target`"),
    "prompt_text": Adapter(
        _of(("prompt", "text"), ("prompt", "completion"), ("prompt", "response")), "`prompt`, `text`"
    ),
    "to_convert": Adapter(_of(), "files of another kind: write them as JSON Lines with an image and a caption first"),
}
"""Name ▶ shape."""


def fits(adapter: str, columns: Iterable[str]) -> bool:
    """Return whether a row with these columns is what an adapter stands for."""
    return shape_of(list(columns)) in ADAPTERS[adapter].shapes


def adapter_of(columns: Iterable[str]) -> str | None:
    """Return the first adapter that the columns of a row fit, or None."""
    names = list(columns)
    return next((name for name in ADAPTERS if fits(name, names)), None)
