"""The options of a writer: which go together, and what is said where they do not."""

import pytest
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import WRITTEN_KINDS
from gmai_data.generation.writers import WRITERS, WriterOptions, writing_settings
from gmai_data.vocabulary import Kind
from gmai_formats.errors import UserError


def settings(writer="openai", **changes):
    given = {
        "model": "m", "temperature": 0.7, "detail": "auto", "response_format": "json_schema", "translate": (),
        "chinese_share": 0.25, "judge": "", "judge_share": 0.02, "prompts": None,
    }  # fmt: skip
    return writing_settings(writer, **{**given, **changes})


@pytest.mark.parametrize(
    ("writer", "changes", "message"),
    [
        ("opnai", {}, r"--writer opnai: no such writer\..*openai"),
        ("openai", {"model": ""}, "--writer openai: no model is named. Give --model NAME"),
        ("openai-batch", {"model": ""}, "--writer openai-batch: no model is named"),
        ("openai", {"translate": ("dialogue",)}, "--translate dialogue: it is KIND=SHARE, the share from 0 to 1"),
        ("openai", {"translate": ("dialogue=1.5",)}, "--translate dialogue=1.5: it is KIND=SHARE"),
        ("openai", {"translate": ("dialogue=-0",)}, "--translate dialogue=-0: it is KIND=SHARE"),
        ("openai", {"translate": ("dialogue=nan",)}, "--translate dialogue=nan: it is KIND=SHARE"),
        ("openai", {"translate": ("dialog=0.5",)}, "--translate dialog=0.5: .*dialogue"),
        ("openai", {"translate": ("visual_perception=1",)}, "--translate visual_perception=1: it is KIND=SHARE"),
        ("openai", {"temperature": 2.5}, "temperature"),
        ("openai", {"detail": "medium"}, "detail"),
        ("openai", {"response_format": "xml"}, "response_format"),
        ("openai", {"judge_share": 0.0}, "judge_share"),
        ("template", {"judge": "j", "model": ""}, "the writer `template` asks no model"),
        ("template", {"translate": ("dialogue=1",), "model": ""}, "the writer `template` asks no model"),
        ("template", {}, "Give --writer openai or openai-batch, or leave them out"),
    ],
)
def test_options_that_do_not_go_together_are_refused(writer, changes, message):
    with pytest.raises(UserError, match=message):
        settings(writer, **changes)


def test_own_prompts_are_refused_of_the_offline_writer(tmp_path):
    with pytest.raises(UserError, match="asks no model"):
        settings("template", model="", prompts=tmp_path)


def test_the_offline_writer_has_no_settings():
    assert settings("template", model="") is None
    assert WRITERS == ("template", "openai", "openai-batch")


def test_each_written_kind_is_translated_by_the_share_unless_another_is_given():
    made = settings(translate=("dialogue=1", "text_only=0", "image_caption=0.5", "dialogue=1.0"))
    assert made.translate == {
        **dict.fromkeys(WRITTEN_KINDS, 0.25), Kind.DIALOGUE: 1.0, Kind.TEXT_ONLY: 0.0, Kind.IMAGE_CAPTION: 0.5,
    }  # fmt: skip
    assert Kind.VISUAL_PERCEPTION not in made.translate


def test_settings_hold_what_was_given_and_the_digests_of_the_prompts():
    made = settings("openai-batch", temperature=0.1, detail="low", judge="j", judge_share=1.0)
    assert (made.writer, made.model, made.temperature, made.detail) == ("openai-batch", "m", 0.1, "low")
    assert (made.judge, made.judge_share) == ("j", 1.0)
    assert made.prompts == {name: prompt.digest for name, prompt in load_prompts().items()}


def test_a_run_has_no_cap_and_asks_before_it_spends_unless_told():
    options = WriterOptions()
    assert (options.max_cost_usd, options.yes, options.endpoints) == (None, False, ())
    assert (options.concurrency, options.timeout_s, options.backoff_s) == (64, 300.0, 0.5)
