"""Commands that are hit by `make faults`, each in a process that is forked from one which has loaded torch already.

So a try costs what the command does, and not what Python imports. Moments are counted inside of the command: before it
renames, removes, makes or fsyncs something below its folder, in the middle of an append, and before the functions named
as `spots`. The same command is run once undisturbed to list them.
"""

import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmai_formats import limits

LONGEST_CPU_S = 300
"""Processor time in which a command must end."""
STILL_S, STILL_CPU_S = 120, 0.3
"""One that uses less processor time in so long hangs: a busy machine gives more to whatever has work."""
_PASSING = re.compile(r"[0-9a-f]{8,}|\d+|\.[a-z0-9_]{8}(?=\.tmp)")
"""What differs from run to run in a name."""


WAYS = ("kills-at-random", "kills-by-name", "signals", "broken-disk", "small-disk", "damage")
"""What is done to a command."""


@dataclass
class Ended:
    """How a command ended."""

    code: int | None
    """None where it hangs; negative for a signal."""
    said: str


@dataclass
class Subject:
    """A command, the folder that it works in, and what has to come out."""

    name: str
    world: Path
    """Everything it reads and writes, always at the same place."""
    words: list[str]
    environment: dict[str, str]
    outcome: Callable[[], dict[str, Any]]
    """Part ▶ what must be there at the end."""
    records: tuple[str, ...] = ()
    """Parts that tell of the past: what is lost of them is said, and cannot be made again."""
    fixed: tuple[str, ...] = ()
    """Patterns below `world` of inputs, which are no state of the command."""
    spots: tuple[str, ...] = ()
    """Functions before which a moment is counted, as `module:Class.function`."""
    appears: Mapping[str, str] = field(default_factory=dict)
    """What is done ▶ a pattern below `world` of what then appears: for moments of other processes than the first."""
    reset: Callable[[], None] = lambda: None
    """Puts what lies outside of `world` back to its beginning."""
    start: Path = field(init=False)
    half: Path = field(init=False)
    whole: Path = field(init=False)
    expected: dict[str, Any] = field(init=False)
    moments: list[tuple[str, str]] = field(init=False)
    seconds: float = field(init=False)
    told: str = ""
    """The last refusal."""

    def prepare(self) -> None:
        """Run it undisturbed and list its moments, and once until it is killed half-way."""
        self.start = self._keep("start")
        listing = self.world.with_name(f"{self.name}.moments")
        began = time.monotonic()
        ended = self.run(Moments(self.world, self.spots, listing=listing))
        self.seconds = time.monotonic() - began
        if ended.code != 0:
            raise SystemExit(f"{self.name}: undisturbed it ended with {ended.code}: {ended.said[-2000:]}")
        self.expected = self.outcome()
        self.moments = [
            (kind, name) for kind, _, name in (line.partition(" ") for line in listing.read_text().splitlines())
        ]
        self.whole = self._keep("whole")
        self.put(self.start)
        middle = len(self.moments) * 2 // 3
        self.run(Moments(self.world, self.spots, at=middle, do=kill))
        self.half = self._keep("half")

    def _keep(self, name: str) -> Path:
        kept = self.world.with_name(f"{self.name}.{name}")
        shutil.copytree(self.world, kept, symlinks=True)
        return kept

    def put(self, state: Path) -> None:
        """Replace the world by a copy; its folder stays, which may be a disk of its own."""
        self.reset()
        for path in self.world.iterdir() if self.world.is_dir() else ():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        shutil.copytree(state, self.world, symlinks=True, dirs_exist_ok=True)

    def run(self, moments: "Moments | None" = None, *, until: Callable[[], bool] | None = None) -> Ended:
        """Run the command; with `until` all its processes are killed once that holds."""
        said = self.world.with_name(f"{self.name}.said")
        return run_command(self.words, self.environment, said, moments, until=until)

    def states(self, state: Path) -> list[Path]:
        """Return the files below a state that the command wrote, relative to it."""
        fixed = {path for pattern in self.fixed for path in state.glob(pattern)}
        found = [path for path in sorted(state.rglob("*")) if path.is_file() and not path.is_symlink()]
        found = [path for path in found if path not in fixed and not fixed & set(path.parents) and path.stat().st_size]
        return [path.relative_to(state) for path in found if path.suffix not in {".lock", ".html", ".tmp"}]

    def again(self, named: Path | None = None) -> tuple[str, str]:
        """Give the same command again and return `verdict` of it."""
        return self.verdict(self.run(), named)

    def verdict(self, ended: Ended, named: Path | None = None) -> tuple[str, str]:
        """Return what became of it: ("same" or "refused" or "lost", what was lost).

        Args:
            ended: Of the command.
            named: The damaged file, which has to be named where the end is not the same.
        """
        if ended.code is None:
            return "lost", f"hangs: {ended.said[-300:]}"
        if "Traceback" in ended.said or "this is a bug" in ended.said or ended.code < 0:
            return "lost", f"exit code {ended.code}, traceback: {ended.said.strip()[-900:]}"
        is_named = named is not None and any(part in ended.said for part in _names(named))
        if ended.code not in (0, 3):
            if ended.code == 2 and is_named:
                self.told = ended.said.strip().splitlines()[-1][-400:]
                return "refused", ""
            return "lost", f"exit code {ended.code}: {ended.said[-500:]}"
        found = self.outcome()
        other = [part for part in {**self.expected, **found} if self.expected.get(part) != found.get(part)]
        if not other:
            return "same", ""
        if is_named and set(other) <= set(self.records):
            return "same", ""
        told = f"; it said: {ended.said[-600:]}" if is_named else "; nothing was said of it"
        return "lost", f"other {', '.join(other[:5])}{told}"


def _names(path: Path) -> Iterable[str]:
    yield path.name
    yield path.stem if len(path.stem) > 8 else path.name  # a digest, with files beside it
    if path.parent.name.startswith((".", "step-", "0")) or path.parent.name == "images":
        yield path.parent.name


def run_command(
    words: list[str], environment: Mapping[str, str], said: Path, moments: "Moments | None" = None, *,
    until: Callable[[], bool] | None = None, limit: Callable[[], None] = lambda: None, still_s: float = STILL_S,
) -> Ended:  # fmt: skip
    """Run `gmai WORDS…` in a fork of this process.

    Args:
        words: Behind `gmai`.
        environment: Added to this process's.
        said: Takes what it prints.
        moments: See there.
        until: All its processes are killed once that holds.
        limit: Called in the fork before anything else.
        still_s: See `STILL_S`.
    """
    process = _fork(words, environment, said, moments, limit)
    code: int | None = None
    used_s, since = 0.0, time.monotonic()
    while True:
        if time.monotonic() - since > still_s:
            now = sum(filter(None, map(limits.used_s, processes(process))))
            if abs(now - used_s) < STILL_CPU_S or now > LONGEST_CPU_S:
                break
            used_s, since = now, time.monotonic()
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            code = os.waitstatus_to_exitcode(status)
            break
        if until is not None and until():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            until = None
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    if code is None:
        os.waitpid(process, 0)
    return Ended(code, said.read_text(errors="replace"))


class Moments:
    """The moments of a command: listed, or one of them is where something happens.

    Args:
        world: The folder whose files count.
        spots: See `Subject`.
        listing: Takes one line a moment.
        at: Number of the moment at which `do` is called.
        do: Gets what remains of an append to be cut in half, or nothing.
        lasts: Whether it happens at every later moment, too.
    """

    def __init__(
        self, world: Path, spots: tuple[str, ...], *, listing: Path | None = None, at: int = -1,
        do: "Deed | None" = None, lasts: bool = False,
    ) -> None:  # fmt: skip
        self._world, self._spots, self._listing, self._at, self._do = str(world), spots, listing, at, do
        self._lasts = lasts
        self._number, self._file = -1, -1

    def install(self) -> None:
        """Count from here on, in this process alone."""
        me = os.getpid()
        write, fsync = os.write, os.fsync
        if self._listing is not None:
            self._file = os.open(self._listing, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

        def reached(kind: str, name: str, half: Callable[[], None] | None = None) -> None:
            if os.getpid() != me:
                return
            self._number += 1
            if self._file >= 0:
                write(self._file, f"{kind} {plain(name)}\n".encode())
            is_now = self._number == self._at or (self._lasts and self._number > self._at >= 0 and kind != "spot")
            if is_now and self._do is not None:
                self._do(half)

        def inside(path: Any) -> str:
            try:
                full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - as it is, links and all
            except TypeError:
                return ""
            return full.removeprefix(self._world + "/") if full.startswith(self._world + "/") else ""

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in {"os.rename", "os.remove", "os.rmdir", "os.mkdir"} and (name := inside(arguments[0])):
                reached(event, name)
            elif event == "open" and (arguments[2] or 0) & os.O_CREAT and (name := inside(arguments[0])):
                reached("create", name)

        def of_file(descriptor: int) -> str:
            with contextlib.suppress(OSError):
                return inside(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
            return ""

        def counted_write(descriptor: int, content: Any) -> int:
            name = of_file(descriptor)
            if name.endswith(".jsonl"):
                reached("append", name, lambda: write(descriptor, bytes(content)[: len(content) // 2]) and None)
            return write(descriptor, content)

        def counted_fsync(descriptor: Any) -> None:
            number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            if name := of_file(number):
                reached("fsync", name)
            fsync(descriptor)

        os.write, os.fsync = counted_write, counted_fsync
        sys.addaudithook(hook)
        for spot in self._spots:
            _wrap(spot, lambda spot=spot: reached("spot", spot.rpartition(".")[2]))


def _wrap(spot: str, before: Callable[[], None]) -> None:
    module, _, place = spot.partition(":")
    owner: Any = __import__(module, fromlist=["_"])
    *path, name = place.split(".")
    for each in path:
        owner = getattr(owner, each)
    real = getattr(owner, name)

    def counted(*arguments: Any, **named: Any) -> Any:
        before()
        return real(*arguments, **named)

    setattr(owner, name, counted)


Deed = Callable[[Callable[[], None] | None], None]
"""What happens at a moment; gets what writes the first half of an append, where it is one."""


def kill(half: Callable[[], None] | None) -> None:
    """End all processes of the command."""
    if half is not None:
        half()
    os.killpg(0, signal.SIGKILL)


def processes(session: int) -> list[int]:
    """Return the processes of a session, those in groups of their own, too."""
    found: list[int] = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(ValueError, OSError):
            number = int(place.name)
            if session in (os.getsid(number), os.getpgid(number)) or _parent(number) == session:
                found.append(number)
    return sorted(found)


def _parent(number: int) -> int:
    return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])


def sends(numbers: Iterable[tuple[float, signal.Signals]], whom: str, chance: random.Random) -> Deed:
    """Return what sends signals after so many seconds to `main`, to `all` processes of the command, or to `some`."""
    planned, draw = list(numbers), random.Random(chance.random())  # noqa: S311 - seeded on purpose

    def send(number: signal.Signals) -> None:
        if whom == "all":
            os.killpg(0, number)
            return
        there = [os.getpid()] if whom == "main" else [each for each in processes(os.getpid()) if draw.random() < 0.5]
        for each in there:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, number)

    def do(_: Callable[[], None] | None) -> None:
        for after_s, number in planned:
            if after_s:
                timer = threading.Timer(after_s, send, [number])
                timer.daemon = True
                timer.start()
            else:
                send(number)

    return do


def fails(number: int) -> Deed:
    """Return what fails as a broken disk does, with this errno."""

    def do(_: Callable[[], None] | None) -> None:
        raise OSError(number, os.strerror(number))

    return do


def _fork(
    words: list[str], environment: Mapping[str, str], said: Path, moments: Moments | None, limit: Callable[[], None]
) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    if (process := os.fork()) != 0:
        return process
    code = 1
    try:
        os.setsid()
        limit()
        _forget_main()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        out = os.open(said, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ.update(environment)
        sys.argv = ["gmai", *words]
        if moments is not None:
            moments.install()
        from gmai_cli.start import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def plain(name: str) -> str:
    """Return a name without what differs from run to run."""
    return _PASSING.sub("#", name)


def chosen(moments: list[tuple[str, str]], most: int, chance: random.Random) -> list[int]:
    """Return numbers of moments: the first and the last of every kind and name, then others, `most` in all."""
    places: dict[tuple[str, str], list[int]] = {}
    for number, moment in enumerate(moments):
        places.setdefault(moment, []).append(number)
    first = [numbers[0] for numbers in places.values()] + [
        numbers[-1] for numbers in places.values() if len(numbers) > 1
    ]
    if len(first) > most:
        return sorted(chance.sample(first, most))
    rest = sorted(set(range(len(moments))) - set(first))
    return sorted([*first, *chance.sample(rest, min(most - len(first), len(rest)))])


def _digests(folder: Path, patterns: Iterable[str]) -> dict[str, str]:
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in sorted(files)}


def lines(path: Path, *keys: str) -> list[list[Any]]:
    """Return some fields of the lines of a file that have all of them."""
    if not path.is_file():
        return []
    found: list[list[Any]] = []
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            values = json.loads(line)
            if all(key in values for key in keys):
                found.append([values[key] for key in keys])
    return sorted(found, key=json.dumps)


def module_of_tests(path: str) -> Any:
    """Return a module of the tests, whose inputs and servers are used here too."""
    place = Path(__file__).parents[1] / "tests" / path
    spec = importlib.util.spec_from_file_location(f"of_tests_{place.parent.name}_{place.stem}", place)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{place} cannot be imported")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(*modules: str) -> None:
    """Import what a command imports, so that its forks need not."""
    for module in modules:
        importlib.import_module(module)


def tiny(folder: Path) -> tuple[Path, Path]:
    """Return samples of drawn shapes and a tiny checkpoint for them.

    They are made in a fork: one that has computed has threads, and its children would wait for them for ever.
    """
    from gmai_model.assembly.presets import init_preset
    from gmai_model.batching.texts import iterate_texts

    samples, model = folder / "samples", folder / "tiny"

    def make() -> None:
        shapes = module_of_tests("gmai_model/conftest.py")
        shapes.write_rows(samples / "train-00000.parquet", shapes.make_rows(24))
        shapes.write_rows(samples / "validation-00000.parquet", shapes.make_rows(6, seed=1))
        init_preset("tiny", iterate_texts(samples), model, image_mode="pad", seed=0)

    in_a_fork(make)
    return samples, model


def _forget_main() -> None:
    """Let processes that are spawned from here begin as those of the command do, and not with this program."""
    sys.modules["__main__"].__file__ = str(Path(sys.executable).with_name("gmai"))


def in_a_fork(work: Callable[[], None]) -> None:
    """Do something in a fork: one that has computed has threads, and its children would wait for them for ever."""
    sys.stdout.flush()
    if (process := os.fork()) == 0:
        code = 1
        try:
            _forget_main()
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    if code := os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
        raise SystemExit(f"what a command needs could not be made: {code}")


TRAINING = {
    "global_batch_size": 2, "micro_batch_size": 1, "pack_tokens": 192, "epochs": 3, "precision": "fp32",
    "activation_checkpointing": "false", "loader_workers": 1, "save_every_steps": 2, "max_steps": 6,
    "validate_every_steps": 3, "answers": 2, "answer_tokens": 4, "keep_checkpoints": 2,
}  # fmt: skip


SPOTS = (
    "gmai_model.training.run:_load_model", "gmai_model.training.run:iterate", "gmai_model.training.loop:Loop._step",
    "gmai_model.training.callbacks.validate:Validate.measure", "gmai_model.training.export:gather_trained",
)  # fmt: skip


def training(folder: Path) -> Subject:
    """Return stage 1 of a tiny model on drawn shapes, with a validation loss and answers every third step."""
    tests = module_of_tests("gmai_model/training/conftest.py")
    os.environ.update(tests.ENVIRONMENT)  # libraries look at it when they are imported
    load(*tests.IMPORTS, "transformers.models.llava.processing_llava", *(spot.partition(":")[0] for spot in SPOTS))
    world = folder / "training"
    samples, model = tiny(world)
    out = world / "run"
    words = ["train", "--stage", "1", "--model", str(model), "--data", str(samples), "--out", str(out)]
    words += [word for name, value in TRAINING.items() for word in ("--set", f"{name}={value}")]

    def outcome() -> dict[str, Any]:
        found: dict[str, Any] = _digests(out / "model", ("*.safetensors", "tok*", "*config.json", "*.jinja"))
        found["loss"] = lines(out / "metrics.jsonl", "step", "loss")
        found["validation"] = lines(out / "metrics.jsonl", "step", "validation_loss")
        found["answers"] = lines(out / "answers.jsonl", "step", "id", "answer")
        return found

    environment = {"GMAI_CACHE": str(world / "cache")}
    return Subject(
        "training", world, words, environment, outcome, records=("loss", "validation", "answers"),
        fixed=("samples", "tiny"),
        spots=SPOTS,
    )  # fmt: skip


def _bench_outcome(out: Path) -> Callable[[], dict[str, Any]]:
    def outcome() -> dict[str, Any]:
        place = out / "held_out/option-text"
        found: dict[str, Any] = _digests(place, ("scores.jsonl", "questions.jsonl", "benchmark.json"))
        found["predictions"] = lines(place / "predictions.jsonl", "id", "text") or sorted(
            (place / "predictions.jsonl").read_text().splitlines()
        )
        with contextlib.suppress(OSError, ValueError):
            found["report"] = json.loads((out / "report.json").read_bytes())["benchmarks"]
        return found

    return outcome


def benchmark(folder: Path) -> Subject:
    """Return a benchmark of drawn questions at an endpoint, with a cache of answers."""
    load("gmai_bench.commands", "gmai_bench.run")

    inputs, server = module_of_tests("gmai_bench/conftest.py"), module_of_tests("gmai_bench/test_killed.py").Server()
    world = folder / "benchmark"
    declared = inputs.write_held_out(world / "questions", inputs.held_out_rows(12))
    out = world / "out"
    words = ["bench", "--benchmarks", str(declared), "--endpoint", server.url, "--model", "m", "--concurrency", "2",
             "--out", str(out)]  # fmt: skip
    return Subject("benchmark", world, words, {"GMAI_BENCH_CACHE": str(world / "cache")}, _bench_outcome(out),
                   fixed=("questions",))  # fmt: skip


def local_benchmark(folder: Path) -> Subject:
    """Return a benchmark of drawn questions that a tiny checkpoint answers here."""
    load("gmai_bench.backends.local", "gmai_bench.commands", "gmai_bench.run",
         "transformers.models.clip.modeling_clip", "transformers.models.llama.modeling_llama",
         "transformers.models.llava.modeling_llava", "transformers.models.llava.processing_llava")  # fmt: skip

    inputs = module_of_tests("gmai_bench/conftest.py")
    world = folder / "local-benchmark"
    _, model = tiny(world)
    declared = inputs.write_held_out(world / "questions", inputs.held_out_rows(6))
    out = world / "out"
    words = ["bench", "--benchmarks", str(declared), "--model", str(model), "--batch-size", "3", "--max-new-tokens",
             "4", "--out", str(out)]  # fmt: skip
    environment = {"GMAI_BENCH_CACHE": str(world / "cache"), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return Subject("local-benchmark", world, words, environment, _bench_outcome(out),
                   fixed=("questions", "samples", "tiny"))  # fmt: skip


def writing(folder: Path) -> Subject:
    """Return a build whose texts a model writes."""
    load("gmai_data.build")
    from gmai_data.phantoms.draw import draw_all

    openai = module_of_tests("servers/openai.py")
    server = openai.Server(latency_s=0.01).__enter__()
    world = folder / "writing"
    draw_all(world / "phantoms", "small", 0)
    source = f"phantom-text={world / 'phantoms/phantom-text'}"
    out = world / "out"
    images = f"phantom-microscopy={world / 'phantoms/phantom-microscopy'}"
    words = ["data", "build", source, images, "--workers", "1",
             "--writer", "openai", "--model", "gpt-4o", "--endpoint", server.url, "--yes",
             "--out", str(out)]  # fmt: skip

    def outcome() -> dict[str, Any]:
        return _digests(out, ("samples/**/*", "benchmarks/*", "quarantine.jsonl", "dropped*", "mix.yaml"))

    return Subject("writing", world, words, {"OPENAI_API_KEY": openai.KEY, "OPENAI_BASE_URL": ""}, outcome,
                   fixed=("phantoms", "out/mix.yaml", "out/run.json"))  # fmt: skip


def building(folder: Path) -> Subject:
    """Return a build of drawn pictures by two processes."""
    load("gmai_data.build")

    world = folder / "build"
    in_a_fork(lambda: _fundus(world))
    out = world / "out"

    def outcome() -> dict[str, Any]:
        found = _digests(out, ("**/*",))
        return {name: digest for name, digest in found.items() if name != "run.json" and not name.endswith(".lock")}

    source = f"phantom-fundus={world / 'phantom-fundus'}"
    return Subject(
        "build", world, ["data", "build", source, "--workers", "2", "--out", str(out)], {}, outcome,
        fixed=("phantom-fundus", "out/mix.yaml", "out/run.json"),
        appears={
            "a shard's table is written": "out/.build/shards/*/.*.tmp",
            "a shard is marked": "out/.build/shards/*/done.json",
            "the tables are published": "out/samples/*",
            "the benchmark is published": "out/benchmarks/*",
            "the manifest is written": "out/manifest.json",
        },
    )  # fmt: skip


def _fundus(world: Path) -> None:
    from gmai_data.phantoms.draw import draw_all

    draw_all(world / "phantoms", "small", 0)
    (world / "phantoms/phantom-fundus").rename(world / "phantom-fundus")
    shutil.rmtree(world / "phantoms")


def pushing(folder: Path) -> Subject:
    """Return the push of a release to a Hub: large files are sent first, then one commit names them all."""
    hub = module_of_tests("servers/hub.py").Hub().__enter__()
    world = folder / "push"
    # The client reads where the Hub is when it is imported, which is now.
    os.environ.update(hub.environment(folder / "hub-home"))
    load("gmai_data.publishing.push", "huggingface_hub.hf_api")

    def make() -> None:
        from gmai_data.build import BuildSettings, build
        from gmai_data.publishing.publication import publish_build
        from gmai_data.sources.cards.catalogue import resolve

        _fundus(world)
        build(resolve([f"phantom-fundus={world / 'phantom-fundus'}"], None), world / "out", BuildSettings())
        publish_build(world / "out", world / "release", leave_out_unlicensed=False)

    in_a_fork(make)
    shutil.rmtree(world / "out")
    shutil.rmtree(world / "phantom-fundus")

    def outcome() -> dict[str, Any]:
        (repository,) = hub.repositories.values()
        found: dict[str, Any] = {name: hashlib.sha256(held).hexdigest() for name, held in repository.files.items()}
        return {**found, "commits": len(repository.commits)}

    def reset() -> None:
        hub.repositories.clear()
        hub.objects.clear()
        hub.parts.clear()

    names = ("create_repo", "repo_info", "list_repo_tree", "preupload_lfs_files", "create_commit")
    return Subject(
        "push", world, ["data", "push", str(world / "release"), "me/data"], {}, outcome, reset=reset,
        spots=tuple(f"huggingface_hub.hf_api:HfApi.{name}" for name in names),
    )  # fmt: skip


SUBJECTS = {
    "push": pushing, "build": building, "writing": writing, "training": training, "benchmark": benchmark,
    "local-benchmark": local_benchmark,
}  # fmt: skip


def ways_of(name: str) -> tuple[str, ...]:
    """Return what is done to a command: a push writes nothing here, so that no disk can fail."""
    return tuple(way for way in WAYS if name != "push" or "disk" not in way)
