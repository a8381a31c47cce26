"""The program that tries a checkpoint's tokenizer and chat template within limits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from gmai_formats import opening
from gmai_formats.checkpoints import require_bounded
from gmai_formats.errors import UserError


def test_it_names_what_it_opens_and_needs_nothing_of_gmai(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    (tmp_path / "tokenizer.json").write_text("{")
    done = subprocess.run(
        [sys.executable, "-I", opening.__file__, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "chat_template.jinja\ntokenizer.json\n", "")


def test_a_tokenizer_that_makes_a_few_letters_fill_the_memory_is_refused(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    content = json.loads(tokenizers.Tokenizer(tokenizers.models.BPE()).to_str())
    tenfold = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 100}
    content["normalizer"] = {"type": "Sequence", "normalizers": [tenfold] * 6}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"tokenizer\.json takes more than"):
        require_bounded(tmp_path)
