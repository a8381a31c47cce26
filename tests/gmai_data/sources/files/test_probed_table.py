"""A first look at tables as spreadsheets, scripts and challenges write them."""

import pytest
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.files.probed_table import is_table, probe_table

FILES = ("a.png", "b.png", "读片1.png")


@pytest.mark.parametrize(
    ("text", "names", "first"),
    [
        ("image,label\na.png,x\n", ["image", "label"], ["a.png", "x"]),
        ("# exported in 2024\n# by hand\nimage;label\na.png;x\n", ["image", "label"], ["a.png", "x"]),
        ("Report of the ward\n\nimage\tlabel\na.png\tx\n", ["image", "label"], ["a.png", "x"]),
        (",image,label\n0,a.png,x\n", ["", "image", "label"], ["0", "a.png", "x"]),
    ],
)
def test_the_header_is_the_first_line_of_several_cells_that_is_no_comment(tmp_path, text, names, first):
    (tmp_path / "t.csv").write_text(text)
    found = probe_table(tmp_path / "t.csv", FILES)
    assert (found.names, list(found.rows[0].values()), found.settings) == (names, first, {})


@pytest.mark.parametrize(
    ("name", "text", "settings"),
    [
        ("t.csv", "a.png,x\nb.png,y\n", {"columns": ["column_1", "column_2"]}),
        ("t.tsv", "p1\tdata/a.png\tx\np2\tdata/b.png\ty\n", {"columns": ["column_1", "column_2", "column_3"]}),
        ("t.csv", "C:\\\\x\\a.png;x\nC:\\\\x\\b.png;y\n", {"columns": ["column_1", "column_2"]}),
        ("train.txt", "p1 a.png x\np2 b.png y\n", {"columns": ["column_1", "column_2", "column_3"], "delimiter": " "}),
    ],
)
def test_a_first_line_that_names_a_file_is_a_row(tmp_path, name, text, settings):
    (tmp_path / name).write_text(text)
    found = probe_table(tmp_path / name, FILES)
    assert (found.settings, len(found.rows)) == (settings, 2)
    assert "no header" in found.notes[0]


@pytest.mark.parametrize(
    ("encoding", "text", "likeliest"),
    [
        ("gb18030", "图像,标签\na.png,肿瘤\nb.png,正常\n", "gb18030"),
        ("gbk", "image,label\na.png,肺炎\nb.png,正常\n", "gb18030"),
        ("cp1252", "image,label\na.png,Läsion\nb.png,Geschwür\n", "cp1252"),
        ("latin-1", "image;label\na.png;lésion bénigne\n", "cp1252"),
    ],
)
def test_what_is_not_utf8_is_left_to_a_person_with_words_to_look_at(tmp_path, encoding, text, likeliest):
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    found = probe_table(tmp_path / "t.csv", FILES)
    assert (next(iter(found.encodings)), found.settings) == (likeliest, {"encoding": "TODO"})
    assert "encoding: the table is not UTF-8" in found.notes[0]
    assert found.encodings[likeliest].split(", ")[0] in text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_says_its_encoding_needs_no_setting(tmp_path, encoding):
    (tmp_path / "t.csv").write_bytes("image,label\na.png,Läsion\n".encode(encoding))
    found = probe_table(tmp_path / "t.csv", FILES)
    assert (found.names, found.settings, found.notes) == (["image", "label"], {}, [])


@pytest.mark.parametrize(
    ("text", "words"),
    [("image,label,label\na.png,x,y\n", 'two columns are called "label"'), ('image,label\na.png,"x\n', "not readable")],
)
def test_why_a_table_cannot_be_read(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    found = probe_table(tmp_path / "t.csv", FILES)
    assert (found.rows, found.names, words in found.problem) == ([], [], True)


def test_texts_are_tables_only_where_they_name_files_in_columns(tmp_path):
    for name, text in {
        "labels/a.txt": "0 0.5 0.5 0.1 0.1\n", "README.txt": "Dear reader,\nsee a.png, please.\n",
        "list.txt": "a.png\nb.png\n", "t.txt": "a.png x\nb.png y\n", "a.png": "", "b.png": "", "bare": "f,l\na,1\n",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert [path.name for path, _ in Folder(tmp_path).tables] == ["bare", "t.txt"]
    assert is_table(tmp_path / "bare")
    assert not is_table(tmp_path / "list.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le-bom"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("separator", [" ", "\t"])
def test_a_text_that_names_files_is_a_table_in_every_encoding(tmp_path, encoding, header, separator):
    if header and separator == " ":
        return  # a line of words may be prose
    rows = [["image", "label"]] * header + [[f"{number}.png", "benign"] for number in range(3)]
    text = "".join(f"{separator.join(row)}\r\n" for row in rows)
    mark = b"\xff\xfe" if encoding == "utf-16-le-bom" else b""
    (tmp_path / "list.txt").write_bytes(mark + text.encode(encoding.removesuffix("-bom")))
    found = probe_table(tmp_path / "list.txt", {f"{number}.png" for number in range(3)})
    assert [list(row.values()) for row in found.rows] == [[f"{number}.png", "benign"] for number in range(3)]
    assert found.has_header is header


@pytest.mark.parametrize("above", [0, 2])
def test_of_several_sheets_the_one_that_names_files_is_drafted(tmp_path, above):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["Export of a ward"])
    sheet = book.create_sheet("Data")
    for row in [["Title"]] * above + [["image", "label"], ["1.png", "benign"]]:
        sheet.append(row)
    book.create_sheet("Codes").append(["1", "benign"])
    book.save(tmp_path / "t.xlsx")
    found = probe_table(tmp_path / "t.xlsx", {"1.png"})
    assert (found.settings, found.rows) == ({"sheet": "Data"}, [{"image": "1.png", "label": "benign"}])
    sheet = book.create_sheet("More")
    sheet.append(["image", "label"])
    sheet.append(["1.png", "malign"])
    book.save(tmp_path / "t.xlsx")
    assert "Name one as `sheet`" in probe_table(tmp_path / "t.xlsx", {"1.png"}).problem
