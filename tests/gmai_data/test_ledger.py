"""The account: every input in exactly one place, or a sum that refuses itself."""

import pytest
from gmai_data.ledger import Count, Ledger, SetAside, SourceError, add_counts, add_up, printable, without


@pytest.mark.parametrize(
    ("name", "shown"),
    [("plain.png", "plain.png"), ("nä.png", "nä.png"), ("caf\udce9.png", r"caf\xe9.png"), ("a\ud800", "a\\ud800")],
)
def test_names_are_text_whatever_their_bytes(name, shown):
    assert printable(name) == shown
    shown.encode()


def test_reasons_keep_rule_and_detail_in_text_that_can_be_written():
    problem = SourceError("truncated", "ends in \udce9", "a/\udce9.png")
    assert (problem.rule, problem.detail, problem.file) == ("truncated", r"ends in \xe9", r"a/\xe9.png")
    assert str(problem) == r"truncated: ends in \xe9"
    aside = SetAside("other task", "f")
    assert (aside.rule, aside.file, str(aside)) == ("other task", "f", "other task")


@pytest.mark.parametrize("read", [5, 7])
def test_a_sum_that_does_not_add_up_is_refused(read):
    count = Count(read=read, kept=3, quarantined=1)
    count.dropped["blank"] += 2
    with pytest.raises(RuntimeError, match=rf"^images: {read} read, but 6 kept, dropped or quarantined$"):
        count.check("images")
    count.read = 6
    count.check("images")
    assert count.row() == {"read": 6, "kept": 3, "dropped": {"blank": 2}, "quarantined": 1}


@pytest.mark.parametrize("kind", ["items", "images", "boxes", "samples"])
def test_every_kind_is_checked(kind):
    ledger = Ledger()
    ledger.check()
    getattr(ledger, kind).read = 1
    with pytest.raises(RuntimeError, match=f"^{kind}: 1 read, but 0 "):
        ledger.check()


def test_what_is_accounted_for_stands_in_counts_and_lists():
    ledger = Ledger()
    ledger.keep_box()
    ledger.quarantine_box(SourceError("box", "outside", "b.xml"))
    ledger.quarantine_item(SourceError("file", "no picture", "c.png"))
    ledger.quarantine_sample("s#1", "unusable reply: no JSON")
    ledger.drop_item("d", "other task")
    ledger.drop_image("e", "near-constant image", "grey")
    ledger.drop_sample("s#2", "dialogue", "en", "refusal", 'it says "sorry"', "sorry " * 200)
    assert (ledger.boxes.read, ledger.boxes.kept, ledger.boxes.quarantined) == (2, 1, 1)
    assert (ledger.items.quarantined, ledger.samples.quarantined) == (1, 1)
    assert ledger.quarantine == [
        {"file": "b.xml", "reason": "box: outside"},
        {"file": "c.png", "reason": "file: no picture"},
        {"file": "s#1", "reason": "unusable reply: no JSON"},
    ]
    assert ledger.dropped[:2] == [
        {"id": "d", "kind": "item", "check": "other task", "detail": ""},
        {"id": "e", "kind": "image", "check": "near-constant image", "detail": "grey"},
    ]
    line = ledger.dropped[2]
    assert line.pop("text") == ("sorry " * 200)[:600]
    assert line == {
        "id": "s#2", "kind": "dialogue", "check": "refusal", "detail": 'it says "sorry"', "language": "en",
    }  # fmt: skip
    assert (ledger.items.dropped, ledger.images.dropped, ledger.samples.dropped) == (
        {"other task": 1},
        {"near-constant image": 1},
        {"refusal": 1},
    )


def test_the_text_of_a_dropped_sample_is_not_copied_where_it_may_name_a_person():
    ledger = Ledger()
    ledger.drop_sample("s", "text_only", "en", "identifier", "", "Dr. Smith saw it.")
    ledger.drop_sample("t", "text_only", "en", "length", "", "x" * 600 + " Dr. Smith saw it.")
    assert "text" not in ledger.dropped[0]
    assert ledger.dropped[1]["text"] == "x" * 600


def test_an_item_that_fails_takes_its_list_with_it():
    ledger = Ledger()
    ledger.drop_image("first", "near-constant image")
    mark = ledger.mark()
    ledger.drop_image("second", "near-constant image")
    ledger.drop_sample("s#1", "text_only", "en", "not in Chinese", "", "words " * 500)
    ledger.roll_back(mark)
    ledger.quarantine_item(SourceError("truncated", "it ends too early", "file"))
    assert [line["id"] for line in ledger.dropped] == ["first"]
    assert dict(ledger.images.dropped) == {"near-constant image": 1}


def test_rolling_back_restores_pictures_boxes_and_doubts_alone():
    ledger = Ledger()
    ledger.keep_box()
    ledger.uncertain["mass"] += 1
    mark = ledger.mark()
    ledger.keep_box()
    ledger.images.read += 2
    ledger.uncertain["mass"] += 3
    ledger.quarantine_box(SourceError("box", "outside", "b"))
    ledger.roll_back(mark)
    assert (ledger.boxes.read, ledger.images.read, ledger.uncertain) == (1, 0, {"mass": 1})
    assert ledger.quarantine == []


def account(label, *, images=1):
    ledger = Ledger()
    ledger.images.read += images + 1
    ledger.images.kept += images
    ledger.drop_image(f"{label}-gone", "blank")
    ledger.samples.read = ledger.samples.kept = 2 * images
    ledger.items.read = 1
    ledger.quarantine_item(SourceError("file", "torn", label))
    ledger.tally("kind", "dialogue", 2 * images)
    ledger.uncertain[label] += 1
    return ledger.to_json()


def test_accounts_add_up():
    total = add_up([account("a"), account("b", images=3)])
    assert total["images"] == {"read": 6, "kept": 4, "dropped": {"blank": 2}, "quarantined": 0}
    assert total["items"] == {"read": 2, "kept": 0, "dropped": {}, "quarantined": 2}
    assert total["tallies"] == {"kind": {"dialogue": 8}}
    assert total["uncertain"] == {"a": 1, "b": 1}
    assert [line["file"] for line in total["quarantine"]] == ["a", "b"]
    assert [line["id"] for line in total["dropped"]] == ["a-gone", "b-gone"]


def test_an_account_that_lost_something_does_not_add_up():
    lost = account("a")
    lost["samples"]["kept"] -= 1
    with pytest.raises(RuntimeError, match=r"^samples: 2 read, but 1 "):
        add_up([lost])


def test_counts_are_added_under_their_names():
    total = {"a": 1}
    add_counts(total, {"a": 2, "b": 3})
    assert total == {"a": 3, "b": 3}


def test_what_is_left_out_later_moves_from_kept_to_dropped():
    before = account("a", images=3)
    left_out = {
        "rows": {"0": "duplicate: of b", "2": "image of a benchmark"},
        "ids": ["a0", "a2"],
        "account": {
            "images": {"duplicate": 1, "image of a benchmark": 1},
            "samples": 4,
            "tallies": {"kind": {"dialogue": 4}},
        },
    }
    after = without(before, left_out)
    assert after["images"]["kept"] == 1
    assert after["images"]["dropped"] == {"blank": 1, "duplicate": 1, "image of a benchmark": 1}
    assert (after["samples"]["kept"], after["samples"]["dropped"]) == (2, {"of a duplicate image": 4})
    assert after["tallies"] == {"kind": {"dialogue": 2}}
    assert after["dropped"][1:] == [
        {"id": "a0", "kind": "image", "check": "duplicate", "detail": "of b"},
        {"id": "a2", "kind": "image", "check": "image of a benchmark", "detail": ""},
    ]
    add_up([after])
    assert before == account("a", images=3), "the account given stays as it is"


def test_a_tally_that_falls_to_nothing_is_gone():
    before = account("a")
    gone = {"images": {"duplicate": 1}, "samples": 0, "tallies": {"kind": {"dialogue": 2}}}
    after = without(before, {"rows": {"0": "duplicate"}, "ids": ["a0"], "account": gone})
    assert after["tallies"] == {"kind": {}}
    assert after["samples"]["dropped"] == {}
