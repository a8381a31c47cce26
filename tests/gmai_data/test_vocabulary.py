"""The closed vocabularies have the sizes and names that the paper and its benchmarks give."""

import pytest
from gmai_data.vocabulary import (
    CHINESE,
    STAGE_SHARES,
    TASK_CODES,
    ClinicalTask,
    Department,
    Kind,
    Language,
    Modality,
    Split,
    SubDataset,
    Task,
)


@pytest.mark.parametrize(
    ("vocabulary", "size"),
    [(Modality, 14), (Department, 18), (ClinicalTask, 18), (Kind, 6), (SubDataset, 5), (Language, 2), (Split, 3)],
)
def test_sizes(vocabulary, size):
    assert len(vocabulary) == size
    assert len({str(each).lower() for each in vocabulary}) == size


def test_every_modality_and_department_has_a_chinese_name_of_its_own():
    assert set(CHINESE) == {*Modality, *Department}
    assert len(set(CHINESE.values())) == len(CHINESE)
    assert (CHINESE[Modality.MR], CHINESE[Department.ONCOLOGY]) == ("磁共振成像", "肿瘤科")


def test_every_task_has_its_part_of_an_id():
    assert TASK_CODES == {
        Task.CLASSIFICATION_2D: ("2d", "cls"), Task.DETECTION_2D: ("2d", "det"), Task.SEGMENTATION_2D: ("2d", "seg"),
        Task.CLASSIFICATION_3D: ("3d", "cls"), Task.SEGMENTATION_3D: ("3d", "seg"), Task.TEXT: ("text", "qa"),
    }  # fmt: skip
    assert set(TASK_CODES) == set(Task)


def test_texts_are_used_in_the_last_stage_alone():
    assert set(STAGE_SHARES) == set(SubDataset)
    for sub_dataset, shares in STAGE_SHARES.items():
        texts = sub_dataset in (SubDataset.TEXT_SINGLE, SubDataset.TEXT_MULTI)
        assert shares == ((0.0, 0.0, 1.0) if texts else (1.0, 1.0, 1.0))
