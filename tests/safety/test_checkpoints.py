"""A checkpoint that wants to run code: pickled weights, remote code, a template that reaches for Python."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Pwned:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path("PWNED").touch, ()


@pytest.fixture
def hostile(practice: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(practice / "tiny", tmp_path / "hostile"))


def bench(practice: Path, model: Path) -> tuple[object, ...]:
    card = practice / "build/benchmarks/held_out.yaml"
    return "bench", "--model", model, "--benchmarks", card, "--limit", 1, "--out", model.parent / "bench"


def train(practice: Path, model: Path) -> tuple[object, ...]:
    data, out = practice / "build/mix.yaml", model.parent / "run"
    return ("train", "--stage", 1, "--model", model, "--data", data, "--out", out,
            "--set", "max_steps=1", "--set", "global_batch_size=1", "--set", "micro_batch_size=1")  # fmt: skip


def test_pickled_weights_are_refused_unopened(refused: Callable[..., str], practice: Path, hostile: Path) -> None:
    (hostile / "model.safetensors").unlink()
    (hostile / "pytorch_model.bin").write_bytes(pickle.dumps(Pwned()))
    for words in (bench(practice, hostile), train(practice, hostile)):
        assert "safetensors" in refused(*words)


def test_remote_code_is_never_run(refused: Callable[..., str], practice: Path, hostile: Path) -> None:
    code = "from pathlib import Path\nPath('PWNED').touch()\nclass M:\n    pass\n"
    (hostile / "modeling_evil.py").write_text(code)
    auto_map = {
        "AutoConfig": "modeling_evil.M", "AutoModelForImageTextToText": "modeling_evil.M",
        "AutoProcessor": "modeling_evil.M", "AutoTokenizer": ["modeling_evil.M", "modeling_evil.M"],
    }  # fmt: skip
    for name in ("config.json", "processor_config.json", "tokenizer_config.json"):
        if (hostile / name).is_file():
            config = json.loads((hostile / name).read_text()) | {"auto_map": auto_map}
            config |= {"model_type": "evil"} if name == "config.json" else {}
            (hostile / name).write_text(json.dumps(config))
    for words in (bench(practice, hostile), train(practice, hostile), ("model", "check", hostile)):
        refused(*words)


def test_a_chat_template_cannot_reach_python(gmai: Any, practice: Path, hostile: Path) -> None:
    (hostile / "chat_template.jinja").write_text("{{ cycler.__init__.__globals__.os.system('touch PWNED') }}")
    assert gmai(*bench(practice, hostile)).returncode != 0
