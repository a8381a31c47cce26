"""`gmai data recipes new`: a folder ▶ the layout that recognises it ▶ a draft card to be completed by hand."""

import dataclasses
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from gmai_formats.errors import UserError
from gmai_formats.files import ARCHIVES, require_folder

from gmai_data.sources.cards.recipe import LAYOUTS
from gmai_data.sources.cards.summaries import Known
from gmai_data.sources.copies import original_of
from gmai_data.sources.drafting.beginnings import beginnings
from gmai_data.sources.drafting.bids import bids_guess
from gmai_data.sources.drafting.given_questions import given_questions
from gmai_data.sources.drafting.label_names import are_results, keys_of_list, label_names, segment_names
from gmai_data.sources.drafting.label_tables import labelled_by_table
from gmai_data.sources.drafting.pairing import split_of_name
from gmai_data.sources.drafting.picture_column import in_another_case
from gmai_data.sources.files.array_files import ARRAY_ENDINGS
from gmai_data.sources.files.folder import Folder, Guess
from gmai_data.sources.files.video_frames import VIDEO_ENDINGS
from gmai_data.sources.files.volume_files import volume_stem
from gmai_data.sources.layout import SPLIT_NAMES
from gmai_data.sources.layouts.yolo import odd_lines
from gmai_data.sources.names import NamePattern
from gmai_data.vocabulary import ClinicalTask, Department, Modality, Task

_NUMBER = re.compile(r"[-\d.]+|#[0-9a-f]{6}")
_NUMBERED = re.compile(r"\d+(?:\.\d+)*[.):]? *(?<=[\s.):])([^\W\d_].*)")
"""A class behind its number: `0.0.Normal`, `01 TUMOR`, `2) DR1`; `3D scan` and `1st degree` are no such names."""

_PERSON_IN_PATH = re.compile(
    r"(?P<known>TCGA-\w\w-\w{4}|OAS[12]_\d{4}|LIDC-IDRI-\d{4})|"
    r"(?<![a-z])(?P<name>(?:patient|subject|participant|sub|pat|pid|患者|病人)[ _-]?)\d+|"
    r"(?:^|/)(?P<folder>(?:case|study|exam|video|series|病例)[ _-]?)\d+(?=/)",
    re.IGNORECASE,
)
"""A patient anywhere in a path, or a folder of a case: files of a case lie together."""

_KNOWN_ID = {"TCGA": r"TCGA-\w\w-\w{4}", "OAS1": r"OAS1_\d{4}", "OAS2": r"OAS2_\d{4}", "LIDC": r"LIDC-IDRI-\d{4}"}
_SPDX = re.compile(r"CC0-1\.0|CC-BY(?:-NC)?(?:-SA|-ND)?-\d\.\d|MIT|Apache-2\.0")
_ACCESS = {"open": "open", "registration": "registration", "application": "agreement"}


def draft_like(known: Known, root: Path | None) -> tuple[str, str]:
    """Return (what it is, the text of a draft card) with the facts that are known of a dataset.

    Args:
        known: The dataset.
        root: Its folder, from which the layout is drafted; None leaves the layout open.

    Raises:
        UserError: See `draft`.
    """
    folder: dict[str, Any] = {"layout": {"kind": "TODO"}, "labels": {}}
    words = f"facts of {known.name}"
    if root is not None:
        guessed, text = draft(root)
        folder, words = yaml.safe_load(text), f"{words}; {guessed}"
    modality = [word for word in known.modality if word in list(Modality)]
    facts = {
        "name": known.slug,
        "title": known.title,
        "homepage": known.homepage or "TODO",
        "citation": "TODO",
        "license": found.group() if (found := _SPDX.fullmatch(known.license.replace(" ", "-"))) else "TODO",
        "access": _ACCESS.get(known.access, "TODO"),
        "modality": modality[0] if len(modality) == 1 else "TODO",
        "department": known.department or "TODO",
        "clinical_task": known.clinical_task or "TODO",
        "anatomy": {"en": known.structure.lower() or "TODO", "zh": "TODO"},
        "task": known.task if known.task in list(Task) else folder.get("task", "TODO"),
    }
    card = {**facts, **{name: value for name, value in folder.items() if name not in facts}}
    about = {"licence": known.license, "modality": ", ".join(known.modality), "samples": known.samples, **known.about}
    comments = "".join(f"# {name}: {' '.join(value.split())}\n" for name, value in about.items() if value)
    head = (
        f"# A draft from what is known of {known.name}, unchecked: see {known.homepage or 'its publisher'}.\n"
        f"{comments}# Replace every TODO, then: gmai data recipes check CARD.yaml --root DIR\n"
    )
    return words, head + yaml.safe_dump(card, sort_keys=False, allow_unicode=True)


def draft(root: Path) -> tuple[str, str]:
    """Return (what was recognised, the text of a draft card).

    What the folder cannot say (licence, modality, names) is marked with TODO, and the card is not valid until it is
    filled in.

    Raises:
        UserError: No folder, or nothing in it that a layout recognises.
    """
    require_folder(root, "Give the folder of a dataset.")
    folder = Folder(root)
    if asked := given_questions(folder):
        names = ", ".join(folder.below(each.path) for each in asked[:3])
        raise UserError(
            f"{root}: {names} holds questions with answers about the pictures. They are samples already and "
            f"need no card. Take them as they are: gmai data questions {root} --out build"
        )
    guess = bids_guess(folder) or _recognised(folder)
    if guess is None:
        guess = _recognised(folder := Folder(root, renamed=True), "dicom_series", "dicom")
    if guess is None:
        endings = folder.endings().most_common(5)
        words = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in endings)
        unread = "".join(f" {problem}" for problem in _problems_of_tables(folder)[:3])
        unread += "".join(f" {words}" for words in _tables_in_words(folder)[:3])
        unread += "".join(f" {words}" for words in _formats_not_read(folder))
        unread += "".join(f" {words}" for words in odd_lines(folder))
        unread += "".join(f" {words}" for words in _packed(folder))
        raise UserError(
            f"{root}: no layout recognised ({words or 'no files'}).{unread} Write a card by hand, as in "
            "docs/how-to/add-a-source.md."
        )
    guess = labelled_by_table(_named(guess, folder), folder)
    about_images: dict[str, Any] = {} if guess.task == "text" else {"modality": "TODO"}
    card: dict[str, Any] = {
        "name": re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-") or "my-dataset",
        "title": "TODO",
        "homepage": "TODO",
        "citation": "TODO",
        "license": "TODO",
        **about_images,
        "department": "TODO",
        "clinical_task": "TODO",
        "anatomy": {"en": "TODO", "zh": "TODO"},
        "task": guess.task,
        "layout": dict(guess.layout),
        "labels": {raw: {"en": name, "zh": "TODO"} for raw, name in _names_of(guess).items()},
        **guess.card,
        **_split(folder, guess),
    }
    nameless = [raw for raw in guess.labels if not guess.names.get(raw) and _NUMBER.fullmatch(raw)]
    unnamed = (
        [f"The folder has no names for the labels {', '.join(nameless)}: write what they mean."] if nameless else []
    )
    comments = "".join(
        f"# {' '.join(note.split())}\n"
        for note in (
            *guess.notes,
            *unnamed,
            *_copies(folder),
            *_alike(folder, guess, card),
            *_unread_tables(folder, guess),
            *_unread_images(folder, guess),
            *_formats_not_read(folder),
            *_packed(folder),
        )
    )
    head = (
        f"# A draft from {len(folder.files)} files: {guess.description}.\n"
        "# Unless `split.group_pattern`, a `group_column` or a DICOM header names the patient, every file is its own.\n"
        f"{comments}"
        "# Replace every TODO. Every field is explained in docs/reference/recipes.md; three have closed vocabularies:\n"
        f"{'' if guess.task == 'text' else _vocabulary('modality', Modality)}"
        f"{_vocabulary('department', Department)}{_vocabulary('clinical_task', ClinicalTask)}"
        "# A line `zh: TODO` may be deleted instead: then the dataset gets no Chinese text.\n"
        "# Then: gmai data recipes check CARD.yaml --root DIR\n"
    )
    return guess.description, head + yaml.safe_dump(card, sort_keys=False, allow_unicode=True)


def _recognised(folder: Folder, *kinds: str) -> Guess | None:
    """Return the draft of the first layout, or of the first of some, that recognises a folder."""
    guesses = (layout.recognise(folder) for kind, layout in LAYOUTS.items() if not kinds or kind in kinds)
    return next(filter(None, guesses), None)


def _vocabulary(field: str, words: Iterable[str]) -> str:
    """Return the words that a field may take as comments of a card."""
    whole = ", ".join(word.replace(" ", "\N{NO-BREAK SPACE}") for word in words)
    listed = textwrap.wrap(f"{field}: {whole}", 116, initial_indent="#   ", subsequent_indent="#     ")
    return "".join(f"{line}\n" for line in listed).replace("\N{NO-BREAK SPACE}", " ")


def _named(guess: Guess, folder: Folder) -> Guess:
    """Return a guess with the names that files of the folder give to the values of its masks."""
    masks = str(guess.layout.get("mask") or guess.layout.get("masks") or "")
    if masks.endswith(".seg.nrrd") and (segments := segment_names(folder)):
        note = "labels: segments are known by their names, which cases may spell in several ways."
        return dataclasses.replace(guess, labels=segments, notes=(*guess.notes, note))
    if not masks or guess.names or guess.layout.get("encoding") in ("binary", "colour", "instances"):
        return guess
    names, place = label_names(folder)
    if not any(raw in names for raw in guess.labels):
        return guess
    note = f"labels: the names of the values are from {place}."
    return dataclasses.replace(guess, names=names, notes=(*guess.notes, note))


def _alike(folder: Folder, guess: Guess, card: dict[str, Any]) -> list[str]:
    """Return a note on pictures that begin alike, where the draft knows no patient."""
    split = card.get("split", {})
    grouped = "group_pattern" in split or "group_table" in split or "group_column" in guess.layout
    if grouped or "{patient}" in str(guess.layout) or guess.layout["kind"] in ("dicom", "dicom_series", "qa_text"):
        return []
    files = [folder.below(path) for path in (folder.images or folder.volumes or folder.with_ending(*ARRAY_ENDINGS))]
    pattern = guess.layout.get("image") or guess.layout.get("images")
    if guess.layout["kind"] in ("volume", "image_mask") and isinstance(pattern, str):
        read = NamePattern(pattern)
        files = [file for file in files if read.read(file) is not None]
    note = beginnings(files, frozenset(guess.labels))
    return [] if note is None else [note]


def _copies(folder: Folder) -> list[str]:
    """Return a note on pictures that are copies of others by their names."""
    copies = [name for path in folder.images if original_of(name := folder.below(path)) != name]
    if not copies:
        return []
    return [
        f"{len(copies)} of {len(folder.images)} pictures are augmented copies by their names, such as {copies[0]}: "
        "unless the card names the patients, each is in one group with its original."
    ]


def _unread_tables(folder: Folder, guess: Guess) -> list[str]:
    """Return a note on the tables that the draft neither reads nor names."""
    written = f"{guess.layout} {guess.split} {guess.card} {guess.notes}"
    left = [folder.below(path) for path, _ in folder.tables if folder.below(path) not in written]
    if guess.layout["kind"] in ("qa_text", "hf_dataset"):
        return []
    notes = _problems_of_tables(folder)[:6]
    if left:
        more = f" and {len(left) - 6} more" if len(left) > 6 else ""
        listed = f"{', '.join(left[:6])}{more}"
        notes.append(f"Tables that this draft does not read: {listed}. They may have labels, patients, a split.")
    return notes


_NOT_READ = {
    (".svg", ".ai", ".eps"): "drawings are not read: export the masks as PNG",
    (".pdf", ".docx", ".doc", ".pptx", ".rtf"): "documents are not read: save pictures as PNG, tables as CSV",
    (".xls", ".xlsb", ".ods", ".sav", ".dta", ".rdata", ".rds"): "such tables are not read: save them as CSV or .xlsx",
    (".nd2", ".lif", ".oib", ".oif", ".vsi", ".ims"): "microscopes' own formats are not read: save OME-TIFF",
    (".e2e", ".fda", ".fds", ".vol"): "OCT devices' own formats are not read: export DICOM or PNG",
    (".par", ".rec", ".ima.gz", ".mnc", ".minc"): "such volumes are not read: save them as NIfTI",
    (".pkl", ".pickle", ".pt", ".pth", ".joblib"): "pickles run code when they are opened, and are never read: save "
    "arrays as .npz or HDF5",
    (".heic", ".heif", ".nef", ".cr2", ".dng", ".psd"): "such photographs are not read: save them as PNG or JPEG",
}  # fmt: skip


def _formats_not_read(folder: Folder) -> list[str]:
    """Return what to do with the files of formats that no layout reads."""
    notes: list[str] = []
    for endings, words in _NOT_READ.items():
        if files := folder.with_ending(*endings):
            notes.append(f"{len(files)} files such as {folder.below(files[0])}: {words}.")
    return notes


_PART = re.compile(r"\.(?:zip|7z|tar|rar|gz)\.\d{2,3}$|\.z\d\d$|\.r\d\d$", re.IGNORECASE)
"""Parts of an archive: `data.zip.001`, `data.z01`, `data.r00`."""


def _packed(folder: Folder) -> list[str]:
    """Return what to do with archives and parts of them, as a sentence."""
    parts = [path for path in folder.files if _PART.search(path.name)]
    whole = [path for path in folder.with_ending(*ARCHIVES) if path not in parts]
    if not (packed := [*whole, *parts]):
        return []
    names = ", ".join(map(folder.below, packed[:3])) + (" …" if packed[3:] else "")
    together = " Parts belong to one archive: unpack the first (7z x), with all others beside it." if parts else ""
    return [f"Unpack {names}: archives are not read.{together}"]


_UNREAD = {
    "coco": ("volumes",),
    "dicom": ("images", "volumes"),
    "dicom_series": ("images", "volumes"),
    "folder_per_class": ("volumes",),
    "image_mask": ("volumes",),
    "voc": ("volumes",),
    "volume": ("images",),
    "yolo": ("volumes",),
}
"""Layout ▶ the files of `Folder` that it reads no images from."""


def _unread_images(folder: Folder, guess: Guess) -> list[str]:
    """Return a note on the images that the draft's layout does not read."""
    unread = [path for name in _UNREAD.get(guess.layout["kind"], ()) for path in getattr(folder, name)]
    if not unread or folder.renamed or "mask" in guess.layout:
        return []
    listed = ", ".join(map(folder.below, unread[:3])) + (" …" if unread[3:] else "")
    return [f"Images that this draft does not read: {len(unread)} ({listed}). They may be a dataset with its own card."]


def _problems_of_tables(folder: Folder) -> list[str]:
    """Return why tables of the folder cannot be read, without the folder's own path."""
    return [table.problem.replace(f"{folder.root}/", "") for _, table in sorted(folder.probed.items()) if table.problem]


def _tables_in_words(folder: Folder) -> list[str]:
    """Return what the tables of a folder that no layout recognised hold, and the lists in JSON, which are none."""
    found: list[str] = []
    for path, rows in folder.tables:
        columns = ", ".join(map(str, rows[0])) if rows else "no rows"
        words = f"{folder.below(path)} has the columns {columns}: none names the pictures as they lie"
        by_stem = {volume_stem(each.name): [each] for each in (*folder.images, *folder.volumes)}
        if rows and (other := in_another_case(rows, by_stem)):
            words += f'; "{other[0]}" is {other[1]} on disk: give both the same capital letters'
        found.append(f"{words}.")
    for path in folder.with_ending(".json")[:3]:
        if are_results(path):
            found.append(
                f"{folder.below(path)} holds results of a model (`image_id`, `category_id`, `score`) and no "
                "annotations: take COCO's file of annotations."
            )
        elif keys := keys_of_list(path):
            named = f"{folder.below(path)} is a list of objects with {', '.join(keys)}"
            found.append(f"{named}: save it as CSV, which `csv_labels` reads.")
    return found


def _names_of(guess: Guess) -> dict[str, str]:
    """Return raw label ▶ name; those that differ in case or blanks only have one, the one in small letters if any."""
    names = _without_numbers({raw: _english(raw, guess) for raw in guess.labels})
    spellings: dict[str, str] = {}
    for name in sorted(names.values(), key=str.swapcase):
        spellings.setdefault(" ".join(name.casefold().split()), name)
    return {raw: spellings[" ".join(name.casefold().split())] for raw, name in names.items()}


def _without_numbers(names: dict[str, str]) -> dict[str, str]:
    """Return the names of numbered classes, such as `0.0.Normal` and `01 TUMOR`, without their numbers."""
    found = {raw: _NUMBERED.match(name) for raw, name in names.items()}
    bare = {raw: match[1] for raw, match in found.items() if match}
    alone = {name.casefold() for name in bare.values()}
    return bare if len(names) > 1 and len(bare) == len(names) == len(alone) else names


def _english(raw: str, guess: Guess) -> str:
    """Return the name that the folder gives a raw label, or the raw label itself; a number is no name.

    What a table marks with boxes by one number, such as `Target` 1, is at least a finding; a note asks what it means.
    """
    one_mark = len(guess.labels) == 1 and guess.task == "2d_detection"
    name = guess.names.get(raw) or (("finding" if one_mark else "") if _NUMBER.fullmatch(raw) else raw)
    return re.sub(r"[;；<>\[\]\s_-]+", " ", name).strip() or "TODO"


def _split(folder: Folder, guess: Guess) -> dict[str, Any]:
    """Return the card's `split`, as far as the folder tells it."""
    names = {"names": dict(guess.splits)} if guess.splits else {}
    groups = {} if "group_table" in guess.split else _groups(folder, guess)
    split = {**names, **guess.split, **groups}
    if not {"pattern", "table", "official"} & set(split):
        split |= _split_in_paths(folder, guess)
    return {"split": split} if split else {}


def _split_in_paths(folder: Folder, guess: Guess) -> dict[str, Any]:
    """Return the rule of a split that folders of DICOM files or videos name, which their layouts do not ask for."""
    kind = guess.layout["kind"]
    if kind not in ("dicom", "dicom_series", "video"):
        return {}
    files = folder.with_ending(*VIDEO_ENDINGS) if kind == "video" else folder.dicom
    rows = [PurePosixPath(folder.below(path)).parts[:-1] for path in files]
    for level in range(min(map(len, rows), default=0)):
        names = {row[level]: split_of_name(row[level]) for row in rows}
        if len(names) > 1 and None not in names.values():
            known = {name: str(split) for name, split in sorted(names.items())}
            above = f"(?:[^/]+/){{{level}}}" if level else ""
            return {"pattern": f"^{above}([^/]+)(?:/|$)"} | ({} if set(known) <= set(SPLIT_NAMES) else {"names": known})
    return {}


def _groups(folder: Folder, guess: Guess) -> dict[str, Any]:
    """Return the pattern of the patient in the files' paths, where there is one and no column or header has it."""
    named = "group_column" in guess.layout or "{patient}" in str(guess.layout)
    if named or guess.layout["kind"] in ("dicom", "dicom_series", "qa_text"):
        return {}
    found = [match for path in folder.files if (match := _PERSON_IN_PATH.search(folder.below(path)))]
    if len({match.group() for match in found}) < 2:
        return {}
    if found[0]["known"]:
        return {"group_pattern": f"({_KNOWN_ID[found[0]['known'][:4]]})"}
    name, case = found[0]["name"], found[0]["folder"]
    return {"group_pattern": f"({name}\\d+)" if name else f"({case}\\d+)/"}
