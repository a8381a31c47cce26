"""Settings that no published model has are named for checkpoints of others, and for no others."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from gmai_model.checking.files import Files
from gmai_model.checking.published import check_published
from gmai_model.checking.rules import check_files

FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("config.json", {"text_config": {"hidden_act": "gelu"}}, "text_config.hidden_act is gelu, where published models"),
    ("config.json", {"projector_hidden_act": "relu"}, "projector_hidden_act is relu, where published models have gelu"),
    ("config.json", {"vision_feature_layer": 0}, "vision_feature_layer 0 is in the first half"),
    ("config.json", {"vision_config": {"hidden_size": 1024, "num_attention_heads": 32}}, "32 heads of 32 channels"),
    ("preprocessor_config.json", {"rescale_factor": 1 / 127.5}, "rescale_factor is 0.00784314"),
]
SOUND: list[tuple[str, dict[str, Any]]] = [
    ("config.json", {"text_config": {"hidden_act": "swish"}}),
    ("config.json", {"vision_config": {"hidden_act": "gelu"}}),
    ("config.json", {"vision_feature_layer": -1}),
    ("config.json", {"vision_config": {"hidden_size": 1664, "num_attention_heads": 16}}),
    ("config.json", {"vision_config": {"hidden_size": 1152, "num_attention_heads": 16}}),
]


def changed(checkpoint: Path, folder: Path, name: str, change: dict[str, Any], *, foreign: bool) -> Path:
    shutil.copytree(checkpoint, folder)
    content = json.loads((folder / name).read_text())
    for key, value in change.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) else value
    (folder / name).write_text(json.dumps(content))
    if foreign:
        (folder / "gmai.json").unlink()
    return folder


@pytest.mark.parametrize(("name", "change", "line"), FAULTS)
def test_what_no_published_model_has_is_named(
    checkpoint: Path, tmp_path: Path, name: str, change: dict[str, Any], line: str
) -> None:
    (found,) = check_published(Files(changed(checkpoint, tmp_path / "a", name, change, foreign=True)))
    assert line in found
    assert ". " in found, "every line has its remedy"
    assert not list(check_published(Files(changed(checkpoint, tmp_path / "b", name, change, foreign=False))))


@pytest.mark.parametrize(("name", "change"), SOUND)
def test_what_published_models_have_is_not(checkpoint: Path, tmp_path: Path, name: str, change: dict[str, Any]) -> None:
    assert not list(check_published(Files(changed(checkpoint, tmp_path / "a", name, change, foreign=True))))


def test_the_rules_ask_and_notice_a_mix_of_two_normalisations(checkpoint: Path, tmp_path: Path) -> None:
    mix = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.26862954, 0.26130258, 0.27577711]}
    (line,) = check_files(Files(changed(checkpoint, tmp_path / "a", "preprocessor_config.json", mix, foreign=True)))
    assert "image_std is that of CLIP and image_mean [0.485, 0.456, 0.406] is not" in line
    (line,) = check_files(
        Files(changed(checkpoint, tmp_path / "b", "config.json", {"projector_hidden_act": "silu"}, foreign=True))
    )
    assert "projector_hidden_act is silu" in line
