"""Texts of a source as samples: their record has no image and no size."""

import json

import pytest
from gmai_data.annotation import Annotation
from gmai_data.ledger import SourceError
from gmai_data.source_texts import text_samples
from gmai_data.vocabulary import Split, SubDataset

LAYOUT = {"layout": {"kind": "qa_text"}, "task": "text", "labels": {}}


def samples(card, root, *lines):
    (root / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return [sample for item in card.layout.list_items(card, root) for sample in text_samples(item, card, root)]


def line(turns=1, **more):
    return {"turns": [{"question": f"Q{number}?", "answer": f"A{number}."} for number in range(turns)], **more}


def test_a_text_has_a_record_without_an_image(tmp_path, toy):
    one, two = samples(toy(**LAYOUT), tmp_path, line(), line(2, language="zh", patient="p"))
    assert not isinstance(one.about, Annotation)
    assert one.row(None)["annotation"] is None
    assert [one.sub_dataset, two.sub_dataset] == [SubDataset.TEXT_SINGLE, SubDataset.TEXT_MULTI]
    assert (two.language, two.turns[1]) == ("zh", ("Q1?", "A1."))
    assert two.about.group != "p", "a published group is a number, never the id of a patient"
    assert one.messages[0] == {"role": "user", "content": "Q0?"}


def test_what_is_held_out_is_good_for_validation(tmp_path, toy):
    card = toy(**LAYOUT, split={"fractions": {"held_out": 1.0}})
    assert samples(card, tmp_path, line())[0].about.split == Split.VALIDATION


def test_images_give_no_texts_and_bad_lines_a_reason(tmp_path, toy):
    with pytest.raises(SourceError, match="text unreadable: line 1: 'turns'"):
        samples(toy(**LAYOUT), tmp_path, {"question": "Q?"})
    card = toy(**LAYOUT)
    item = next(card.layout.list_items(card, tmp_path))
    assert list(text_samples(item, toy(), tmp_path)) == []
