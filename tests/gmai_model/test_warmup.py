"""The warm-up: both random parts learn, the projector stays as it was drawn."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from gmai_formats.errors import UserError
from gmai_model.assembly.weights import WeightFiles, tensor_digest
from gmai_model.warmup import side_by_side, warm_up

from tests.gmai_model.conftest import make_rows, write_rows


def digests(folder: Path, prefix: str) -> dict[str, str]:
    return {n: tensor_digest(t) for n, t in WeightFiles(folder).tensors() if n.startswith(prefix)}


@pytest.mark.e2e
def test_projector_is_untouched_and_the_parts_learn(checkpoint: Path, samples: Path, tmp_path: Path) -> None:
    warm_up(checkpoint, samples, tmp_path / "warm", vision_steps=20, language_steps=40, seed=0)
    assert digests(tmp_path / "warm", "multi_modal_projector.") == digests(checkpoint, "multi_modal_projector.")
    for part in ("vision_tower.vision_model.encoder.layers.0.", "language_model."):
        before, after = digests(checkpoint, part), digests(tmp_path / "warm", part)
        assert before.keys() == after.keys()
        assert all(before[name] != after[name] for name in before if not name.endswith("k_proj.bias"))
    history = json.loads((tmp_path / "warm" / "gmai.json").read_text())["stages"][-1]
    assert history["name"] == "warm_up"
    assert history["text_loss"] < 3.0  # ln(vocabulary) is 7.6


def test_never_overwrites(checkpoint: Path, samples: Path) -> None:
    with pytest.raises(UserError, match="not empty"):
        warm_up(checkpoint, samples, checkpoint, vision_steps=1, language_steps=1, seed=0)


@pytest.mark.e2e
def test_what_is_warmed_up_side_by_side_is_what_each_gives_alone(
    checkpoint: Path, samples: Path, tmp_path: Path
) -> None:
    steps = {"both": (6, 6), "vision": (6, 0), "language": (0, 6)}
    for name, (vision, language) in steps.items():
        warm_up(checkpoint, samples, tmp_path / name, vision_steps=vision, language_steps=language, seed=3)
    for part, alone in (("vision_tower.", "vision"), ("language_model.", "language")):
        assert digests(tmp_path / "both", part) == digests(tmp_path / alone, part)
        assert digests(tmp_path / "both", part) != digests(checkpoint, part)
    stages = {name: json.loads((tmp_path / name / "gmai.json").read_text())["stages"][-1] for name in steps}
    assert stages["both"]["label_accuracy"] == stages["vision"]["label_accuracy"]
    assert stages["both"]["text_loss"] == stages["language"]["text_loss"]


def wait_for_stop(stop: Event) -> float:
    assert stop.wait(60), "nobody said that the other had failed"
    return 0.0


def fail(_: Event) -> float:
    raise UserError("the disk is full")


def interrupt(_: Event) -> float:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("first", "second", "raised"),
    [
        (fail, wait_for_stop, UserError),
        (wait_for_stop, fail, UserError),
        (wait_for_stop, interrupt, KeyboardInterrupt),
        (interrupt, wait_for_stop, KeyboardInterrupt),
    ],
)
def test_a_part_that_fails_stops_the_other(
    first: Callable[[Event], float], second: Callable[[Event], float], raised: type[BaseException]
) -> None:
    with pytest.raises(raised):
        side_by_side(first, second)


def test_both_results_come_back_in_order() -> None:
    assert side_by_side(lambda _: 1.0, lambda _: 2.0) == (1.0, 2.0)


def test_samples_of_which_no_text_can_be_learned_are_refused(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_rows(6)
    monkeypatch.setattr("gmai_model.warmup.TOKENS_PER_STEP", 5)  # less than any of them
    data = write_rows(tmp_path / "train-00000.parquet", rows)
    with pytest.raises(UserError, match=r"not one of 6 samples has a text that the language model could learn"):
        warm_up(checkpoint, data, tmp_path / "warm", vision_steps=0, language_steps=1, seed=0)
    assert not (tmp_path / "warm").exists()


def _rewritten(folder: Path, name: str, **changes: Any) -> None:
    (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | changes))


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("tokenizer_config.json", {"eos_token": "a"}, "not one of"),
        ("processor_config.json", {"processor_class": "Evil"}, "opens as a .*, which has no tokenizer"),
        (
            "preprocessor_config.json",
            {"size": {"height": 5, "width": 5}},
            "opens, and does not answer .*Input image size",
        ),
        ("preprocessor_config.json", {"crop_size": None}, "crop_size names no height|does not answer"),
        (
            "config.json",
            {"vision_feature_layer": -7},
            "vision_feature_layer is -7, and its vision encoder has 5 layers",
        ),
        ("tokenizer.json", {"model": {}}, "does not open"),
        ("config.json", {"text_config": {"model_type": "llama", "num_key_value_heads": 0}}, "."),
    ],
)
def test_a_checkpoint_whose_settings_fit_no_model_is_named(
    checkpoint: Path, samples: Path, tmp_path: Path, name: str, changes: dict[str, Any], said: str
) -> None:
    model = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    (model / "gmai.json").unlink()
    _rewritten(model, name, **changes)
    with pytest.raises(UserError, match=said) as refused:
        warm_up(model, samples, tmp_path / "warm", vision_steps=1, language_steps=1, seed=0)
    assert str(model) in str(refused.value)
    assert "\n" not in str(refused.value)
