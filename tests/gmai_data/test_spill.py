"""The annotations of one item: all of them before the first, images in order, in memory or in a file."""

import dataclasses

import pytest
from gmai_data import spill
from gmai_data.annotation import Annotation
from gmai_data.spill import Spill
from gmai_data.vocabulary import ClinicalTask, Department, Modality, Split, Task

ONE = Annotation(
    id="a", image=b"", width_px=1, height_px=1, modality=Modality.CT, department=Department.UROLOGY,
    clinical_task=ClinicalTask.BONE, anatomy="pelvis", task=Task.SEGMENTATION_2D, labels=(), absent=(),
    incomplete=(), boxes=(), split=Split.TRAIN, group="g", source="s", license="MIT", provenance={},
)  # fmt: skip


@pytest.mark.parametrize("limit_bytes", [1, 10_000])
def test_images_come_back_with_their_annotations(monkeypatch, limit_bytes):
    monkeypatch.setattr(spill, "SPILL_BYTES", limit_bytes)
    made = [dataclasses.replace(ONE, id=str(number), image=bytes([number]) * number) for number in (3, 0, 5, 1)]
    held = Spill(iter(made))
    assert len(held) == 4
    assert list(held) == made
    assert list(held) == made, "it can be gone through again"


def test_nothing_comes_before_the_last_is_made():
    def made():
        yield ONE
        raise ValueError("the last slice is damaged")

    with pytest.raises(ValueError, match="last slice"):
        Spill(made())
    assert list(Spill([])) == []
