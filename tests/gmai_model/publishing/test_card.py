from dataclasses import replace
from typing import Any

import pytest
import yaml
from gmai_model.publishing.card import LIMITS, MARK, CardFacts, write_card
from gmai_model.publishing.earlier import read_card
from gmai_model.publishing.sources import Source

CONFIG: dict[str, Any] = {
    "vision_config": {"model_type": "clip_vision_model", "image_size": 336, "patch_size": 14},
    "text_config": {"model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "vocab_size": 92550},
}
FACTS = CardFacts("lab/model", {}, CONFIG, ["it opens"], None, None, None, [], {"a.json": "d1"}, None)
STAGE: dict[str, Any] = {
    "stage": 1, "name": "shallow_alignment", "trainable": ["projector"], "steps": 1000, "steps_planned": 2000,
    "samples": 5, "tokens": 6, "mixture": [], "settings": {"a": 1, "data": "/home/x"},
}  # fmt: skip
ENTRY: dict[str, Any] = {
    "name": "set", "title": "A | set", "protocol": "set/all", "n": 1200, "accuracy": 0.8125, "interval": [0.75, 0.86],
    "chance": 0.25,
}  # fmt: skip


def metadata(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def trained(**stage: Any) -> CardFacts:
    return replace(FACTS, record={"stages": [{**STAGE, **stage}]})


def test_what_is_not_known_is_said_so() -> None:
    card = write_card(FACTS)
    assert MARK in card
    assert LIMITS in card
    assert metadata(card) == {
        "library_name": "transformers", "pipeline_tag": "image-text-to-text", "tags": ["medical", "llava", "gmai"],
    }  # fmt: skip
    assert "- Stages done: none; the projector is untrained" in card
    assert "- Vision encoder: not recorded, 336 px, 576 tokens an image, image mode not recorded" in card
    assert "- Licence of the weights: not stated; those of its parts and data apply" in card
    assert "Not listed: the card was written without `--data`." in card
    assert "No results are given with this card." in card
    assert card.count("No stage has been run.") == 3
    assert "| a.json | `d1` |" in card
    assert "unknown tokens in all, images included" in card


def test_results_are_given_with_protocol_n_interval_and_chance() -> None:
    report = {
        "benchmarks": [ENTRY, {**ENTRY, "name": "shut", "hidden": True}],
        "model_digest": "d9",
        "generation": {"k": 1},
    }
    card = write_card(replace(FACTS, evaluation=report))
    assert "| A \\| set | `set/all` v1 | 1,200 | 81.2% | 75.0% to 86.0% | 25.0% |" in card
    assert "| A \\| set | `set/all` v1 | 1,200 | answers not public |  | 25.0% |" in card
    assert 'asked: `d9`; generation: `{"k": 1}`.' in card
    ((index,), name) = metadata(card)["model-index"][0]["results"], metadata(card)["model-index"][0]["name"]
    assert name == "model"
    assert index["metrics"] == [{"type": "accuracy", "value": 81.25, "name": "set/all v1, n = 1200"}]


def test_ablations_stand_beside_and_groups_below() -> None:
    groups = {"modality": {"CT": {"n": 9, "accuracy": 0.5, "interval": [0.2, 0.8], "chance": 0.25},
                           "x|y": {"n": 1, "accuracy": None}}}  # fmt: skip
    blank = {"image_ablation": "blank", "benchmarks": [{**ENTRY, "accuracy": 0.3}]}
    report = {"benchmarks": [{**ENTRY, "groups": groups}, {**ENTRY, "protocol": "set/open"}]}
    card = write_card(replace(FACTS, evaluation=report, ablations=[blank]))
    assert "| n | accuracy | 95 % interval | chance | with blank images |" in card
    assert "| 75.0% to 86.0% | 25.0% | 30.0% |" in card
    assert "| 75.0% to 86.0% | 25.0% | not measured |" in card
    assert "### A \\| set, `set/all`, by modality" in card
    assert "| CT | 9 | 50.0% | 20.0% to 80.0% | 25.0% |" in card
    assert "x\\|y" not in card
    kept = write_card(FACTS, read_card(card))
    assert "| CT | 9 | 50.0% |" in kept


def test_contact_is_asked_for_until_somebody_gives_it() -> None:
    card = write_card(FACTS)
    assert "## Authors, contact and citation\n\nNot given." in card
    assert write_card(FACTS, read_card(card)).count("## Authors, contact") == 1
    given = write_card(FACTS, read_card(card.replace("## Use\n", "## Citation\n\nUs, 2026.\n\n## Use\n")))
    assert "## Citation\n\nUs, 2026." in given
    assert "## Authors, contact and citation" not in given


def test_licences_of_the_data_are_joined() -> None:
    sources = [Source("a", "x", "MIT", 2), Source("b", "y", "CC-BY-NC-4.0", 1200), Source("c", "z", "MIT", 3)]
    card = write_card(replace(FACTS, sources=sources))
    assert "Licences of the data: CC-BY-NC-4.0 (1,200 samples); MIT (5 samples). The terms of each hold" in card


def test_a_partial_result_says_so() -> None:
    report = {"benchmarks": [{**ENTRY, "partial": True, "protocol_version": 3}]}
    assert "| `set/all` v3 | 1,200 (partial) |" in write_card(replace(FACTS, evaluation=report))


def test_sources_of_the_hub_are_metadata_and_all_are_listed() -> None:
    sources = [Source("a", "lab/set", "MIT", 1234), Source("a", "a web page", "not recorded", 1)]
    card = write_card(replace(FACTS, sources=sources))
    assert metadata(card)["datasets"] == ["lab/set"]
    assert "| a | lab/set | MIT | 1,234 |\n| a | a web page | not recorded | 1 |" in card


@pytest.mark.parametrize(
    ("change", "cells"),
    [
        ({}, "| 1 shallow_alignment | projector | 1,000 of 2,000 | 5 | 6 | not measured | not recorded |"),
        ({"validation_loss": 1.23456}, "| 6 | 1.2346 | not recorded |"),
        ({"lora": {"rank": 8}}, "| projector, LoRA rank 8 |"),
        ({"sessions": [{"processes": 2, "device": "x"}] * 2}, "| 2 × x |"),
        (
            {"mixture": [{"name": "m", "available": 10, "ratio": 0.5, "used": 5}]},
            "| 1 | m | 10 | 0.5 | 5 | not recorded |",
        ),
    ],
)
def test_a_stage_is_a_row(change: dict[str, Any], cells: str) -> None:
    assert cells in write_card(trained(**change))


def test_settings_are_shown_without_paths() -> None:
    card = write_card(trained())
    assert "```yaml\na: 1\n```" in card
    assert "/home" not in card


def test_a_curve_is_six_points_and_its_end() -> None:
    card = write_card(replace(trained(loss_curve=[[step, 1 / step] for step in range(1, 14)]), curves="c.png"))
    assert "![Loss curves](c.png)" in card
    points = next(line for line in card.splitlines() if line.startswith("| 1 | 1: 1.000"))
    assert points == "| 1 | 1: 1.000, 3: 0.333, 5: 0.200, 7: 0.143, 9: 0.111, 11: 0.091, 13: 0.077 |"
    assert "| 1 | not recorded |" in write_card(replace(trained(), curves="c.png"))


def test_parents_are_those_of_the_hub_without_their_revision() -> None:
    record = {"vision": "openai/clip@abc", "language": "local"}
    made = metadata(write_card(replace(FACTS, record=record)))
    assert (made["base_model"], made["base_model_relation"]) == (["openai/clip"], "finetune")


def test_what_others_wrote_is_kept_and_what_is_known_wins() -> None:
    first = write_card(replace(FACTS, licence="MIT", sources=[Source("a", "lab/set", "MIT", 7)]))
    edited = first.replace("tags:\n", "tags:\n- ours\n").replace("## Use\n", "## Thanks\n\nTo all.\n\n## Use\n")
    card = write_card(replace(FACTS, licence=None), read_card(edited))
    assert metadata(card)["license"] == "mit"
    assert metadata(card)["tags"] == ["medical", "llava", "gmai", "ours"]
    assert "## Thanks\n\nTo all." in card
    assert "| a | lab/set | MIT | 7 |" in card
    assert metadata(write_card(replace(FACTS, licence="Apache-2.0"), read_card(edited)))["license"] == "apache-2.0"


def test_another_model_stands_beside_where_it_was_asked_the_same() -> None:
    report = {"benchmarks": [ENTRY, {**ENTRY, "protocol": "set/open"}]}
    other = {
        "model": "lab/other",
        "benchmarks": [{**ENTRY, "accuracy": 0.4}, {**ENTRY, "protocol": "set/open", "n": 9}],
    }
    card = write_card(replace(FACTS, evaluation=report, baselines=[other]))
    assert "| chance | baseline: lab/other |" in card
    assert "| `set/all` v1 | 1,200 | 81.2% | 75.0% to 86.0% | 25.0% | 40.0% |" in card
    assert "| `set/open` v1 | 1,200 | 81.2% | 75.0% to 86.0% | 25.0% | not measured |" in card


def test_what_the_training_samples_hold_of_a_benchmark_is_said() -> None:
    found = {
        "protocol": "set/all", "questions": 1200, "images": 300, "same_image": 7, "near_image": 2,
        "questions_on_seen_images": 31, "same_words": 400, "both": 5,
    }  # fmt: skip
    card = write_card(replace(FACTS, evaluation={"benchmarks": [ENTRY], "contamination": [found]}))
    assert (
        "`set/all`: 31 of 1,200 questions are on images of the training samples (7 of 300 images are the same" in card
    )
    assert "400 have the words of a training question, 5 of them about such an image" in card
    assert "was not looked for" in write_card(replace(FACTS, evaluation={"benchmarks": [ENTRY]}))


def test_a_licence_that_the_hub_does_not_know_has_a_name_and_its_text() -> None:
    digests = {"LICENSE": "d", "a.json": "d1"}
    card = write_card(replace(FACTS, licence="Our Lab Research License 1.0", digests=digests))
    assert metadata(card)["license"] == "other"
    assert metadata(card)["license_name"] == "our-lab-research-license-1.0"
    assert metadata(card)["license_link"] == "LICENSE"
    later = metadata(write_card(replace(FACTS, licence="CC-BY-NC-SA-4.0"), read_card(card)))
    assert later["license"] == "cc-by-nc-sa-4.0"
    assert "license_name" not in later


def test_languages_of_the_samples_and_the_version_are_given() -> None:
    sources = [
        Source("a", "x", "mit", 3, ("en",)),
        Source("b", "y", "mit", 2, ("en", "zh")),
        Source("c", "z", "mit", 1),
    ]
    card = write_card(replace(FACTS, sources=sources, version="1.2.0"))
    assert metadata(card)["language"] == ["en", "zh"]
    assert "- Version: 1.2.0\n" in card
