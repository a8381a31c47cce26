import json
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.checking.files import Files


def folder_of(folder: Path, **config: object) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_absent_files_read_as_empty(tmp_path: Path) -> None:
    files = Files(folder_of(tmp_path))
    assert (files.text, files.vision, files.tokenizer, files.features) == ({}, {}, {}, None)
    assert files.foreign
    assert files.has("config.json")
    assert not files.has("tokenizer.json")


@pytest.mark.parametrize(
    ("strategy", "kind", "features"),
    [("default", "clip_vision_model", 16), ("full", "clip_vision_model", 17), ("full", "siglip_vision_model", 16)],
)
def test_features_of_an_image(tmp_path: Path, strategy: str, kind: str, features: int) -> None:
    vision = {"image_size": 56, "patch_size": 14, "model_type": kind}
    assert (
        Files(folder_of(tmp_path, vision_config=vision, vision_feature_select_strategy=strategy)).features == features
    )


def test_record_of_gmai(tmp_path: Path) -> None:
    (folder_of(tmp_path) / "gmai.json").write_text('{"settings": {"config.json": {}}}')
    assert not Files(tmp_path).foreign


def test_part_that_is_no_object(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="text_config is 3, where an object is due"):
        Files(folder_of(tmp_path, text_config=3))
