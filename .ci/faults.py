"""`make faults`: what the world does to a run, done on purpose, seeded, through the real command; prints one table.

Kills at random and at named moments, every state file damaged in every way, disks that fail or are full, signals by
phase: for building, writing by a model, training, benchmarks and a push. Mutants of what each reader reads, through the
real command. The tests that do harm are repeated. A line says what was tried and what became of it: the same end, a
refusal that names the damaged file, or lost: other bytes, a traceback, a hang.

    uv run python .ci/faults.py [--seed N] [--kills N] [--mutants N] [--jobs N] [--only WORD,WORD] [--list]
"""

import argparse
import contextlib
import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import disks  # beside this file, as are the next two
import fault_checkpoints
import fault_commands
import fault_mutants
import yaml

ROOT = Path(__file__).parents[1]
DAMAGES = ("cut", "zeroed", "one bit", "emptied", "longer", "deleted")
"""The first three are done to every state file, and one of the others, drawn."""
TESTS = {
    "training: kills, two ranks with one killed, full disk": ["tests/gmai_model/training/test_failures.py"],
    "training: checkpoints cut, zeroed, flipped": ["tests/gmai_model/training/test_checkpoints.py"],
    "training: plan and cache cut, zeroed, flipped": [
        "tests/gmai_model/training/test_inputs.py", "tests/gmai_model/batching/test_images.py",
        "tests/gmai_model/batching/test_index.py", "tests/gmai_model/batching/test_lengths.py",
    ],
    "training: signals by phase and process": ["tests/gmai_model/training/test_signals.py"],
    "benchmark: kills of both backends": ["tests/gmai_bench/test_killed.py"],
    "benchmark: damaged answers and state": [
        "tests/gmai_bench/answers/test_predictions.py", "tests/gmai_bench/answers/test_guards.py",
    ],
    "writing by a model: kills, refusals, torn journals": [
        "tests/gmai_data/generation/test_journal.py", "tests/gmai_data/generation/test_batches.py",
    ],
    "a decoder that crashes, loops or takes all memory": [
        "tests/gmai_data/test_guard.py", "tests/gmai_data/test_apart.py",
    ],
    "locks: races for one folder": ["tests/gmai_cli/test_run_lock.py", "tests/gmai_data/test_build_lock.py"],
}  # fmt: skip


LINES: list["Line"] = []
"""The table: of a run that is interrupted, too."""


@dataclass
class Line:
    """One line of the table."""

    what: str
    tried: int = 0
    lost: list[str] = field(default_factory=list)
    refused: int = 0
    """Tries that ended with a message that names the damaged file."""
    took_s: float = 0.0
    cpu_s: float = 0.0

    def take(self, name: str, problem: str) -> None:
        """Count one try, and what it lost if anything."""
        self.tried += 1
        if problem:
            self.lost.append(f"{name}: {problem}")
            print(f"LOST {self.what}: {name}: {problem}", file=sys.stderr, flush=True)


def damaged(path: Path, kind: str, chance: random.Random) -> None:
    """Damage a file in place."""
    content = path.read_bytes()
    place = chance.randrange(len(content))
    turned = content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
    if kind == "deleted":
        path.unlink()
        return
    path.write_bytes({"cut": content[:place], "emptied": b"", "zeroed": bytes(len(content)), "one bit": turned,
                      "longer": content + chance.randbytes(30)}[kind])  # fmt: skip


def repeated_tests(folder: Path) -> Iterator[Line]:
    """Repeat the tests that do harm to training, benchmarks and writing."""
    for what, paths in TESTS.items():
        line = Line(what)
        there = [path for path in paths if (ROOT / path).is_file()]
        record = folder / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={record}", *there]
        record.unlink(missing_ok=True)
        try:
            subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=1200)
        except subprocess.TimeoutExpired:
            line.take("all", "over 1,200 s")
        cases = ElementTree.parse(record).iter("testcase") if record.is_file() else ()  # noqa: S314 - written by pytest
        for case in cases:
            if case.find("skipped") is None:
                failed = case.find("failure") is not None or case.find("error") is not None
                line.take(f"{case.get('name')}", "failed" if failed else "")
        yield line


class Hit:
    """What is done to one of `fault_commands.SUBJECTS`.

    Args:
        subject: Prepared.
        chance: What is drawn from.
        tries: Kills at random, and moments that something is aimed at.
    """

    def __init__(self, subject: fault_commands.Subject, chance: random.Random, tries: int) -> None:
        self._subject, self._chance, self._tries = subject, chance, tries

    def _line(self, what: str) -> Line:
        return Line(f"{self._subject.name}: {what}")

    def _aim(
        self, line: Line, moments: list[int], do: fault_commands.Deed, codes: Collection[int] | None, *,
        lasts: bool = False,
    ) -> None:  # fmt: skip
        subject = self._subject
        for number in moments:
            subject.put(subject.start)
            ended = subject.run(fault_commands.Moments(subject.world, subject.spots, at=number, do=do, lasts=lasts))
            line.take(f"{number}, {' '.join(subject.moments[number])}", self._then_again(ended, codes))

    def _then_again(self, ended: fault_commands.Ended, codes: Collection[int] | None) -> str:
        """Return what is lost once the same command was given again.

        Args:
            ended: After what was done to it.
            codes: It may end with, beside 0, where then its outcome is due; any where None: it was killed.
        """
        if codes is not None or ended.code == 0:
            if ended.code == 0 or ended.code not in (codes or ()):
                what, problem = self._subject.verdict(ended)
                if what != "same":
                    return problem or f"refused: {ended.said[-500:]}"
            elif "Traceback" in ended.said or "this is a bug" in ended.said:
                return f"traceback: {ended.said[-600:]}"
        what, problem = self._subject.again()
        return problem if what == "lost" else ""

    def kills_at_random(self) -> Line:
        """Kill it up to three times at random moments before it ends by itself."""
        subject, line = self._subject, self._line("SIGKILL to all processes at a random moment")
        while line.tried < self._tries:
            subject.put(subject.start)
            for _ in range(self._chance.randint(1, 3)):
                at = time.monotonic() + self._chance.uniform(0.05, 1.0) * subject.seconds
                line.tried += subject.run(until=lambda at=at: time.monotonic() >= at).code == -signal.SIGKILL
            line.tried -= 1
            line.take("after kills", subject.again()[1])
        return line

    def kills_by_name(self) -> Line:
        """Kill it before a rename, a removal, an fsync, in the middle of an append, and in each phase."""
        subject = self._subject
        kinds = [word for kind, word in KINDS.items() if kind in {kind for kind, _ in subject.moments}]
        line = self._line(f"SIGKILL at {', '.join([*kinds, *subject.appears])}")
        numbers = fault_commands.chosen(subject.moments, self._tries - 2 * len(subject.appears), self._chance)
        self._aim(line, numbers, fault_commands.kill, None)
        for name, pattern in [*subject.appears.items()] * 2:
            subject.put(subject.start)
            subject.run(until=lambda pattern=pattern: any(subject.world.glob(pattern)))
            line.take(name, subject.again()[1])
        return line

    def broken_disk(self) -> Line:
        """Let a rename, an fsync, a folder or an append fail, as a broken, full or read-only disk does."""
        line = self._line("EIO, ENOSPC, EROFS at one rename, new folder, new file, fsync, append, or from there on")
        able = [number for number, (kind, _) in enumerate(self._subject.moments) if kind in KINDS and kind != "spot"]
        moments = [self._subject.moments[number] for number in able]
        numbers = [able[place] for place in fault_commands.chosen(moments, max(6, self._tries // 2), self._chance)]
        self._chance.shuffle(numbers)
        ways = [(error, lasts) for error in (errno.EIO, errno.ENOSPC, errno.EROFS) for lasts in (False, True)]
        for place, (error, lasts) in enumerate(ways):
            self._aim(line, numbers[place :: len(ways)], fault_commands.fails(error), (2,), lasts=lasts)
        return line

    def small_disk(self) -> Line:
        """Give it a disk that is full after a part of its bytes or files, and then a larger one."""
        subject, line = (
            self._subject,
            self._line("a disk that is full after a part of its bytes, or has no inodes left"),
        )
        if not disks.may_mount():
            line.what += " (nothing may be mounted here)"
            return line
        with disks.mounted(subject.world) as disk:
            for number in range(max(4, self._tries // 4)):
                disk.grow()
                subject.put(subject.start)
                share = self._chance.uniform(0.0, 1.1)
                disk.leave(share, subject.whole, subject.start, inodes=bool(number % 2))
                ended = subject.run()
                disk.grow()
                line.take(f"{share:.2f} of {'inodes' if number % 2 else 'bytes'}", self._then_again(ended, (2,)))
        return line

    def signals(self) -> Line:
        """Send the signals of a scheduler and of a terminal to one process, some or all, at moments of every phase."""
        line = self._line("SIGTERM, SIGUSR1, SIGINT to one process, some or all, once or twice, in each phase")
        numbers = fault_commands.chosen(self._subject.moments, max(6, self._tries // 2), self._chance)
        ways = [(number, whom, times) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
                for whom in ("main", "all", "some") for times in ((0.0,), (0.0, 1.2))]  # fmt: skip
        self._chance.shuffle(ways)
        for place, moment in enumerate(numbers):
            number, whom, times = ways[place % len(ways)]
            do = fault_commands.sends([(after_s, number) for after_s in times], whom, self._chance)
            self._aim(line, [moment], do, {130 if number == signal.SIGINT else 75})
        return line

    def damage(self) -> Line:
        """Damage every state file, of a run that was killed half-way and of a complete one."""
        subject = self._subject
        most, others = ", ".join(DAMAGES[:3]), ", ".join(DAMAGES[3:])
        line = self._line(f"each state file {most}, and one of {others}; half-way and complete")
        for state in (subject.half, subject.whole):
            for file in _two_of_a_kind(subject.states(state)):
                kinds = [*DAMAGES[:3], self._chance.choice(DAMAGES[3:])]
                for kind in kinds if self._tries >= 50 else [self._chance.choice(kinds)]:
                    subject.put(state)
                    damaged(subject.world / file, kind, self._chance)
                    what, problem = subject.again(file)
                    line.take(f"{state.name} {file} {kind}", problem)
                    line.refused += what == "refused"
                    if what == "refused":
                        print(f"refused {state.name} {file} {kind}: {subject.told}", file=sys.stderr, flush=True)
        return line


KINDS = {
    "os.rename": "a rename", "os.remove": "a removal", "os.mkdir": "a new folder", "create": "a new file",
    "fsync": "an fsync", "append": "half of an append", "spot": "each phase",
}  # fmt: skip


def _two_of_a_kind(files: Iterable[Path]) -> list[Path]:
    """Return files without the third and later of those whose names differ in numbers and digests alone."""
    kinds = Counter[str]()
    found: list[Path] = []
    for file in files:
        kind = fault_commands.plain(str(file))
        kinds[kind] += 1
        if kinds[kind] <= 2:
            found.append(file)
    return found


def hits(name: str, options: argparse.Namespace, folder: Path, chance: random.Random) -> Iterator[Line]:
    """Hit a command in each way that is asked for."""
    subject = fault_commands.SUBJECTS[name](folder)
    subject.prepare()
    for way in fault_commands.ways_of(name):
        if _asked(f"{way}-{name}", options):
            yield getattr(Hit(subject, chance, options.kills), way.replace("-", "_"))()


def mutants_of_files(options: argparse.Namespace, folder: Path, chance: random.Random) -> Iterator[Line]:
    """Build folders of damaged pictures, volumes and arrays, one for each reader."""
    fault_commands.load("gmai_data.build")

    built = fault_mutants.Folder(folder, chance, options.mutants)
    for name, (suffix, content) in fault_mutants.pictures().items():
        yield Line(f"mutants of {name}", options.mutants, built.pictures(suffix, content))
    for name, (suffix, content) in fault_mutants.volumes().items():
        yield Line(f"mutants of {name}", options.mutants, built.volumes(suffix, content))
    for name, (suffix, content) in fault_mutants.arrays(folder).items():
        yield Line(f"mutants of {name}", options.mutants, built.arrays(suffix, content))


def mutants_of_rows(options: argparse.Namespace, folder: Path, chance: random.Random) -> Iterator[Line]:
    """Give damaged samples, answers and cards to the commands that read them, one command for each."""
    fault_commands.load(
        "gmai_bench.commands", "gmai_bench.answers.imported", "gmai_data.cli", "gmai_data.sources.cards.catalogue",
        "gmai_formats.rows.files", "pyarrow.parquet",
    )  # fmt: skip

    def line(name: str, file: str, content: bytes, words: Callable[[Path], list[str]]) -> Line:
        lost = fault_mutants.each_by_a_command(folder, file, content, words, chance, options.mutants)
        return Line(f"mutants of {name}", options.mutants, lost)

    for name, (file, content) in fault_mutants.samples(folder).items():
        yield line(f"samples in {name}", file, content, lambda path: ["data", "validate", str(path)])
    for name, (file, content), declared in fault_mutants.answers(folder):
        score = ["--benchmark", str(declared), "--allow-partial", "--out", str(folder / "score-NUMBER")]
        yield line(f"answers in {name}", file, content, lambda path, score=score: ["bench", "score", str(path), *score])
        for place in folder.glob("score-*"):
            shutil.rmtree(place)
    card = yaml.safe_dump(fault_mutants.CARD).encode()
    yield line("a card", "card.yaml", card, lambda path: ["data", "recipes", "check", str(path)])


def mutants_of_checkpoints(options: argparse.Namespace, folder: Path, chance: random.Random) -> Iterator[Line]:
    """Give hostile and damaged checkpoints to the commands that open one."""
    found = fault_checkpoints.Checkpoints(folder)
    for command, share in fault_checkpoints.SHARES.items():
        count = max(1, round(options.mutants * share))
        lost, ends = fault_checkpoints.lost(found, command, chance, count)
        line = Line(f"mutants of a checkpoint, by {command}", count, lost)
        line.refused = ends["refused"] + ends["named"]
        yield line


def parts() -> dict[str, list[str]]:
    """Return what runs in a process of its own ▶ the names of its parts."""
    found = {
        "mutants-of-files": ["mutants-of-files"],
        "mutants-of-rows": ["mutants-of-rows"],
        "mutants-of-checkpoints": ["mutants-of-checkpoints"],
        "tests": ["tests"],
    }
    for name in fault_commands.SUBJECTS:
        found[name] = [f"{way}-{name}" for way in fault_commands.ways_of(name)]
    return found


def _asked(part: str, options: argparse.Namespace) -> bool:
    return not options.only or any(word in part for word in options.only.split(","))


def do(group: str, options: argparse.Namespace) -> None:
    """Do the parts of a group that are asked for, in this process."""
    chance = random.Random(f"{options.seed} {group}")  # noqa: S311 - seeded on purpose
    with tempfile.TemporaryDirectory(prefix="gmai-faults-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        if group in fault_commands.SUBJECTS:
            found = hits(group, options, folder, chance)
        elif group == "tests":
            found = repeated_tests(folder)
        else:
            found = {"mutants-of-files": mutants_of_files, "mutants-of-rows": mutants_of_rows,
                     "mutants-of-checkpoints": mutants_of_checkpoints}[group](options, folder, chance)  # fmt: skip
        began, cpu = time.monotonic(), _cpu_s()
        for line in found:
            LINES.append(line)
            line.took_s, line.cpu_s = time.monotonic() - began, _cpu_s() - cpu
            began, cpu = time.monotonic(), _cpu_s()
            print(f"{line.what}: {line.tried} tried, {len(line.lost)} lost, {line.took_s:.0f} s, "
                  f"{line.cpu_s:.0f} s of a processor", file=sys.stderr, flush=True)  # fmt: skip


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> int:
    """Print the table; the exit code is 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311
    parser.add_argument(
        "--kills", type=int, default=50, help="tries of each part; fewer than 50 also damage each file in one way"
    )
    parser.add_argument("--mutants", type=int, default=300, help="of each reader")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="groups of parts at a time")
    parser.add_argument("--only", default="", help="words in the names of parts, with commas between: see --list")
    parser.add_argument("--list", action="store_true", help="print the names of the parts and end")
    parser.add_argument("--group", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list:
        print("\n".join(part for each in parts().values() for part in each))
        return 0
    groups = [name for name, each in parts().items() if any(_asked(part, options) for part in each)]
    if not groups:
        parser.error(f"--only {options.only}: no part has that in its name; --list prints them")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.group:
        with contextlib.suppress(KeyboardInterrupt):
            do(options.group, options)
        print(json.dumps([vars(line) for line in LINES]))
        return 0
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    problems = together(groups, options)
    print("\n| what was done | tried | ended as before | refused by name | lost |\n|---|---:|---:|---:|---:|")
    for line in LINES:
        same = line.tried - len(line.lost) - line.refused
        print(f"| {line.what} | {line.tried:,} | {same:,} | {line.refused} | {len(line.lost)} |")
    print(f"\n{time.monotonic() - began:.0f} s, {sum(line.cpu_s for line in LINES):.0f} s of a processor")
    for problem in problems + [f"lost: {line.what}: {lost}" for line in LINES for lost in line.lost]:
        print(f"\n{problem}")
    return int(bool(problems) or any(line.lost for line in LINES))


def together(groups: list[str], options: argparse.Namespace) -> list[str]:
    """Run groups in processes of their own, take their lines, and return which of them broke off."""
    words = [sys.executable, __file__, "--seed", str(options.seed), "--kills", str(options.kills),
             "--mutants", str(options.mutants), "--only", options.only]  # fmt: skip
    # Threads of libraries would wait for one another in forks, and take processors from the other groups.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    inside = disks.prefix()

    def run(group: str) -> tuple[str, subprocess.CompletedProcess[str]]:
        command = [*inside, *words, "--group", group]
        return group, subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)

    problems: list[str] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for group, done in pool.map(run, groups):
            try:
                LINES.extend(Line(**values) for values in json.loads(done.stdout))
            except ValueError:
                problems.append(f"{group} broke off with {done.returncode}: {done.stdout[-500:]}")
    return problems


if __name__ == "__main__":
    raise SystemExit(main())
