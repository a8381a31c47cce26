"""From a record to its outcome: what is asked, in which order, and what is kept of it."""

import json

import pytest
from gmai_data.annotation import Box
from gmai_data.generation.journal import Reply
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.requests import Request
from gmai_data.generation.tasks import TaskMaker, WritingSettings, advance
from gmai_data.vocabulary import Kind, Split
from gmai_formats.chat.dialect import Dialect

ANSWER = "A Dermoscopy image of the skin, on which alpha stands out with a smooth and dark texture."
GOOD = json.dumps({"turns": [{"question": "What is seen here?", "answer": ANSWER}]})
DIALECT = WritingSettings(writer="openai", model="m").dialect()
REFERENCE = "<ref>alpha</ref><box>[[100, 100, 500, 500]]</box>"


def by_kind(maker, annotation):
    return {task.facts.kind: task for task in maker.tasks(annotation, "digest")}


def test_one_task_per_kind_and_none_for_what_is_held_out(maker, annotation):
    tasks = by_kind(maker(1.0), annotation())
    assert set(tasks) == set(Kind) - {Kind.VISUAL_PERCEPTION}
    assert not tasks[Kind.TEXT_ONLY].image
    assert tasks[Kind.DIALOGUE].image
    assert REFERENCE in tasks[Kind.REGION_CAPTION].text
    assert Kind.REGION_CAPTION not in by_kind(maker(), annotation(boxes=()))
    assert not list(maker(1.0).tasks(annotation(split=Split.HELD_OUT), "digest"))


def test_the_prompt_holds_the_record_and_the_rules(maker, annotation):
    task = by_kind(maker(), annotation())[Kind.IMAGE_CAPTION]
    body = json.loads(task.request(0, None, task.key).body(task.parameters, DIALECT))
    assert "never weaken" in body["messages"][0]["content"]
    image, text = body["messages"][1]["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    for fact in ("Modality: Dermoscopy", "Region: skin", "Department: Dermatology", "Labels: alpha", REFERENCE):
        assert fact in text["text"]
    assert body["response_format"]["json_schema"]["strict"] is True
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["turns"]


def test_the_key_covers_everything_that_shapes_the_reply(maker, annotation, recipe):
    def key(made=None, digest="digest", record=None, kind=Kind.IMAGE_CAPTION):
        tasks = (made or maker()).tasks(record or annotation(), digest)
        return next(task.key for task in tasks if task.facts.kind == kind)

    keys = [
        key(), key(kind=Kind.DIALOGUE), key(digest="other"), key(maker(model="n")), key(maker(temperature=0.1)),
        key(maker(detail="low")), key(record=annotation(labels=())), key(maker(response_format="none")),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert key() == key()


def test_first_repair_again_and_then_no_more(maker, annotation, journal):
    task = by_kind(maker(), annotation())[Kind.IMAGE_CAPTION]
    first = advance(task, journal)
    assert isinstance(first, Request)
    assert (first.attempt, first.repair) == (0, None)
    journal.add_reply(first.key, Reply("no json"))
    repair = advance(task, journal)
    assert repair.repair.reply == "no json"
    messages = json.loads(repair.body(task.parameters, DIALECT))["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "no JSON" in messages[-1]["content"]
    journal.add_reply(repair.key, Reply(GOOD.replace("alpha", "beta")))
    again = advance(task, journal)
    assert (again.attempt, again.repair) == (1, None)
    assert (
        json.loads(again.body(task.parameters, DIALECT))["seed"]
        == json.loads(first.body(task.parameters, DIALECT))["seed"] + 1
    )
    journal.add_reply(again.key, Reply("no json either"))
    outcome = advance(task, journal)
    assert (outcome.state, outcome.check) == ("quarantined", "unusable reply")
    assert len({first.key, repair.key, again.key}) == 3


@pytest.mark.parametrize(
    ("reply", "state", "check"),
    [
        (Reply(GOOD), "accepted", ""),
        (Reply(f"```json\n{GOOD}\n```"), "accepted", ""),
        (Reply(GOOD[:60], cut=True), "quarantined", "cut at the token limit"),
        (Reply('{"turns": []}'), "quarantined", "unusable reply"),
        (Reply("I'm sorry, I can't assist with that."), "dropped", "refusal"),
        (Reply(GOOD.replace("alpha", "beta")), "dropped", "label not mentioned"),
    ],
)
def test_where_a_reply_that_always_comes_ends(maker, annotation, journal, reply, state, check):
    task = by_kind(maker(), annotation())[Kind.IMAGE_CAPTION]
    while isinstance(request := advance(task, journal), Request):
        journal.add_reply(request.key, reply)
    assert (request.state, request.check) == (state, check)


def test_records_that_say_the_same_are_asked_for_different_texts(maker, annotation):
    """Without their images two records of one label would be one request, asked and paid in every shard."""
    made = maker(1.0)
    one, other = (by_kind(made, annotation(number)) for number in (1, 2))
    texts = [
        each[Kind.TEXT_ONLY].request(0, None, "k").body(each[Kind.TEXT_ONLY].parameters, Dialect())
        for each in (one, other)
    ]
    seeds = [json.loads(body)["seed"] for body in texts]
    assert seeds[0] != seeds[1]
    assert one[Kind.TEXT_ONLY].key != other[Kind.TEXT_ONLY].key
    assert one[Kind.TEXT_ONLY].key == by_kind(made, annotation(1))[Kind.TEXT_ONLY].key, "the same in every run"
    assert one[Kind.DIALOGUE].parameters.seed == 0


def test_a_prompt_tells_plane_window_slice_and_sizes(maker, annotation):
    shown = {"axis": "axial", "window": "soft_tissue 40/400", "slice": 17, "spacing_mm": [0.5, 2.0]}
    task = by_kind(maker(), annotation(provenance=shown))[Kind.REGION_CAPTION]
    for line in (
        "Plane: axial", "Display: the patient's right is on the left of the image", "Window: soft tissue\n",
        "Slice: 17",
        "Size of alpha: 20 mm wide, 20 mm high",
    ):  # fmt: skip
        assert line in task.text
    assert [(each.label, each.width, each.height) for each in task.facts.measures] == [("alpha", 20, 20)]
    plain = by_kind(maker(), annotation())[Kind.REGION_CAPTION]
    assert not plain.facts.measures
    for word in ("Plane:", "Display:", "Window:", "Slice:", "Size of"):
        assert word not in plain.text
    sagittal = by_kind(maker(), annotation(provenance={**shown, "axis": "sagittal"}))[Kind.REGION_CAPTION]
    assert "Display:" not in sagittal.text
    tiny = by_kind(maker(), annotation(provenance={**shown, "spacing_mm": [0.01, 1.0]}))[Kind.REGION_CAPTION]
    assert not tiny.facts.measures


def test_a_region_is_told_what_is_known_of_it_and_what_lies_beside_it(toy, annotation):
    labels = {"a": {"en": "left kidney", "zh": "左肾"}, "b": {"en": "spleen", "zh": "脾脏"},
              "c": {"en": "liver", "zh": "肝脏"}}  # fmt: skip
    card = toy(modality="CT", anatomy={"en": "abdomen", "zh": "腹部"}, labels=labels)
    made = TaskMaker(card, WritingSettings(writer="openai", model="m"), load_prompts(), 1.0, 0)
    boxes = (Box("left kidney", (1, 1, 50, 50)), Box("spleen", (52, 1, 80, 50)), Box("liver", (90, 90, 99, 99)))
    record = annotation(modality=card.modality, labels=("left kidney", "spleen", "liver"), absent=(), boxes=boxes)
    task = by_kind(made, record)[Kind.REGION_CAPTION]
    assert "comprehensive functional analysis" in task.text
    assert "Known of left kidney, function: filters the blood; removes waste; makes urine" in task.text
    assert "Beside left kidney lie: spleen" in task.text
    told = [(each.label, each.about) for each in task.facts.knowledge]
    assert set(told) >= {("left kidney", "function"), ("left kidney", "appearance")}
    of_text = by_kind(made, record)[Kind.TEXT_ONLY]
    assert "Known of spleen, function" in of_text.text
    assert "Beside" not in of_text.text
    of_image = by_kind(made, record)[Kind.IMAGE_CAPTION].text
    assert "Known of spleen, function" in of_image
    assert "Place: not known" not in of_image
    without = annotation(modality=card.modality, labels=("spleen",), absent=(), boxes=())
    assert "Place: not known" in by_kind(made, without)[Kind.IMAGE_CAPTION].text
    turns = (("What is it?", "This is the left kidney. It filters the blood and makes urine."),)
    translated = replace(made, task, turns)
    assert [each.text for each in translated.facts.knowledge] == [
        "过滤血液；清除代谢废物；生成尿液",
        "蚕豆形的灰色软组织，周围为较暗的脂肪",
    ]


def replace(made, task, turns):
    """Return the translation of a task's text, whatever share is drawn."""
    made._settings = made._settings.model_copy(update={"translate": {task.facts.kind: 1.0}})
    return made.translation(task.facts, task.id, turns)


def test_each_text_has_a_scenario_a_level_and_an_example(maker, annotation):
    made = maker()
    prompts = load_prompts()
    assert len(prompts["dialogue"].general.scenarios) == 10
    drawn = [by_kind(made, annotation(number))[Kind.DIALOGUE] for number in range(60)]
    assert {task.told["scenario"] for task in drawn} == set(prompts["dialogue"].general.scenarios)
    assert {task.told["level"] for task in drawn} == {"basic", "intermediate", "advanced"}
    for task in drawn[:5]:
        assert prompts["dialogue"].scenario(task.told["scenario"]) in task.text
        assert "An example of the form, about another image: {" in task.text
    again = [by_kind(maker(), annotation(number))[Kind.DIALOGUE] for number in range(60)]
    assert [task.key for task in again] == [task.key for task in drawn], "the same in every run"


def test_free_instructions_are_reports_and_reasonings_by_their_shares(maker, annotation):
    def forms(**shares):
        made = maker(**shares)
        return [by_kind(made, annotation(number))[Kind.FREE_INSTRUCTION] for number in range(60)]

    assert {task.prompt.name for task in forms(report_share=0, reasoning_share=0)} == {"free_instruction"}
    assert {task.facts.form for task in forms(report_share=1, reasoning_share=0)} == {"report"}
    assert {task.prompt.name for task in forms(report_share=0.3, reasoning_share=0.3)} == {
        "free_instruction", "report", "reasoning",
    }  # fmt: skip
    for task in forms(report_share=0, reasoning_share=1):
        assert task.facts.form == task.told["form"] == "reasoning"
        assert task.told["answer"] == "alpha"
        assert f"The last line is exactly: Answer: {task.facts.answer}" in task.text
        assert task.facts.question in task.text
    with pytest.raises(ValueError, match="are more than all"):
        WritingSettings(writer="openai", model="m", report_share=0.6, reasoning_share=0.5)


def test_a_report_and_a_reasoning_keep_their_parts_in_chinese(maker, annotation):
    for form, english, chinese in (
        ("report", "Findings: alpha is smooth and dark. Impression: alpha.", "所见：阿尔法光滑而暗。印象：阿尔法。"),
        ("reasoning", "It is smooth.\nIt is dark and round.\nAnswer: alpha",
         "它光滑。\n它呈圆形，颜色较暗，边缘清楚。\n答案：阿尔法"),
    ):  # fmt: skip
        shares = {"report_share": float(form == "report"), "reasoning_share": float(form == "reasoning")}
        made = maker(**shares, translate={"free_instruction": 1.0})
        task = by_kind(made, annotation())[Kind.FREE_INSTRUCTION]
        translation = next(iter(made.follow_ups(task, (("What is it?", english),))))
        assert translation.told == {"form": form, **({"answer": "阿尔法"} if form == "reasoning" else {})}
        assert ("Findings: = 所见：" if form == "report" else "Answer: = 答案：") in translation.text
        good = json.dumps({"turns": [{"question": "这是什么？", "answer": chinese}]}, ensure_ascii=False)
        assert translation.complaint(Reply(good)) is None
        bad = good.replace("印象：", "").replace("答案：", "")
        assert translation.complaint(Reply(bad))[0] == "parts"


def test_prompts_of_one_s_own_without_the_newer_lines_still_serve(tmp_path, recipe, annotation):
    general = load_prompts()["dialogue"].general.model_dump()
    old = {name: general[name] for name in ("version", "rules", "form", "one_turn", "some_turns", "repair")}
    old["record"] = {name: general["record"][name] for name in ("modality", "anatomy", "department", "labels", "box")}
    (tmp_path / "general.yaml").write_text(json.dumps(old))
    specific = load_prompts()["dialogue"].specific.model_dump()
    kept = {name: specific[name] for name in ("version", "max_tokens", "expected_tokens", "turns", "words")}
    for name in ("image_caption", "free_instruction", "dialogue"):
        (tmp_path / f"{name}.yaml").write_text(json.dumps(kept | {"task": "Write. {style}", "styles": ["Be brief."]}))
    made = TaskMaker(recipe, WritingSettings(writer="openai", model="m"), load_prompts(tmp_path), 0.0, 0)
    task = by_kind(made, annotation(provenance={"axis": "axial"}))[Kind.DIALOGUE]
    assert "Write. Be brief." in task.text
    assert "Plane" not in task.text
    assert task.told == {}
