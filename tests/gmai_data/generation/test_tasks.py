"""From a record to its outcome: what is asked, in which order, and what is kept of it."""

import asyncio
import json

import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.generation.asking import Asker
from gmai_data.generation.endpoints import Endpoint, Pool
from gmai_data.generation.journal import Journal, Outcome, Reply
from gmai_data.generation.pending import Pending
from gmai_data.generation.prices import Budget, budget_for, load_table, text_tokens
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.replies import UnusableReplyError, parse_turns
from gmai_data.generation.requests import Parameters, Request
from gmai_data.generation.tasks import TaskMaker, WritingSettings, advance
from gmai_data.generation.translation import lock, unlock
from gmai_data.vocabulary import Kind, Split
from gmai_formats.errors import UserError

ANSWER = "A Dermoscopy image of the skin, on which alpha stands out with a smooth and dark texture."
GOOD = json.dumps({"turns": [{"question": "What is seen here?", "answer": ANSWER}]})
REFERENCE = "<ref>alpha</ref><box>[[100, 100, 500, 500]]</box>"


@pytest.fixture
def recipe(toy):
    return toy(anatomy={"en": "skin", "zh": "皮肤"}, labels={"a": {"en": "alpha", "zh": "阿尔法"}, "b": "beta"})


@pytest.fixture
def annotation(recipe):
    def make(number=0, **changes):
        return Annotation(
            **{
                "id": f"2d#cls#{number}", "image": b"\x89PNG" + bytes([number]), "width_px": 100, "height_px": 100,
                "modality": recipe.modality, "department": recipe.department, "clinical_task": recipe.clinical_task,
                "anatomy": "skin", "task": recipe.task, "labels": ("alpha",), "absent": ("beta",), "incomplete": (),
                "boxes": (Box("alpha", (10, 10, 50, 50)),), "split": Split.TRAIN, "group": "g", "source": "toy",
                "license": "CC0-1.0", "provenance": {}, **changes,
            }
        )  # fmt: skip

    return make


@pytest.fixture
def maker(recipe):
    def make(text_share=0.0, **settings):
        return TaskMaker(
            recipe, WritingSettings(**{"writer": "openai", "model": "m", **settings}), load_prompts(), text_share, 0
        )

    return make


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path, "toy", 0, 4, "ab")


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
    body = json.loads(task.request(0, None, task.key).body(task.parameters))
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
    messages = json.loads(repair.body(task.parameters))["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "no JSON" in messages[-1]["content"]
    journal.add_reply(repair.key, Reply(GOOD.replace("alpha", "beta")))
    again = advance(task, journal)
    assert (again.attempt, again.repair) == (1, None)
    assert json.loads(again.body(task.parameters))["seed"] == json.loads(first.body(task.parameters))["seed"] + 1
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


def test_a_failure_counts_for_its_build_alone(maker, annotation, journal, tmp_path):
    task = by_kind(maker(), annotation())[Kind.IMAGE_CAPTION]
    journal.add_failure(task.key, "HTTP 400: no")
    assert advance(task, journal).detail == "HTTP 400: no"
    journal.close()
    assert isinstance(advance(task, Journal(tmp_path, "toy", 0, 4, "ab")), Outcome)
    assert isinstance(advance(task, Journal(tmp_path, "toy", 0, 4, "cd")), Request)


def test_journals_are_found_whatever_the_number_of_shards_and_torn_lines_are_asked_again(journal, tmp_path):
    journal.add_reply("k1", Reply("one", seconds=1.5))
    journal.add_reply("k2", Reply("two"))
    journal.close()
    (path,) = tmp_path.rglob("*.jsonl")
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    torn = Journal(tmp_path, "toy", 0, 4, "ab")
    assert (set(torn.replies), torn.torn) == ({"k1"}, 1)
    assert set(Journal(tmp_path, "toy", 1, 8, "cd").replies) == {"k1"}
    assert not Journal(tmp_path, "toy", 2, 8, "cd").replies, "another range of items"
    assert not Journal(tmp_path, "other", 0, 4, "cd").replies
    assert set(Journal(tmp_path, "toy", 0, 2, "cd").replies) == {"k1"}


def test_a_waiting_request_frees_its_slot(maker, annotation, journal, openai_server):
    arrived = []

    def faults(body, times):
        arrived.append(body["messages"][1]["content"][0]["image_url"]["url"][-8:])
        return "500" if len(arrived) == 1 else None

    records = [annotation(number, boxes=()) for number in range(3)]
    made = maker()
    tasks = [next(iter(made.tasks(record, record.id))) for record in records]
    with openai_server.Server(faults) as server:
        budget = budget_for(["m"], load_table(), cap_usd=None, batch=False)
        asker = Asker(Pool([Endpoint(server.url, {}, "")], 1), budget, backoff_s=0.3)
        waiting = [Pending(task, journal, made) for task in tasks]
        asyncio.run(asker.run(waiting, lambda _: None, {0: journal}))
    assert len(arrived) == 4
    assert arrived[3] == arrived[0], "the one that waited came last"
    assert asker.asked.retried == {"HTTP 500": 1}


def test_the_same_request_of_two_records_is_asked_once(maker, annotation, journal, openai_server):
    made = maker()
    twins = [annotation(number, id="twin") for number in (1, 1)]
    tasks = [task for twin in twins for task in made.tasks(twin, "digest")]
    with openai_server.Server(latency_s=0.05) as server:
        budget = budget_for(["m"], load_table(), cap_usd=None, batch=False)
        asker = Asker(Pool([Endpoint(server.url, {}, "")], 32), budget)
        asyncio.run(asker.run([Pending(t, journal, made) for t in tasks], lambda _: None, {0: journal}))
    assert sum(server.books.asked.values()) == len(tasks) / 2


def test_a_redirect_gets_neither_key_nor_image(maker, annotation, journal, openai_server):
    made = maker()
    task = next(iter(made.tasks(annotation(1), "digest")))
    with openai_server.Server() as elsewhere, openai_server.Server() as server:
        to = {"Location": elsewhere.url.replace("127.0.0.1", "localhost") + "/chat/completions"}
        server.route = lambda *_: (307, to, b"", False)
        budget = budget_for(["m"], load_table(), cap_usd=None, batch=False)
        asker = Asker(Pool([Endpoint(server.url, {"api-key": openai_server.KEY}, openai_server.KEY)], 4), budget)
        with pytest.raises(UserError, match=r"HTTP 307.*It is not retried\. Name the address that it points to"):
            asyncio.run(asker.run([Pending(task, journal, made)], lambda _: None, {0: journal}))
    assert not elsewhere.books.keys


def test_records_that_say_the_same_are_asked_for_different_texts(maker, annotation):
    """Without their images two records of one label would be one request, asked and paid in every shard."""
    made = maker(1.0)
    one, other = (by_kind(made, annotation(number)) for number in (1, 2))
    texts = [each[Kind.TEXT_ONLY].request(0, None, "k").body(each[Kind.TEXT_ONLY].parameters) for each in (one, other)]
    seeds = [json.loads(body)["seed"] for body in texts]
    assert seeds[0] != seeds[1]
    assert one[Kind.TEXT_ONLY].key != other[Kind.TEXT_ONLY].key
    assert one[Kind.TEXT_ONLY].key == by_kind(made, annotation(1))[Kind.TEXT_ONLY].key, "the same in every run"
    assert one[Kind.DIALOGUE].parameters.seed == 0


def test_rate_limit_headers_hold_the_queue_back(maker, annotation, journal, openai_server):
    made = maker()
    records = [annotation(number, boxes=()) for number in range(8)]
    tasks = [next(iter(made.tasks(record, record.id))) for record in records]
    with openai_server.Server() as server:
        server.rate_headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "150ms"}
        budget = budget_for(["m"], load_table(), cap_usd=None, batch=False)
        asker = Asker(Pool([Endpoint(server.url, {}, "")], 2), budget)
        asyncio.run(asker.run([Pending(t, journal, made) for t in tasks], lambda _: None, {0: journal}))
        arrived_s = server.books.arrived_s
    assert sum(server.books.asked.values()) == 8
    assert arrived_s[-1] - arrived_s[0] > 3 * 0.15 - 0.05, "two at once, and a wait after each pair"


def test_translation_locks_tags_numbers_and_units():
    turns = (("Where?", f"At {REFERENCE} lies alpha, 12.5 mm wide, 3 of 4."),)
    chinese = {"alpha": "阿尔法"}
    locked, tokens = lock(turns, chinese)
    assert locked == (("Where?", "At ⟦0⟧ lies alpha, ⟦1⟧ wide, ⟦2⟧ of ⟦3⟧."),)
    assert tokens == (REFERENCE, "12.5 mm", "3", "4")
    back = unlock(locked, (("哪里？", "阿尔法位于⟦0⟧，宽⟦1⟧，⟦3⟧中的⟦2⟧。"),), tokens, chinese)
    assert back == (("哪里？", f"阿尔法位于{REFERENCE.replace('alpha', '阿尔法')}，宽12.5 mm，4中的3。"),)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("⟦0⟧，⟦1⟧，⟦2⟧", "must hold ⟦0⟧, ⟦1⟧, ⟦2⟧, ⟦3⟧, each once, and holds"),
        ("⟦0⟧⟦1⟧⟦2⟧⟦3⟧⟦3⟧", "each once"),
        ("⟦0⟧⟦1⟧⟦2⟧⟦3⟧⟦", "broken"),
    ],
)
def test_a_translation_that_loses_a_lock_is_refused(answer, message):
    locked, tokens = lock((("Where?", f"At {REFERENCE} lies alpha, 12.5 mm wide, 3 of 4."),), {})
    with pytest.raises(UnusableReplyError, match=message):
        unlock(locked, (("哪里？", answer),), tokens, {})


def test_replies_are_held_to_the_schema_whatever_the_server_does():
    assert parse_turns(GOOD)[0][0] == "What is seen here?"
    for reply in ("{}", '{"turns": [{"question": "", "answer": "x"}]}', '{"turns": "x"}', '{"turns": [], "more": 1}'):
        with pytest.raises(UnusableReplyError):
            parse_turns(reply)


def test_prices_by_the_provider_s_formulas():
    table = load_table()
    assert table.as_of
    assert table.source
    four_o, mini = table.price("gpt-4o-2024-08-06"), table.price("gpt-4.1-mini")
    assert four_o.image.tokens(336, 336, "high") == 85 + 170
    assert four_o.image.tokens(1024, 1024, "high") == 85 + 4 * 170
    assert four_o.image.tokens(2048, 4096, "high") == 85 + 6 * 170
    assert four_o.image.tokens(4000, 4000, "low") == 85
    assert mini.image.tokens(336, 336, "auto") == 197  # 11 × 11 patches × 1.62, rounded up
    assert four_o.usd(1_000_000, 100_000, batch=False) == pytest.approx(3.5)
    assert four_o.usd(1_000_000, 100_000, batch=True) == pytest.approx(1.75)
    assert text_tokens("four characters a token.") == 6
    assert text_tokens("肝脏左肾") == 4


def test_a_budget_never_passes_its_cap(tmp_path):
    budget = Budget({"m": load_table().price("gpt-4o")}, batch=False, cap_usd=0.01)
    first = budget.reserve("m", 1000, 500)
    assert first == pytest.approx(0.0075)
    assert budget.reserve("m", 1000, 500) is None
    budget.settle(first, "m", 1000, 100)
    assert budget.spent_usd == pytest.approx(0.0035)
    assert budget.reserve("m", 1000, 300) is not None
    with pytest.raises(UserError, match=r'has no model "gpt-4p".* Did you mean "gpt-4o"'):
        budget_for(["gpt-4p"], load_table(), cap_usd=1.0, batch=False)
    (tmp_path / "own.yaml").write_text(
        "as_of: today\nsource: us\nmodels: {ours: {input_usd: 1, output_usd: 2, image: {by: fixed, per_image: 64}}}\n"
    )
    assert load_table(tmp_path / "own.yaml").price("ours").image.tokens(1, 1, "auto") == 64


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("dialog.yaml", "version: 1", "no prompt has this name"),
        ("dialogue.yaml", "version: 0", "version: Input should be greater"),
        ("dialogue.yaml", None, r"task has the fields box, style"),
        ("region_caption.yaml", "", "valid dictionary"),
    ],
)
def test_prompts_of_one_s_own_are_checked(tmp_path, name, text, message):
    if text is None:
        text = json.dumps(
            {"version": 2, "max_tokens": 9, "expected_tokens": 9, "turns": [1, 2], "words": [1, 9],
             "task": "Write {box} {style}", "styles": ["x"]}
        )  # fmt: skip
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        load_prompts(tmp_path)


def test_another_text_is_another_prompt(tmp_path):
    source = load_prompts()["dialogue"]
    specific = source.specific.model_dump() | {"task": source.specific.task + " Be brief."}
    (tmp_path / "dialogue.yaml").write_text(json.dumps(specific))
    own = load_prompts(tmp_path)
    assert own["dialogue"].digest != source.digest
    assert own["image_caption"].digest == load_prompts()["image_caption"].digest


def test_parameters_have_no_place_for_keys():
    assert set(Parameters.__dataclass_fields__) == {"model", "temperature", "detail", "response_format", "seed"}
