"""The card that a new one takes the place of: its metadata, its sections, and which of them others wrote."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from gmai_formats.safe_yaml import load_yaml

SOURCES, EVALUATION, CONTACT_TITLE = "Data sources and licences", "Evaluation", "Authors, contact and citation"
MARK_BEGINS = "<!-- written by `gmai model push`"
_OURS = frozenset(
    {
        "Use", "Input and output", "Warm-up in place of pretrained parts", "Training", "Mixture", SOURCES, EVALUATION,
        "Intended use and limits", "Settings", "Checks and hashes", CONTACT_TITLE,
    }
)  # fmt: skip
_NOTHING = ("Not listed: the card was written without", "No results are given with this card")


@dataclass(frozen=True)
class Card:
    """A model card, taken apart; an empty one where there is none."""

    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    preamble: str = ""
    """What stands before the first section, where others wrote it; empty where gmai did."""
    sections: dict[str, str] = field(default_factory=dict[str, str])
    """Title ▶ the section with its title."""
    by_gmai: bool = False

    def section(self, title: str) -> str | None:
        """Return a section of gmai's that says something, None where it has nothing to say."""
        text = self.sections.get(title, "") if self.by_gmai else ""
        return text if text and not any(nothing in text for nothing in _NOTHING) else None

    def own_sections(self) -> Iterator[str]:
        """Yield the sections that others wrote; one with a title of gmai's, in a card not by gmai, is renamed."""
        for title, text in self.sections.items():
            if title not in _OURS:
                yield text
            elif not self.by_gmai:
                yield text.replace(f"## {title}", f"## {title}, as written by hand", 1)

    def with_sections_of(self, other: "Card") -> "Card":
        """Return the card with what others wrote in another one and it lacks."""
        more = {title: text for title, text in other.sections.items() if title not in _OURS or not other.by_gmai}
        return Card(
            {**other.metadata, **self.metadata}, self.preamble or other.preamble, {**more, **self.sections},
            self.by_gmai or other.by_gmai,
        )  # fmt: skip


def read_card(text: str | None) -> Card:
    """Take a card apart; metadata that is no YAML mapping is left out with its lines in the preamble."""
    if not text:
        return Card()
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    metadata: Any = None
    if found := re.match(r"---\n(.*?)\n---\n", text, re.DOTALL):
        try:
            metadata = load_yaml(found[1])
        except yaml.YAMLError:
            metadata = None
        if isinstance(metadata, dict):
            text = text[found.end() :]
    parts: list[tuple[str, list[str]]] = [("", [])]
    fenced = False
    for line in text.split("\n"):
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        if line.startswith("## ") and not fenced:
            parts.append((line[3:].strip(), []))
        parts[-1][1].append(line)
    by_gmai = MARK_BEGINS in text
    sections: dict[str, str] = {}
    for title, lines in parts[1:]:
        name = title
        while name in sections:
            name += " "
        sections[name] = "\n".join(lines).strip()
    preamble = "\n".join(parts[0][1]).partition(MARK_BEGINS)[0].strip()  # what gmai writes stands below its mark
    known: dict[str, Any] = metadata if isinstance(metadata, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    return Card(known, preamble, sections, by_gmai)
