import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from gmai_cli import console
from gmai_formats.errors import UserError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that the test moves by hand: seconds in a list of one."""
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_per_interval_with_rate_and_time_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with console.progress("slices", 100, unit="slices") as bar:
        for _ in range(4):
            clock[0] += 10
            bar.advance(10, note="ct")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "slices: 20/100 slices, 1.0/s, ETA 0:01:20, ct",
        "slices: 40/100 slices, 1.0/s, ETA 0:01:00, ct",
        "slices: 40 slices in 40.0 s, ct",
    ]


def test_answers_that_come_in_batches_are_not_each_a_batch_long(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with console.progress("ask", total=48) as bar:
        for _ in range(6):
            clock[0] += 80
            for _ in range(8):
                bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "ask: 1/48 items, the first after 0:01:20", "its batch may be of any size"
    assert [line.partition(", ")[2] for line in lines[1:5]] == [f"10.0 s each, ETA {left}" for left in (
        "0:06:30", "0:05:10", "0:03:50", "0:02:30",
    )], "the first answer of a batch says nothing of its others"  # fmt: skip


def test_a_slow_step_says_how_long_each_takes(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("train", 3, unit="steps") as bar:
        for _ in range(3):
            clock[0] += 40
            bar.advance()
    assert capsys.readouterr().err.splitlines()[:2] == [
        "train: 1/3 steps, the first after 40.0 s", "train: 2/3 steps, 40.0 s each, ETA 40.0 s",
    ]  # fmt: skip


def test_the_interval_can_be_set(
    clock: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMAI_LOG_INTERVAL_S", "1")
    with console.progress("read", None) as bar:
        clock[0] += 1
        bar.advance(5)
    assert capsys.readouterr().err.splitlines() == ["read: 5 items, the first after 1.0 s", "read: 5 items in 1.0 s"]


def test_an_interval_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMAI_LOG_INTERVAL_S", "often")
    with pytest.raises(UserError, match='GMAI_LOG_INTERVAL_S is "often"'), console.progress("read", 1):
        pass


def test_a_short_step_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("read", 3) as bar:
        bar.advance(3)
    assert re.fullmatch(r"read: 3 items in \d\.\d s\n", capsys.readouterr().err)


def test_processes_that_do_not_speak_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("read", 3, shown=False) as bar:
        bar.advance(3)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(console.sys, "stderr", terminal)
    with console.progress("read", 3) as bar:
        bar.advance(3, note="[bold]not markup[/bold]")
    shown = terminal.getvalue()
    assert "3/3" in shown
    assert "[bold]not markup[/bold]" in shown


@pytest.mark.parametrize(("seconds", "shown"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (61, "0:01:01"), (3661, "1:01:01")])
def test_times_are_short(seconds: float, shown: str) -> None:
    assert console._clock(seconds) == shown


def test_a_table_sets_numbers_right_and_words_left(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(("kind", "n"), [("caption", 5), ("percept", 1200)], title="samples")
    assert capsys.readouterr().out.splitlines() == [
        "samples", "kind        n", "-------  ----", "caption     5", "percept  1200",
    ]  # fmt: skip


def test_a_table_shows_cells_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(("label",), [("[red]lesion[/red]",)], news=True)
    assert "[red]lesion[/red]" in capsys.readouterr().err


def test_a_table_without_rows_has_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(("a", "b"), [])
    assert capsys.readouterr().out == "a  b\n-  -\n"


def test_news_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("done")
    assert capsys.readouterr() == ("", "done\n")


@pytest.mark.parametrize(
    ("environment", "label"),
    [
        ({}, ""),
        ({"RANK": "3", "WORLD_SIZE": "8"}, "[rank 3] "),
        ({"RANK": "0", "WORLD_SIZE": "1", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, ""),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, "[rank 1] "),
        ({"SLURM_PROCID": "0"}, ""),  # a batch script outside of srun
    ],
)
def test_every_line_of_a_rank_names_it(
    environment: dict[str, str], label: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    console.say("news")
    console.table(("a", "b"), [(1, 2)], title="t", news=True)
    with console.progress("work", 1, unit="steps") as bar:
        bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert all(line.startswith(label) for line in lines)
    assert not lines[0].removeprefix(label).startswith("[rank")
    console.table(("a",), [(1,)])
    assert "rank" not in capsys.readouterr().out, "results are for programs"


PLUGIN = """
import logging, sys, warnings
from gmai_cli import plugins
from gmai_cli.console import say
from gmai_cli.main import main

def broken():
    say("news")
    print("a library's line", file=sys.stderr)
    logging.warning("a warning\\nof two lines")
    print("result")
    raise ValueError("a bug")

plugins.discover = broken
main()
"""


@pytest.mark.parametrize("rank", [0, 3])
def test_whoever_prints_it_a_line_of_a_rank_names_it(rank: int) -> None:
    environment = {"RANK": str(rank), "WORLD_SIZE": "8"}
    result = subprocess.run([sys.executable, "-c", PLUGIN], env=environment, capture_output=True, text=True)
    lines = result.stderr.splitlines()
    for line in ("news", "a library's line", "WARNING:root:a warning", "of two lines", "ValueError: a bug"):
        assert f"[rank {rank}] {line}" in lines
    assert [line for line in lines if not line.startswith(f"[rank {rank}] ")] == []
    assert not [line for line in lines if line.count("[rank") != 1]
    assert result.stdout == "result\n"


def test_the_time_left_is_that_of_recent_progress(monkeypatch, capsys) -> None:
    """Ten slow steps at the start, then fast ones: after a minute only the fast ones count."""
    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    monkeypatch.setenv("GMAI_LOG_INTERVAL_S", "15")
    with console.progress("train", 1000, unit="steps") as bar:
        for _ in range(10):
            clock[0] += 30
            bar.advance()
        for _ in range(200):
            clock[0] += 0.5
            bar.advance()
        line = [each for each in capsys.readouterr().err.splitlines() if "ETA" in each][-1]
        assert "2.0/s, ETA 0:06:" in line
        bar.advance(790)


def test_the_next_command_can_be_typed_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    console.say_next("data", "view", Path("a build"), "--images", 3)
    assert capsys.readouterr().err == "next: gmai data view 'a build' --images 3\n"


def test_what_a_name_does_to_a_terminal_is_shown_and_not_done(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "scan\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202egnp.exe caf\udce9 肺 é\tb\n2"
    console.say(hostile)
    console.table(["name"], [[hostile.replace("\n", "")]], news=True)
    said = capsys.readouterr().err
    assert not any(letter in said for letter in "\x1b\x07\r\x9b\u202e\udce9")
    assert "scan\\x1b[2J\\x1b]0;owned\\x07\\r\\x9b31m\\u202egnp.exe caf\\udce9 肺 é\tb\n2\n" in said


def test_details_become_lines_of_a_log_cut_and_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GMAI_LOG_INTERVAL_S", "0")
    with console.progress("write", 3, unit="shards") as bar:
        bar.advance(1, note="2 kept", details={"dialogue (en)": "What?\n\x1b[2J ▸ \u202eThis.", "report": "x" * 500})
        bar.advance(1, note="3 kept")
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == r"  dialogue (en): What? \x1b[2J ▸ \u202eThis."
    assert lines[2] == f"  report: {'x' * 200}…"
    assert lines[4:6] == lines[1:3], "those that are shown stay until there are others"
    assert lines[-1].startswith("write: 2 shards in")


def test_details_stand_below_the_bar_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(console.sys, "stderr", terminal)
    with console.progress("write", 3) as bar:
        bar.advance(1, note="1 kept\x1b[2J", details={"dialogue": f"[b]Q[/b]\n\x1b]0;title\x07 ▸ {'A' * 300}"})
    shown = terminal.getvalue()
    assert "1 kept\\x1b[2J" in shown
    assert "  dialogue: [b]Q[/b] \\x1b]0;title\\x07" in shown
    assert "A…" in shown
    assert "\x1b]0;" not in shown
    assert "\x1b[2J" not in shown
