"""OmniMedVQA's published layout, drawn in code."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from gmai_bench.benchmarks import omnimedvqa
from gmai_bench.benchmarks.registry import protocols_of
from gmai_formats.errors import UserError


def omni_record(i: int, kind: str) -> dict[str, Any]:
    return {
        "dataset": "ACRIMA",
        "question_id": f"ACRIMA_{i:05d}",
        "question_type": kind,
        "question": "What kind of image is this?",
        "gt_answer": "MR",
        "image_path": f"Images/ACRIMA/{i % 8}.png",
        "option_A": "CT",
        "option_B": "MR",
        **({"option_C": "US"} if i % 2 else {}),
        **({"modality": "CT(Computed Tomography)"} if i == 0 else {"modality_type": "MR"}),
    }


def test_omnimedvqa(tmp_path: Path, load: Any, pictures: list[bytes]) -> None:
    root = tmp_path / "omnimedvqa"
    (root / "Images/ACRIMA").mkdir(parents=True)
    (root / "QA_information/Open-access").mkdir(parents=True)
    for i, picture in enumerate(pictures):
        (root / f"Images/ACRIMA/{i}.png").write_bytes(picture)
    kinds = {kind: n // 1000 for kind, n in omnimedvqa._OPEN.items()}
    records = [omni_record(i, kind) for i, kind in enumerate(Counter(kinds).elements())]
    (root / "QA_information/Open-access/ACRIMA.json").write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(UserError, match=r"found 87 questions, omnimedvqa/open-88996 is due 88996"):
        load("omnimedvqa", tmp_path)
    read = load("omnimedvqa", tmp_path, allow_partial=True)
    first, second = read.questions[:2]
    assert first.prompt == (
        "What kind of image is this?Here are 2 candidate answers:['CT', 'MR'] Only return what you think is the "
        "correct answer from the candidate answers, do not return any other irrelevant text!"
    )
    assert (first.groups["modality"], second.groups["modality"]) == ("CT(Computed Tomography)", "MR")
    assert second.choices == ("CT", "MR", "US")
    prefix = load("omnimedvqa/open-88996-prefix", tmp_path, allow_partial=True)
    assert (prefix.questions[0].prompt, prefix.questions[0].continuations) == (first.text, ("CT", "MR"))


def write(root: Path, part: str, record: dict[str, Any], picture: bytes) -> None:
    (root / "Images/ACRIMA").mkdir(parents=True, exist_ok=True)
    (root / "Images/ACRIMA/0.png").write_bytes(picture)
    (root / "QA_information" / part).mkdir(parents=True)
    (root / "QA_information" / part / "ACRIMA.json").write_text(json.dumps([record]), encoding="utf-8")


def test_the_restricted_part_is_asked_only_under_full(tmp_path: Path, load: Any, pictures: list[bytes]) -> None:
    root = tmp_path / "OmniMedVQA"
    write(root, "Restricted-access", omni_record(0, "Lesion Grading") | {"question_id": "R"}, pictures[0])
    with pytest.raises(UserError, match=r"found no QA_information/Open-access/\*\.json"):
        load("omnimedvqa", tmp_path)
    write(root, "Open-access", omni_record(0, "Lesion Grading") | {"question_id": "O"}, pictures[0])
    assert [q.id for q in load("omnimedvqa", tmp_path, allow_partial=True).questions] == ["ACRIMA/O"]
    whole = next(name for name in protocols_of("omnimedvqa") if name.startswith("full") and "prefix" not in name)
    read = load(f"omnimedvqa/{whole}", tmp_path, allow_partial=True)
    assert [q.id for q in read.questions] == ["ACRIMA/O", "ACRIMA/R"]
    assert (read.card.expected, read.card.scoring) == (127995, "option-text")


def test_an_answer_that_is_no_option_is_refused(tmp_path: Path, load: Any, pictures: list[bytes]) -> None:
    write(tmp_path, "Open-access", omni_record(0, "Lesion Grading") | {"gt_answer": "PET"}, pictures[0])
    with pytest.raises(UserError, match=r'record 1: the answer "PET" is none of the options \[.CT., .MR.\]'):
        load("omnimedvqa", tmp_path, allow_partial=True)
