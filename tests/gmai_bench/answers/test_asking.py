import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from gmai_bench.answers.asking import ask_missing, merge_ranks
from gmai_bench.answers.cache import AnswerCache
from gmai_bench.backends.asks import Answer, Ask, OpenImage
from gmai_bench.backends.ranks import Ranks
from gmai_bench.benchmarks.question import Card, Question
from gmai_bench.benchmarks.record import Coverage, Record
from gmai_bench.images import ImageStore, Shown
from gmai_formats.errors import UserError

ASKED: dict[str, Any] = {"model": "m", "model_digest": "d", "image_ablation": "none", "generation": {"top_k": 1}}


class Echo:
    """Answers with the id, and remembers what it was asked."""

    name, digest, cacheable = "echo", "d", True
    generation: Mapping[str, Any] = {}

    def __init__(self, **fields: Any) -> None:
        self.asked: list[str] = []
        self._fields = fields

    def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        for ask in asks:
            self.asked.append(ask.id)
            yield Answer(ask.id, f"answer {ask.id}", **{"cut": False, **self._fields})


def record(count: int = 3, prompt: str = "Which") -> Record:
    questions = tuple(Question(str(i), "?", f"{prompt} {i}?", (), ("A", "B"), "A", str(i)) for i in range(count))
    return Record(
        Card("s", "S", "s/all", 1, "exact", count, (), "here", "MIT"), Coverage(count, count, None), questions
    )


def ask(
    folder: Path, backend: Echo, item: Record, cache: AnswerCache | None = None, **asked: Any
) -> list[dict[str, Any]]:
    shown = Shown(ImageStore(folder / "images"), "none", 0)
    ask_missing(item, backend, folder, ASKED | asked, shown, cache, Ranks())
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]


def test_only_what_has_no_answer_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = Echo(), Echo()
    ask(tmp_path, first, record(2))
    lines = ask(tmp_path, second, record(3))
    assert (first.asked, second.asked) == (["0", "1"], ["2"])
    assert [(line["id"], line["response"]) for line in lines] == [(str(i), f"answer {i}") for i in range(3)]
    assert "image_ablation" not in lines[0]
    assert "s/all: 2 answers kept, 1 to ask" in capsys.readouterr().err


def test_a_model_that_was_renamed_keeps_its_answers_and_other_settings_do_not(tmp_path: Path) -> None:
    ask(tmp_path, Echo(), record())
    renamed = Echo()
    ask(tmp_path, renamed, record(), model="elsewhere")
    assert renamed.asked == []
    message = r'the answer to "0" was given to another prompt, image or setting .* Use another --out, or remove'
    for item, asked in ((record(), {"generation": {"top_k": 2}}), (record(prompt="What"), {})):
        with pytest.raises(UserError, match=message):
            ask(tmp_path, Echo(), item, **asked)


def test_an_ablation_stands_in_every_line(tmp_path: Path) -> None:
    assert {line["image_ablation"] for line in ask(tmp_path, Echo(), record(), image_ablation="noise")} == {"noise"}


def test_the_cache_answers_before_the_model_and_keeps_no_refusal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def cache() -> AnswerCache:
        return AnswerCache(tmp_path / "cache", "d")

    ask(tmp_path / "1", Echo(cut=True), record(2), cache())
    again = Echo(refused="filtered")
    lines = ask(tmp_path / "2", again, record(3), cache())
    assert again.asked == ["2"]
    assert [(line["id"], line.get("cut"), line.get("refused")) for line in lines] == [
        ("0", True, None),
        ("1", True, None),
        ("2", None, "filtered"),
    ]
    assert "s/all: 0 answers kept, 2 from the cache, 1 to ask" in capsys.readouterr().err
    third = Echo()
    ask(tmp_path / "3", third, record(3), cache())
    assert third.asked == ["2"]


def test_what_an_answer_took_is_kept_beside_it(tmp_path: Path) -> None:
    ask(tmp_path, Echo(usage={"tokens_in": 7}), record(2))
    lines = (tmp_path / "usage.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"id": "0", "tokens_in": 7}, {"id": "1", "tokens_in": 7}]


def line(identity: str) -> str:
    return json.dumps({"id": identity, "response": f"answer {identity}", "request": ""}) + "\n"


def test_the_files_of_ranks_are_merged_once_without_their_torn_ends(tmp_path: Path) -> None:
    merge_ranks(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "predictions.jsonl").write_text(line("0") + '{"id": "1", "resp', encoding="utf-8")
    (tmp_path / "predictions.rank-0.jsonl").write_text(line("0") + line("2"), encoding="utf-8")
    (tmp_path / "predictions.rank-1.jsonl").write_text(line("1") + '{"id": "3"', encoding="utf-8")
    merge_ranks(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.jsonl"]
    assert (tmp_path / "predictions.jsonl").read_text(encoding="utf-8") == line("0") + line("2") + line("1")


def test_a_last_line_without_its_end_is_kept_whole_when_ranks_are_merged(tmp_path: Path) -> None:
    (tmp_path / "predictions.jsonl").write_text(line("0").rstrip("\n"), encoding="utf-8")
    (tmp_path / "predictions.rank-0.jsonl").write_text(line("1"), encoding="utf-8")
    merge_ranks(tmp_path)
    assert (tmp_path / "predictions.jsonl").read_text(encoding="utf-8") == line("0") + line("1")
