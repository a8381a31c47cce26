import json
from pathlib import Path
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_formats.rows.mixtures import MixtureEntry, load_mixture, read_mixing_list
from gmai_formats.rows.rules import Problem


def yaml(folder: Path, text: str) -> Path:
    (folder / "mix.yaml").write_text(text, encoding="utf-8")
    return folder / "mix.yaml"


def test_a_share_is_whole_for_every_stage_unless_it_says_another(tmp_path: Path) -> None:
    path = yaml(
        tmp_path, "datasets:\n- {name: a, path: a}\n- {name: b, ratio: {1: 0.5, 3: 2}}\n- {name: c, skip: true}\n"
    )
    mixture, root = load_mixture(path)
    assert root == tmp_path
    assert [[entry.share(stage) for stage in (1, 2, 3)] for entry in mixture.datasets] == [
        [1.0, 1.0, 1.0],
        [0.5, 0.0, 2.0],
        [0.0, 0.0, 0.0],
    ]
    assert load_mixture(tmp_path) == (mixture, root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("datasets: []", r"datasets"),
        ("datasets: [{name: a}, {name: b}, {name: a}]", r'the name "a" occurs more than once; reports go by the name'),
        ("datasets: [{name: a, rato: {1: 1}}]", r"rato.*ratio"),
        ("datasets: [{name: a, ratio: {1: -0.1}}]", r"greater than or equal to 0"),
        ("datasets: [{name: a, ratio: {4: 1}}]", r"ratio"),
        ("datasets: [{name: a, length: -1}]", r"length"),
        ("datasets: [", r"not readable as YAML"),
    ],
)
def test_a_mistake_in_a_mixture_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as refused:
        load_mixture(yaml(tmp_path, text))
    assert "mix.yaml" in str(refused.value)


def test_samples_alone_are_a_mixture_of_one(tmp_path: Path) -> None:
    (tmp_path / "chest.parquet").touch()
    mixture, root = load_mixture(tmp_path / "chest.parquet")
    assert (mixture.datasets, root) == ([MixtureEntry(name="chest", path=str(tmp_path / "chest.parquet"))], tmp_path)
    (tmp_path / "folder").mkdir()
    assert load_mixture(tmp_path / "folder")[0].datasets[0].name == "folder"


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"gone does not exist\. --data takes a mix\.yaml, a mixing list, or samples: a"
    ):
        load_mixture(tmp_path / "gone")


def mixing(folder: Path, text: str) -> Path:
    (folder / "list.json").write_text(text, encoding="utf-8")
    return folder / "list.json"


def test_a_mixing_list_is_read_in_the_words_of_both_programs(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    entries = {
        "a": {"image_dir": "pics", "annotations": "a.jsonl", "sample_ratio": 0.5, "length": 7, "data_augment": True},
        "b": {"root": "pics", "annotation": "b.jsonl", "repeat_time": 2},
    }
    mixture, root = load_mixture(mixing(tmp_path, json.dumps(entries)))
    assert root == tmp_path
    first, second = mixture.datasets
    assert first == MixtureEntry(
        name="a", path=str(tmp_path / "a.jsonl"), images=str(tmp_path / "pics"), ratio={1: 0.5, 2: 0.5, 3: 0.5},
        length=7, augment=True,
    )  # fmt: skip
    assert (second.path, second.ratio, second.augment) == (str(tmp_path / "b.jsonl"), {1: 2, 2: 2, 3: 2}, False)


def test_paths_may_be_relative_to_the_folder_above(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.jsonl").touch()
    (tmp_path / "shell").mkdir()
    path = mixing(tmp_path / "shell", '{"a": {"annotations": "data/a.jsonl",},}')
    notes = list(read_mixing_list(path))
    assert notes[0] == "list.json: a comma before a closing bracket was overlooked; strict readers refuse the file"
    assert notes[1] == f"list.json: paths of 'a' are relative to {tmp_path}"
    assert isinstance(notes[2], MixtureEntry)
    assert notes[2].path == str(tmp_path / "data/a.jsonl")


def test_a_wrong_entry_is_a_problem_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = mixing(
        tmp_path, '{"a": {"annotatons": "a"}, "b": {"annotations": "b", "sample_ratio": -1}, "c": {"annotation": "c"}}'
    )
    first, second, third = read_mixing_list(path)
    assert isinstance(first, Problem)
    assert isinstance(second, Problem)
    assert isinstance(third, MixtureEntry)
    assert (first.rule, second.rule, third.name) == ("mixture", "mixture", "c")
    assert "'a'" in first.found
    with pytest.raises(UserError, match=r"list\.json: .*'a'.* A mixing list is .* Mend the entry\."):
        load_mixture(path)


def test_an_empty_mixing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the mixing list is empty\. It names at least one dataset\. Fill it in"):
        load_mixture(mixing(tmp_path, "{}"))


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("ratio: {1: yes}", "a number belongs here, and true"),
        ("ratio: {on: 0.5}", "a number belongs here, and true"),
        ("length: off", "a number belongs here, and false"),
        ("length: 010", "010 is 8 in YAML"),
        ("path: ''", "at least 1 character"),
        ("ratio: 0.5", r"a share for each stage belongs here, such as \{1: 1\.0, 2: 0\.5, 3: 0\}"),
        ('path: "a\\0b"', "no file has this name"),
        (f"images: {'x' * 300}", "no file has this name"),
    ],
)
def test_what_yaml_takes_for_a_number_is_none(entry: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "mix.yaml").write_text(f"datasets:\n  - name: a\n    {entry}\n")
    with pytest.raises(UserError, match=found):
        load_mixture(tmp_path / "mix.yaml")


@pytest.mark.parametrize(
    ("name", "entry", "found"),
    [
        ("", {}, "at least 1 character"),
        (" ", {}, "a name is one line"),
        ("a\nb", {}, "a name is one line"),
        ("a", {"annotations": ""}, "annotations"),
        ("a", {"annotations": " "}, "annotations"),
        ("a", {"annotations": "a\0.jsonl"}, "no file has this name"),
        ("a", {"image_dir": "x" * 5000}, "no file has this name"),
        ("a", {"length": -5}, "greater than or equal to 0"),
    ],
)
def test_an_entry_of_a_mixing_list_that_cannot_be_is_named(
    name: str, entry: dict[str, Any], found: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=found):
        load_mixture(mixing(tmp_path, json.dumps({name: {"annotations": "a.jsonl", **entry}})))


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    file = tmp_path / "胸片\u3000\n1.jsonl"
    file.write_text("{}")
    mixture, _ = load_mixture(file)
    assert (mixture.datasets[0].name, mixture.datasets[0].path) == ("胸片\ufffd\ufffd1", str(file))


@pytest.mark.parametrize("name", ["' '", '"a\\nb"', '"\\e[2J"'])
def test_a_dataset_has_a_name_of_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "mix.yaml").write_text(f"datasets:\n  - name: {name}\n    path: a.jsonl\n")
    with pytest.raises(UserError, match="a name is one line"):
        load_mixture(tmp_path / "mix.yaml")


@pytest.mark.parametrize("content", ['{"train": [{"question": "Q"}]}', '{"q1": {"question": "Q", "answer": "A"}}'])
def test_an_object_of_another_kind_is_no_mixing_list(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=r"one object with (train|q1), which is neither a row of samples nor a mixing"):
        load_mixture(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("hub", "pinned"), [(None, True), ("o/a", False), ("o/a@main", False), (f"o/a@{'a' * 40}", True)]
)
def test_a_commit_pins_a_dataset_of_the_hub(hub: str | None, pinned: bool) -> None:
    assert MixtureEntry(name="a", path="a.jsonl", hub=hub).is_pinned is pinned
