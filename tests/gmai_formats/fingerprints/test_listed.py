"""The list of a benchmark's questions: what is written is read, and nothing else."""

import json

import pytest
from gmai_formats.errors import UserError
from gmai_formats.fingerprints.listed import ListedQuestion, read_list, write_list
from gmai_formats.fingerprints.perceptual import HASH

QUESTIONS = [
    ListedQuestion("vqa/closed", "q1", "which 模态 is it", {"0" * 64: 2**63 - 1, "1" * 64: None}),
    ListedQuestion("vqa/open", "q2", "why", {}),
]
LINE = {"hash": HASH, "protocol": "p", "id": "q", "question": "w", "images": [{"sha256": "0" * 64, "phash": "f"}]}


def test_what_is_written_is_read(tmp_path):
    assert write_list(tmp_path / "list.jsonl", QUESTIONS) == 2
    assert list(read_list(tmp_path / "list.jsonl")) == QUESTIONS
    first = json.loads((tmp_path / "list.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["hash"] == HASH
    assert first["images"] == [
        {"sha256": "0" * 64, "phash": "7fffffffffffffff"},
        {"sha256": "1" * 64, "phash": None},
    ]


def test_a_thumbnail_is_written_once_and_read_as_it_was(tmp_path):
    digest, pixels = "0" * 64, bytes(range(256)) * 16
    lines = [ListedQuestion("p", name, "w", {digest: 5}, {digest: pixels}) for name in ("a", "b")]
    write_list(tmp_path / "list.jsonl", lines)
    first, second = read_list(tmp_path / "list.jsonl")
    assert (first.thumbnails, second.thumbnails) == ({digest: pixels}, {})
    assert second.images == {digest: 5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hash": "gmai-phash-1"}, r'has hashes of the kind "gmai-phash-1", and pictures are compared by gmai-phash-2'),
        ({"hash": None}, r"names no perceptual hash.*cannot be compared.*gmai bench fingerprints"),
        ({"hash": 3}, r'of the kind "3"'),
        ({"images": [{"sha256": "0", "phash": "xyz"}]}, r"ValueError.*xyz"),
        ({"images": [{"sha256": "0", "phash": "-1"}]}, r'"-1" is no hash'),
        ({"images": [{"sha256": "0", "phash": "f" * 17}]}, r"is no hash of 16 hex digits"),
        ({"images": [{"sha256": "0"}]}, r"KeyError 'phash'"),
        ({"images": None}, r"TypeError"),
        (
            {"images": [{"sha256": "0", "phash": None, "thumbnail": "eJwDAAAAAAE="}]},
            r"ValueError.* 0 pixels and not 4096",
        ),
        ({"images": [{"sha256": "0", "phash": None, "thumbnail": "AAAA"}]}, r"error Error -3 while decompressing"),
        ({"images": [{"sha256": "0", "phash": None, "thumbnail": 3}]}, r"TypeError"),
    ],
)
def test_another_hash_and_another_form_are_refused_in_one_line(tmp_path, change, message):
    path = tmp_path / "list.jsonl"
    path.write_text(f"{json.dumps(LINE)}\n{json.dumps({**LINE, **change})}\n")
    with pytest.raises(UserError, match=rf"list\.jsonl:2: .*{message}") as caught:
        list(read_list(path))
    assert "\n" not in str(caught.value)


def test_a_list_of_an_earlier_version_is_refused(tmp_path):
    path = tmp_path / "list.jsonl"
    path.write_text(json.dumps({name: value for name, value in LINE.items() if name != "hash"}) + "\n")
    with pytest.raises(UserError, match=r"list\.jsonl:1: names no perceptual hash"):
        list(read_list(path))


@pytest.mark.parametrize("content", ["[]\n", "3\n", '{"a": 1}\n', "no json\n"])
def test_what_is_no_list_is_refused(tmp_path, content):
    path = tmp_path / "list.jsonl"
    path.write_text(content)
    with pytest.raises(UserError, match=r"list\.jsonl:1: .*A line has hash, protocol"):
        list(read_list(path))


def test_a_missing_list_names_the_command_that_writes_it(tmp_path):
    with pytest.raises(UserError, match=r"none\.jsonl: not readable .*gmai bench fingerprints"):
        list(read_list(tmp_path / "none.jsonl"))
