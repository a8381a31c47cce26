import pytest
from gmai_bench.published.headings import as_one, counted, is_row_of_counts, spanned


@pytest.mark.parametrize(
    ("heading", "found"),
    [
        ("VQA-RAD (251)", (251, True)),
        ("VQA-RAD n=251", (251, True)),
        ("SLAKE [N=416]", (416, True)),
        ("Path (N: 6719)", (6719, True)),
        ("PMC (n = 33,430)", (33430, True)),
        ("PMC (33 430)", (33430, True)),
        ("VQA-RAD 251 Qs", (251, True)),
        ("SLAKE (416 questions)", (416, True)),
        ("SLAKE (251 QA pairs)", (251, True)),
        ("SLAKE (#416)", (416, True)),
        ("MMMU (~150)", (150, False)),
        ("VQA-RAD（251题）", (251, True)),
        ("SLAKE（n＝416）", (416, True)),
        ("MMMU 医学（150 道）", (150, True)),
        ("VQA-Med (2019)", None),
        ("VQA-Med (n=2019)", (2019, True)),
        ("VQA-Med 2019 questions", None),
        ("USMLE Step 2 items", None),
        ("Top-10 items", None),
        ("Reader #2", None),
        ("# 251", (251, True)),
        ("MedQA (5-shot)", None),
        ("MedQA (4 options)", None),
        ("PMC-VQA v2 (clean)", None),
        ("Acc@1 (5)", None),
        ("MMMU (0 questions)", None),
        ("VQA-RAD $n{=}251$", (251, True)),
        ("VQA-RAD $(n=251)$", (251, True)),
        (r"VQA-RAD ($\text{n} = 1{,}273$)", (1273, True)),
        ("**VQA-RAD** *(251)*", (251, True)),
        ("SLAKE 416 test questions", (416, True)),
        ("MedQA (1,273 test)", (1273, True)),
        ("MedMCQA (4,183 val questions)", (4183, True)),
        ("MMMU-Med (total 150)", (150, True)),
        ("MMMU-Med (total: ~150)", (150, False)),
        ("VQA-RAD (251 images)", None),
        ("VQA-RAD (251/451)", None),
        ("VQA-RAD", None),
        ("VQA-RAD / 251", (251, True)),
        ("/ 251", (251, True)),
        ("SLAKE (/1,061)", (1061, True)),
        ("SLAKE (out of 416)", (416, True)),
        ("Score / 100", None),
        ("Score (/10)", None),
        ("Round 12 / 251", None),
        ("VQA-Med / 2019", None),
        ("OmniMedVQA (89k)", (89000, False)),
        ("(89k)", (89000, False)),
        ("OmniMedVQA (n=88.9K)", (88900, False)),
        ("OmniMedVQA (89k questions)", (89000, False)),
        ("OmniMedVQA（8.9万题）", (89000, False)),
        ("LLaVA (7B)", None),
        ("SLAKE_{416}", (416, True)),
        ("SLAKE$_{416}$", (416, True)),
        (r"\textbf{SLAKE}$_{n=1{,}061}$", (1061, True)),
        (r"VQA-RAD\textsubscript{251}", (251, True)),
        (r"VQA-RAD \textsubscript{(251)}", (251, True)),
        ("VQA-RAD<sub>251</sub>", (251, True)),
        ("MMMU_{val}", None),
        ("VQA-Med_{2019}", None),
        ("AP_{50}", None),
        (r"$\text{mAP}_{50}$", None),
        ("IoU<sub>75</sub>", None),
    ],
)
def test_what_a_heading_counts(heading: str, found: tuple[int, bool] | None) -> None:
    assert counted(heading) == found


def test_a_bare_number_behind_an_average_counts_columns() -> None:
    assert counted("Avg (12)", bare=False) is None
    assert counted("Avg (n=667)", bare=False) == (667, True)
    assert counted("Avg_{12}", bare=False) is None


@pytest.mark.parametrize(
    "name", ["n", "N", "#", "# questions", "No. of questions", "Number of samples", "Size", "题数"]
)
def test_rows_of_counts(name: str) -> None:
    assert is_row_of_counts(name)


@pytest.mark.parametrize("name", ["Nova", "GPT-4o", "Qwen 7B", "LLaVA n", "Number 5"])
def test_models_are_no_rows_of_counts(name: str) -> None:
    assert not is_row_of_counts(name)


def test_cells_of_latex_span() -> None:
    cells = [r"\\multirow{2}{*}{Model}".replace("\\\\", "\\"), r"\multicolumn{2}{c}{\textbf{CT}}", "MRI"]
    assert spanned(cells) == ["Model", r"\textbf{CT}", "", "MRI"]


def test_a_cell_that_spans_more_columns_than_any_table_has_is_left_as_it_is() -> None:
    cell = r"\multicolumn{999999999}{c}{CT}"
    assert spanned([cell]) == [cell]


def test_lines_of_headings_become_one() -> None:
    lines = [
        ["Model", "CT", "", "MRI"],
        ["", "open", "closed", "closed"],
        ["", "(200)", "(251)", "(416)"],
        ["X", "1", "2", "3"],
    ]
    header, taken = as_one(lines, str.isdigit)
    assert (header, taken) == (["Model", "CT open (200)", "CT closed (251)", "MRI closed (416)"], 3)
    assert as_one([["Model", "CT"], ["", "5"], ["X", "6"]], str.isdigit) == (["Model", "CT"], 1)
