"""`make faults`: what the world does to a run, done on purpose, seeded, through the real command; prints one table.

Kills by name and at random, every state file damaged in every way, full and forbidden folders, signals, and mutants of
each kind of picture. What training, benchmarks and writing by a model survive is held by tests of their own, which this
run repeats. A line says what was tried, what survived, and what was lost: other bytes, a traceback, or a hang.

    uv run python .ci/faults.py [--seed N] [--kills N] [--mutants N] [--only WORD] [--without-tests]
"""

import argparse
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

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


@dataclass
class Line:
    """One line of the table."""

    what: str
    tried: int = 0
    lost: list[str] = field(default_factory=list)

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
        """Send the signals of a scheduler and of a terminal."""
        line = Line("data build: SIGTERM, SIGINT, SIGHUP, SIGUSR1 to all processes")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            shutil.rmtree(self.out, ignore_errors=True)
            at = time.monotonic() + self.chance.uniform(0.5, 1.0) * self.seconds
            self.kill(lambda at=at: time.monotonic() >= at, number)
            line.take(number.name, self.again())
        return line

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
        line = Line("data build: no room for a file (a stand-in for a full disk), folder read-only")
        for size in (0, 200, 4000, 20_000):
            shutil.rmtree(self.out, ignore_errors=True)

            def limit(size: int = size) -> None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

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

    def tests(self) -> Iterator[Line]:
        """Repeat the tests that do harm to training, benchmarks and writing."""
        for what, paths in TESTS.items():
            line = Line(what)
            there = [path for path in paths if (ROOT / path).is_file()]
            record = self.folder / "tests.xml"
            command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={record}", *there]
            subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=1200)
            for case in ElementTree.parse(record).iter("testcase"):  # noqa: S314 - written by pytest
                if case.find("skipped") is None:
                    failed = case.find("failure") is not None or case.find("error") is not None
                    line.take(f"{case.get('name')}", "failed" if failed else "")
            yield line


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
    parser.add_argument("--kills", type=int, default=50, help="at random; fewer than 50 also sample the state files")
    parser.add_argument("--mutants", type=int, default=300, help="of each reader")
    parser.add_argument("--only", default="", help="word in the name of a part")
    parser.add_argument("--without-tests", action="store_true")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="gmai-faults-") as folder:
        faults = Faults(Path(folder), options)
        parts = {
            "kills_at_random": lambda: [faults.kills_at_random()], "kills_by_name": lambda: [faults.kills_by_name()],
            "signals": lambda: [faults.signals()], "damage": lambda: [faults.damage()],
            "no_room": lambda: [faults.no_room()], "mutants": faults.mutants,
            "tests": lambda: [] if options.without_tests else faults.tests(),
        }  # fmt: skip
        for name, part in parts.items():
            if options.only in name:
                for line in part():
                    lines.append(line)
                    print(f"{line.what}: {line.tried} tried, {len(line.lost)} lost", file=sys.stderr, flush=True)
    print("\n| what was done | tried | survived | lost |\n|---|---|---|---|")
    for line in lines:
        print(f"| {line.what} | {line.tried} | {line.tried - len(line.lost)} | {len(line.lost)} |")
    for line in lines:
        for lost in line.lost:
            print(f"\nlost: {line.what}: {lost}")
    return int(any(line.lost for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
