"""What listing and searching need of the cards, read without validating them; and datasets that have none yet.

The known datasets are facts of https://github.com/uni-medical/Project-Imaging-X (MIT, state of 2026-04-03), and of the
pages named with each row of `facts.csv`; nothing of them was checked further.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError, did_you_mean

from gmai_data.sources.download_size import bytes_of
from gmai_data.sources.licence import NOT_STATED, is_stated

PHANTOM_PREFIX = "phantom-"
NO_PUBLIC_DATASET = (PHANTOM_PREFIX, "pydicom-")
"""How the names of cards begin that are of no public dataset: drawn pictures, and files that libraries test with."""


@dataclass(frozen=True)
class Summary:
    """A card in a line, and the words that it is found by."""

    name: str
    title: str
    homepage: str
    license: str
    redistribution: bool | None
    license_second_hand: bool
    """Whether others than the publisher say which licence it is; publishing must accept that."""
    access: str
    modality: str
    department: str
    clinical_task: str
    task: str
    layout: str
    anatomy: str
    items: int | None
    download: str
    """Size to download as it is published, or `not stated`."""
    download_bytes: int | None
    download_second_hand: bool
    """Whether others than the publisher say that size."""
    verified: str
    spoken: str
    """Names of the anatomy and the labels in both languages, and synonyms."""

    @property
    def is_phantom(self) -> bool:
        """Whether its pictures are drawn, not taken."""
        return self.name.startswith(PHANTOM_PREFIX)


@dataclass(frozen=True)
class Known:
    """A dataset that is known to exist; empty strings are what the source does not say."""

    name: str
    title: str
    homepage: str
    modality: tuple[str, ...]
    structure: str
    samples: str
    task: str
    access: str
    license: str = ""
    department: str = ""
    clinical_task: str = ""
    about: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further facts, each by its name: year, diseases, labels, the official split."""

    @property
    def slug(self) -> str:
        """Return its name as a card would have it."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def bundled_folder() -> Path:
    """Return the folder of the bundled cards."""
    with resources.as_file(resources.files("gmai_data") / "recipes") as folder:
        return folder


def summaries() -> list[Summary]:
    """Return the bundled cards, sorted by name."""
    return [_summary(path) for path in sorted(bundled_folder().glob("*.yaml"), key=lambda path: path.stem)]


def _summary(path: Path) -> Summary:
    card = _Blocks(path.read_text(encoding="utf-8"))
    anatomy, verified = card.value("anatomy"), card.value("verified")
    items = _ITEMS.search(card.block("expected"))
    size = _DOWNLOAD.search(card.block("download"))
    download = size[1].strip() if size else NOT_STATED
    return Summary(
        name=card.value("name"),
        title=card.value("title"),
        homepage=card.value("homepage"),
        license=card.value("license"),
        redistribution=card.value("redistribution"),
        license_second_hand=card.value("license_second_hand") is True,
        access=card.value("access") or "open",
        modality=card.value("modality") or "",
        department=card.value("department"),
        clinical_task=card.value("clinical_task"),
        task=card.value("task"),
        layout=card.kind,
        anatomy=anatomy["en"] if isinstance(anatomy, dict) else str(anatomy),
        items=int(items[1].replace("_", "")) if items else None,
        download=download,
        download_bytes=bytes_of(download) if is_stated(download) else None,
        download_second_hand=_SECOND_HAND.search(card.block("download")) is not None,
        verified={True: "copy", False: "none", None: "none"}.get(verified, str(verified)),
        spoken=card.spoken,
    )


class _Blocks:
    """The top-level fields of a card as text; only what is asked for is parsed, which for 300 cards counts."""

    def __init__(self, text: str) -> None:
        self._blocks: dict[str, str] = dict(_FIELD.findall(text))

    def block(self, name: str) -> str:
        """Return the text of a field."""
        return self._blocks.get(name, "")

    def value(self, name: str) -> Any:
        """Return the value of a field, or None where the card does not have it."""
        block = _COMMENT_LINE.sub("", self.block(name))
        text = block.strip()
        if _is_plain(text):
            return text
        if _QUOTED.fullmatch(text):
            return text[1:-1]
        if not text:
            return None
        if text in _SWITCHES:
            return _SWITCHES[text]
        if (name_of := _BOTH_NAMES.fullmatch(text)) is not None:
            return {"en": name_of[1], "zh": name_of[2]}
        from gmai_data.bundled import trusted_yaml

        return trusted_yaml(f"block:{block}")["block"]

    @property
    def kind(self) -> str:
        """Return the kind of the layout."""
        found = _KIND.search(self._blocks["layout"])
        return found[1] if found else str(self.value("layout")["kind"])

    @property
    def spoken(self) -> str:
        """Return the names that the card gives, without raw labels and the marks of YAML."""
        return " ".join(
            _KEY.sub(" ", self._blocks.get(name, "")) for name in ("anatomy", "label_noun", "labels", "synonyms")
        )


def _is_plain(text: str) -> bool:
    """Return whether a text is a scalar of one line that needs no parser: with neither a key nor a comment."""
    marked = "\n" in text or ": " in text or " #" in text or text.endswith(":")
    is_word = text[:1].isalpha() or _TASK.fullmatch(text) is not None
    return is_word and not marked and text.lower() not in _NO_TEXT


_FIELD = re.compile(r"^([a-z_]+):((?:[^\n]*)(?:\n(?:[ #-][^\n]*)?)*)", re.MULTILINE)
_COMMENT_LINE = re.compile(r"\n#[^\n]*")
_TASK = re.compile(r"[23]d_[a-z]+")
_NO_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null"})
_SWITCHES = {"true": True, "false": False}
_BOTH_NAMES = re.compile(r"\{en: ([A-Za-z][A-Za-z0-9 -]*), zh: ([^\W_a-zA-Z]+)\}")
_ITEMS = re.compile(r"\bitems: *([\d_]+)")
_DOWNLOAD = re.compile(r"\bsize: *['\"]?([^,}'\"\n]+)")
_SECOND_HAND = re.compile(r"\bsecond_hand: *true\b")
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\\\n]*\"")
_KIND = re.compile(r"\bkind: *([a-z_]+)")
_KEY = re.compile(r"(?:[{,]|^) *[^{},:\n]+:(?= )|[{}\[\]'\"#]", re.MULTILINE)


def known_datasets() -> Iterator[Known]:
    """Yield the datasets that are known, those of which more is known first."""
    with resources.as_file(resources.files("gmai_data") / "known") as folder:
        yield from (_of_facts(row) for row in _rows(folder / "facts.csv"))
        for path in sorted(folder.glob("index-*.csv")):
            yield from (_of_index(row) for row in _rows(path))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _of_facts(row: dict[str, str]) -> Known:
    about = {name: row[name] for name in ("count", "labels", "official_split", "layout", "sources") if row[name]}
    return Known(
        row["name"], row["title"], row["homepage"], (row["modality"],), "", row["count"], row["task"], row["access"],
        row["license"], row["department"], row["clinical_task"], about,
    )  # fmt: skip


def _of_index(row: dict[str, str]) -> Known:
    about = {name: row[name] for name in ("year", "dimension", "diseases", "labelled") if row[name]}
    modality = tuple(_MODALITIES.get(word.lower(), word) for word in row["modality"].split("; ") if word)
    return Known(
        row["name"], row["name"], row["homepage"], tuple(dict.fromkeys(modality)), row["structure"], row["samples"],
        row["task"], row["access"], about=about,
    )  # fmt: skip


_MODALITIES = {
    **dict.fromkeys(("mr", "mri"), "MR"),
    **dict.fromkeys(("x-ray", "cr", "dx", "xa", "mammography", "mg", "3d dsa", "rf", "3d x-ray"), "X-ray"),
    **dict.fromkeys(("cbct", "fbct"), "CT"),
    **dict.fromkeys(
        ("histopathology (patch)", "histopathology (wsi)", "wsi", "histo", "histopathology?", "pathology",
         "biopsy slides"), "Histopathology",
    ),
    **dict.fromkeys(("us", "ultrasound"), "Ultrasound"),
    **dict.fromkeys(("fundus", "fundus photo", "fundus (cfp)", "fundus photo (cfp)", "fundus (iris)"),
                    "Fundus photography"),
    "pt": "PET",
    "3d microscopy": "Microscopy",
    **dict.fromkeys(("infrared", "infrared reflectance imaging"), "Infrared reflectance"),
    "colposcopy (capsule)": "Colposcopy",
    "octa (ct)": "OCT",
    **dict.fromkeys(("photo", "photograph", "photography", "clinical photo", "clinical image"), "Clinical photography"),
}  # fmt: skip
"""How the source writes a modality, in lower case ▶ the vocabulary."""


def find_known(name: str) -> Known:
    """Return a known dataset by its name, as it stands or as a card would have it.

    Raises:
        UserError: None is called so.
    """
    every = list(known_datasets())
    wanted = _plain(name)
    found = next((each for each in every if wanted in (_plain(each.name), _plain(each.title))), None)
    if found is None:
        hint = did_you_mean(name.lower(), [each.name.lower() for each in every])
        raise UserError(f'no known dataset is called "{name}".{hint} `gmai data recipes search WORDS` finds them.')
    return found


def cards_by_name(cards: list[Summary]) -> dict[str, str]:
    """Return what a known dataset may be called, or where it is at home ▶ the card it has."""
    found: dict[str, str] = {}
    for card in cards:
        if card.is_phantom:
            continue
        for word in (card.name, card.title.partition(":")[0]):
            found.setdefault(_plain(word), card.name)
    return found


def card_of(known: Known, cards: Mapping[str, str]) -> str:
    """Return the name of the card that reads a known dataset, or nothing."""
    return cards.get(_plain(known.name), "")


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())
