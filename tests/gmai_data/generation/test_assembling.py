"""A shard's journal ▶ its samples: every task in exactly one place, with what it cost."""

import json

import pyarrow.parquet as pq
import pytest
from gmai_data.generation.assembling import NEAR_DUPLICATE, OF_DROPPED, assemble
from gmai_data.generation.journal import Reply
from gmai_data.generation.pending import Pending, settle
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writing import WriteJob, tasks_of
from gmai_data.markers import WRITTEN
from gmai_data.tables import ANNOTATIONS, TableFiles
from gmai_data.vocabulary import Kind, Split
from gmai_formats.fingerprints.listed import ListedQuestion, write_list

ONE_FORM = {"report_share": 0.0, "reasoning_share": 0.0}
"""Every free instruction is asked for by the same prompt."""

TEXTS = (
    "On this Dermoscopy picture of the skin one sees alpha with a smooth and dark texture.",
    "Here alpha lies amid pale surroundings, its border irregular and the pigment uneven.",
    "A network of brown lines crosses the field while alpha stands apart in deep colour.",
)
ALIKE = "Dermoscopy of the skin in which alpha is the only finding and has an even surface."
WORDS = {
    TEXTS[0]: ("Brightness", "Contrast", "Sharpness"),
    TEXTS[1]: ("Colouring", "Framing", "Lighting"),
    TEXTS[2]: ("Shading", "Scaling", "Focus"),
    ALIKE: ("Colour", "Shape", "Depth"),
}


def long_enough(task, text):
    """Return a reply of as many turns as the task asks for at least."""
    more = (f"{word} keeps alpha within the same even field of view." for word in WORDS[text])
    answers = [text, *more][: task.facts.turns[0]]
    turns = [
        {"question": f"What of it, {letter}?", "answer": each} for letter, each in zip("abc", answers, strict=False)
    ]
    return json.dumps({"turns": turns})


@pytest.fixture
def shard(recipe, annotation, tmp_path):
    """Return a function that makes a shard of so many images (the last one held out)."""

    def make(count=1, *, leakage=None, text_share=0.0, **settings):
        records = [annotation(number, boxes=(), labels=("alpha",)) for number in range(count)]
        records.append(annotation(99, split=Split.HELD_OUT))
        with TableFiles(tmp_path / "shard", "annotations", ANNOTATIONS, single=True) as table:
            table.add_rows([record.row() for record in records])
        writing = WritingSettings(**{"writer": "openai", "model": "m", **ONE_FORM, **settings})
        folder, journals = tmp_path / "shard", tmp_path / "journal"
        return WriteJob(recipe, 0, 1, folder, journals, "ab", writing, load_prompts(), text_share, 0, leakage)

    return make


def answer(job, reply_of, *, usd=0.0):
    """Answer everything that is missing, again and again, with `reply_of(task, request)`; None fails for good."""
    journal, maker = job.journal(), job.maker()
    left = True
    while left:
        left = False
        for task, _ in tasks_of(job, maker):
            for pending, state in list(settle(Pending(task, journal, maker))):
                if isinstance(state, Request):
                    left = True
                    reply = reply_of(pending.task, state)
                    if reply is None:
                        journal.add_failure(state.key, "HTTP 500", passing=True)
                    else:
                        journal.add_reply(state.key, Reply(reply, model="m-0613"), usd)
    return journal


def written(job):
    marker = json.loads((job.folder / WRITTEN).read_text())
    return marker, pq.read_table(job.folder / "written.parquet").to_pylist()


def test_a_shard_with_a_task_unanswered_is_not_written(shard):
    job = shard()
    assert not assemble(job)
    assert not job.assembled
    assert not (job.folder / "written.parquet").exists()


def test_accepted_texts_become_samples_of_their_record(shard):
    job = shard()
    texts = iter(TEXTS)
    journal = answer(job, lambda task, _: long_enough(task, next(texts)), usd=0.25)
    journal.add_lost("lost", 0.125)
    journal.close()
    assert assemble(job)
    marker, rows = written(job)
    assert job.done
    assert (marker["spent_usd"], job.spent_usd(), marker["passing"]) == (0.875, 0.875, 0)
    assert marker["account"]["samples"] == {"read": 3, "kept": 3, "dropped": {}, "quarantined": 0}
    assert marker["by_kind"] == {
        "dialogue/en": {"kept": 1}, "free_instruction/en": {"kept": 1}, "image_caption/en": {"kept": 1},
    }  # fmt: skip
    assert marker["account"]["tallies"]["kind"] == {"dialogue": 1, "free_instruction": 1, "image_caption": 1}
    assert [row["kind"] for row in rows] == ["image_caption", "free_instruction", "dialogue"]
    for row in rows:
        told = json.loads(row["provenance"])
        assert (row["annotation"], row["parent_id"]) == (0, None)
        assert (told["writer"], told["model"], told["served_by"]) == ("openai", "m", "m-0613")
        assert told["request"] in journal.replies
        assert told["prompt"].startswith(f"{row['kind']}-")
        assert row["messages"][0]["content"].startswith("<image>\n")
    assert not (job.folder / "judged.jsonl").exists()


def test_failures_are_quarantined_with_their_reason_and_refused_texts_dropped(shard):
    job = shard()

    def reply(task, _):
        if task.facts.kind == Kind.IMAGE_CAPTION:
            return None
        if task.facts.kind == Kind.DIALOGUE:
            return "I'm sorry, but I cannot assist with medical images."
        return long_enough(task, TEXTS[0])

    answer(job, reply).close()
    assert assemble(job)
    marker, rows = written(job)
    account = marker["account"]
    assert account["samples"] == {"read": 3, "kept": 1, "dropped": {"refusal": 1}, "quarantined": 1}
    assert [line["reason"] for line in account["quarantine"]] == ["no reply: HTTP 500"]
    assert account["quarantine"][0]["file"].endswith("#image_caption#0")
    (dropped,) = account["dropped"]
    assert (dropped["kind"], dropped["check"], dropped["language"]) == ("dialogue", "refusal", "en")
    assert dropped["text"].startswith("I'm sorry")
    assert [row["kind"] for row in rows] == ["free_instruction"]
    assert marker["by_kind"]["dialogue/en"] == {"dropped": 1}
    assert marker["by_kind"]["image_caption/en"] == {"quarantined": 1}
    assert marker["passing"] == 1
    assert job.assembled
    assert not job.done, "what may pass is asked again"


def test_of_texts_that_say_the_same_the_first_one_stays(shard):
    job = shard(2)
    texts = {Kind.IMAGE_CAPTION: ALIKE, Kind.FREE_INSTRUCTION: TEXTS[0], Kind.DIALOGUE: TEXTS[1]}
    answer(job, lambda task, _: long_enough(task, texts[task.facts.kind])).close()
    assert assemble(job)
    marker, rows = written(job)
    assert marker["account"]["samples"]["dropped"] == {NEAR_DUPLICATE: 3}
    assert [row["annotation"] for row in rows] == [0, 0, 0]
    by_id = {row["id"] for row in rows}
    assert {line["detail"].removeprefix("of ") for line in marker["account"]["dropped"]} == by_id


def test_opinions_are_counted_and_those_against_a_text_are_listed(shard):
    job = shard(judge="j", judge_share=1.0, judge_filters=False)
    texts = iter(TEXTS)
    verdicts = {"image_caption": True, "free_instruction": False}

    def reply(task, _):
        if not task.judged:
            return long_enough(task, next(texts))
        kind = str(task.facts.kind)
        return json.dumps({"consistent": verdicts[kind], "reason": f"of {kind}"}) if kind in verdicts else None

    answer(job, reply).close()
    assert assemble(job)
    marker, rows = written(job)
    assert marker["opinions"] == {"consistent": 1, "inconsistent": 1, "no opinion": 1}
    assert len(rows) == 3, "an opinion that only counts changes nothing"
    (line,) = map(json.loads, (job.folder / "judged.jsonl").read_text().splitlines())
    assert line["opinion"] == "inconsistent"
    assert line["reason"] == "of free_instruction"
    assert line["id"].endswith("#free_instruction#0")


def test_what_follows_from_a_dropped_text_is_dropped_with_it(shard):
    job = shard(2, judge="j", judge_share=1.0)
    texts = {Kind.IMAGE_CAPTION: ALIKE, Kind.FREE_INSTRUCTION: TEXTS[0], Kind.DIALOGUE: TEXTS[1]}

    def reply(task, _):
        if task.judged:
            return json.dumps({"consistent": True, "reason": "fits"})
        return long_enough(task, texts[task.facts.kind])

    answer(job, reply).close()
    assert assemble(job)
    marker, _ = written(job)
    assert marker["opinions"] == {"consistent": 3, OF_DROPPED: 3}


def test_a_text_that_asks_a_question_of_a_benchmark_is_dropped(shard, tmp_path):
    write_list(tmp_path / "list.jsonl", [ListedQuestion("vqa/closed", "q", "what of it a", {})])
    job = shard(text_share=1.0, leakage=tmp_path / "list.jsonl")
    texts = iter((*TEXTS, ALIKE))
    answer(job, lambda task, _: long_enough(task, next(texts))).close()
    assert assemble(job)
    dropped = [line for line in written(job)[0]["account"]["dropped"] if line["kind"] == "text_only"]
    assert [(line["check"], line["detail"].lower()) for line in dropped] == [
        ("question of a benchmark", 'it asks "what of it, a?"')
    ]


def test_what_the_judge_calls_inconsistent_is_dropped_by_its_fault(shard):
    """The rule: inconsistent drops the sample and its translation is never asked for; no opinion keeps it."""
    job = shard(judge="j", translate={"image_caption": 1.0, "free_instruction": 1.0})
    texts = iter(TEXTS)
    asked = []

    def reply(task, _):
        asked.append(task.id)
        if task.locked is not None:
            return json.dumps({"turns": [{"question": "这是什么？", "answer": "皮肤镜下皮肤的阿尔法，边缘清楚。"}]})
        if not task.judged:
            return long_enough(task, next(texts))
        faults = {"image_caption": None, "free_instruction": "Finding"}
        kind = str(task.facts.kind)
        if kind not in faults:
            return None
        fault = faults[kind]
        return json.dumps({"consistent": not fault, "fault": fault or "none", "reason": f"of {kind}"})

    answer(job, reply).close()
    assert assemble(job)
    marker, rows = written(job)
    samples = marker["account"]["samples"]
    assert samples["dropped"] == {"judged inconsistent: finding": 1}
    assert samples["read"] == samples["kept"] + 1 == 4
    assert [(row["kind"], row["language"]) for row in rows] == [
        ("image_caption", "en"), ("image_caption", "zh"), ("dialogue", "en"),
    ]  # fmt: skip
    assert not any(name.endswith("#free_instruction#0#zh") for name in asked)
    assert marker["opinions"] == {"consistent": 2, "inconsistent": 1, "no opinion": 1}
    (dropped,) = marker["account"]["dropped"]
    assert (dropped["check"], dropped["detail"]) == ("judged inconsistent: finding", "of free_instruction")
    assert dropped["text"]
    (line,) = map(json.loads, (job.folder / "judged.jsonl").read_text().splitlines())
    assert (line["opinion"], line["fault"]) == ("inconsistent", "finding")
