import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from gmai_bench.answers.cache import AnswerCache, CachedAnswer
from gmai_bench.backends.asks import Answer
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.run import Settings, ask_and_report


class Counting:
    name, generation, cacheable = "m", {}, True

    def __init__(self, digest: str = "sha256:1") -> None:
        self.digest, self.asked = digest, 0

    def answers(self, asks, open_image):  # type: ignore[no-untyped-def]
        for ask in asks:
            self.asked += 1
            yield Answer(ask.id, "MR", cut=True)


def run(path: Path, out: Path, cache: Path, backend: Counting, **settings: object) -> Counting:
    ask_and_report([DeclaredBenchmark(path)], backend, out, Settings(**settings), cache_folder=cache)
    return backend


def test_another_folder_of_an_unchanged_model_asks_nothing(held_out: Path, tmp_path: Path) -> None:
    cache = tmp_path / "shared"
    assert run(held_out, tmp_path / "a", cache, Counting()).asked == 12
    assert run(held_out, tmp_path / "b", cache, Counting()).asked == 0
    first, second = (tmp_path / name / "held_out/option-text/scores.jsonl" for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert '"cut": true' in (tmp_path / "b/held_out/option-text/predictions.jsonl").read_text(encoding="utf-8")


def test_another_model_or_ablation_or_prompt_is_asked(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> None:
    cache = tmp_path / "shared"
    run(held_out, tmp_path / "a", cache, Counting())
    assert run(held_out, tmp_path / "b", cache, Counting("sha256:2")).asked == 12
    assert run(held_out, tmp_path / "c", cache, Counting(), image_ablation="noise").asked == 12
    inputs.write_held_out(held_out.parent, prompt="{question} {choices}")
    assert run(held_out, tmp_path / "d", cache, Counting()).asked == 12


def test_a_model_without_a_sure_revision_is_not_cached(held_out: Path, tmp_path: Path) -> None:
    class Unsure(Counting):
        cacheable = False

    cache = tmp_path / "shared"
    run(held_out, tmp_path / "a", cache, Unsure())
    assert run(held_out, tmp_path / "b", cache, Unsure()).asked == 12
    assert not cache.exists()


def test_half_written_lines_are_passed_over(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, "m")
    cache.add("r1", CachedAnswer("one\ntwo", False))
    cache.add("r2", CachedAnswer("答案", True))
    (file,) = tmp_path.rglob("*.jsonl")
    file.write_bytes(file.read_bytes()[:-9])
    again = AnswerCache(tmp_path, "m")
    assert again.get("r1") == CachedAnswer("one\ntwo", False)
    assert again.get("r2") is None
    assert AnswerCache(tmp_path, "other").get("r1") is None


def test_processes_share_a_cache_with_a_file_each(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom gmai_bench.answers.cache import *\n"
        "cache = AnswerCache(Path(sys.argv[1]), 'm')\n"
        "for i in range(200): cache.add(f'{sys.argv[2]}-{i}', CachedAnswer('x' * 300, False))"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, tmp_path, str(n)]) for n in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    cache = AnswerCache(tmp_path, "m")
    assert all(cache.get(f"{n}-{i}") for n in range(3) for i in range(200))
    assert len(list(tmp_path.rglob("*.jsonl"))) == 3


def test_a_cache_that_cannot_be_written_costs_the_cache_and_not_the_run(
    held_out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    assert run(held_out, tmp_path / "a", tmp_path / "taken", Counting()).asked == 12
    assert (tmp_path / "a/held_out/option-text/scores.jsonl").is_file()
    assert capfd.readouterr().err.count("The run goes on and keeps no more answers for other runs.") == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_cache_that_fills_up_is_given_up_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    cache = AnswerCache(tmp_path, "sha256:1")
    cache.add("first", CachedAnswer("MR", cut=False))
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", full)
    cache.add("second", CachedAnswer("CT", cut=False))
    cache.add("third", CachedAnswer("CT", cut=False))
    monkeypatch.setattr(os, "write", real)
    cache.add("fourth", CachedAnswer("CT", cut=False))
    assert cache.get("third") == CachedAnswer("CT", cut=False), "within the run it still serves"
    assert capsys.readouterr().err.count(os.strerror(number)) == 1
    again = AnswerCache(tmp_path, "sha256:1")
    assert again.get("first") == CachedAnswer("MR", cut=False)
    assert again.get("second") is again.get("fourth") is None
