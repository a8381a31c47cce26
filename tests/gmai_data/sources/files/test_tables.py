"""Tables as people save them: encodings, delimiters, workbooks, and what is wrong with some."""

import datetime
import gzip

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_data.sources.files.tables import decoded, delimiter_of, read_table, sheet_names, without_point
from gmai_formats.errors import UserError
from openpyxl.worksheet.cell_range import CellRange


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [
        ("image,label", ","),
        ("image;label", ";"),
        ("image\tlabel", "\t"),
        ("image|label", "|"),
        (" image ; label", ";"),
        ('"image";"a,b"', ";"),
        ("image", ","),
        ("a;image;b,c", ";"),
        ("picture;label", ","),
        ("", ","),
    ],
)
def test_the_delimiter_is_the_one_that_gives_the_column(header, delimiter):
    assert delimiter_of([header], lambda names: "image" in names) == delimiter
    assert delimiter_of(["a title, of 2020", header], lambda names: "image" in names) in (delimiter, ",")


def rows_of(path, **settings):
    names, rows = read_table(path, lambda names: "image" in names, **settings)
    return names, [row for _, row, problem in rows if not problem]


@pytest.fixture
def book(tmp_path):
    """Return a function of sheets, each a list of rows, that saves a workbook."""

    def save(**sheets):
        openpyxl = pytest.importorskip("openpyxl")
        document = openpyxl.Workbook()
        document.remove(document.active)
        for name, rows in sheets.items():
            sheet = document.create_sheet(name)
            for row in rows:
                sheet.append(row)
        document.save(tmp_path / "t.xlsx")
        return tmp_path / "t.xlsx"

    return save


@pytest.mark.parametrize(
    ("saved", "encoding"),
    [
        ("utf-8", "utf-8-sig"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-8-sig"), ("utf-32", "utf-8-sig"),
        ("cp1252", "cp1252"), ("utf-16-le", "utf-16-le"),
    ],
)  # fmt: skip
def test_encodings(tmp_path, saved, encoding):
    (tmp_path / "t.csv").write_bytes("image,dx\nä.png, \nb.png,größer\n".encode(saved))
    names, rows = rows_of(tmp_path / "t.csv", encoding=encoding)
    assert names == ["image", "dx"]
    assert rows == [{"image": "ä.png", "dx": ""}, {"image": "b.png", "dx": "größer"}]


def test_chinese_tables(tmp_path):
    (tmp_path / "t.csv").write_bytes("image,诊断\n1,肺炎\n".encode("gb18030"))
    assert rows_of(tmp_path / "t.csv", encoding="gb18030")[1] == [{"image": "1", "诊断": "肺炎"}]
    with pytest.raises(UserError, match=r"not UTF-8 text .* name its `encoding` in the layout"):
        rows_of(tmp_path / "t.csv")


def test_the_place_of_a_wrong_byte_counts_from_the_start_of_the_file(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"image,dx\n" + b"1.png,a\n" * 5000 + b"\xe4.png,a\n")
    with pytest.raises(UserError, match="at byte 40009"):
        rows_of(tmp_path / "t.csv")


def test_rows_that_do_not_fit_the_header(tmp_path):
    (tmp_path / "t.csv").write_text("image,dx\n1,a\n\n2,a, b\n3\n4,a,,\n")
    _, rows = read_table(tmp_path / "t.csv")
    assert list(rows) == [
        (1, {"image": "1", "dx": "a"}, ""),
        (2, {"image": "2", "dx": "a"}, "data row 2 has 3 cells, the header 2; correct it"),
        (3, {"image": "3", "dx": ""}, ""),
        (4, {"image": "4", "dx": "a"}, ""),
    ]


def test_cells_with_line_ends_and_odd_separators_stay_whole(tmp_path):
    (tmp_path / "t.csv").write_bytes('image,note\r\n1,"two\r\nlines"\r\n2,a\x0cb\u2028c\r\n'.encode())
    assert [row["note"] for row in rows_of(tmp_path / "t.csv")[1]] == ["two\r\nlines", "a\x0cb\u2028c"]


def test_a_column_that_stands_twice(tmp_path):
    (tmp_path / "t.csv").write_text("image,dx,dx\n1,a,b\n")
    with pytest.raises(UserError, match=r't\.csv:1: two columns are called "dx"\. Rename one of them\.'):
        rows_of(tmp_path / "t.csv")


def test_a_header_of_many_columns_is_looked_through_once(tmp_path):
    (tmp_path / "t.csv").write_text(",".join(f"c{number}" for number in range(100_000)) + "\n")
    assert len(read_table(tmp_path / "t.csv")[0]) == 100_000


def test_cells_of_a_workbook_are_what_its_csv_would_hold(book):
    day = datetime.datetime(2020, 5, 1)
    path = book(
        s=[
            ["image", "n", "f", "b", "d", "none"],
            ["001", 7, 2.0, True, day, None],
            [None] * 6,
            ["2", 1.5, 0, False, day, " x "],
        ]
    )
    names, rows = rows_of(path)
    assert names == ["image", "n", "f", "b", "d", "none"]
    assert rows == [
        {"image": "001", "n": "7", "f": "2", "b": "true", "d": "2020-05-01 00:00:00", "none": ""},
        {"image": "2", "n": "1.5", "f": "0", "b": "false", "d": "2020-05-01 00:00:00", "none": "x"},
    ]


def test_numbers_that_a_workbook_shows_with_zeros(book):
    openpyxl = pytest.importorskip("openpyxl")
    path = book(s=[["image"], [7], [8]])
    document = openpyxl.load_workbook(path)
    document.active["A2"].number_format = "00000"
    document.save(path)
    assert [row["image"] for row in rows_of(path)[1]] == ["00007", "8"]


def test_which_sheet_is_read(book):
    path = book(about=[["words"]], data=[["image", "dx"], [1, "a"]], more=[["image"], [2]])
    with pytest.raises(UserError, match=r"it has the sheets about, data, more\. Name one as `sheet` in the layout"):
        rows_of(path)
    assert rows_of(path, sheet="data")[1] == [{"image": "1", "dx": "a"}]
    with pytest.raises(UserError, match='no sheet "Data"; it has about, data, more'):
        rows_of(path, sheet="Data")
    assert rows_of(book(about=[["words"]], data=[["image"], [3]]))[1] == [{"image": "3"}]


def test_a_formula_without_a_value_is_refused(book):
    with pytest.raises(UserError, match=r"sheet s: the formula in B2 has no value\. Open and save the file"):
        rows_of(book(s=[["image", "dx"], [1, "=1+1"]]))


def test_workbooks_that_are_none(tmp_path):
    (tmp_path / "t.xls").write_bytes(b"x")
    with pytest.raises(UserError, match=r"t\.xls: \.xls files are not read\. Save the table as \.xlsx or \.csv\."):
        read_table(tmp_path / "t.xls")
    (tmp_path / "t.xlsx").write_bytes(b"not a zip")
    with pytest.raises(UserError, match="not readable as a workbook: File is not a zip file"):
        read_table(tmp_path / "t.xlsx")


def test_a_workbook_that_would_fill_the_disk_is_not_unpacked(book, monkeypatch):
    made = book(s=[["image"], *([["a" * 1000]] * 100)])
    assert len(rows_of(made)[1]) == 100
    monkeypatch.setattr("gmai_data.sources.files.tables.MOST_ROWS", 100)
    with pytest.raises(UserError, match=r"sheet s: it has more than 100 rows, as no workbook has"):
        rows_of(made)
    monkeypatch.setattr("gmai_data.sources.files.tables.MOST_UNPACKED", 1000)
    with pytest.raises(UserError, match=r"it claims to unpack to 0 MB\. No table packs so well"):
        rows_of(made)


def test_a_workbook_that_packs_as_no_table_does_is_not_unpacked(book, monkeypatch):
    monkeypatch.setattr("gmai_data.sources.files.tables.MOST_UNPACKED_TEXT", 1000)
    monkeypatch.setattr("gmai_data.sources.files.tables._MOST_RATIO", 3)
    made = book(s=[["image"], *([["a"]] * 20_000)])
    with pytest.raises(UserError, match=r"it claims to unpack to \d+ MB\. No table packs so well"):
        rows_of(made)
    assert sheet_names(made) == []
    monkeypatch.undo()
    assert sheet_names(made) == ["s"]


@pytest.mark.parametrize("rows", [1, 99])
def test_cells_that_only_fill_up_a_workbook_are_not_made(tmp_path, monkeypatch, rows):
    """A cell far right in each row is some bytes in the file, and thousands of empty cells before it."""
    monkeypatch.setattr("gmai_data.sources.files.tables.MOST_ROWS", 50_000)
    made = openpyxl.Workbook()
    for row in range(1, rows + 1):
        made.active.cell(row, 16_384, "x")
    made.save(tmp_path / "t.xlsx")
    if rows == 1:
        assert len(rows_of(tmp_path / "t.xlsx")[0]) == 16_384
        return
    with pytest.raises(
        UserError, match=r"sheet Sheet: it has more cells than bytes, as no table has\. Remove the cells"
    ):
        rows_of(tmp_path / "t.xlsx")


def test_merged_cells_without_end_are_not_filled(tmp_path):
    made = openpyxl.Workbook()
    made.active.append(["image"])
    made.active.merged_cells.ranges = [CellRange(f"{column}2:{column}1048576") for column in "AB"]
    made.save(tmp_path / "t.xlsx")
    with pytest.raises(UserError, match="more than 1048576 rows of merged cells, as no table has"):
        rows_of(tmp_path / "t.xlsx")


@pytest.mark.parametrize("part", [b"\n", b"a.png,1\n", b"x", b"\0"])
def test_a_packed_table_without_end_is_not_read_to_it(part, tmp_path, monkeypatch):
    monkeypatch.setattr("gmai_data.sources.files.tables.MOST_UNPACKED_TEXT", 10**6)
    monkeypatch.setattr("gmai_data.sources.files.tables._MOST_RATIO", 100)
    with gzip.open(tmp_path / "t.csv.gz", "wb") as file:
        file.write(b"image,dx\n")
        file.write(part * (2**22 // len(part)))
    with pytest.raises(UserError, match=r"t\.csv\.gz: it unpacks to more than 1 MB\. No table packs so well"):
        for _ in read_table(tmp_path / "t.csv.gz")[1]:
            pass


def test_a_packed_table_is_read_as_it_is_published(tmp_path):
    packed = gzip.compress("image,dx\nä.png,größer\n".encode())
    (tmp_path / "t.csv.gz").write_bytes(packed)
    assert rows_of(tmp_path / "t.csv.gz") == (["image", "dx"], [{"image": "ä.png", "dx": "größer"}])
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress("image,dx\nä.png,1\n".encode("cp1252")))
    with pytest.raises(UserError, match=r"not UTF-8 text \(.* at byte 9\)"):
        rows_of(tmp_path / "t.csv.gz")
    for damaged in (packed[:-12], b"no gzip"):
        (tmp_path / "t.csv.gz").write_bytes(damaged)
        with pytest.raises(UserError, match=r"t\.csv\.gz: damaged \(.*\)\. Download it again\."):
            rows_of(tmp_path / "t.csv.gz")


@pytest.mark.parametrize(
    "above",
    ["sep=;\n", "Export of 2 May, 10:00\n\n", "Hospital;;\nStudy;A;\n;;\n", "\n\n"],
)
def test_lines_above_the_header_are_no_data(above, tmp_path):
    (tmp_path / "t.csv").write_text(above + "image;label\na.png;x\nb.png;y\n")
    expected = (["image", "label"], [{"image": "a.png", "label": "x"}, {"image": "b.png", "label": "y"}])
    assert rows_of(tmp_path / "t.csv") == expected
    # Where no line is the header, the first one is named as that.
    assert read_table(tmp_path / "t.csv", lambda names: "file" in names)[0] != ["image", "label"]


def test_titles_above_the_header_of_a_workbook(book):
    names, rows = rows_of(book(a=[["Findings", None], [None, None], ["image", "label"], ["a.png", "x"]]))
    assert (names, rows) == (["image", "label"], [{"image": "a.png", "label": "x"}])


def test_cells_that_are_merged_over_rows_hold_for_each(book):
    openpyxl = pytest.importorskip("openpyxl")
    path = book(a=[["image", "label", "side"], ["a.png", "x", "left"], [None, "y", None], [7, "x", None], [None, "z"]])
    document = openpyxl.load_workbook(path)
    for cells in ("A2:A3", "C2:C3", "A4:A5", "B1:C1"):
        document.active.merge_cells(cells)
    document.active["B1"] = "label"
    document.save(path)
    names, rows = rows_of(path)
    assert names == ["image", "label", ""]  # side by side, a cell stands for itself
    assert [row["image"] for row in rows] == ["a.png", "a.png", "7", "7"]
    assert [row["label"] for row in rows] == ["x", "y", "x", "z"]
    assert [row[""] for row in rows] == ["left", "left", "", ""]


@pytest.mark.parametrize(("cell", "expected"), [("7.0", "7"), ("007.00", "007"), ("7.5", "7.5"), ("1.0.2", "1.0.2")])
def test_whole_numbers_of_pandas(cell, expected):
    assert without_point(cell) == expected


@pytest.mark.parametrize("text", ["a.png,x\nb.png,y\n", "a.png;x\nb.png;y\n", "a.png\tx\nb.png\ty\n"])
def test_a_table_without_a_header(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    assert rows_of(tmp_path / "t.csv", columns=["image", "label"]) == (
        ["image", "label"],
        [{"image": "a.png", "label": "x"}, {"image": "b.png", "label": "y"}],
    )


def test_parquet_is_read_as_its_csv_would_be(tmp_path):
    table = pa.table(
        {
            "file": ["a.png", " b.png", None],
            "label": pa.array(["x", "y", "x"]).dictionary_encode(),
            "age": pa.array([61.0, None, 0.5]),
            "seen": pa.array([True, False, None]),
            "signs": pa.array([["p", "q"], [], None]),
            "image": pa.array([b"1", b"2", b"3"]),
            "crop": pa.array([{"bytes": b"1", "path": None}] * 3),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    names, rows = read_table(tmp_path / "t.parquet")
    assert names == ["file", "label", "age", "seen", "signs"]
    assert [list(row.values()) for _, row, problem in rows if not problem] == [
        ["a.png", "x", "61", "true", "p|q"], ["b.png", "y", "", "false", ""], ["", "x", "0.5", "", ""],
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a table"])
def test_parquet_that_is_none(tmp_path, content):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"t\.parquet: not readable as Parquet: .*\. Download it again, or save it as"):
        list(read_table(tmp_path / "t.parquet")[1])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_list_is_decoded_as_its_byte_order_mark_says(encoding):
    assert decoded("图像1 肺炎\n".encode(encoding)) == "图像1 肺炎\n"
