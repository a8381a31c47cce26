import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_bench.backends.asks import Answer, Ask, OpenImage
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.report.build import rebuild
from gmai_bench.run import Settings, ask_and_report, score_file
from gmai_cli.exit_codes import EXIT_REQUEUE
from gmai_formats.errors import UserError

FOLDER = "held_out/option-text"


class Parrot:
    """Answers "CT" to everything and remembers what it was asked."""

    def __init__(self, digest: str = "parrot-1") -> None:
        self.digest = digest
        self.name = "models/parrot"
        self.generation: Mapping[str, Any] = {"max_new_tokens": 8}
        self.asked: list[str] = []
        self.seen: dict[str, bytes] = {}

    def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        for ask in reversed(asks):
            self.asked.append(ask.id)
            self.seen[ask.id] = open_image(ask.images[0]).tobytes()
            yield Answer(ask.id, "CT", cut=ask.id == "q0-0")


def run(path: Path, out: Path, backend: Parrot | None = None, **settings: Any) -> Parrot:
    backend = backend or Parrot()
    ask_and_report([DeclaredBenchmark(path)], backend, out, Settings(**settings))
    return backend


def report(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def test_the_report_of_a_constant_answer(held_out: Path, tmp_path: Path) -> None:
    run(held_out, tmp_path / "out")
    (result,) = report(tmp_path / "out")["benchmarks"]
    assert (result["n"], result["correct"], result["accuracy"]) == (12, 4, pytest.approx(1 / 3))
    assert result["interval"] == pytest.approx([0.1381, 0.6094], abs=1e-4)
    assert result["chance"] == pytest.approx(1 / 3)
    assert result["clusters"] == 6
    assert result["rules"] == {"option_text": 12}
    assert result["groups"]["modality"]["CT"]["accuracy"] == 1.0
    assert result["groups"]["modality"]["MR"]["accuracy"] == 0.0
    assert result["protocol"] == "held_out/option-text"
    assert result["partial"] is False
    assert result["cut"] == 1
    assert report(tmp_path / "out")["model_digest"] == "parrot-1"
    for name in ("report.md", "report.html", "run.json", f"{FOLDER}/scores.jsonl"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    assert len(list((tmp_path / "out/images").iterdir())) == 6
    assert not (tmp_path / "out/run.lock").exists()


def test_a_second_run_asks_nothing(held_out: Path, tmp_path: Path) -> None:
    run(held_out, tmp_path / "out")
    scores = (tmp_path / "out" / FOLDER / "scores.jsonl").read_bytes()
    assert run(held_out, tmp_path / "out").asked == []
    assert (tmp_path / "out" / FOLDER / "scores.jsonl").read_bytes() == scores


def test_a_checkpoint_that_was_moved_keeps_its_answers(held_out: Path, tmp_path: Path) -> None:
    run(held_out, tmp_path / "out")
    moved = Parrot()
    moved.name = "elsewhere/parrot"
    assert run(held_out, tmp_path / "out", moved).asked == []


def test_a_limited_run_is_completed_by_a_whole_one(held_out: Path, tmp_path: Path) -> None:
    assert len(run(held_out, tmp_path / "out", limit=5).asked) == 5
    (result,) = report(tmp_path / "out")["benchmarks"]
    assert (result["n"], result["limit"], result["partial"]) == (5, 5, True)
    assert "Partial" in (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert len(run(held_out, tmp_path / "out").asked) == 7
    assert report(tmp_path / "out")["benchmarks"][0]["partial"] is False


def test_a_torn_last_line_is_dropped_and_asked_again(
    held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(held_out, tmp_path / "out")
    path = tmp_path / "out" / FOLDER / "predictions.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    assert len(run(held_out, tmp_path / "out").asked) == 1
    assert "11 answers kept (one half-written line dropped), 1 to ask" in capsys.readouterr().err
    assert len(path.read_text(encoding="utf-8").splitlines()) == 12


def test_other_settings_are_refused_with_what_differs(held_out: Path, tmp_path: Path) -> None:
    run(held_out, tmp_path / "out")
    with pytest.raises(UserError, match=r"model_digest was parrot-1, is parrot-2.*Use another --out"):
        run(held_out, tmp_path / "out", Parrot("parrot-2"))
    with pytest.raises(UserError, match=r"image_ablation was none, is noise"):
        run(held_out, tmp_path / "out", image_ablation="noise")


def test_a_changed_question_is_refused(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> None:
    run(held_out, tmp_path / "out")
    inputs.write_held_out(held_out.parent, prompt="{question} One of: {choices}")
    with pytest.raises(UserError, match=r'the answer to "q0-0" was given to another prompt, image or setting'):
        run(held_out, tmp_path / "out")


def test_one_protocol_is_asked_once(held_out: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"held_out/option-text is asked for twice"):
        ask_and_report([DeclaredBenchmark(held_out)] * 2, Parrot(), tmp_path / "out", Settings())


def test_ablations_show_noise_or_grey_of_the_same_size(held_out: Path, tmp_path: Path) -> None:
    plain = run(held_out, tmp_path / "plain").seen
    noise = run(held_out, tmp_path / "noise", image_ablation="noise").seen
    again = run(held_out, tmp_path / "again", image_ablation="noise").seen
    other = run(held_out, tmp_path / "other", image_ablation="noise", seed=1).seen
    blank = run(held_out, tmp_path / "blank", image_ablation="blank").seen
    assert noise == again
    assert noise != other
    assert {len(pixels) for pixels in (*plain.values(), *noise.values())} == {40 * 30 * 3}
    assert len(set(noise.values())) == 6
    assert set(blank.values()) == {bytes([127]) * (40 * 30 * 3)}


def test_another_patients_image_is_shown_and_the_page_shows_that_one(held_out: Path, tmp_path: Path) -> None:
    plain = run(held_out, tmp_path / "plain").seen
    other = run(held_out, tmp_path / "other", image_ablation="other").seen
    assert plain != other
    report = json.loads((tmp_path / "other/report.json").read_text(encoding="utf-8"))
    assert report["title"].endswith("images replaced by those of other patients")
    assert "one of another patient, which is shown here" in (tmp_path / "other/report.html").read_text(encoding="utf-8")


def test_an_ablation_stands_in_answers_report_and_title(held_out: Path, tmp_path: Path) -> None:
    run(held_out, tmp_path / "out", image_ablation="noise", seed=3)
    lines = (tmp_path / "out" / FOLDER / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["image_ablation"] for line in lines} == {"noise"}
    summary = report(tmp_path / "out")
    assert (summary["image_ablation"], summary["ablation_seed"]) == ("noise", 3)
    assert summary["title"] == "models/parrot — images replaced by noise"
    assert "<title>models/parrot — images replaced by noise" in (tmp_path / "out/report.html").read_text(
        encoding="utf-8"
    )


def test_a_report_is_rebuilt_without_the_benchmark(held_out: Path, tmp_path: Path) -> None:
    run(held_out, tmp_path / "out")
    before = report(tmp_path / "out")
    held_out.unlink()
    for name in ("report.json", "report.html", f"{FOLDER}/scores.jsonl"):
        (tmp_path / "out" / name).unlink()
    rebuild(tmp_path / "out")
    after = report(tmp_path / "out")
    assert {**after, "created": ""} == {**before, "created": ""}


def test_a_folder_without_answers_makes_no_report(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no asked\.json"):
        rebuild(tmp_path)


def test_a_file_of_answers_is_scored(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> None:
    answers = {row["id"]: row["reference"] for row in inputs.held_out_rows()}
    answers["q0-0"] = "MR"
    file = inputs.write_predictions(tmp_path / "answers.jsonl", answers)
    (scored,) = score_file(file, [DeclaredBenchmark(held_out)], tmp_path / "out", Settings(), model="theirs")
    assert (scored.result.correct, scored.result.n) == (11, 12)
    assert report(tmp_path / "out")["model"] == "theirs"
    (alone,) = score_file(file, [DeclaredBenchmark(held_out)], None, Settings(), model="theirs")
    assert alone.result == scored.result


def test_missing_and_unknown_answers_are_refused(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> None:
    benchmark = DeclaredBenchmark(held_out)
    file = inputs.write_predictions(tmp_path / "answers.jsonl", {"q0-0": "CT"})
    with pytest.raises(UserError, match=r'no answer to 11 of 12 questions, such as "q0-1".*--allow-partial'):
        score_file(file, [benchmark], None, Settings(), model="")
    (scored,) = score_file(file, [benchmark], None, Settings(allow_partial=True), model="")
    assert (scored.result.n, scored.result.unanswered, scored.result.partial) == (1, 11, True)
    inputs.write_predictions(file, {"elsewhere": "CT"})
    with pytest.raises(UserError, match=r'answers 1 questions that held_out/option-text does not ask, such as "elsew'):
        score_file(file, [benchmark], None, Settings(), model="")


SLOW_RUN = """
import sys, time
from pathlib import Path
from gmai_bench.backends.asks import Answer
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.run import Settings, ask_and_report

class Slow:
    name, digest, generation = "slow", "slow-1", {}
    def answers(self, asks, open_image):
        for ask in asks:
            # The last question of what is to be killed or stopped has no answer, so that the run never ends first.
            time.sleep(600 if ask.id == asks[-1].id and len(sys.argv) > 3 else 0.02)
            yield Answer(ask.id, ("CT", "MR", "X-ray")[len(ask.id + ask.images[0][:3].strip("abcdef")) % 3], False)

ask_and_report([DeclaredBenchmark(Path(sys.argv[1]))], Slow(), Path(sys.argv[2]), Settings())
"""


def test_runs_killed_at_random_moments_end_with_the_same_bytes(inputs: SimpleNamespace, tmp_path: Path) -> None:
    path = inputs.write_held_out(tmp_path / "benchmarks", inputs.held_out_rows(20))
    command = [sys.executable, "-c", SLOW_RUN, str(path)]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    predictions = tmp_path / "killed" / FOLDER / "predictions.jsonl"
    moments = sorted(random.Random(7).sample(range(1, 39), 4))
    for lines_before_kill in moments:
        process = subprocess.Popen([*command, str(tmp_path / "killed"), "stay"], stderr=subprocess.DEVNULL)
        while process.poll() is None:
            if predictions.exists() and predictions.read_bytes().count(b"\n") >= lines_before_kill:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            time.sleep(0.005)
        assert process.returncode == -signal.SIGKILL
    subprocess.run([*command, str(tmp_path / "killed")], check=True, capture_output=True)
    for name in ("scores.jsonl", "questions.jsonl"):
        killed, whole = (tmp_path / run / FOLDER / name for run in ("killed", "whole"))
        assert killed.read_bytes() == whole.read_bytes(), f"killed after {moments} lines"
    assert predictions.read_bytes().count(b"\n") == 40
    assert report(tmp_path / "killed")["benchmarks"] == report(tmp_path / "whole")["benchmarks"]


def test_a_run_told_to_stop_gives_the_folder_back(inputs: SimpleNamespace, tmp_path: Path) -> None:
    path = inputs.write_held_out(tmp_path / "benchmarks", inputs.held_out_rows(20))
    command = [sys.executable, "-c", SLOW_RUN, str(path), str(tmp_path / "out")]
    predictions = tmp_path / "out" / FOLDER / "predictions.jsonl"
    process = subprocess.Popen([*command, "stay"], stderr=subprocess.PIPE, text=True)
    while not predictions.exists() or predictions.read_bytes().count(b"\n") < 3:
        time.sleep(0.005)
    process.terminate()
    _, said = process.communicate(timeout=600)
    assert process.returncode == EXIT_REQUEUE
    assert "stopped by SIGTERM: what is finished stays" in said
    assert not (tmp_path / "out/run.lock").exists()
    subprocess.run(command, check=True, capture_output=True)
    assert report(tmp_path / "out")["benchmarks"][0]["n"] == 40


def test_what_the_ranks_of_a_killed_run_wrote_is_kept(held_out: Path, tmp_path: Path) -> None:
    run(held_out, tmp_path / "out")
    folder = tmp_path / "out" / FOLDER
    lines = (folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    whole = (folder / "scores.jsonl").read_bytes()
    (folder / "predictions.jsonl").write_bytes(b"".join(lines[:3]) + lines[3][:20])
    (folder / "predictions.rank-0.jsonl").write_bytes(b"".join(lines[2:6]))
    (folder / "predictions.rank-1.jsonl").write_bytes(b"".join(lines[6:9]) + lines[9][:-5])
    assert len(run(held_out, tmp_path / "out").asked) == 3
    assert (folder / "scores.jsonl").read_bytes() == whole
    assert not list(folder.glob("predictions.rank-*"))


RANKED_RUN = """
import sys
from pathlib import Path
from gmai_bench.backends import ranks
from gmai_bench.backends.asks import Answer
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.run import Settings, ask_and_report

class Ranked:
    name, digest, generation, cacheable = "m", "m-1", {}, True
    def answers(self, asks, open_image):
        for ask in asks:
            open_image(ask.images[0])
            print("asked", place.rank, ask.id, flush=True)
            yield Answer(ask.id, ("CT", "MR", "X-ray")[len(ask.id) % 3], False)

place = ranks.from_environment()
ranks.join(place)
try:
    made = ask_and_report(
        [DeclaredBenchmark(Path(sys.argv[1]))], Ranked(), Path(sys.argv[2]), Settings(), ranks=place,
        cache_folder=Path(sys.argv[3]),
    )
finally:
    ranks.leave(place)
print("reported", place.rank, len(made), flush=True)
"""


@pytest.mark.e2e
def test_ranks_share_the_questions_and_one_reports(held_out: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs gmai-bench[local]: pip install 'gmai-bench[local]'")
    env = {**os.environ, "MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}

    def launch(out: str) -> list[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            env["MASTER_PORT"] = str(listener.getsockname()[1])
        command = [sys.executable, "-c", RANKED_RUN, held_out, tmp_path / out, tmp_path / "shared"]
        started = [
            subprocess.Popen(command, env={**env, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
            for rank in range(2)
        ]
        said = [process.communicate(timeout=600)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0]
        return "".join(said).splitlines()

    lines = launch("two")
    asked = [line.split()[1:] for line in lines if line.startswith("asked")]
    assert sorted(identity for _, identity in asked) == sorted(f"q{i}-{k}" for i in range(6) for k in range(2))
    assert [rank for rank, _ in asked].count("1") == 6
    assert {line for line in lines if line.startswith("reported")} == {"reported 0 1", "reported 1 0"}
    assert report(tmp_path / "two")["benchmarks"][0]["n"] == 12
    assert not list((tmp_path / "two" / FOLDER).glob("predictions.rank-*"))
    assert not any(line.startswith("asked") for line in launch("again"))
    scores = [(tmp_path / out / FOLDER / "scores.jsonl").read_bytes() for out in ("two", "again")]
    assert scores[0] == scores[1]


def test_rotations_and_samples_are_protocols_of_their_own_and_go_on_after_a_kill(
    held_out: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(held_out, out)
    asked = run(held_out, out, option_order="circular").asked
    assert len(asked) == 12 * 3
    plain, circular = report(out)["benchmarks"]
    assert (plain["protocol"], plain["n"], plain["correct"]) == ("held_out/option-text", 12, 4)
    assert (circular["protocol"], circular["n"], circular["correct"]) == ("held_out/option-text+circular", 12, 4)
    assert circular["chance"] == pytest.approx(1 / 27)
    path = out / f"{FOLDER}+circular" / "predictions.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert {next(iter(json.loads(line)["shown"])) for line in lines} == {"CT", "MR", "X-ray"}
    scores = (path.parent / "scores.jsonl").read_bytes()
    assert b'"asked": [[1.0, "CT"], [1.0, "CT"], [1.0, "CT"]]' in scores
    path.write_bytes(b"".join(lines[:20]))
    assert len(run(held_out, out, option_order="circular").asked) == 16
    assert (path.parent / "scores.jsonl").read_bytes() == scores
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["config"]["variant"] == "circular"


def test_samples_need_a_temperature_and_have_requests_of_their_own(held_out: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--samples 3: at temperature 0 every sample is the same answer"):
        run(held_out, tmp_path / "cold", samples=3)
    warm = Parrot()
    warm.generation = {"temperature": 0.7}
    run(held_out, tmp_path / "out", warm, samples=3)
    assert len(warm.asked) == 36
    path = tmp_path / "out" / f"{FOLDER}+samples-3" / "predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len({line["request"] for line in lines}) == 36
    (result,) = report(tmp_path / "out")["benchmarks"]
    assert result["measures"]["pass@3"]["mean"] == pytest.approx(1 / 3)
    assert result["title"].endswith("(the answer given most often counts, 3 samples a question)")
