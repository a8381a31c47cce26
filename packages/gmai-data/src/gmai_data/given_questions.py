"""`gmai data questions`: questions with answers about pictures ▶ samples, a mixture and a held-out benchmark.

They need no card: nothing is derived from labels or boxes, and nothing is written but what the owner wrote.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from gmai_cli.console import say, say_next
from gmai_cli.exit_codes import EXIT_OK, EXIT_PARTIAL
from gmai_cli.folders import new_folder
from gmai_formats.errors import UserError
from gmai_formats.files import require_folder, write_json, write_text

from gmai_data.imaging.raster import load_raster
from gmai_data.ledger import SourceError
from gmai_data.publishing.held_out import balanced, write_card
from gmai_data.seeded import hash_fraction
from gmai_data.sources.drafting.given_questions import entries, given_questions, picture_finder
from gmai_data.sources.files.folder import MAX_FILES, Folder
from gmai_data.sources.licence import NOT_STATED
from gmai_data.vocabulary import Split

SHARES = ((Split.TRAIN, 0.65), (Split.VALIDATION, 0.75), (Split.HELD_OUT, 1.0))
"""Part of the pictures ▶ where it ends; a picture with all its questions is in one part."""


def convert(root: Path, out: Path, limit: int | None) -> int:
    """Write samples and held-out questions of a folder into a new one, and return the exit code.

    Written are `samples/questions/{train,validation}.json` (LLaVA), `mix.yaml`, `benchmarks/held_out.{yaml,jsonl}`
    and `left_out.jsonl`, which says of every entry that is not used why. Pictures stay where they are. A held-out
    question is asked with options where its text has balanced answers: those that other pictures have to the same.

    Args:
        root: Folder with pictures, and a table or JSON with `question` and `answer`.
        out: New folder.
        limit: Most pictures.

    Raises:
        UserError: No such questions, or `out` holds something.
    """
    require_folder(root, "Give the folder of a dataset.")
    folder = Folder(root.resolve())
    given = given_questions(folder)
    if not given:
        raise UserError(
            f"{root}: no table or JSON has a picture of the folder, `question` and `answer` in each entry. Name the "
            f"columns so. Labels, boxes and masks are read by a card: gmai data recipes new {root}"
        )
    if len(folder.files) == MAX_FILES:
        raise UserError(f"{root}: more than {MAX_FILES} files are not looked through. Give a smaller folder.")
    pictures = picture_finder(folder)
    left_out: list[dict[str, str]] = []
    kept: dict[Path, list[dict[str, str]]] = defaultdict(list)
    readable: dict[Path, str] = {}
    count = 0
    for each in (entry for file in given for entry in entries(file, folder)):
        count += 1
        path = pictures.get(each.image)
        reason = "no question or no answer" if not each.question or not each.answer else ""
        if path is None:
            reason = f'no picture, or several, are called "{each.image}"'
        elif not reason:
            if path not in readable:  # a picture with several questions is decoded once
                readable[path] = _unreadable(folder, path)
            reason = readable[path]
        if reason or path is None:
            left_out.append({"entry": each.place, "reason": reason})
            continue
        kept[path].append({"question": each.question.replace("<image>", "").strip(), "answer": each.answer})
    chosen = sorted(kept, key=lambda path: hash_fraction("limit", folder.below(path)))[:limit]
    for path in sorted(set(kept) - set(chosen)):
        left_out += [{"entry": folder.below(path), "reason": f"more than {limit} pictures"}] * len(kept[path])
    with new_folder(out) as made:
        counts = _write(made, folder, {path: kept[path] for path in sorted(chosen)}, left_out)
    names = ", ".join(folder.below(each.path) for each in given)
    say(f"{names}: {count} questions, {len(left_out)} left out (left_out.jsonl says why).")
    say(f"{out}: {counts['train']} train, {counts['validation']} validation; {counts['asked']} held-out questions with "
        f"options; {counts['open']} held out without, as their answers cannot be balanced.")  # fmt: skip
    say("Names and burnt-in text were not looked for: `gmai data build` does that for data with a card.")
    say_next("model", "init", "--preset", "tiny", "--data", out / "mix.yaml", "--out", "tiny")
    return EXIT_PARTIAL if left_out else EXIT_OK


def _unreadable(folder: Folder, path: Path) -> str:
    try:
        load_raster(folder.root, folder.below(path))
    except SourceError as problem:
        return f"{problem.rule}: {problem.detail}" if problem.detail else problem.rule
    return ""


def _part(name: str) -> Split:
    position = hash_fraction("questions", name)
    return next(split for split, end in SHARES if position < end)


def _write(
    out: Path, folder: Folder, kept: dict[Path, list[dict[str, str]]], left_out: Sequence[dict[str, str]]
) -> Counter[str]:
    samples: dict[Split, list[dict[str, Any]]] = defaultdict(list)
    offers: list[dict[str, Any]] = []
    for path, asked in kept.items():
        name = folder.below(path)
        split = _part(name)
        for number, each in enumerate(asked):
            if split == Split.HELD_OUT:
                offers.append({"id": f"{name}#{number}", "annotation": name, **each})
                continue
            turns = [
                {"from": "human", "value": f"<image>\n{each['question']}"},
                {"from": "gpt", "value": each["answer"]},
            ]
            samples[split].append({"id": f"{name}#{number}", "image": name, "conversations": turns})
    for split in (Split.TRAIN, Split.VALIDATION):
        if samples[split]:
            write_json(out / "samples" / "questions" / f"{split}.json", samples[split])
    entry = {"name": "questions", "path": "samples/questions", "images": str(folder.root), "ratio": {1: 1, 2: 1, 3: 1}}
    write_text(out / "mix.yaml", yaml.safe_dump({"datasets": [entry]}, sort_keys=False, allow_unicode=True))
    write_text(out / "left_out.jsonl", "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in left_out))
    questions = _held_out(offers)
    if questions:
        _write_benchmark(out / "benchmarks", folder, questions)
    return Counter(
        train=len(samples[Split.TRAIN]), validation=len(samples[Split.VALIDATION]), asked=len(questions),
        open=len(offers) - len(questions),
    )  # fmt: skip


def _held_out(offers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the questions whose answers are balanced among the pictures that are asked the same."""
    sets: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for offer in offers:
        sets[" ".join(offer["question"].lower().split())].append(offer)
    chosen: list[dict[str, Any]] = []
    for same in sets.values():
        answers = {offer["answer"].lower(): offer["answer"] for offer in same}
        known = [{**offer, "answer": answers[offer["answer"].lower()]} for offer in same]
        chosen += balanced(
            [{**offer, "wrong": sorted(set(answers.values()) - {offer["answer"]})} for offer in known], seed=0
        )
    return sorted(chosen, key=lambda question: question["id"])


def _write_benchmark(folder: Path, pictures: Folder, questions: Sequence[dict[str, Any]]) -> None:
    lines = [
        {"id": each["id"], "images": [str(pictures.root / each["annotation"])], "question": each["question"],
         "choices": each["choices"], "reference": each["reference"], "image_id": each["annotation"]}
        for each in questions
    ]  # fmt: skip
    write_text(folder / "held_out.jsonl", "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
    title = f"Held-out questions of {pictures.root.name}"
    write_card(folder, "held_out.jsonl", len(lines), title=title, license_name=NOT_STATED)
