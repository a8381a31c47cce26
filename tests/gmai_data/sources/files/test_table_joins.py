"""Tables joined by a key, beside pandas."""

import pytest
from gmai_data.sources.files.table_joins import TableJoin, with_joins
from gmai_data.sources.files.tables import read_table
from gmai_formats.errors import UserError

FIRST = "image,study\n1,s1\n2,s2\n3,s1\n4,\n5,s9\n"
SECOND = "study,dx,site\ns1,a,x\ns1,b,y\ns2,c,\ns7,d,z\n"


@pytest.fixture
def joined(tmp_path):
    """Return a function of joins (and columns that are read): names and rows of the first table after them."""
    (tmp_path / "t.csv").write_text(FIRST)
    (tmp_path / "m.csv").write_text(SECOND)

    def make(*joins, wanted=("image", "dx")):
        names, rows = read_table(tmp_path / "t.csv")
        names, rows = with_joins(names, rows, [TableJoin(**join) for join in joins], wanted, tmp_path, "toy")
        return names, list(rows)

    return make


@pytest.mark.parametrize("without", ["refuse", "empty"])
def test_a_join_is_that_of_pandas(joined, tmp_path, without):
    pandas = pytest.importorskip("pandas")
    names, rows = joined({"table": "m.csv", "key": "study", "without": without})
    assert names == ["image", "study", "dx", "site"]
    wanted = pandas.read_csv(tmp_path / "t.csv", dtype=str).merge(
        pandas.read_csv(tmp_path / "m.csv", dtype=str), how="left"
    )
    assert [[row[name] for name in names] for _, row, _ in rows] == wanted.fillna("").to_numpy().tolist()
    assert [number for number, _, _ in rows] == [1, 1, 2, 3, 3, 4, 5]
    problems = [problem for _, _, problem in rows if problem]
    expected = ['data row 4: study "" is not in m.csv', 'data row 5: study "s9" is not in m.csv']
    assert problems == (expected if without == "refuse" else [])


def test_another_name_of_the_key_and_a_second_join(joined, tmp_path):
    (tmp_path / "p.csv").write_text("dx_name,words\na,alpha\nb,beta\nc,gamma\n")
    names, rows = joined({"table": "m.csv", "key": "study"}, {"table": "p.csv", "key": "dx_name", "on": "dx"})
    assert names[-2:] == ["dx_name", "words"]
    assert [row["words"] for _, row, problem in rows if not problem] == ["alpha", "beta", "gamma", "alpha", "beta"]


@pytest.mark.parametrize(
    ("join", "wanted", "words"),
    [
        ({"table": "no.csv", "key": "study"}, (), r"no\.csv: no such file\. Recipe toy joins it\. Check --root\."),
        (
            {"table": "m.csv", "key": "studi"},
            (),
            r'no column "studi" in .*m\.csv, by which recipe toy joins\. Did you mean',
        ),
        ({"table": "m.csv", "key": "dx"}, (), r'no column "dx" in the tables before it'),
    ],
)
def test_joins_that_cannot_be_made(joined, join, wanted, words):
    with pytest.raises(UserError, match=words):
        joined(join, wanted=wanted)


def test_a_row_without_a_key_in_the_further_table(joined, tmp_path):
    (tmp_path / "m.csv").write_text("study,dx\n,a\ns1,b,c\ns2,d\ns9,e\n")
    _, rows = joined({"table": "m.csv", "key": "study"})
    assert [problem for _, _, problem in rows if problem] == [
        "m.csv: data row 2 has 3 cells, the header 2; correct it",
        "m.csv: data row 2 has 3 cells, the header 2; correct it",
        "m.csv: data row 1 has no study",
    ]


def test_of_a_column_of_both_tables_the_first_counts_and_differences_are_told(joined, tmp_path):
    (tmp_path / "m.csv").write_text("image_id,study,dx\n1,s1,a\n2,s7,b\n3,,c\n")
    join = {"table": "m.csv", "key": "image_id", "on": "image", "without": "empty"}
    _, rows = joined(join, wanted=("image", "study", "dx"))
    assert [(row["study"], row["dx"], problem) for _, row, problem in rows[:3]] == [
        ("s1", "a", ""),
        ("s2", "b", 'data row 2: study is "s2", and "s7" in m.csv'),
        ("s1", "c", ""),
    ]
    assert not [problem for *_, problem in joined(join)[1] if problem], "study is not read"


@pytest.mark.parametrize(("one", "other"), [("7.0", "7"), ("7", "7.0"), ("7.0", "7.0")])
def test_ids_that_pandas_wrote_as_floats_meet_the_others(tmp_path, one, other):
    (tmp_path / "t.csv").write_text(f"image,study\n1,{one}\n2,007\n")
    (tmp_path / "m.csv").write_text(f"study,dx\n{other},a\n")
    names, rows = read_table(tmp_path / "t.csv")
    _, rows = with_joins(names, rows, [TableJoin(table="m.csv", key="study")], ("image", "dx"), tmp_path, "toy")
    first, second = rows
    assert (first[1]["dx"], first[2]) == ("a", "")
    assert second[2] == 'data row 2: study "007" is not in m.csv'
