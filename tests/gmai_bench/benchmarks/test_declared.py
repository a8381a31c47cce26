import base64
import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from gmai_bench.benchmarks import record
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.images import check
from gmai_formats.errors import UserError
from PIL import Image


def questions(path: Path) -> list[record.Question]:
    return list(DeclaredBenchmark(path).questions(check))


def test_reads_what_the_build_writes(held_out: Path) -> None:
    first = questions(held_out)[0]
    assert first.prompt == "Which modality is this?\nOptions: CT; MR; X-ray.\nAnswer with one of the options."
    assert first.choices == ("CT", "MR", "X-ray")
    assert first.reference == "CT"
    assert first.cluster == "image-0"
    assert first.groups == {"modality": "CT", "department": "Radiology"}
    assert len(first.images[0]) == 64
    assert DeclaredBenchmark(held_out).card.protocol == "held_out/option-text"


def test_letters_are_written_where_the_style_says_so(inputs: SimpleNamespace, tmp_path: Path) -> None:
    path = inputs.write_held_out(tmp_path, choices_style="letters", prompt="{question}\n{choices}")
    assert questions(path)[0].prompt == "Which modality is this?\nA. CT\nB. MR\nC. X-ray"
    assert DeclaredBenchmark(path).card.scoring == "option-letter"


def test_an_open_question_is_asked_as_it_is(inputs: SimpleNamespace, tmp_path: Path) -> None:
    rows = [{**row, "choices": [], "reference": "spleen"} for row in inputs.held_out_rows(1)]
    assert questions(inputs.write_held_out(tmp_path, rows))[0].prompt == "Which modality is this?"


def test_a_question_that_quotes_the_template_is_left_alone(inputs: SimpleNamespace, tmp_path: Path) -> None:
    rows = [{**row, "question": "What does {choices} mean?"} for row in inputs.held_out_rows(1)[:1]]
    path = inputs.write_held_out(tmp_path, rows, prompt="{question}")
    assert questions(path)[0].prompt == "What does {choices} mean?"


def test_one_image_struct_or_a_path_will_do(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / "a.png")
    table = pa.table({"id": ["1"], "image": ["a.png"], "question": ["Which organ?"], "reference": ["liver"]})
    pq.write_table(table, tmp_path / "own.parquet")
    declaration = {
        "name": "own",
        "title": "Own",
        "protocol": "own/exact",
        "questions": "own.parquet",
        "columns": {"images": "image"},
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(declaration), encoding="utf-8")
    (question,) = questions(tmp_path / "own.yaml")
    assert question.cluster == question.images[0] == check((tmp_path / "a.png").read_bytes(), "")


def test_an_incomplete_copy_is_refused_with_both_counts(inputs: SimpleNamespace, tmp_path: Path) -> None:
    benchmark = DeclaredBenchmark(inputs.write_held_out(tmp_path, expected={"total": 240}))
    with pytest.raises(UserError, match=r"found 12 questions, held_out/option-text is due 240.*--allow-partial"):
        record.load(benchmark, check, limit=None, allow_partial=False)
    assert record.load(benchmark, check, limit=None, allow_partial=True).coverage.partial
    limited = record.load(benchmark, check, limit=5, allow_partial=False)
    assert (len(limited.questions), limited.coverage.partial, limited.coverage.limit) == (5, True, 5)


def test_a_limit_beyond_a_complete_copy_is_not_partial(held_out: Path) -> None:
    assert not record.load(DeclaredBenchmark(held_out), check, limit=100, allow_partial=False).coverage.partial


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"promt": "{question}"}, r'held_out\.yaml: promt: unknown key\. Did you mean "prompt"\?'),
        ({"prompt": "Answer!"}, r"prompt: the prompt must contain \{question\}"),
        ({"protocol": "option-text"}, r"held_out\.yaml: protocol"),
        ({"expected": {"total": 0}}, r"expected\.total"),
        ({"groups": ["modalty"]}, r'held_out\.parquet: no column "modalty".*Did you mean "modality"\?'),
        ({"questions": "gone.parquet"}, r"gone\.parquet: no such file"),
    ],
)
def test_a_bad_declaration_names_file_and_remedy(
    inputs: SimpleNamespace, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        questions(inputs.write_held_out(tmp_path, **changes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": "PET"}, r'row 2: the reference "PET" is none of its choices'),
        ({"choices": ["CT"]}, r"row 2: found the choices \['CT'\]\. A question has 2 to 26 choices"),
        ({"choices": [], "reference": ""}, r"row 2: the reference is empty"),
        ({"question": "Which <image>?"}, r"row 2: the question is empty or contains `<image>`"),
        ({"question": "<image><image> Which?"}, r"row 2: .*puts the 1 images of the row in front of the question"),
        ({"images": [{"bytes": b"no image", "path": "x"}]}, r"row 2: image unreadable"),
        ({"images": [{"bytes": None, "path": None}]}, r"row 2: an image has neither bytes nor a path"),
        ({"images": [{"bytes": None, "path": "gone.png"}]}, r"row 2: the image gone\.png is not there \(looked for"),
        ({"id": "q0-0"}, r'row 2: id "q0-0" is also that of .* row 1'),
    ],
)
def test_a_bad_row_is_named(inputs: SimpleNamespace, tmp_path: Path, change: dict[str, object], message: str) -> None:
    first, second, *rest = inputs.held_out_rows()
    with pytest.raises(UserError, match=message):
        questions(inputs.write_held_out(tmp_path, [first, {**second, **change}, *rest]))


def test_a_half_written_image_is_found_before_the_model_is_asked(inputs: SimpleNamespace, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, format="PNG")
    rows = inputs.held_out_rows()
    rows[0]["images"] = [{"bytes": buffer.getvalue()[:-200], "path": "x.png"}]
    with pytest.raises(UserError, match=r"row 1: image unreadable"):
        questions(inputs.write_held_out(tmp_path, rows))


def test_a_truncated_parquet_file_is_named(held_out: Path) -> None:
    file = held_out.parent / "held_out.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"held_out\.parquet: not readable as Parquet .* Copy or download it again"):
        questions(held_out)


def test_a_missing_or_broken_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read .*gmai bench list"):
        DeclaredBenchmark(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(UserError, match=r"broken\.yaml: not readable as YAML"):
        DeclaredBenchmark(tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("- a", encoding="utf-8")
    with pytest.raises(UserError, match=r"list\.yaml: found a list, not a mapping"):
        DeclaredBenchmark(tmp_path / "list.yaml")


def test_a_question_with_several_right_choices(inputs: SimpleNamespace, tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["1"],
            "images": [[{"bytes": inputs.draw(1), "path": "1.png"}]],
            "question": ["Which are modalities?"],
            "choices": [["liver", "CT", "MR"]],
            "reference": [["MR", "CT"]],
        }
    )
    pq.write_table(table, tmp_path / "own.parquet")
    declaration = {
        "name": "own", "title": "Own", "protocol": "own/set", "questions": "own.parquet",
        "columns": {"choices": "choices"}, "choices_style": "letters", "multiple": True,
        "prompt": "{question}\n{choices}",
    }  # fmt: skip
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(declaration), encoding="utf-8")
    benchmark = DeclaredBenchmark(tmp_path / "own.yaml")
    (question,) = benchmark.questions(check)
    assert (benchmark.card.scoring, question.reference) == ("option-letter-set", "CT + MR")
    assert inputs.verdict("B and C", question.choices, question.reference, "option-letter-set").score == 1.0
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**declaration, "choices_style": "text"}), encoding="utf-8")
    with pytest.raises(UserError, match=r"multiple needs choices_style: letters"):
        DeclaredBenchmark(tmp_path / "own.yaml")
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**declaration, "multiple": False}), encoding="utf-8")
    with pytest.raises(UserError, match=r"row 1: has 2 references"):
        questions(tmp_path / "own.yaml")


def declare(folder: Path, rows: list[dict[str, object]], **fields: object) -> DeclaredBenchmark:
    """Return a benchmark of JSON Lines with lettered options."""
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    columns = {"id": None, "choices": "options", "reference": "label", **fields.pop("columns", {})}  # type: ignore[dict-item]
    declared = {
        "name": "own", "title": "Own", "protocol": "own/p", "questions": "q.jsonl", "choices_style": "letters",
        "prompt": "{question}\n{choices}", "columns": columns, **fields,
    }  # fmt: skip
    (folder / "own.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    return DeclaredBenchmark(folder / "own.yaml")


def test_a_text_only_set_with_a_mapping_of_options_and_letters(tmp_path: Path) -> None:
    rows = [{"question": "Which?", "options": {"A": "E", "B": "B", "C": "A"}, "label": letter} for letter in "ABC"]
    rows[0]["options"] = {"A": "liver", "B": "heart"}
    read = list(declare(tmp_path, rows).questions(check))
    assert [q.reference for q in read] == ["liver", "B", "A"]
    assert [q.id for q in read] == ["00000", "00001", "00002"]
    assert read[1].prompt == "Which?\nA. E\nB. B\nC. A"
    assert {(q.images, q.cluster) for q in read} == {((), q.id) for q in read}


@pytest.mark.parametrize(("answer", "label", "right"), [("index", 1, "MR"), ("number", 1, "CT"), ("letter", "b", "MR")])
def test_the_reference_is_what_the_declaration_says(tmp_path: Path, answer: str, label: object, right: str) -> None:
    rows = [{"question": "Which?", "options": ["CT", "MR"], "label": label}]
    (question,) = declare(tmp_path, rows, answer=answer).questions(check)
    assert question.reference == right
    (tmp_path / "q.jsonl").write_text(json.dumps({**rows[0], "label": "9"}))
    with pytest.raises(UserError, match=rf'the reference "9" is none of its choices .* as {answer}'):
        list(DeclaredBenchmark(tmp_path / "own.yaml").questions(check))


def test_equal_options_stay_and_either_counts(inputs: SimpleNamespace, tmp_path: Path) -> None:
    rows = [{"question": "Which?", "options": ["CT", "MR", "MR"], "label": "MR"}]
    (question,) = declare(tmp_path, rows).questions(check)
    scores = [inputs.verdict(x, question.choices, question.reference).score for x in "ABC"]
    assert scores == [0.0, 1.0, 1.0]


def test_open_questions_have_alternatives(inputs: SimpleNamespace, tmp_path: Path) -> None:
    rows = [
        {"question": "What?", "label": ["X-ray", "radiograph"]},
        {"question": "What?", "label": "X-ray", "also": ["radiograph", "CXR"]},
        {"question": "What?", "label": "X-ray", "also": None},
    ]
    columns = {"choices": None, "alternatives": "also"}
    read = list(declare(tmp_path, rows, columns=columns, choices_style="text", prompt="{question}").questions(check))
    assert [q.alternatives for q in read] == [("radiograph",), ("radiograph", "CXR"), ()]
    assert inputs.verdict("cxr", (), "X-ray", "exact", alternatives=read[1].alternatives).score == 1.0


def test_several_image_columns_in_a_zip_and_context(inputs: SimpleNamespace, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("images/a.png", inputs.draw(1))
        archive.writestr("images/b.png", inputs.draw(2))
    row = {"question": "Which?", "options": ["CT", "MR"], "label": "A", "i1": "a.png", "i2": "b.png", "c": ["x", "y"]}
    columns = {"images": ["i1", "i2"], "context": "c"}
    (question,) = declare(tmp_path, [row], columns=columns, prompt="{context}\n{question}\n{choices}").questions(check)
    assert (len(question.images), question.prompt) == (2, "x\ny\nWhich?\nA. CT\nB. MR")


def test_placeholders_in_front_and_images_in_a_url_are_taken(inputs: SimpleNamespace, tmp_path: Path) -> None:
    image = "data:image/png;base64," + base64.b64encode(inputs.held_out_rows()[0]["images"][0]["bytes"]).decode()
    rows: list[dict[str, object]] = [
        {"question": "<image>\n<image>Which?", "images": [image, image], "options": ["CT", "MR"], "label": "A"},
        {"question": "Which?", "images": image, "options": {"A": "CT", "C": "MR"}, "label": "C"},
    ]
    first, second = declare(tmp_path, rows).questions(check)
    assert (first.text, len(first.images), first.prompt) == ("Which?", 2, "Which?\nA. CT\nB. MR")
    assert (second.prompt, second.reference) == ("Which?\nA. CT\nC. MR", "MR")


def test_only_some_rows_are_asked(tmp_path: Path) -> None:
    rows = [{"question": s, "options": ["CT", "MR"], "label": "A", "field": {"of": s}} for s in ("Pharmacy", "Art")]
    benchmark = declare(tmp_path, rows, where={"field.of": ["Pharmacy"]}, groups=["field.of"])
    assert [q.groups for q in benchmark.questions(check)] == [{"field.of": "Pharmacy"}]


def test_a_set_as_letters_run_together(inputs: SimpleNamespace, tmp_path: Path) -> None:
    rows = [{"question": "Which?", "options": {"A": "CT", "B": "MR", "C": "US"}, "label": "CA"}]
    (question,) = declare(tmp_path, rows, multiple=True, answer="letter").questions(check)
    assert inputs.verdict("A and C", question.choices, question.reference, "option-letter-set").score == 1.0


@pytest.mark.parametrize("nothing", [None, "", "1,3"])
def test_a_set_without_a_letter_is_no_question_that_none_could_answer(tmp_path: Path, nothing: object) -> None:
    whole = {"question": "Which?", "options": {"A": "CT", "B": "MR", "C": "US"}}
    rows: list[dict[str, object]] = [{**whole, "label": "AB"}, {**whole, "label": nothing}]
    with pytest.raises(UserError, match=r"line 2: has 0 references.*skip_empty: \[label\]"):
        list(declare(tmp_path, rows, multiple=True, answer="letter").questions(check))


def test_a_scorer_is_named(tmp_path: Path) -> None:
    rows = [{"question": "Which?", "label": "CT"}]
    columns = {"choices": None}
    assert declare(tmp_path, rows, columns=columns, choices_style="text", scoring="exact").card.scoring == "exact"
