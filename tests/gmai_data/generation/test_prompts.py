"""The prompt files: what one of one's own must hold, and what makes another prompt."""

import json

import pytest
from gmai_data.generation.prompts import NAMES, load_prompts
from gmai_formats.errors import UserError


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


def test_every_prompt_is_bundled_with_limits_that_can_be_kept():
    prompts = load_prompts()
    assert tuple(prompts) == NAMES
    for name, prompt in prompts.items():
        specific = prompt.specific
        assert prompt.name == name
        assert prompt.version == f"{name}-{specific.version}/general-{prompt.general.version}"
        assert len(prompt.digest) == 16
        assert specific.turns[0] <= specific.turns[1]
        assert specific.words[0] <= specific.words[1]
        assert specific.expected_tokens <= specific.max_tokens
    assert len({prompt.digest for prompt in prompts.values()}) == len(NAMES)


def test_another_general_prompt_makes_every_prompt_another(tmp_path):
    bundled = load_prompts()
    general = bundled["dialogue"].general.model_dump() | {"rules": "Other rules."}
    (tmp_path / "general.yaml").write_text(json.dumps(general))
    own = load_prompts(tmp_path)
    assert {own[name].general.rules for name in NAMES} == {"Other rules."}
    assert not {own[name].digest for name in NAMES} & {bundled[name].digest for name in NAMES}


def test_a_folder_without_prompts_is_refused(tmp_path):
    (tmp_path / "dialogue.yml").write_text("version: 1")
    with pytest.raises(UserError, match=r"holds no \.yaml file\. writing.prompts is a folder with any of general"):
        load_prompts(tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("dialogue", {"task": "Write { now"}, r"task: .* Write a brace that is meant as \{\{ or \}\}"),
        (
            "dialogue",
            {"task": "Write {references} {style}"},
            "It takes level, scenario, style, and must hold none of them",
        ),
        (
            "region_caption",
            {"task": "Write."},
            "has the fields none. It takes level, references, scenario, style, and must hold ref",
        ),
        ("translation", {"task": "{conversation}"}, "must hold conversation, glossary"),
        ("judge", {"task": "{style}"}, "must hold conversation"),
        ("text_dialogue", {"task": "{style}"}, "must hold conversation"),
        ("dialogue", {"styles": []}, "styles"),
        ("dialogue", {"turns": [0, 2]}, "turns"),
        ("dialogue", {"max_tokens": 0}, "max_tokens"),
        ("dialogue", {"expected_tokens": 0}, "expected_tokens"),
        ("dialogue", {"temperature": 1}, "temperature"),
    ],
)
def test_what_a_prompt_of_one_s_own_must_not_say(tmp_path, name, change, message):
    specific = load_prompts()[name].specific.model_dump() | change
    path = tmp_path / f"{name}.yaml"
    path.write_text(json.dumps(specific))
    with pytest.raises(UserError, match=message) as refused:
        load_prompts(tmp_path)
    assert str(path) in str(refused.value)


def test_a_prompt_that_is_no_yaml_is_named(tmp_path):
    (tmp_path / "judge.yaml").write_text("task: [")
    with pytest.raises(UserError, match=r"(?s)judge\.yaml: not readable as YAML: .*Fix the file"):
        load_prompts(tmp_path)


def test_a_prompt_names_scenarios_that_there_are(tmp_path):
    specific = load_prompts()["dialogue"].specific.model_dump() | {"scenarios": ["surgon"]}
    (tmp_path / "dialogue.yaml").write_text(json.dumps(specific))
    with pytest.raises(
        UserError, match=r'scenarios: surgon is none of those in general\.yaml\. Did you mean "surgeon"\?'
    ):
        load_prompts(tmp_path)


def test_scenarios_and_examples_are_told_in_words():
    prompts = load_prompts()
    assert set(prompts["report"].scenarios) < set(prompts["report"].general.scenarios)
    assert prompts["translation"].scenarios == ()
    assert "Who asks: a teacher." in prompts["dialogue"].scenario("teacher")
    shown = prompts["dialogue"].example().split("image: ", 1)[1]
    assert json.loads(shown)["turns"][1]["answer"].startswith("It is the spleen")
    assert prompts["translation"].example() == ""
