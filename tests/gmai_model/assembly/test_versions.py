"""Each kind of model that is taken computes the same in older transformers; the night's lane makes the evidence.

`versions.json` beside this file is what the lane found last; docs/reference/families.md shows it. Run it by
`GMAI_TRANSFORMERS="4.45.2 4.49.0 4.57.6" pytest tests/gmai_model/assembly/test_versions.py`; with GMAI_UPDATE_DOCS=1
it writes the file anew.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gmai_model.assembly.proof import texts
from gmai_model.checking.environments import older_python

from .stand_ins import LANGUAGES, VERSIONS, VISIONS, partner, take

pytest.importorskip("sentencepiece", reason="install gmai-model[convert]")
WANTED = os.environ.get("GMAI_TRANSFORMERS", "").split()
CHATS = [
    [{"role": "user", "content": "What is shown?"}],
    [
        {"role": "user", "content": "What is shown?"},
        {"role": "assistant", "content": "The liver."},
        {"role": "user", "content": "Is it enlarged? 肝大吗？"},
    ],
]


def run(python: Path, folders: list[Path], scratch: Path) -> dict[str, Any]:
    given, out = scratch / "given.json", scratch / "found.json"
    given.write_text(json.dumps({"texts": list(texts()), "chats": CHATS, "folders": list(map(str, folders))}))
    script = Path(__file__).with_name("opened.py")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [python, "-I", script, given, out], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(out.read_text("utf-8"))


def compared(here: dict[str, Any], there: dict[str, Any]) -> str:
    """Return `equal`, the error there, or what is not the same."""
    assert "error" not in here, here
    if "error" in there:
        return there["error"]
    differ = [key for key in ("tokens", "template", "prompt", "answer") if here[key] != there[key]]
    for key in ("pixels", "features", "logits"):
        mine, other = np.asarray(here[key]), np.asarray(there[key])
        if mine.shape != other.shape or np.abs(mine - other).max() > 1e-4 * max(1.0, float(np.abs(mine).max())):
            differ.append(key)
    return "other " + ", ".join(differ) if differ else "equal"


def test_what_is_compared() -> None:
    one = {
        "tokens": "a",
        "template": "b",
        "prompt": [1],
        "answer": [2],
        "pixels": [0.0],
        "features": [1.0],
        "logits": [9.0],
    }
    assert compared(one, one) == "equal"
    assert compared(one, {**one, "logits": [9.1], "tokens": "c"}) == "other tokens, logits"
    assert compared(one, {**one, "features": [1.0, 1.0]}) == "other features"
    assert compared(one, {"error": "KeyError: 'qwen3'"}) == "KeyError: 'qwen3'"


def test_evidence_is_of_the_kinds_that_are_taken() -> None:
    found = json.loads(VERSIONS.read_text("utf-8"))
    names = [kind.name for kind in (*LANGUAGES, *VISIONS) if not kind.refused]
    assert list(found["kinds"]) == names, "run the night's lane again, see the head of this file"
    assert len({version for each in found["kinds"].values() for version in each}) >= 3
    assert all(each[found["transformers"]] == "equal" for each in found["kinds"].values())


@pytest.mark.e2e
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not WANTED, reason="GMAI_TRANSFORMERS names no versions of transformers to compare with")
def test_kinds_compute_the_same_in_other_versions(tmp_path: Path) -> None:
    made: dict[str, Path] = {}
    for number, kind in enumerate(kind for kind in (*LANGUAGES, *VISIONS) if not kind.refused):
        folder = tmp_path / str(number)
        folder.mkdir()
        made[kind.name] = take(folder, *partner(kind), image_mode="stretch")  # `pad` is refused before 4.49
    here = run(Path(sys.executable), list(made.values()), tmp_path)
    kinds: dict[str, dict[str, str]] = {name: {} for name in made}
    for version in WANTED:
        there = run(older_python(version), list(made.values()), tmp_path)
        assert there["transformers"] == version
        for name, folder in made.items():
            kinds[name][version] = compared(here["folders"][str(folder)], there["folders"][str(folder)])
    for name in made:
        kinds[name][here["transformers"]] = "equal"  # to itself; test_families.py opens it and trains it
    found = {"transformers": here["transformers"], "kinds": kinds}
    if os.environ.get("GMAI_UPDATE_DOCS"):
        VERSIONS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert found == json.loads(VERSIONS.read_text("utf-8")), "run it with GMAI_UPDATE_DOCS=1 and read what changed"
