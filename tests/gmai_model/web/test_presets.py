from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.web.presets import LANGUAGES, REGIONS, TASKS, example_images, question
from PIL import Image


def test_questions_by_task_and_region() -> None:
    assert question("Modality / 成像方式", "chest / 胸部", "English") == "Which imaging modality is this chest image?"
    assert question("Modality / 成像方式", "any / 不限", "中文") == "这张图像是哪种成像方式？"
    assert len({question(task, region, "English") for task in TASKS for region in REGIONS}) == len(TASKS) * len(REGIONS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_is_a_clean_sentence(language: str) -> None:
    for task in TASKS:
        for region, words in REGIONS.items():
            asked = question(task, region, language)
            assert asked[-1] in ".?。？"
            assert "  " not in asked
            assert "{" not in asked
            assert words[LANGUAGES.index(language)].strip() in asked


def test_examples_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"no PNG or JPEG file\. --examples takes a folder that holds some"):
        example_images(tmp_path, tmp_path)
    for name in ("b.JPEG", "a.png", "c.jpg", "d.gif"):
        (tmp_path / name).touch()
    assert [Path(path).name for path in example_images(tmp_path, tmp_path)] == ["a.png", "b.JPEG", "c.jpg"]


def test_without_a_folder_three_pictures_are_drawn_that_differ(tmp_path: Path) -> None:
    paths = example_images(None, tmp_path)
    assert [Path(path).name for path in paths] == ["drawn-ct.png", "drawn-x-ray.png", "drawn-fundus.png"]
    drawn: set[bytes] = set()
    for path in paths:
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((336, 336), "RGB")
            drawn.add(image.tobytes())
    assert len(drawn) == 3
