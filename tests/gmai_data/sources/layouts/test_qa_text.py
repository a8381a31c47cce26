"""Conversations as JSON Lines: languages, turns, and a reason for each line that is none."""

import json

import pytest
from gmai_data.ledger import Ledger, SourceError
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.layouts.qa_text import QaText, read_turns

TURN = {"question": " What is CT? ", "answer": "It uses X-rays.\n"}


@pytest.fixture
def items(put, tmp_path, toy):
    """Return a function of lines: the items of a file of them."""
    card = toy(layout={"kind": "qa_text"}, task="text")

    def make(*lines):
        put("q.jsonl", "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
        found = list(card.layout.list_items(card, tmp_path))
        assert all(list(card.layout.read(item, card, tmp_path, Ledger())) == [] for item in found)
        return found

    return make


def test_an_item_per_line_with_its_patient(items):
    found = items({"patient": "p1", "turns": [TURN]}, "", "not json", {"patient": 7, "turns": []}, "[1]")
    assert [(item.key, item.position, item.group) for item in found] == [
        ("q.jsonl/000000", 0, "p1"), ("q.jsonl/000002", 2, ""), ("q.jsonl/000003", 3, "7"), ("q.jsonl/000004", 4, ""),
    ]  # fmt: skip


def test_a_line_longer_than_any_text_is_named_and_not_read(items, monkeypatch):
    monkeypatch.setattr("gmai_data.sources.layouts.qa_text.LONGEST_ENTRY", 200)
    found = items({"turns": [TURN]}, "x" * 1000, {"turns": [TURN]})
    assert [item.problem for item in found] == [
        None, ("text unreadable", "line 2 is longer than 256 MB; it and all behind it are not read"),
    ]  # fmt: skip


def test_separators_of_unicode_end_no_line(items, tmp_path):
    turn = {"question": "What is\u2028CT?", "answer": "A\x85b\u2029c.", "more": "\x1c"}
    (item,) = items(json.dumps({"turns": [turn]}, ensure_ascii=False))
    assert read_turns(item, tmp_path)[1] == [("What is\u2028CT?", "A\x85b\u2029c.")]


@pytest.mark.parametrize(("language", "expected"), [({}, "en"), ({"language": "zh"}, "zh"), ({"language": "en"}, "en")])
def test_turns_without_the_spaces_around_them(items, tmp_path, language, expected):
    (item,) = items({"turns": [TURN, TURN], **language})
    assert read_turns(item, tmp_path) == (expected, [("What is CT?", "It uses X-rays.")] * 2)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "text unreadable: line 1: Expecting property name"),
        ("[1]", "text unreadable: line 1: "),
        ({"turn": []}, "text unreadable: line 1: 'turns'; a line is {"),
        ({"turns": [{"question": "a"}]}, "text unreadable: line 1: 'answer'; a line is {"),
        ({"turns": 7}, "text unreadable: line 1: "),
        ({"turns": []}, "text without question or answer: line 1; both must be there"),
        ({"turns": [{**TURN, "answer": "  "}]}, "text without question or answer: line 1"),
        ({"turns": [TURN, {**TURN, "question": ""}]}, "text without question or answer: line 1"),
        (
            {"turns": [{**TURN, "answer": "see <image>"}]},
            "image placeholder in a text: line 1 says <image>, but has",
        ),
        ({"turns": [TURN], "language": "de"}, 'unknown language: line 1: "de"; en and zh are known'),
    ],
)
def test_a_line_that_is_no_conversation(items, tmp_path, line, reason):
    (item,) = items(line)
    with pytest.raises(SourceError) as caught:
        read_turns(item, tmp_path)
    assert str(caught.value).startswith(reason)
    assert caught.value.file == "q.jsonl"


def test_what_looks_like_it(put, tmp_path):
    put("texts/q.jsonl", json.dumps({"turns": [TURN]}))
    guess = QaText.recognise(Folder(tmp_path))
    assert (guess.task, guess.layout) == ("text", {"kind": "qa_text", "files": "texts/*.jsonl"})
    put("texts/q.jsonl", '{"messages": []}')
    assert QaText.recognise(Folder(tmp_path)) is None
