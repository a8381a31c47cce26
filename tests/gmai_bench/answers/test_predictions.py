from pathlib import Path

import pytest
from gmai_bench.answers.predictions import Prediction, append_to, read_own, read_predictions, request_digest
from gmai_formats.errors import UserError


def test_answers_survive_the_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "run" / "predictions.jsonl"
    answers = [Prediction("a", "line one\nline two", "r1"), Prediction("b", "答案是B \u2028 ☃", "r2")]
    with append_to(path, whole_bytes=0, extra={"image_ablation": "noise"}) as writer:
        for answer in answers:
            writer.write(answer)
    kept = read_predictions(path)
    assert list(kept.by_id.values()) == answers
    assert kept.whole_bytes == path.stat().st_size
    assert kept.torn_lines == 0


@pytest.mark.parametrize("cut", [1, 5, 20, 38])
def test_a_file_cut_anywhere_in_its_last_line_keeps_the_others(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "predictions.jsonl"
    line = b'{"id": "a", "response": "CT", "request": ""}\n'
    path.write_bytes(line + line.replace(b'"a"', b'"b"')[:-cut])
    kept = read_predictions(path)
    whole = cut == 1  # only the line end is missing
    assert set(kept.by_id) == ({"a", "b"} if whole else {"a"})
    assert kept.torn_lines == (0 if whole else 1)
    with append_to(path, whole_bytes=kept.whole_bytes, extra={}) as writer:
        writer.write(Prediction("c", "MR", ""))
    assert set(read_predictions(path).by_id) == {*kept.by_id, "c"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"id": "a"\n{"id": "b", "response": ""}\n', r"line 1: not readable as JSON"),
        ('{"id": "a", "response": "x"}\n'.encode("utf-16"), r"line 1: not UTF-8 text\. .* Save the file as UTF-8\."),
        ('{"id": "a", "response": "x"}\n'.encode("utf-16-le"), r"line [12]: not "),
        ('{"id": "a", "response": "é"}\n'.encode("latin-1"), r"line 1: not UTF-8 text\. .* Save the file as UTF-8\."),
        (b"[1]\n", r"line 1: found a list"),
        (b'{"id": "a", "answer": "CT"}\n', r"line 1: found the keys \['answer', 'id'\].*Rename the keys"),
        (
            b'{"id": "a", "response": "CT"}\n{"id": "a", "response": "MR"}\n',
            r'line 2: a second, different answer to "a"',
        ),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_predictions(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.jsonl: cannot be read \(No such file"):
        read_predictions(tmp_path / "none.jsonl")


def test_the_request_digest_depends_on_all_that_was_asked() -> None:
    asked = {"model_digest": "m", "generation": {"max_new_tokens": 8}}
    digests = {
        request_digest("p", ("i",), asked),
        request_digest("q", ("i",), asked),
        request_digest("p", ("j",), asked),
        request_digest("p", ("i",), {**asked, "model_digest": "n"}),
        request_digest("p", ("i",), {**asked, "generation": {"max_new_tokens": 9}}),
    }
    assert len(digests) == 5
    assert request_digest("p", ("i",), dict(reversed(asked.items()))) in digests


@pytest.mark.parametrize("kind", ["a bit", "NULs", "other text"])
def test_damaged_answers_are_taken_out_and_asked_again(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "predictions.jsonl"
    assert not read_own(path).by_id
    with append_to(path, whole_bytes=0, extra={}) as writer:
        for name in "abc":
            writer.write(Prediction(name, "the answer is CT", "r"))
    lines = path.read_bytes().split(b"\n")
    lines[1] = {"a bit": lines[1].replace(b"CT", b"CV"), "NULs": bytes(len(lines[1])), "other text": b"}{"}[kind]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(UserError, match=r"line 2: (damaged|not readable)"):
        read_predictions(path)
    kept = read_own(path)
    assert (set(kept.by_id), kept.damaged_lines) == ({"a", "c"}, 1)
    assert f"{path}: 1 damaged lines are taken out" in capsys.readouterr().err
    assert read_predictions(path).by_id == kept.by_id
    assert kept.whole_bytes == path.stat().st_size
