from pathlib import Path

import pytest
import yaml
from gmai_bench.benchmarks.declaration import read_declaration
from gmai_formats.errors import UserError

LEAST = {"name": "own", "title": "Own", "protocol": "own/p", "questions": "q.jsonl"}


def declare(path: Path, **fields: object) -> Path:
    path.write_text(yaml.safe_dump({**LEAST, **fields}), encoding="utf-8")
    return path


def test_the_least_declaration_has_defaults(tmp_path: Path) -> None:
    declared = read_declaration(declare(tmp_path / "d.yaml"))
    assert (declared.columns.images, declared.answer, declared.choices_style) == ("images", None, "text")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"answr": "letter"}, r'answr: unknown key\. Did you mean "answer"'),
        ({"answer": "position"}, r"answer"),
        ({"prompt": "{context} {question}"}, r"\{context\} in the prompt and columns\.context belong together"),
        ({"columns": {"context": "c"}}, r"\{context\} in the prompt and columns\.context belong together"),
        ({"columns": {"choices": "o"}, "choices_style": "letters"}, r"letters needs \{choices\} in the prompt"),
        ({"multiple": True}, r"multiple needs choices_style: letters"),
        ({"hub": {"repo": "x/y"}}, r"hub\.repo: unknown key\. Did you mean \"repo_id\""),
        ({"prompt": "<image> {question}"}, r"must not contain <image>"),
    ],
)
def test_what_does_not_fit_together_is_named(tmp_path: Path, fields: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_declaration(declare(tmp_path / "d.yaml", **fields))
