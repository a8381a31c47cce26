"""The last gate: each fault has its reason."""

import dataclasses

import pytest
from gmai_data.annotation import Annotation, Box
from gmai_data.checks.samples import reason_to_drop
from gmai_data.sample import Sample
from gmai_data.vocabulary import ClinicalTask, Department, Kind, Language, Modality, Split, Task

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
