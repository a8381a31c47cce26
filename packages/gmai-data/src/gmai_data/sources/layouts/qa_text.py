"""Patient question–answer text: JSON Lines, one conversation a line, no image."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

from gmai_formats.json_text import parse_json
from gmai_formats.rows.json_stream import LONGEST_ENTRY

from gmai_data.imaging.source_files import matching, require_data
from gmai_data.ledger import Ledger, SourceError, printable
from gmai_data.sources.card import Card
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.items import Item, ItemImage
from gmai_data.sources.layout import Layout


class QaText(Layout):
    """Patient question–answer text, JSON Lines: `{"id"?, "language"?, "turns": [{"question", "answer"}, …]}`."""

    kind: Literal["qa_text"]
    files: str = "*.jsonl"

    def list_items(self, card: Card, root: Path) -> Iterator[Item]:
        """Yield one item per non-empty line, up to one that is longer than any text."""
        for name in matching(root, self.files, recipe=card.name, what="JSON Lines files"):
            file = printable(name)
            for position, line in enumerate(_lines(root / name)):
                if len(line) == LONGEST_ENTRY:
                    rule = f"line {position + 1} is longer than 256 MB; it and all behind it are not read"
                    yield Item(f"{file}/{position:06d}", (file,), problem=("text unreadable", rule))
                    break
                if line.strip():
                    part = line.rstrip("\n")
                    yield Item(f"{file}/{position:06d}", (file,), _patient(part), position=position, part=part)

    def read(self, item: Item, card: Card, root: Path, ledger: Ledger) -> Iterator[ItemImage]:
        """Yield nothing: a text has no picture. See `read_turns`."""
        del item, card, root, ledger
        yield from ()

    @classmethod
    def recognise(cls, folder: Folder) -> Guess | None:
        """Return a draft where JSON Lines hold turns."""
        texts = folder.with_ending(".jsonl")
        if not texts:
            return None
        with texts[0].open(encoding="utf-8", errors="replace") as file:
            if '"turns"' not in file.read(20_000):
                return None
        layout = {"kind": "qa_text", "files": folder.below(texts[0].parent / "*.jsonl")}
        return Guess("question–answer text", "text", layout)


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file; of one that is longer than `LONGEST_ENTRY` so many letters."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        while line := file.readline(LONGEST_ENTRY):
            yield line


def _patient(line: str) -> str:
    try:
        document: Any = parse_json(line)
    except ValueError:
        return ""  # judged in `read_turns`, where the reason is recorded
    return str(cast(dict[str, Any], document).get("patient", "")) if isinstance(document, dict) else ""


def read_turns(item: Item, root: Path) -> tuple[str, list[tuple[str, str]]]:
    """Return (language, [(question, answer), …]) of one line.

    Raises:
        SourceError: No JSON, no turns, an empty question or answer, or an `<image>` in a text without image.
    """
    file = item.files[0]
    where = f"line {item.position + 1}"
    require_data(root, file)
    try:
        document: Any = parse_json(item.part)
        turns = [(str(turn["question"]).strip(), str(turn["answer"]).strip()) for turn in document["turns"]]
    except (ValueError, KeyError, TypeError) as error:
        rule = f'{where}: {error}; a line is {{"turns": [{{"question": …, "answer": …}}]}}'
        raise SourceError("text unreadable", rule, file) from error
    if not turns or any(not question or not answer for question, answer in turns):
        raise SourceError("text without question or answer", f"{where}; both must be there", file)
    if any("<image>" in part for turn in turns for part in turn):
        raise SourceError("image placeholder in a text", f"{where} says <image>, but has no image", file)
    language = str(document.get("language", "en"))
    if language not in ("en", "zh"):
        raise SourceError("unknown language", f'{where}: "{language}"; en and zh are known', file)
    return language, turns
