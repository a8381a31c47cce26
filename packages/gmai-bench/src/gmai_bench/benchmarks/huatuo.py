"""HuatuoGPT-Vision's evaluation bundle: the lettered questions behind the baselines of the paper's Table 2.

Hugging Face `FreedomIntelligence/Medical_Multimodal_Evaluation_Data`: medical_multimodel_evaluation_data.json and
images.zip. The file is one list whose records name their split in `dataset` (VQA-RAD_test, SLAKE_test, OmniMedVQA, …)
and have `question`, `options` (a list, or a list in text), `answer` (the text of an option) and `image` (paths below
the file's folder). Records of `question_type` open, or without options, are not asked: the bundle's own scorer leaves
them out too. A mapping of split ▶ records, and of letter ▶ option, is read too.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from gmai_formats.errors import UserError
from gmai_formats.json_text import parse_json

from gmai_bench.benchmarks.hub import HubSource
from gmai_bench.benchmarks.named import LETTERED, Images, Named, find_copy, need_file, option_at, option_called
from gmai_bench.benchmarks.prompts import fill
from gmai_bench.benchmarks.question import Card, KeepImage, Question

HUB = HubSource("FreedomIntelligence/Medical_Multimodal_Evaluation_Data", ("*.json", "*.zip"), "huatuo")
_FILES = ("medical_multimodel_evaluation_data.json", "medical_multimodal_evaluation_data.json")


def open_split(
    family: str,
    title: str,
    protocol: str,
    split: str,
    expected: int,
    data_root: Path | None,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Named:
    """Return one split of the bundle as a benchmark.

    Args:
        family: Name of the benchmark; its folder below `data_root` may be called so, or `huatuo`.
        title: What the report calls it.
        protocol: Name of the protocol within the family.
        split: Beginning of the split's name in the bundle, letters and digits only, in lower case.
        expected: Questions due.
        data_root: Where the bundle lies.
        groups: Our name of a group ▶ the bundle's fields it may stand in, the first one there is taken.
    """
    root = data_root / "huatuo" if data_root is not None and (data_root / "huatuo").is_dir() else data_root
    copy = find_copy(family, root, HUB)
    path = need_file(copy, f"{family}/{protocol}", _FILES, HUB)
    fields = groups or {}
    card = Card(
        name=family,
        title=title,
        protocol=f"{family}/{protocol}",
        protocol_version=2,
        scoring="option-letter",
        expected=expected,
        groups=tuple(fields),
        source=f"HuatuoGPT-Vision evaluation bundle, {copy.source}",
        license="see the bundle",
        notes="Questions and options of HuatuoGPT-Vision's evaluation bundle, those behind the paper's baselines.",
        published_extractor="huatuo",
        hub=HUB.repo_id,
        revision=copy.revision,
        count_source="printed by the bundle's own scorer in a published run; fits the published scores as k/n",
    )
    images = Images(copy.folder, ("", "images"))
    return Named(card, lambda keep_image: _read(path, split, fields, images, keep_image))


def _read(
    path: Path, split: str, fields: Mapping[str, Sequence[str]], images: Images, keep_image: KeepImage
) -> Iterator[Question]:
    for number, (place, record) in enumerate(_records(path, split)):
        choices = _options(record.get("options"), place)
        if not choices or record.get("question_type") == "open":
            continue
        text = str(record.get("question", ""))
        named: Any = record.get("image", [])
        paths = cast("list[str]", named if isinstance(named, list) else [named])
        shown = tuple(keep_image(images.read(str(p), place), f"{place}, image {p}") for p in paths)
        yield Question(
            id=str(record.get("id", f"{split}-{number:05d}")),
            text=text,
            prompt=fill(LETTERED, text, choices, letters=True),
            images=shown,
            choices=choices,
            reference=_right(str(record.get("answer", "")), choices, place),
            cluster="+".join(shown) or f"{split}-{number}",
            groups={ours: _first(record, theirs) for ours, theirs in fields.items()},
            image_names=tuple(str(p) for p in paths),
        )


def _records(path: Path, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        loaded: Any = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}). Download it again.") from error
    parts: dict[str, list[Any]] = {}
    if isinstance(loaded, dict):
        parts = {str(name): list(records) for name, records in cast("dict[str, Any]", loaded).items()}
    else:
        for record in cast("list[dict[str, Any]]", loaded):
            parts.setdefault(str(record.get("dataset") or record.get("source") or ""), []).append(record)
    chosen = [name for name in parts if re.sub(r"[^a-z0-9]", "", name.lower()).startswith(split)]
    if not chosen:
        raise UserError(
            f"{path}: has no split that begins with {split} (it has {', '.join(sorted(parts))}). "
            f"The bundle names its splits after the benchmarks. Download it again."
        )
    for name in chosen:
        for number, record in enumerate(parts[name], start=1):
            yield f"{path} {name} record {number}", record


def _options(value: Any, place: str) -> tuple[str, ...]:
    """Return the options of a record, none for an open question."""
    try:
        parsed: Any = ast.literal_eval(value) if isinstance(value, str) and value.strip() else value
    except (ValueError, SyntaxError) as error:
        raise UserError(f"{place}: the options {value!r:.80} are no list ({error}). Download it again.") from error
    options = list(cast("dict[str, Any]", parsed).values()) if isinstance(parsed, dict) else parsed or []
    if not isinstance(options, list) or len(cast("list[Any]", options)) == 1:
        raise UserError(
            f"{place}: found the options {value!r:.80}. A question of the bundle has two or more, or none where it is "
            f"open. Download it again."
        )
    return tuple(str(option) for option in cast("list[Any]", options))


def _right(answer: str, choices: tuple[str, ...], place: str) -> str:
    """Return the option of that text; a letter only where no option is called so."""
    is_text = answer.strip() in map(str.strip, choices) or len(answer.strip()) > 1
    return option_called(answer, choices, place) if is_text else option_at(answer, choices, place)


def _first(record: Mapping[str, Any], fields: Sequence[str]) -> str:
    return next((str(record[name]) for name in fields if record.get(name)), "(none)")
