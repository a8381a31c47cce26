import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.commands import agreement as command
from gmai_bench.run import Settings, score_file
from gmai_bench.tools.agreement import agreement, agreements, read_notes
from gmai_formats.errors import UserError

PROTOCOL = "held_out/option-text"


def write(path: Path, labels: dict[str, str | None]) -> Path:
    lines = [json.dumps({"protocol": PROTOCOL, "id": i, "label": label, "note": "x"}) for i, label in labels.items()]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_kappa_as_in_cohens_example() -> None:
    """Fifty proposals, https://en.wikipedia.org/wiki/Cohen%27s_kappa: 20 and 15 alike, 5 and 10 not; kappa 0.4."""
    pairs = [("right", "right")] * 20 + [("right", "wrong")] * 5 + [("wrong", "right")] * 10 + [("wrong", "wrong")] * 15
    one, other = ({("p", str(n)): pair[side] for n, pair in enumerate(pairs)} for side in (0, 1))
    found = agreement("a", "b", one, other)
    assert (found.n, found.agreed, found.kappa) == (50, 35, pytest.approx(0.4))
    assert agreement("a", "b", {("p", "1"): "right"}, {("p", "1"): "right"}).kappa is None
    assert agreement("a", "b", {("p", "1"): "right"}, {}).n == 0


def test_readers_and_rules(
    inputs: SimpleNamespace, held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = inputs.write_predictions(tmp_path / "a.jsonl", {row["id"]: "CT" for row in inputs.held_out_rows()})
    out = tmp_path / "out"
    score_file(file, [DeclaredBenchmark(held_out)], out, Settings(), model="m")
    first = write(tmp_path / "one.jsonl", {"q0-0": "right", "q1-0": "right", "q2-0": "unclear", "q3-0": None})
    second = write(tmp_path / "two.jsonl", {"q0-0": "right", "q1-0": "wrong"})
    with_rules, other, both = agreements(out, [first, second])
    assert (with_rules.n, with_rules.agreed, with_rules.unclear) == (2, 1, 1)
    assert with_rules.differing == ((PROTOCOL, "q1-0"),)
    assert (other.agreed, both.first, both.agreed) == (2, "one.jsonl", 1)
    command(out, [first])
    assert f"the rules and one.jsonl differ on {PROTOCOL} q1-0" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"strange\.jsonl: labels q99 of held_out/option-text"):
        agreements(out, [write(tmp_path / "strange.jsonl", {"q99": "right"})])


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"protocol": "p", "id": "1", "label": "yes"}', r'line 1: the label "yes" is none of'), ("", r"holds no label"),
     ('{"label": "right"}', r"not readable as notes \(KeyError"), ("[1]", r"not readable as notes"),
     ("{", r"not readable as notes")],
)  # fmt: skip
def test_what_is_no_file_of_notes_is_explained(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "n.jsonl").write_text(text + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_notes(tmp_path / "n.jsonl")
