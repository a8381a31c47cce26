"""The last gate: each fault has its reason."""

import dataclasses
import sys

import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.checks import samples
from gmai_data.checks.leakage import Benchmarks
from gmai_data.checks.samples import BENCHMARK_QUESTION, CHECKS, added_checks, reason_to_drop
from gmai_data.sample import Sample
from gmai_data.vocabulary import ClinicalTask, Department, Kind, Language, Modality, Split, Task
from gmai_formats.errors import UserError
from gmai_formats.fingerprints.listed import ListedQuestion, write_list

ANNOTATION = Annotation(
    id="a", image=b"x", width_px=10, height_px=20, modality=Modality.CT, department=Department.UROLOGY,
    clinical_task=ClinicalTask.BONE, anatomy="pelvis", task=Task.SEGMENTATION_2D, labels=("hip",), absent=(),
    incomplete=(), boxes=(), split=Split.TRAIN, group="g", source="s", license="MIT", provenance={},
)  # fmt: skip
GOOD = Sample("a#0", ANNOTATION, (("What?", "A hip."),), Kind.IMAGE_CAPTION, Language.EN, (), {})


def test_good_sample():
    assert reason_to_drop(GOOD) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"turns": (("See <image>?", "A."),)}, "placeholders and images differ"),
        ({"turns": (("What?", " "),)}, "empty message"),
        ({"turns": (("What {label}?", "A."),)}, "unfilled template"),
        ({"boxes": (Box("hip", (0, 0, 11, 5)),)}, "box outside the image"),
        ({"turns": (("What?", "<box>[[0, 0, 1001, 5]]</box>"),)}, "box text outside 0–1000"),
        ({"language": Language.ZH}, "not in Chinese"),
    ],
)
def test_faults(changes, reason):
    assert reason_to_drop(dataclasses.replace(GOOD, **changes))[0] == reason


TEXT = dataclasses.replace(GOOD, kind=Kind.TEXT_ONLY)


def test_a_text_must_not_point_to_a_person():
    text = dataclasses.replace(TEXT, turns=(("Who?", "Write to jane@example.org."),))
    assert reason_to_drop(TEXT) is None
    name, found = reason_to_drop(text)
    assert (name, "jan…" in found, "jane" in found) == ("identifier", True, False)


def test_what_was_found_stands_beside_the_name():
    found = {
        name: reason_to_drop(dataclasses.replace(GOOD, **changes))[1]
        for name, changes in {
            "empty": {"turns": (("What?", " "),)},
            "none": {"turns": ()},
            "box": {"boxes": (Box("hip", (0, 0, 11, 5)),)},
        }.items()
    }
    assert found["empty"] == "message 2"
    assert found["none"] == "0 `<image>`"
    assert found["box"] == "[0, 0, 11, 5] of an image of 10 × 20 px"


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Install distributions that add checks: name of the check ▶ (distribution, what its entry point names)."""

    def install(*checks):
        (tmp_path / "lab_checks.py").write_text(
            "def no_hips(sample):\n    return 'a hip' if 'hip' in sample.about.labels else None\nnumber = 3\n"
        )
        for name, distribution, value in checks:
            folder = tmp_path / f"{distribution}-1.2.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
            (folder / "entry_points.txt").write_text(f"[gmai.checks]\n{name} = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        samples._all_checks.cache_clear()

    yield install
    samples._all_checks.cache_clear()
    sys.modules.pop("lab_checks", None)


def test_a_lab_adds_a_check(lab):
    lab(("no hips", "our-lab", "lab_checks:no_hips"))
    assert reason_to_drop(GOOD) == ("no hips", "a hip")
    knee = dataclasses.replace(GOOD, about=dataclasses.replace(ANNOTATION, labels=("knee",)))
    assert reason_to_drop(knee) is None
    assert added_checks() == {"no hips": "our-lab 1.2"}
    assert next(iter(CHECKS)) == "placeholders and images differ", "the table itself stays as it is"


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (("not in Chinese", "our-lab", "lab_checks:no_hips"), 'adds the check "not in Chinese".*there is one of that'),
        (("x", "our-lab", "lab_checks:absent"), 'adds the check "x".*cannot be imported: AttributeError'),
        (("x", "our-lab", "no_such_module:check"), "ModuleNotFoundError.*Mend or uninstall the package"),
        (("x", "our-lab", "lab_checks:number"), "is no function of a sample"),
    ],
)
def test_a_broken_check_of_a_lab_is_named(lab, check, message):
    lab(check)
    with pytest.raises(UserError, match=message):
        reason_to_drop(GOOD)


def test_two_labs_cannot_share_a_name(lab):
    lab(("x", "our-lab", "lab_checks:no_hips"), ("x", "their-lab", "lab_checks:no_hips"))
    with pytest.raises(UserError, match="there is one of that name"):
        reason_to_drop(GOOD)


def test_a_text_must_not_ask_a_question_of_a_benchmark(tmp_path):
    path = tmp_path / "list.jsonl"
    write_list(path, [ListedQuestion("vqa/closed", "q", "which gamma is it", {})])
    benchmarks = Benchmarks(path)
    turns = (("What else?", "A hip."), ("Which GAMMA is it?", "A hip."))
    text = dataclasses.replace(GOOD, kind=Kind.TEXT_ONLY, turns=turns)
    assert reason_to_drop(text, benchmarks) == (BENCHMARK_QUESTION, 'it asks "Which GAMMA is it?"')
    assert reason_to_drop(text) is None
    assert reason_to_drop(dataclasses.replace(text, turns=turns[:1]), benchmarks) is None
    assert reason_to_drop(dataclasses.replace(text, turns=(("A?", "Which gamma is it?"),)), benchmarks) is None
    assert reason_to_drop(dataclasses.replace(GOOD, turns=turns), benchmarks) is None, "it is nothing without its image"
