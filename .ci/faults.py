"""`make faults`: what the world does to a run, done on purpose, seeded, through the real command; prints one table.

Kills at random and at named moments, every state file damaged in every way, disks that fail, signals by phase, and
mutants of each kind of picture: for building, writing by a model, training and benchmarks. The tests that do harm are
repeated. A line says what was tried and what became of it: the same end, a refusal that names the damaged file, or
lost: other bytes, a traceback, a hang.

    uv run python .ci/faults.py [--seed N] [--kills N] [--mutants N] [--only WORD,WORD] [--list]
"""

import argparse
import contextlib
import errno
import io
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
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import fault_commands  # beside this file
import numpy as np
import yaml
from PIL import Image

GMAI = str(Path(sys.executable).with_name("gmai"))
ROOT = Path(__file__).parents[1]
SLOW_S = 300
"""A command that takes longer hangs: on an idle machine each takes seconds."""
DAMAGES = ("cut", "emptied", "zeroed", "one bit", "longer", "deleted")
NAMED = {
    "a shard's table is written": ".build/shards/*/.*.tmp",
    "a shard is marked": ".build/shards/*/done.json",
    "the tables are published": "samples/*",
    "the benchmark is published": "benchmarks/*",
    "the manifest is written": "manifest.json",
}
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
    "a decoder that crashes, loops or takes all memory": ["tests/gmai_data/test_guard.py"],
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

    def __post_init__(self) -> None:
        LINES.append(self)

    def take(self, name: str, problem: str) -> None:
        """Count one try, and what it lost if anything."""
        self.tried += 1
        if problem:
            self.lost.append(f"{name}: {problem}")
            print(f"LOST {self.what}: {name}: {problem}", file=sys.stderr, flush=True)


def build(*words: str, limit: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `gmai data build`."""
    command = [GMAI, "data", "build", *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SLOW_S, preexec_fn=limit, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"hangs: over {SLOW_S} s")


def bytes_of(out: Path) -> dict[str, bytes]:
    """Return every file of a build but its record, which has the time, and locks."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name != "run.json" and path.suffix != ".lock"]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def verdict(done: subprocess.CompletedProcess[str], out: Path, expected: dict[str, bytes]) -> str:
    """Return what a command lost; nothing where it ended well with the bytes that are due."""
    if "Traceback" in done.stderr or "this is a bug" in done.stderr:
        return f"traceback: {done.stderr.strip().splitlines()[-2:]}"
    if done.returncode not in (0, 3):
        return f"exit code {done.returncode}: {done.stderr[-300:]}"
    found = bytes_of(out)
    other = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    return f"other bytes: {', '.join(other[:4])}" if other else ""


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


class Faults:
    """The run: where it works, what it draws from, and how much it tries."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        self.chance = random.Random(options.seed)  # noqa: S311 - seeded on purpose
        from gmai_data.phantoms.draw import draw_all

        draw_all(folder / "phantoms", "small", 0)
        self.words = [f"phantom-fundus={folder / 'phantoms/phantom-fundus'}", "--workers", "2", "--out"]
        self.out = folder / "out"
        started = time.monotonic()
        self.half, self.whole = folder / "half", folder / "whole"
        environment = {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "1"}
        subprocess.run(
            [GMAI, "data", "build", *self.words, str(self.half)], env=os.environ | environment, check=True,
            capture_output=True,
        )  # fmt: skip
        if (code := build(*self.words, str(self.whole)).returncode) != 0:
            raise SystemExit(f"the undisturbed build ended with {code}")
        self.seconds = (time.monotonic() - started) / 2
        self.expected = bytes_of(self.whole)

    def again(self) -> str:
        """Give the same command again and return what it lost."""
        return verdict(build(*self.words, str(self.out)), self.out, self.expected)

    def kill(self, when: Callable[[], bool], number: int) -> bool:
        """Start a build, end it with a signal once `when` says so, and return whether it was still at work."""
        process = subprocess.Popen(
            [GMAI, "data", "build", *self.words, str(self.out)], start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + SLOW_S
        while process.poll() is None and not when() and time.monotonic() < deadline:
            time.sleep(0.002)
        at_work = process.poll() is None
        if at_work:
            os.killpg(process.pid, number)
        process.wait(SLOW_S)
        return at_work

    def kills_at_random(self) -> Line:
        """End a build at random moments, again and again, until the same command ends by itself."""
        line = Line("data build: SIGKILL to all processes at a random moment")
        while line.tried < self.options.kills:
            shutil.rmtree(self.out, ignore_errors=True)
            for _ in range(3):
                at = time.monotonic() + self.chance.uniform(0.3, 1.1) * self.seconds
                if self.kill(lambda at=at: time.monotonic() >= at, signal.SIGKILL):
                    line.tried += 1
            line.tried -= 1
            line.take("after kills", self.again())
        return line

    def kills_by_name(self) -> Line:
        """End a build at moments that are named by the file that appears."""
        line = Line(f"data build: SIGKILL while {', '.join(NAMED)}")
        for name, pattern in NAMED.items():
            for _ in range(max(1, self.options.kills // 25)):
                shutil.rmtree(self.out, ignore_errors=True)
                self.kill(lambda pattern=pattern: any(self.out.glob(pattern)), signal.SIGKILL)
                line.take(name, self.again())
        return line

    def signals(self) -> Line:
        """Send the signals of a scheduler and of a terminal to one process, some or all."""
        line = Line("data build: SIGTERM, SIGINT, SIGHUP, SIGUSR1 to one process, some or all")
        ways = [(number, whom) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
                for whom in ("main", "all", "some")]  # fmt: skip
        for number, whom in ways * (1 + self.options.kills // 50):
            shutil.rmtree(self.out, ignore_errors=True)
            at = time.monotonic() + self.chance.uniform(0.5, 1.0) * self.seconds
            problem = self.told(lambda at=at: time.monotonic() >= at, number, whom)
            line.take(f"{number.name} to {whom}", problem or self.again())
        return line

    def told(self, when: Callable[[], bool], number: signal.Signals, whom: str) -> str:
        """Start a build, send a signal once `when` says so, and return what is wrong with its end."""
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                [GMAI, "data", "build", *self.words, str(self.out)], start_new_session=True, stdout=said, stderr=said
            )
            deadline = time.monotonic() + SLOW_S
            while process.poll() is None and not when() and time.monotonic() < deadline:
                time.sleep(0.002)
            there = [process.pid] if whom == "main" else fault_commands.processes(process.pid)
            for each in there:
                if whom != "some" or self.chance.random() < 0.5:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(each, number)
            try:
                code = process.wait(SLOW_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return f"hangs: over {SLOW_S} s"
            said.seek(0)
            words = said.read()
        # Before it holds its folder, the system ends it: nothing has begun.
        due = {0, 130 if number == signal.SIGINT else 75, -number}
        if "Traceback" in words or "this is a bug" in words or code not in due:
            return f"exit code {code}: {words[-500:]}"
        return ""

    def damage(self) -> Line:
        """Damage every state file, of a build begun and of a complete one, in every way."""
        line = Line(f"data build: each state file {', '.join(DAMAGES)}; begun and complete")
        for state in (self.half, self.whole):
            files = [path for path in sorted(state.rglob("*")) if path.is_file() and path.stat().st_size]
            files = [path for path in files if path.name not in ("run.json", "mix.yaml")]
            if self.options.kills < 50:
                files = self.chance.sample(files, min(6, len(files)))
            for file in files:
                for kind in DAMAGES:
                    shutil.rmtree(self.out, ignore_errors=True)
                    shutil.copytree(state, self.out)
                    damaged(self.out / file.relative_to(state), kind, self.chance)
                    line.take(f"{state.name} {file.relative_to(state)} {kind}", self.again())
        return line

    def no_room(self) -> Line:
        """Let no file grow beyond a size, as a quota does, and forbid the folder."""
        line = Line("data build: no room for a file (a stand-in for a full disk)")
        for size in (0, 200, 4000, 20_000):
            shutil.rmtree(self.out, ignore_errors=True)

            def limit(size: int = size) -> None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
                os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # else Python's own files are cut, too

            done = build(*self.words, str(self.out), limit=limit)
            told = "Traceback" in done.stderr or done.returncode not in (0, 2)
            line.take(f"{size} bytes", f"exit code {done.returncode}: {done.stderr[-300:]}" if told else self.again())
        return line

    def mutants(self) -> Iterator[Line]:
        """Build folders of damaged pictures, one folder for each reader."""
        for name, content in pictures().items():
            line = Line(f"mutants of {name}")
            data = self.folder / "mutants"
            shutil.rmtree(data, ignore_errors=True)
            shutil.rmtree(self.out, ignore_errors=True)
            suffix = name.split()[0].lower()
            for label in "ab":
                (data / label).mkdir(parents=True)
                for number in range(3):
                    (data / label / f"good-{number}.{suffix}").write_bytes(content(number + 10 * (label == "b")))
            for number in range(self.options.mutants):
                (data / "a" / f"{number:05d}.{suffix}").write_bytes(self.mutant(content(number)))
            card = self.folder / "mutants.yaml"
            card.write_text(yaml.safe_dump(CARD))
            done = build(f"{card}={data}", "--out", str(self.out))
            line.tried = self.options.mutants
            if "Traceback" in done.stderr or done.returncode not in (0, 3):
                line.lost.append(f"exit code {done.returncode}: {done.stderr[-500:]}")
            else:
                items = json.loads((self.out / "manifest.json").read_text())["recipes"]["mutants"]["items"]
                read = items["kept"] + items["quarantined"] + sum(items["dropped"].values())
                if items["read"] != line.tried + 6 or read != items["read"] or items["kept"] < 6:
                    line.lost.append(f"not accounted for: {items}")
                for quarantined in map(json.loads, (self.out / "quarantine.jsonl").read_text().splitlines()):
                    if "please report" in quarantined["reason"]:
                        line.lost.append(f"no reason known: {quarantined}")
            yield line

    def mutant(self, content: bytes) -> bytes:
        """Return content with one to eight faults of a kind drawn at random."""
        chance, changed = self.chance, bytearray(content)
        kind = chance.choice(("bits", "bits", "bytes", "cut", "zero tail", "doubled", "noise"))
        place = chance.randrange(len(changed))
        if kind == "cut":
            return bytes(changed[:place])
        if kind == "zero tail":
            return bytes(changed[:place]) + bytes(len(changed) - place)
        if kind == "doubled":
            return bytes(changed[:place]) + bytes(changed[place // 2 :])
        if kind == "noise":
            return bytes(changed[:place]) + chance.randbytes(20) + bytes(changed[place:])
        for _ in range(chance.randint(1, 8)):
            # Headers decide most: half of the faults go there.
            at = chance.randrange(min(400, len(changed)) if chance.random() < 0.5 else len(changed))
            changed[at] = changed[at] ^ 1 << chance.randrange(8) if kind == "bits" else chance.randrange(256)
        return bytes(changed)


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

    def _aim(self, line: Line, moments: list[int], do: fault_commands.Deed, codes: Collection[int] | None) -> Line:
        subject = self._subject
        for number in moments:
            subject.put(subject.start)
            ended = subject.run(fault_commands.Moments(subject.world, subject.spots, at=number, do=do))
            name = " ".join(subject.moments[number])
            what, problem = "same", ""
            if ended.code == 0 or (codes is not None and ended.code not in codes):
                what, problem = subject.verdict(ended)
            if codes is not None and what == "same" and ended.code != 0 and "Traceback" in ended.said:
                what, problem = "lost", f"traceback: {ended.said[-600:]}"
            if what == "same":
                what, problem = subject.again()
            line.take(f"{number}, {name}", problem)
        return line

    def kills_at_random(self) -> Line:
        """Kill it up to three times at random moments before it ends by itself."""
        subject, line = self._subject, Line(f"{self._subject.name}: SIGKILL to all processes at a random moment")
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
        kinds = "a rename, a removal, a new folder, an fsync, half of an append"
        line = Line(f"{self._subject.name}: SIGKILL at {kinds}")
        numbers = fault_commands.chosen(self._subject.moments, self._tries, self._chance)
        return self._aim(line, numbers, fault_commands.kill, None)

    def broken_disk(self) -> Line:
        """Let a rename, an fsync, a folder or an append fail, as a broken, full or read-only disk does."""
        line = Line(f"{self._subject.name}: EIO, ENOSPC, EROFS at a rename, a new folder, an fsync, an append")
        kinds = ("os.rename", "os.mkdir", "fsync", "append")
        able = {number for number, (kind, _) in enumerate(self._subject.moments) if kind in kinds}
        numbers = fault_commands.chosen(self._subject.moments, 3 * self._tries, self._chance)
        numbers = [number for number in numbers if number in able][: self._tries]
        for error in (errno.EIO, errno.ENOSPC, errno.EROFS):
            mine = numbers[error % 3 :: 3]
            self._aim(line, mine, fault_commands.fails(error), (2,))
        return line

    def signals(self) -> Line:
        """Send the signals of a scheduler and of a terminal to one process, some or all, at moments of every phase."""
        how = "to one process, some or all, once or twice, in each phase"
        line = Line(f"{self._subject.name}: SIGTERM, SIGUSR1, SIGINT, {how}")
        numbers = fault_commands.chosen(self._subject.moments, self._tries, self._chance)
        ways = [(number, whom, times) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
                for whom in ("main", "all", "some") for times in ((0.0,), (0.0, 1.2))]  # fmt: skip
        self._chance.shuffle(ways)
        for place, moment in enumerate(numbers):
            number, whom, times = ways[place % len(ways)]
            do = fault_commands.sends([(after_s, number) for after_s in times], whom, self._chance)
            due = {130 if number == signal.SIGINT else 75}
            if not self._subject.saves:
                due.add(-number)  # before it holds its folder, the system ends it: nothing has begun
            self._aim(line, [moment], do, due)
        return line

    def damage(self) -> Line:
        """Damage every state file, of a run that was killed half-way and of a complete one."""
        subject = self._subject
        line = Line(f"{subject.name}: each state file {', '.join(DAMAGES)}; half-way and complete")
        for state in (subject.half, subject.whole):
            for file in _two_of_a_kind(subject.states(state)):
                for kind in DAMAGES if self._tries >= 50 else self._chance.sample(DAMAGES[:4], 3):
                    subject.put(state)
                    damaged(subject.world / file, kind, self._chance)
                    what, problem = subject.again(file)
                    line.take(f"{state.name} {file} {kind}", problem)
                    line.refused += what == "refused"
                    if what == "refused":
                        print(f"refused {state.name} {file} {kind}: {subject.told}", file=sys.stderr, flush=True)
        return line


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


def hits(options: argparse.Namespace, folder: Path, chance: random.Random) -> Iterator[Line]:
    """Hit each command that is asked for in each way that is asked for."""
    for name, make in fault_commands.SUBJECTS.items():
        ways = [way for way in WAYS if _asked(f"{way}-{name}", options)]
        if not ways:
            continue
        subject = make(folder)
        subject.prepare()
        for way in ways:
            hit = Hit(subject, chance, options.kills)
            yield getattr(hit, WAYS[way])()


WAYS = {
    "kills-at-random": "kills_at_random", "kills-by-name": "kills_by_name", "broken-disk": "broken_disk",
    "signals": "signals", "damage": "damage",
}  # fmt: skip


def _asked(part: str, options: argparse.Namespace) -> bool:
    return not options.only or any(word in part for word in options.only.split(","))


CARD = {
    "name": "mutants", "title": "Mutants", "homepage": "https://example.org", "citation": "None.", "license": "CC0-1.0",
    "modality": "X-ray", "department": "Pulmonary Medicine", "clinical_task": "Disease Diagnosis", "anatomy": "chest",
    "task": "2d_classification", "layout": {"kind": "folder_per_class"}, "labels": {"a": "mass", "b": "nodule"},
    "split": {"fractions": {"train": 1.0}},
}  # fmt: skip


def pictures() -> dict[str, Callable[[int], bytes]]:
    """Return what encodes a picture in each format, by its name."""

    def pixels(seed: int) -> np.ndarray:
        generator = np.random.default_rng(seed)
        small = generator.integers(0, 256, (12, 16), np.uint8)
        return np.asarray(Image.fromarray(small).resize((80, 64), Image.Resampling.BICUBIC))

    def raster(name: str, **options: object) -> Callable[[int], bytes]:
        def encode(seed: int) -> bytes:
            file = io.BytesIO()
            Image.fromarray(pixels(seed)).convert("RGB").save(file, name, **options)
            return file.getvalue()

        return encode

    def dicom(compressed: bool) -> Callable[[int], bytes]:
        def encode(seed: int) -> bytes:
            from pydicom.dataset import Dataset, FileMetaDataset
            from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

            header = Dataset()
            header.file_meta = FileMetaDataset()
            header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
            header.SOPInstanceUID = generate_uid(entropy_srcs=[str(seed)])
            header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
            header.StudyInstanceUID = header.SeriesInstanceUID = generate_uid(entropy_srcs=["s", str(seed)])
            header.PatientID, header.Modality = f"p{seed}", "CR"
            header.Rows, header.Columns, header.SamplesPerPixel = 64, 80, 1
            header.PhotometricInterpretation = "MONOCHROME2"
            header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
            header.PixelData = (pixels(seed).astype("<u2") * 16).tobytes()
            if compressed:
                header.compress(RLELossless)
            file = io.BytesIO()
            header.save_as(file, enforce_file_format=True)
            return file.getvalue()

        return encode

    found = {name: raster(name) for name in ("PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")}
    found["JPG"] = raster("JPEG")
    found["JPG progressive"] = raster("JPEG", progressive=True)
    found["JP2"] = raster("JPEG2000")
    return {**found, "DCM": dicom(compressed=False), "DCM run lengths": dicom(compressed=True)}


def main() -> int:
    """Print the table; the exit code is 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311
    parser.add_argument(
        "--kills", type=int, default=50, help="tries of each part; fewer than 50 also sample the damage"
    )
    parser.add_argument("--mutants", type=int, default=300, help="of each reader")
    parser.add_argument("--only", default="", help="words in the names of parts, with commas between: see --list")
    parser.add_argument("--list", action="store_true", help="print the names of the parts and end")
    options = parser.parse_args()
    names = [f"{way}-{name}" for name in fault_commands.SUBJECTS for way in WAYS]
    builds = {
        "kills-at-random-build": "kills_at_random", "kills-by-name-build": "kills_by_name", "signals-build": "signals",
        "damage-build": "damage", "no-room-build": "no_room", "mutants": "mutants",
    }  # fmt: skip
    if options.list:
        print("\n".join([*builds, *names, "tests"]))
        return 0
    if not any(_asked(part, options) for part in (*builds, *names, "tests")):
        parser.error(f"--only {options.only}: no part has that in its name; --list prints them")
    print(f"seed {options.seed}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def take(found: Iterable[Line]) -> None:
        began = time.monotonic()
        for line in found:
            took_s = time.monotonic() - began
            print(
                f"{line.what}: {line.tried} tried, {len(line.lost)} lost, {took_s:.0f} s", file=sys.stderr, flush=True
            )
            began = time.monotonic()

    with (
        contextlib.suppress(KeyboardInterrupt),
        tempfile.TemporaryDirectory(prefix="gmai-faults-", ignore_cleanup_errors=True) as folder,
    ):
        asked = [part for part in builds if _asked(part, options)]
        if asked:
            faults = Faults(Path(folder), options)
            for part in asked:
                made = getattr(faults, builds[part])()
                take([made] if isinstance(made, Line) else made)
        if _asked("tests", options):
            take(repeated_tests(Path(folder)))
        # Last: who has loaded torch has threads, and its children would be born with their locks.
        take(hits(options, Path(folder), random.Random(options.seed)))  # noqa: S311 - seeded on purpose
    print("\n| what was done | tried | ended as before | refused by name | lost |\n|---|---|---|---|---|")
    for line in LINES:
        same = line.tried - len(line.lost) - line.refused
        print(f"| {line.what} | {line.tried:,} | {same:,} | {line.refused} | {len(line.lost)} |")
    for line in LINES:
        for lost in line.lost:
            print(f"\nlost: {line.what}: {lost}")
    return int(any(line.lost for line in LINES))


if __name__ == "__main__":
    raise SystemExit(main())
