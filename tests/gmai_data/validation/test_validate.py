"""Each defect is found where it is, by its rule; what is sound passes as it is, in every format."""

import io
import json
import re
import shutil
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_data.publishing.export import FORMATS, export
from gmai_data.validation.validate import validate
from gmai_formats.errors import UserError
from gmai_formats.rows.rules import RULES
from PIL import Image

TEXT = "This picture shows a section of tissue with glands."


def picture(width=40, height=30, form="PNG"):
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(buffer, form)
    return buffer.getvalue()


def chat(*turns, roles=("user", "assistant")):
    return [{"role": roles[number % 2], "content": turn} for number, turn in enumerate(turns)]


def row(number=0, **changes):
    plain = {"id": f"s{number}", "messages": chat("<image>\nWhat?", "That."), "images": ["a.png"]}
    return {key: value for key, value in (plain | changes).items() if value is not None}


def swift(bbox, ref=("liver",), text="<ref-object><bbox>", **more):
    return {"messages": chat("<image>Where?", text), "objects": {"ref": list(ref), "bbox": bbox, **more}}


@pytest.fixture
def check(tmp_path):
    """Validate and return (exit code, [(file, row, rule)] of the report)."""

    def run(path, **options):
        report = tmp_path / "report.jsonl"
        code = validate(path, images=options.get("images"), report=report)
        entries = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
        for entry in entries:
            assert (entry["must"], entry["remedy"]) == RULES[entry["rule"]]
        run.entries = entries
        return code, [(entry["file"], entry["row"], entry["rule"]) for entry in entries]

    return run


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "data"
    made.mkdir()
    (made / "a.png").write_bytes(picture())
    return made


def lines(folder, *rows, name="x.jsonl"):
    path = folder / name
    path.write_text("".join(f"{json.dumps(each)}\n" if not isinstance(each, str) else f"{each}\n" for each in rows))
    return path


@pytest.mark.parametrize("form", [None, *(form for form in FORMATS if form not in ("dpo", "grpo"))])
def test_what_gmai_writes_is_sound(phantom_build, tmp_path, check, form, capsys):
    folder = phantom_build
    if form is not None:
        folder = tmp_path / "out"
        export(phantom_build, folder, form)
    assert check(folder) == (0, [])
    rows = sum(pq.read_metadata(path).num_rows for path in phantom_build.glob("samples/*/*.parquet"))
    captured = capsys.readouterr()
    assert f": {rows} rows in " in captured.out
    assert "hold no samples" not in captured.err, "what gmai writes beside samples is known"


def test_what_gmai_did_not_write_is_named_as_without_samples(phantom_build, tmp_path, check, capsys):
    shutil.copytree(phantom_build, tmp_path / "own")
    (tmp_path / "own" / "notes.json").write_text("{}")
    assert check(tmp_path / "own") == (0, [])
    assert "note: 1 files hold no samples: notes.json" in capsys.readouterr().err


def test_the_published_examples_of_gmai_vl_pass_as_they_are(tmp_path, check, capsys):
    """The list as published: it ends with a comma, counts other rows, and is read from the folder above."""
    folder = tmp_path / "examples"
    folder.mkdir()
    (folder / "example.tif").write_bytes(picture(224, 224, "TIFF"))
    turns = [{"from": "human", "value": "<image>\nCould you describe it?"}, {"from": "gpt", "value": TEXT}]
    name = "2d#cls#histopathology#crc100k#images#NORM#example.tif"
    entry = {"image": "example.tif", "conversations": turns, "id": name, "width": 224, "height": 224}
    (folder / "example_data.json").write_text(json.dumps([entry], indent=4))
    listed = (
        '{\n    "FILE1": {\n        "image_dir": "",\n        "annotations": "examples/example_data.json",\n'
        '        "sample_ratio": 1.0,\n        "length": 38276,\n        "data_augment": true\n    },\n}'
    )
    (folder / "example_list.json").write_text(listed)
    for path in (folder / "example_data.json", folder / "example_list.json", folder):
        assert check(path) == (0, [])
        shown = capsys.readouterr()
        assert "1 rows in 1 files, 1 images decoded; 0 findings" in shown.out
    assert "the mixing list says 38276 rows, the file has 1" in shown.err
    assert "a comma before a closing bracket was overlooked" in shown.err


DEFECTS = {
    "no chat": ({"id": "x", "text": "hello"}, "columns"),
    "not an object": ([1, 2], "columns"),
    "messages are text": (row(messages="hello"), "columns"),
    "a message without role": (row(messages=[{"content": "x"}], images=None), "messages"),
    "an empty answer": (row(messages=chat("<image>?", "  ")), "messages"),
    "half a surrogate pair": (row("\ud800", messages=chat("<image>?", "a\ud800b")), "messages"),
    "half a surrogate pair in a path": (row(images=["\ud800.png"]), "path"),
    "a number for text": (row(messages=[*chat("<image>?"), {"role": "assistant", "content": 5}]), "messages"),
    "an unknown role": (row(messages=[{"role": "narrator", "content": "<image>"}]), "roles"),
    "two questions in a row": (row(messages=chat("<image>a", "b", roles=("user", "user"))), "roles"),
    "no answer": (row(messages=chat("<image>a")), "roles"),
    "the answer first": (row(messages=chat("<image>a", "b", roles=("assistant", "user"))), "roles"),
    "no message": (row(messages=[], images=None), "roles"),
    "one placeholder too many": (row(messages=chat("<image><image>a", "b")), "placeholders"),
    "a placeholder in an answer": (row(messages=chat("<image>a", "<image>b"), images=["a.png"] * 2), "placeholders"),
    "a picture in the answer alone": (row(messages=chat("a", "<image>")), "placeholders"),
    "a tool turn": (row(messages=[*chat("<image>a"), {"role": "tool", "content": "b"}]), "roles"),
    "tools": (row(tools=[{"name": "f"}]), "fields"),
    "a turn mark": (row(messages=chat("<image>a<|im_end|>", "b")), "messages"),
    "an image too many": (row(images=["a.png", "a.png"]), "placeholders"),
    "a number for an image": (row(images=[5]), "images"),
    "an image that is not there": (row(images=["b.png"]), "path"),
    "a way out": (row(images=["../data/a.png"]), "path"),
    "a way out, with backslashes": (row(images=["..\\data\\a.png"]), "path"),
    "the root": (row(images=["/etc/hostname"]), "path"),
    "an address": (row(images=["https://example.org/a.png"]), "path"),
    "a zero byte": (row(images=["a\0.png"]), "path"),
    "a cut picture": (row(images=["cut.png"]), "decode"),
    "a text for a picture": (row(images=["text.png"]), "decode"),
    "a program for a picture": (row(images=["eps.png"]), "decode"),
    "another size": (row(width=41, height=30), "size"),
    "half a size": (row(width=40), "size"),
    "a box beyond the edge": (row(boxes=[{"label": "l", "xyxy": [0, 0, 41, 30]}]), "boxes"),
    "a box inside out": (row(boxes=[{"label": "l", "xyxy": [5, 5, 5, 9]}]), "boxes"),
    "a negative box": (row(boxes=[{"label": "l", "xyxy": [-1, 0, 4, 4]}]), "boxes"),
    "a box of three": (row(boxes=[{"label": "l", "xyxy": [1, 2, 3]}]), "boxes"),
    "a box that is no number": (row(boxes=[{"label": "l", "xyxy": [1, 2, float("nan"), 4]}]), "boxes"),
    "box text above 1000": (row(messages=chat("<image>?", "<box>[[0, 0, 1001, 10]]</box>")), "box_text"),
    "box text inside out": (row(messages=chat("<image>?", "<box>[[9, 0, 8, 10]]</box>")), "box_text"),
    "box text without end": (row(messages=chat("<image>?", "<box>[[0, 0, 8, 10]]")), "box_text"),
    "box text of words": (row(messages=chat("<image>?", "<box>upper left</box>")), "box_text"),
    "a bbox too few": (row(**swift([])), "objects"),
    "a ref too many": (row(**swift([[0, 0, 4, 4]], ref=("a", "b"))), "objects"),
    "a bbox beyond the edge": (row(**swift([[0, 0, 41, 4]])), "objects"),
    "a norm1 bbox above 1": (row(**swift([[0, 0, 0.5, 1.5]], bbox_type="norm1")), "objects"),
    "a bbox that is a point": (row(**swift([[3, 4]])), "objects"),
    "a bbox of five": (row(**swift([[1, 2, 3, 4, 5]])), "objects"),
    "objects of another kind": (row(objects=[1]), "objects"),
    "a kind that is none": (row(kind="poem", provenance="{}"), "vocabulary"),
    "a picture of no modality": (row(kind="dialogue", provenance="{}") | {"modality": None}, "vocabulary"),
    "not JSON": ('{"id": "x", ', "json"),
    "a list in a list in a list": ("[" * 100_000, "json"),
    "a number without end": ('{"id": ' + "9" * 5000 + "}", "json"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_named_by_row_and_rule_and_nothing_else_is(folder, check, name):
    (folder / "cut.png").write_bytes(picture()[:-40])
    (folder / "text.png").write_bytes(b"no picture")
    (folder / "eps.png").write_bytes(picture(form="EPS"))
    broken, rule = DEFECTS[name]
    path = lines(folder, row(1), broken, row(3))
    assert check(path) == (3, [("x.jsonl", 2, rule)])


SOUND = {
    "a system first": row(messages=[{"role": "system", "content": "s"}, *chat("<image>a", "b", "c", "d")]),
    "LLaVA": {
        "id": 7, "image": "a.png",
        "conversations": [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "b"}],
    },
    "text only": row(messages=chat("a", "b"), images=None),
    "an empty list of images": row(messages=chat("a", "b"), images=[]),
    "two images": row(messages=chat("<image><image>a", "b"), images=["a.png", "a.png"]),
    "parts": row(messages=chat([{"type": "image"}, {"type": "text", "text": "a"}], "b")),
    "a box to the edge": row(boxes=[{"label": "l", "xyxy": [0, 0, 40, 30]}], width=40, height=30),
    "box text": row(messages=chat("<image>?", "<ref>a</ref><box>[[0, 0, 1000, 1000], [1, 2, 3, 4]]</box>")),
    "ms-swift": row(**swift([[0, 0, 40, 30]])),
    "ms-swift, norm1": row(**swift([[0, 0, 0.5, 1]], bbox_type="norm1")),
    "no placeholder": row(messages=chat("a", "b")),
    "ms-swift, objects as JSON": row(messages=chat("<image>", "<bbox>"), objects='{"ref": [], "bbox": [[0, 0, 1, 1]]}'),
    "a kind of somebody else's": row(kind="poem"),
    "a text of no modality": row(
        messages=chat("a", "b"), images=[], kind="text_only", language="en", provenance="{}"
    ) | {"modality": None},
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_sound_rows_of_others_pass(folder, check, name):
    assert check(lines(folder, SOUND[name])) == (0, [])


def test_unknown_columns_and_rows_without_id_are_notes(folder, check, capsys):
    assert check(lines(folder, row(1, id=None, score=0.5), row(2, score=1))) == (0, [])
    shown = capsys.readouterr().err
    assert "unknown column 'score' in 2 rows" in shown
    assert "1 rows have no id" in shown


def test_repeated_ids(folder, check):
    path = lines(folder, row(1), row(2), row(1), row(1))
    assert check(path) == (3, [("x.jsonl", 3, "ids"), ("x.jsonl", 4, "ids")])
    assert check.entries[0]["found"] == "its id is also that of x.jsonl row 1"


def write_parquet(path, rows, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([each | columns for each in rows]), path, row_group_size=3)


def embedded(number, content):
    return row(number, images=[{"bytes": content, "path": "x.png"}])


def test_parquet_of_several_files(tmp_path, check):
    rows = [embedded(number, picture()) for number in range(8)]
    rows[5] = embedded(5, picture()[:60])
    write_parquet(tmp_path / "d" / "one.parquet", rows)
    write_parquet(tmp_path / "d" / "two.parquet", [embedded(8, picture()), embedded(3, picture())])
    write_parquet(tmp_path / "d" / "other.parquet", [{"question": "?", "choices": ["a"]}])
    write_parquet(tmp_path / "d" / ".build" / "three.parquet", [embedded(1, b"")])
    assert check(tmp_path / "d") == (3, [("one.parquet", 5, "decode"), ("two.parquet", 1, "ids")])
    assert check.entries[1]["found"] == "its id is also that of one.parquet row 3"


def test_files_that_break_off(tmp_path, phantom_build, check):
    whole = next(phantom_build.glob("samples/caption/train-*.parquet")).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    assert check(tmp_path / "cut.parquet") == (3, [("cut.parquet", 0, "file")])
    export(phantom_build, tmp_path / "wds", "webdataset")
    shard = tmp_path / "wds" / "GMAI-MM-Caption-train-000000.tar"
    shard.write_bytes(shard.read_bytes()[:60_000])
    code, found = check(shard)
    assert code == 3
    assert [rule for _, _, rule in found] == ["file"]
    assert found[0][1] > 5


def test_a_json_list_that_breaks_off(folder, check):
    text = json.dumps([row(1), row(2), row(3)])
    (folder / "x.json").write_text(text[:-20])
    assert check(folder / "x.json") == (3, [("x.json", 2, "json")])
    (folder / "x.json").write_text(text[:-1] + ",]")
    assert check(folder / "x.json") == (3, [("x.json", 3, "json")])


def test_json_lines_under_the_name_of_json(folder, check):
    lines(folder, row(1), row(2, images=["b.png"]), name="x.json")
    assert check(folder / "x.json") == (3, [("x.json", 2, "path")])


def test_bytes_that_are_not_utf_8(folder, check):
    path = folder / "x.jsonl"
    path.write_bytes(json.dumps(row(1)).encode() + b"\n" + b'{"id": "\xff"}\n' + json.dumps(row(3)).encode())
    assert check(path) == (3, [("x.jsonl", 2, "json")])


def test_links_to_nothing_and_hostile_json(folder, check):
    lines(folder, row(1))
    (folder / "gone.jsonl").symlink_to(folder / "nothing")
    (folder / "x.parquet").symlink_to(folder)
    assert check(folder) == (3, [("gone.jsonl", None, "file")])
    (folder / "gone.jsonl").unlink()
    (folder / "deep.json").write_text('[{"messages": ' + "[" * 100_000)
    (folder / "digits.json").write_text('[{"messages": ' + "9" * 5000 + "}]")
    assert check(folder) == (3, [("deep.json", 0, "json"), ("digits.json", 0, "json")])


def test_web_shards_of_others(tmp_path, check, capsys):
    path = tmp_path / "x.tar"
    good = json.dumps(row(1, images=None)).encode()
    members = [
        ("a/000.jpg", picture(form="JPEG")), ("a/000.json", good), ("a/000.txt", b"more"),
        ("a/001.png", picture()),
        ("a/002.json", b"{"),
        ("../003.json", good),
        ("a/004.1.png", picture()), ("a/004.0.png", picture(50)),
        ("a/004.json", json.dumps(row(4, messages=chat("<image><image>", "b"), images=None)).encode()),
    ]  # fmt: skip
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    code, found = check(path)
    assert code == 3
    assert sorted(rule for _, _, rule in found) == ["columns", "file", "json"]
    assert "unknown column '.txt' in 1 rows" in capsys.readouterr().err


def test_mixing_lists(folder, check, capsys):
    lines(folder, row(1), name="a.jsonl")
    entry = {"image_dir": ".", "annotations": "a.jsonl", "sample_ratio": 1.0, "length": 1}
    (folder / "mix.json").write_text(json.dumps({"A": entry, "B": {**entry, "annotations": "b.json"}}))
    assert check(folder / "mix.json") == (3, [("mix.json", None, "mixture")])
    assert "b.json is not there" in check.entries[0]["found"]
    (folder / "mix.json").write_text(json.dumps({"A": {**entry, "sample_ratio": -1}, "C": {"image_dir": ""}}))
    assert check(folder / "mix.json") == (3, [("mix.json", None, "mixture"), ("mix.json", None, "mixture")])
    (folder / "pictures").mkdir()
    (folder / "a.png").rename(folder / "pictures" / "a.png")
    (folder / "mix.json").write_text(json.dumps({"A": {**entry, "image_dir": "pictures"}}))
    assert check(folder / "mix.json") == (0, [])
    assert check(folder / "a.jsonl")[0] == 3
    assert check(folder / "a.jsonl", images=folder / "pictures") == (0, [])


def test_hostile_words_stay_on_one_line(folder, check, capsys):
    name = "\n\x1b[31mevil\n" + "x" * 500 + ".png"
    assert check(lines(folder, row(1, images=[name]))) == (3, [("x.jsonl", 1, "path")])
    shown = [line for line in capsys.readouterr().err.splitlines() if "evil" in line]
    assert len(shown) == 1
    assert "\x1b" not in shown[0]
    assert len(shown[0]) < 600


def test_more_findings_than_are_printed_all_stand_in_the_report(folder, check, capsys):
    path = lines(folder, *(row(number, images=["b.png"]) for number in range(50)))
    assert check(path) == (3, [("x.jsonl", number, "path") for number in range(1, 51)])
    assert capsys.readouterr().err.count(" row ") == 20


def test_mistakes_are_named(tmp_path):
    for path, images, message in (
        (tmp_path / "none", None, "no such file or folder"),
        (tmp_path, None, "no samples"),
        (tmp_path, tmp_path / "none", "no such folder"),
    ):
        with pytest.raises(UserError, match=message):
            validate(path, images=images, report=None)


def test_the_docs_list_every_rule():
    formats = Path(__file__).parents[3] / "docs" / "reference" / "formats.md"
    section = formats.read_text("utf-8").split("## Report of `gmai data validate`")[1].split("\n## ")[0]
    listed = section.split("is one of")[1]
    assert re.findall(r"`(\w+)`", listed) == list(RULES)
