"""Replies that nobody could misread are read; all others are refused with what is wrong."""

import json

import pytest
from gmai_data.generation.replies import UnusableReplyError, parse_opinion, parse_turns

TURN = {"question": "What {x} is seen?", "answer": 'It is "bright", [1] and 3, } wide.'}
GOOD = json.dumps({"turns": [TURN]})
PARSED = ((TURN["question"], TURN["answer"]),)
FENCED = f"```json\n{GOOD}\n```"


@pytest.mark.parametrize(
    "reply",
    [
        GOOD,
        f"\ufeff{GOOD}",
        f"  {GOOD}\n",
        FENCED,
        f"```\n{GOOD}\n```",
        f"Here is the JSON:\n{FENCED}",
        f"{FENCED}\nLet me know {{if}} anything [1] should change.",
        f'<think>\nMaybe {{a}} or {{"turns": []}}.\n</think>\n\n{GOOD}',
        f"<thinking>hm</thinking>{GOOD}",
        f"[THINK]hm[/THINK]{GOOD}",
        f"The template opened it.</think>\n{GOOD}",
        f"<think></think><think>twice</think>{FENCED}",
        GOOD.replace("}]}", "},]}"),
        GOOD.replace("}]}", ",}],}"),
        json.dumps({**json.loads(GOOD), "notes": {"turns": 1}}),
        json.dumps({"turns": [{**TURN, "id": 1}]}),
        json.dumps([TURN]),
        GOOD.replace("turns", "Turns").replace("question", "QUESTION"),
        json.dumps({"turns": [TURN]}, indent=2),
        f"<|channel|>final<|message|>{GOOD}",
        f"[{GOOD}]",
        json.dumps(TURN),
        f"Sure!\n{json.dumps({**TURN, 'why': 'asked'})}",
        json.dumps({"result": {"turns": [TURN]}}),
        json.dumps({"conversation": [TURN]}),
        json.dumps({"name": "answer", "arguments": {"turns": [TURN]}}),
        json.dumps({"name": "answer", "arguments": GOOD}),
        f"<tool_call>\n{json.dumps({'name': 'answer', 'arguments': {'turns': [TURN]}})}\n</tool_call>",
    ],
)
def test_what_is_whole_and_alone_is_read(reply):
    assert parse_turns(reply) == PARSED


def test_curly_quotes_around_everything_are_read():
    assert parse_turns("{“turns”: [{“question”: “Which?”, “answer”: “It’s one.”,}]}") == (("Which?", "It’s one."),)


def test_line_ends_inside_a_string_are_read():
    assert parse_turns('{"turns": [{"question": "One\n?", "answer": "a\tb"}]}') == (("One\n?", "a\tb"),)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (f"{GOOD}\n{GOOD}", "holds 2 records"),
        (f"{FENCED}\nor\n{FENCED}", "holds 2 records"),
        (GOOD[: len(GOOD) // 2], "ends before its last bracket"),
        (f"```json\n{GOOD[:-1]}", "ends before its last bracket"),
        (f"<think>{GOOD}", "thinking in it has no end"),
        (f"</think>{GOOD}<think>", "thinking in it has no end"),
        ("I'm sorry, but I cannot assist.", "no JSON in it"),
        ("", "no JSON in it"),
        (json.dumps({"question": "a"}), "turns.0.answer: Field required"),
        (f"{json.dumps(TURN)}\n{json.dumps(TURN)}", "holds 2 records"),
        (f"[{GOOD}, {GOOD}]", "turns.0.question: Field required"),
        (json.dumps({"first": {"turns": [TURN]}, "second": {"turns": [TURN]}}), "turns: Field required"),
        ('{"turns": [{"question": "a", "answer": "b", "answer": "c"}]}', "stands twice"),
        ('{"turns": [{"question": "a", "answer": "b"}], "turns": [{"question": "a", "answer": "c"}]}', "stands twice"),
        ('{“turns”: [{“question”: "a", “answer”: "b"}]}', "no JSON"),
        (GOOD.replace('"answer"', "answer"), "no JSON: Expecting property name"),
        (GOOD.replace('", "answer', '" "answer'), "no JSON"),
        ("{}", "turns: Field required"),
        ('{"turns": []}', "turns: List should have at least 1 item"),
        ('{"turns": "x"}', "turns: Input should be a valid list"),
        ('{"turns": [{"question": "", "answer": "x"}]}', "turns.0.question: String should have at least 1"),
        ('{"turns": [{"question": "a", "answer": 5}]}', "turns.0.answer: Input should be a valid string"),
        ('{"turns": [{"question": "a", "Question": "b", "answer": "x"}]}', "differ in capitals"),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(reply, message):
    with pytest.raises(UnusableReplyError, match=message):
        parse_turns(reply)


def test_an_opinion_is_read_the_same_way():
    opinion = parse_opinion('Sure: {"consistent": false, "reason": "no", "score": 3,}')
    assert (opinion.consistent, opinion.reason) == (False, "no")
    with pytest.raises(UnusableReplyError, match="reason: Field required"):
        parse_opinion('{"consistent": true}')


def test_a_long_hostile_reply_takes_no_time():
    for reply in ('{"a' * 20_000, "[{" * 20_000, "<think>" * 20_000, '"' * 50_000, "{" * 50_000):
        with pytest.raises(UnusableReplyError):
            parse_turns(reply)


_RECORD = {"turns": [{"question": "What?", "answer": "The liver."}]}
_TEXT = json.dumps(_RECORD)


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps([{"id": "1", "type": "function", "function": {"name": "other", "arguments": _TEXT}}]),
        json.dumps(_TEXT),
        json.dumps(json.dumps(_TEXT)),
        json.dumps({"turns": json.dumps(_RECORD["turns"])}),
        json.dumps({"turns": [json.dumps(_RECORD["turns"][0])]}),
        "｛＂turns＂：［｛＂question＂：＂What?＂，＂answer＂：＂The liver.＂｝］｝",
        '答案：｛"turns"：[{"question"："What?"，"answer"："The liver."}]｝😀',
        "{“turns”：[{“question”：“What?”，“answer”：“The liver.”}]}",
        '{\u00a0"turns":\u3000[{"question":"What?","answer":"The liver."}]}',
    ],
)
def test_what_is_put_around_a_record_and_full_width_signs_are_taken_off(reply):
    assert parse_turns(reply) == (("What?", "The liver."),)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (r'{"turns":[{"question":"a","answer":"b","\u0061nswer":"c"}]}', "stands twice"),
        (json.dumps([{"name": "a", "arguments": _TEXT}, {"name": "b", "arguments": _TEXT}]), "Field required"),
        (json.dumps({"arguments": '{"turns":[{"question":"a","answer":"b","answer":"c"}]}'}), "stands twice"),
        ('{"a":' * 200_000 + "1" + "}" * 200_000, "too deep"),
        (r'{"turns":[{"question":"a\u0000","answer":"b"}]}', "control character"),
        (r'{"turns":[{"question":"a\u009b","answer":"b"}]}', "control character"),
    ],
)
def test_a_record_that_hides_another_or_cannot_be_read_is_refused(reply, message):
    with pytest.raises(UnusableReplyError, match=message):
        parse_turns(reply)


def test_full_width_signs_stay_in_the_text():
    reply = '{"turns"：[{"question"："这是什么？"，"answer"："圖像顯示肝臟：輪廓光滑，😀。"}]}'
    assert parse_turns(reply) == (("这是什么？", "圖像顯示肝臟：輪廓光滑，😀。"),)
