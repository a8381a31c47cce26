"""The block of a writer: which settings go together, and what is said where they do not."""

import pytest
from gmai_data.config import resolve
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import WRITTEN_KINDS, WritingSettings
from gmai_data.generation.writers import WRITERS, Writing
from gmai_data.vocabulary import Kind
from gmai_formats.errors import UserError


def settings(*overrides, writer="openai", model="m"):
    return resolve(None, overrides, {"writing.writer": writer, "writing.model": model}).writing.settings(0.25)


@pytest.mark.parametrize(
    ("writer", "model", "overrides", "message"),
    [
        ("opnai", "m", (), r'writer opnai: no such writer\. Did you mean "openai"\?'),
        ("openai", "", (), "writer openai: no model is named. Give --model NAME"),
        ("openai-batch", "", (), "writer openai-batch: no model is named"),
        ("openai", "m", ("writing.translate.dialogue=",), "writing.translate.dialogue=: there is no value after"),
        ("openai", "m", ("writing.translate.dialogue=1.5",), "writing.translate.dialogue: .* less than or equal to 1"),
        (
            "openai",
            "m",
            ("writing.translate.dialogue=-1",),
            "writing.translate.dialogue: .* greater than or equal to 0",
        ),
        ("openai", "m", ("writing.translate.dialogue=nan",), "writing.translate.dialogue: "),
        ("openai", "m", ("writing.translate.dialog=0.5",), "writing.translate.dialog.*: .*dialogue"),
        (
            "openai",
            "m",
            ("writing.translate.visual_perception=1",),
            "no model writes visual_perception. Kinds: image_c",
        ),
        ("openai", "m", ("writing.translate=0.5",), "writing.translate: Input should be a valid dictionary"),
        ("openai", "m", ("writing.temperature=2.5",), "writing.temperature: "),
        ("openai", "m", ("writing.temprature=1",), r'unknown key\. Did you mean "temperature"\?'),
        ("openai", "m", ("writin.temperature=1",), r'unknown key\. Did you mean "writing"\?'),
        ("openai", "m", ("writing.detail=medium",), "writing.detail: "),
        ("openai", "m", ("writing.response_format=xml",), "writing.response_format: "),
        ("openai", "m", ("writing.judge_share=0",), "writing.judge_share: "),
        ("template", None, ("writing.judge=j",), "judge: the writer `template` asks no model"),
        ("template", None, ("writing.translate.dialogue=1",), "translate: the writer `template` asks no model"),
        ("template", None, ("writing.prompts=folder",), "prompts: the writer `template` asks no model"),
        ("template", "m", (), "model: the writer `template` asks no model. Give --writer openai, openai-batch or vllm"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(writer, model, overrides, message):
    with pytest.raises(UserError, match=message):
        settings(*overrides, writer=writer, model=model)


def test_the_offline_writer_has_no_settings():
    assert settings(writer="template", model=None) is None
    assert WRITERS == ("template", "openai", "openai-batch", "vllm")


def test_each_written_kind_is_translated_by_the_share_unless_another_is_given():
    made = settings(
        "writing.translate={dialogue: 0.5, text_only: 0, image_caption: 0.5}", "writing.translate.dialogue=1"
    )
    assert made.translate == {
        **dict.fromkeys(WRITTEN_KINDS, 0.25), Kind.DIALOGUE: 1.0, Kind.TEXT_ONLY: 0.0, Kind.IMAGE_CAPTION: 0.5,
    }  # fmt: skip
    assert Kind.VISUAL_PERCEPTION not in made.translate


def test_settings_hold_what_was_given_and_the_digests_of_the_prompts():
    block = {"temperature": 0.1, "detail": "low", "judge": "j", "judge_share": 1, "reasoning_effort": "low"}
    made = settings(*(f"writing.{name}={value}" for name, value in block.items()), writer="openai-batch")
    assert {name: getattr(made, name) for name in block} == block
    assert (made.writer, made.model) == ("openai-batch", "m")
    assert made.prompts == {name: prompt.digest for name, prompt in load_prompts().items()}


def test_every_setting_that_shapes_the_text_is_in_the_block():
    assert set(WritingSettings.model_fields) <= set(Writing.model_fields)
    for name in set(WritingSettings.model_fields) - {"writer", "model", "translate", "prompts", "knowledge"}:
        assert WritingSettings.model_fields[name].default == Writing.model_fields[name].default, name


def test_a_run_has_no_cap_and_asks_before_it_spends_unless_it_is_allowed_to():
    options = Writing().options(yes=False)
    assert (options.max_cost_usd, options.yes, options.endpoints) == (None, False, ())
    assert (options.concurrency, options.timeout_s, options.backoff_s) == (64, 300.0, 0.5)
    limits = Writing(batch_mb=0.5, batch_requests=7).options(yes=True).limits
    assert (limits.requests, limits.size_bytes, limits.poll_s) == (7, 500_000, 60.0)


def test_endpoints_of_a_judge_need_a_judge_and_a_live_writer():
    with pytest.raises(UserError, match="judge_endpoints: no judge is named"):
        settings("writing.judge_endpoints=[http://a/v1]")
    with pytest.raises(UserError, match="go to one endpoint"):
        settings("writing.judge_endpoints=[http://a/v1]", "writing.judge=j", writer="openai-batch")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("writing.endpoints=[http://a/v1]",), "the model runs on this machine, at no endpoint and no price"),
        (("writing.max_cost_usd=3",), "the model runs on this machine"),
        (("writing.judge=other",), "the engine holds one model, m. Name that one"),
    ],
)
def test_what_does_not_go_with_the_offline_engine(overrides, message):
    with pytest.raises(UserError, match=message):
        settings(*overrides, writer="vllm")


def test_an_engine_is_for_the_offline_writer():
    with pytest.raises(UserError, match="the writer `openai` loads no engine"):
        settings("writing.engine={max_model_len: 8}")
    assert settings("writing.engine={max_model_len: 8}", writer="vllm").writer == "vllm"
