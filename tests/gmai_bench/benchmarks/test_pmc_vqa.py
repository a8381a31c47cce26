"""PMC-VQA's two files of test questions, drawn in code."""

import csv
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError

FOUR = ("CT", "MR", "X-ray", "US")


def write_pmc(pictures: list[bytes], folder: Path, name: str, n: int, extra: dict[str, str], label: str) -> Path:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(pictures):
        (folder / f"images/PMC{i}.jpg").write_bytes(picture)
    choices = {f"Choice {letter}": f" {letter}:{text} " for letter, text in zip("ABCD", FOUR, strict=True)}
    rows = [
        {"Figure_path": f"PMC{i % 8}.jpg", "Question": f"Which, {i}?", **choices, **extra, label: "ABCD"[i % 4]}
        for i in range(n)
    ]
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_pmc_vqa_in_both_versions(tmp_path: Path, load: Any, pictures: list[bytes]) -> None:
    folder = write_pmc(pictures, tmp_path / "pmc-vqa", "test_clean.csv", 2000, {"Answer": " CT "}, "Answer_label")
    read = load("pmc-vqa", tmp_path)
    assert len(read.questions) == 2000
    assert (read.questions[1].choices, read.questions[1].reference) == (FOUR, "MR")
    assert read.questions[0].prompt.startswith("Which, 0?\nA. CT\nB. MR\nC. X-ray\nD. US\nAnswer with the option's")
    write_pmc(pictures, folder, "test_2.csv", 40, {"Caption": "An MR image", "split": "test"}, "Answer")
    with pytest.raises(UserError, match=r"found 40 questions, pmc-vqa/test2-33430 is due 33430"):
        load("pmc-vqa/test2-33430", tmp_path)
    read = load("pmc-vqa/test2-33430", tmp_path, allow_partial=True)
    assert not any("An MR image" in q.prompt for q in read.questions)


def test_a_truncated_csv_is_named(tmp_path: Path, load: Any, pictures: list[bytes]) -> None:
    folder = write_pmc(pictures, tmp_path / "pmc-vqa", "test_clean.csv", 5, {}, "Answer_label")
    file = folder / "test_clean.csv"
    file.write_text(file.read_text(encoding="utf-8").rstrip().rpartition(",")[0] + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"row 6: has another number of cells than the header"):
        load("pmc-vqa", tmp_path)
    file.write_text("Figure_path,Qestion\n", encoding="utf-8")
    with pytest.raises(UserError, match=r'no column "Question"\. Did you mean "Qestion"'):
        load("pmc-vqa", tmp_path)


@pytest.mark.parametrize(
    ("protocol", "published", "option"),
    [("clean-2000", "huatuo", "{text}"), ("test2-33430", "medevalkit-untagged", " {letter}:{text}")],
)
def test_the_published_parser_gets_an_option_as_its_own_program_passes_it(
    protocol: str, published: str, option: str, tmp_path: Path, load: Any, pictures: list[bytes]
) -> None:
    with pytest.raises(UserError, match=r"found no test_.*\.csv\. pmc-vqa is read in its published layout"):
        load(f"pmc-vqa/{protocol}", tmp_path)
    write_pmc(pictures, tmp_path, "test_clean.csv" if "clean" in protocol else "test_2.csv", 4, {}, "Answer")
    card = load(f"pmc-vqa/{protocol}", tmp_path, allow_partial=True).card
    assert (card.published_extractor, card.published_option) == (published, option)


def test_a_label_that_is_no_letter_is_refused(tmp_path: Path, load: Any, pictures: list[bytes]) -> None:
    file = write_pmc(pictures, tmp_path, "test_clean.csv", 2, {}, "Answer_label") / "test_clean.csv"
    file.write_text(file.read_text(encoding="utf-8").replace(",B\n", ",E\n"), encoding="utf-8")
    with pytest.raises(UserError, match=r'row 3: the answer "E" is no letter of the options'):
        load("pmc-vqa", tmp_path, allow_partial=True)
