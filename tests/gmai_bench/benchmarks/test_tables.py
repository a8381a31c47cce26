import base64
import json
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_bench.benchmarks.tables import Layout, image_bytes, read_rows
from gmai_formats.errors import UserError

ROWS = [{"id": "1", "text": 'a, "b"\tc'}, {"id": "2", "text": "Größe"}]


def write(path: Path) -> Path:
    match path.suffix:
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(ROWS), path)
        case ".jsonl":
            path.write_text("\n\n".join(json.dumps(row) for row in ROWS) + "\n", encoding="utf-8")
        case ".json":
            path.write_text("\ufeff" + json.dumps(ROWS), encoding="utf-8")
        case suffix:
            mark = "," if suffix == ".csv" else "\t"
            cells = [["id", " text"], *([row["id"], '"' + row["text"].replace('"', '""') + '"'] for row in ROWS)]
            path.write_text("\r\n".join(mark.join(line) for line in cells), encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("name", ["q.parquet", "q.jsonl", "q.json", "q.csv", "q.tsv"])
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    read = list(read_rows([path, path], ["id", "text"], named_in="own.yaml", optional=["images"]))
    assert [row for _, row in read] == ROWS * 2
    assert name in read[0][0]
    with pytest.raises(UserError, match=rf'{name}: no column "txt"\. own\.yaml asks for it\. Did you mean "text"'):
        list(read_rows([path], ["id", "txt"], named_in="own.yaml"))


def test_a_mapping_of_records_and_a_list_in_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text(json.dumps({"7": {"text": "x"}, "8": {"text": "y"}}))
    assert [row for _, row in read_rows([path], ["id"], named_in="")] == [
        {"id": "7", "text": "x"},
        {"id": "8", "text": "y"},
    ]
    path.write_text(json.dumps({"version": 1, "data": [{"id": 1}]}))
    assert [row for _, row in read_rows([path], ["id"], named_in="")] == [{"id": 1}]
    path.write_text(json.dumps({"version": 1}))
    with pytest.raises(UserError, match=r"q\.json: found a dict\. Questions are a list of records"):
        list(read_rows([path], ["id"], named_in=""))


def test_a_column_that_some_records_lack_is_there(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": 1}\n{"id": 2, "more": 3}\n')
    assert len(list(read_rows([path], ["id", "more"], named_in=""))) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.jsonl", '{"id": 1}\n{"id"', r"q\.jsonl: not readable as JSON Lines"),
        ("q.jsonl", "7\n", r"q\.jsonl line 1: found a int"),
        ("q.json", "[", r"q\.json: not readable as JSON"),
        ("q.csv", "id,text\n1\n", r"q\.csv row 1: has another number of cells than the header \(2\)"),
        ("q.xls", "id", r"q\.xls: a file of questions is one of \.parquet, \.jsonl"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        list(read_rows([tmp_path / name], ["id"], named_in=""))


def test_images_as_bytes_paths_base64_and_lists_of_them(tmp_path: Path, inputs: SimpleNamespace) -> None:
    (tmp_path / "a.png").write_bytes(b"A")

    def read(value: object) -> list[bytes]:
        return image_bytes(value, place="row 1", folder=tmp_path)

    picture = inputs.draw(1, (400, 300))
    assert read(None) == read("") == read([]) == []
    assert read({"bytes": b"x", "path": None}) == [b"x"]
    assert read(["a.png", {"path": "a.png"}, b"y"]) == [b"A", b"A", b"y"]
    assert read("['a.png', 'a.png']") == [b"A", b"A"]
    encoded = base64.b64encode(picture * 3).decode()
    assert read(encoded) == read(f"data:image/png;base64,{encoded}") == [picture * 3]
    with pytest.raises(UserError, match=r"row 1: the image is not whole base64"):
        read(encoded[:-3])


def test_a_text_without_names_of_columns_and_records_deep_in_json(tmp_path: Path) -> None:
    """VQA-Med's lines, whose last cells are as many as there are answers, and PathMMU's parts."""
    text = tmp_path / "answers.txt"
    text.write_text('i1|one "half|two\ni2|three\n', encoding="utf-8")
    layout = Layout("|", ("id", "answers..."))
    rows = list(read_rows([text], ["id", "answers"], named_in="own.yaml", layout=layout))
    assert [row for _, row in rows] == [
        {"id": "i1", "answers": ['one "half', "two"]},
        {"id": "i2", "answers": ["three"]},
    ]
    parts = tmp_path / "data.json"
    parts.write_text('{"PubMed": {"test": [{"q": 1}], "val": []}, "Atlas": {"test": [{"q": 2}]}}', encoding="utf-8")
    found = list(read_rows([parts], ["q"], named_in="own.yaml", layout=Layout(records="{source}.{split}")))
    assert [row for _, row in found] == [
        {"source": s, "split": "test", "q": q} for s, q in (("PubMed", 1), ("Atlas", 2))
    ]
    assert found[1][0].endswith("data.json Atlas test record 1")
    with pytest.raises(UserError, match=r'data\.json: has no "Atlass" \(it has PubMed, Atlas\)'):
        list(read_rows([parts], ["q"], named_in="own.yaml", layout=Layout(records="Atlass.test")))


@pytest.mark.parametrize("name", ["q.json", "q.jsonl"])
def test_lines_and_lists_are_told_by_what_is_in_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    assert [row for _, row in read_rows([path], ["id", "text"], named_in="")] == ROWS
    path.write_text(json.dumps(ROWS, indent=1), encoding="utf-8")
    assert [row for _, row in read_rows([path], ["id", "text"], named_in="")] == ROWS
    path.write_text('{"id": "1"}\n{"id": ', encoding="utf-8")
    with pytest.raises(UserError, match="not readable as JSON Lines"):
        list(read_rows([path], ["id"], named_in=""))
