"""The dataset card: what it counts, how licences are named, and that words of a source stay words."""

from collections import Counter

import pytest
import yaml
from gmai_data.publishing.card import HUB_LICENCES, dataset_card, front_matter, licences_of
from gmai_data.publishing.facts import ReleaseFacts
from gmai_data.vocabulary import SubDataset

RECIPE = {
    "title": "Toy", "homepage": "https://example.org/a", "license": "MIT", "modality": "CT", "department": "Urology",
    "citation": "Doe 2020", "verified": True,
}  # fmt: skip


def release(**changes):
    """Return the facts of a release of one source, with some changed."""
    return ReleaseFacts(**{
        "recipes": {"toy": RECIPE},
        "samples": {SubDataset.CAPTION: {"train": 30, "validation": 10}, SubDataset.TEXT_MULTI: {"train": 60}},
        "counted": {"kind": Counter(dialogue=100), "language": Counter(en=70, zh=30), "source": Counter(toy=100)},
        "generators": Counter({(("writer", "template"),): 25, (("writer", "model"), ("model", "m|1")): 75}),
        "annotations": 7, "questions": 4, "odds": {"chance": 0.25, "prior_accuracy": 0.333}, "guessable": {},
        "account": {"toy": {"images": {"read": 9, "kept": 7, "dropped": {"blank": 1}, "quarantined": 1}}},
        "opinions": Counter(), "files": {},
        "build": {"versions": {"gmai-data": "gmai-data 1.0"}, "settings": {"seed": 0, "model": None}},
    } | changes)  # fmt: skip


@pytest.mark.parametrize(
    ("total", "category"),
    [(999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**6, "1M<n<10M"), (10**7, "10M<n<100M")],
)
def test_the_size_category(total, category):
    assert front_matter(release(samples={SubDataset.CAPTION: {"train": total}}))["size_categories"] == [category]


def test_configurations_and_the_default():
    configs = front_matter(release())["configs"]
    assert configs == [
        {
            "config_name": "GMAI-MM-Caption",
            "data_files": [
                {"split": "train", "path": "samples/caption/train-*.parquet"},
                {"split": "validation", "path": "samples/caption/validation-*.parquet"},
            ],
            "default": True,
        },
        {
            "config_name": "GMAI-Text-Multi",
            "data_files": [{"split": "train", "path": "samples/text_multi/train-*.parquet"}],
        },
        {"config_name": "annotations", "data_files": [{"split": "records", "path": "annotations/*.parquet"}]},
        {"config_name": "held_out", "data_files": [{"split": "test", "path": "benchmarks/*.parquet"}]},
    ]
    names = [each["config_name"] for each in front_matter(release(annotations=0, questions=0))["configs"]]
    assert names == ["GMAI-MM-Caption", "GMAI-Text-Multi"]


def test_licences():
    two = {"a": RECIPE | {"license": "MIT"}, "b": RECIPE | {"license": "CC-BY-4.0"}, "c": RECIPE}
    assert licences_of(release(recipes=two)) == ["CC-BY-4.0", "MIT"]
    assert (HUB_LICENCES["CC-BY-NC-SA-4.0"], HUB_LICENCES["PDDL-1.0"]) == ("cc-by-nc-sa-4.0", "pddl")


def test_the_front_matter_is_yaml_and_the_card_counts():
    text = dataset_card(release(), {"modality": [("CT", 7, 70.0, 26.8), ("PET", 0, 0.0, None)]})
    _, head, body = text.split("---\n", 2)
    assert yaml.safe_load(head)["language"] == ["en", "zh"]
    for line in (
        "100 samples on 7 annotated images of 1 sources, and 4 held-out questions",
        "Of the questions a blind guess gets 25.0% right, and the best guess from the options alone 33.3%.",
        "| kind dialogue | 100 |",
        "| language zh | 30 |",
        "| GMAI-MM-Caption | 30 | 10 | 40.0% | 1.7 M | 30.9% |",
        "| GMAI-MM-Percept | 0 | 0 | 0.0% | 1.3 M | 23.6% |",
        "| CT | 7 | 70.0 % | 26.8 % |",
        "| PET | 0 | 0.0 % |  |",
        "| [Toy](https://example.org/a) | MIT | CT | Urology | 100 | Doe 2020 |",
        "| template |  | 25 |",
        r"| model | m\|1 | 75 |",
        "Versions: gmai-data 1.0. Settings: seed 0.",
        "| images | 9 | 7 | 1 | 1 |",
        "| images | blank | 1 |",
        "- 25 of 100 samples come from fixed wording, not from a language model",
        'load_dataset("REPO_ID", "GMAI-MM-Caption", split="train")',
    ):
        assert line in body, line
    assert "second model's opinion" not in body
    assert "nobody has checked" not in body


def test_what_is_said_only_where_it_is_so():
    recipes = {"toy": RECIPE | {"verified": False, "modality": None}}
    guessable = {"yes_no": {"questions": 20.0, "chance": 0.5, "prior_accuracy": 0.9}}
    facts = release(recipes=recipes, guessable=guessable, opinions=Counter(agrees=3), generators=Counter(), questions=0)
    body = dataset_card(facts, {})
    assert "- Cards that nobody has checked against a real copy of the data: toy." in body
    assert r"give away (yes\_no, 20): a blind guess gets 50.0% right, and the best guess from" in body
    assert "| agrees | 3 |" in body
    assert "none (text)" in body
    assert "fixed wording" not in body
    assert "Of the questions" not in body


@pytest.mark.parametrize("homepage", ["javascript:alert(1)", "https://a b", "https://x)", "http://a|b"])
def test_a_homepage_that_is_no_address_is_no_link(homepage):
    body = dataset_card(release(recipes={"toy": RECIPE | {"homepage": homepage}}), {})
    assert "[Toy](" not in body
    assert "| Toy (" in body


def test_a_licence_read_second_hand_is_marked():
    second = RECIPE | {"license_second_hand": True, "license_source": "https://list.org/a"}
    assert "| MIT (second hand: https://list.org/a) |" in dataset_card(release(recipes={"toy": second}), {})
    assert "| MIT |" in dataset_card(release(), {})
