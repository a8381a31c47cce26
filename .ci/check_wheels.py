"""Install each wheel alone into a clean environment and prove that it works there and brings nothing it should not.

Usage: `python .ci/check_wheels.py DIST`, where DIST holds what `uv build --all-packages --no-sources` wrote. Versions
of third-party packages are those of uv.lock, so that the installs come out of uv's cache.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = {
    "gmai-cli": "gmai_cli",
    "gmai-data": "gmai_data",
    "gmai-model": "gmai_model",
    "gmai-bench": "gmai_bench",
}
HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "deepspeed",
    "accelerate",
    "scipy",
    "SimpleITK",
    "av",
    "h5py",
    "openslide",
)
"""Modules that neither gmai-cli nor gmai-data nor gmai-bench may pull in: those of training, and those of extras."""


_RIGHT_ANSWERS = """
import json, sys
import pyarrow.parquet as pq
rows = pq.read_table(sys.argv[1], columns=["id", "reference"]).to_pylist()
with open("answers.jsonl", "w", encoding="utf-8") as file:
    file.writelines(json.dumps({"id": row["id"], "response": row["reference"]}) + "\\n" for row in rows)
"""
_OWN_QUESTIONS = {
    "own.yaml": """name: own
title: Own
protocol: own/letter
questions: own.jsonl
columns: {id: id, question: question, choices: choices, reference: answer}
prompt: "{question} {choices}"
choices_style: letters
expected: {total: 1}
""",
    "own.jsonl": '{"id": "1", "question": "Which?", "choices": ["CT", "MR"], "answer": "MR"}\n',
    "own_answers.jsonl": '{"id": "1", "response": "MR"}\n',
}
_MOST_MB = {"gmai-cli": 50, "gmai-data": 500, "gmai-bench": 200}
"""What an installation may add to an empty environment."""


class Environment:
    """One clean environment with one of the wheels."""

    def __init__(self, folder: Path, package: str, dist: Path, constraints: Path) -> None:
        self.folder, self.package = folder, package
        self._dist, self._constraints = dist, constraints
        self.python = folder / "venv" / "bin" / "python"
        folder.mkdir()
        _run("uv", "venv", "--quiet", "--python", sys.executable, str(folder / "venv"), cwd=folder)
        self.install(str(next(dist.glob(f"{MODULES[package]}-*.whl"))))

    def install(self, what: str) -> None:
        """Install a wheel or a requirement there."""
        _run(
            "uv", "pip", "install", "--quiet", "--python", str(self.python), "--find-links", str(self._dist),
            "--constraint", str(self._constraints), what, cwd=self.folder,
        )  # fmt: skip

    def megabytes(self) -> float:
        """Return what the installation takes, without bytecode."""
        files = (path for path in (self.folder / "venv" / "lib").rglob("*") if path.is_file() and path.suffix != ".pyc")
        return sum(path.stat().st_size for path in files) / 1e6

    def gmai(self, *words: str, code: int = 0) -> str:
        """Run `gmai` there; return what it printed."""
        return _run(str(self.python.parent / "gmai"), *words, cwd=self.folder, code=code)

    def importable(self, *modules: str) -> list[str]:
        """Return those of the modules that can be imported there."""
        program = "import importlib.util, sys; print(*[m for m in sys.argv[1:] if importlib.util.find_spec(m)])"
        return _run(str(self.python), "-c", program, *modules, cwd=self.folder).split()


def _run(*command: str, cwd: Path, code: int = 0) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if result.returncode != code:
        shown = f"{' '.join(command)}\nended with {result.returncode}, not {code}:\n{result.stdout}{result.stderr}"
        sys.exit(f"check_wheels: {shown}")
    return result.stdout + result.stderr


def _expect(found: object, due: object, what: str) -> None:
    if found != due:
        sys.exit(f"check_wheels: {what}: found {found!r}, expected {due!r}")


def _check_contents(wheel: Path, module: str) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    _expect(f"{module}/py.typed" in names, True, f"{wheel.name} has py.typed")
    _expect(any(name.endswith("licenses/LICENSE") for name in names), True, f"{wheel.name} has its LICENSE")
    beside = {"gmai_formats"} if module == "gmai_cli" else set[str]()
    _expect({name.split("/")[0].split("-")[0] for name in names}, {module} | beside, f"modules in {wheel.name}")


def _check_shape(env: Environment) -> None:
    own = {MODULES[env.package], "gmai_cli", "gmai_formats"}
    _expect(set(env.importable(*MODULES.values(), "gmai_formats")), own, f"gmai modules beside {env.package}")
    if env.package != "gmai-model":
        _expect(env.importable(*HEAVY), [], f"heavy modules beside {env.package}")
        most = _MOST_MB[env.package]
        _expect((size := env.megabytes()) <= most, True, f"{env.package} takes {size:.0f} MB, at most {most}")
    absent = [name for name in ("data", "model", "bench") if f"gmai_{name}" not in own]
    for name in absent:
        message = env.gmai(name, code=2)
        told = re.search(rf"`(uv )?pip install [^`]*gmai-{name}`", message) is not None
        _expect(told, True, f"`gmai {name}` without its package says what to install")


def _check_commands(env: Environment, build: Path) -> None:
    env.gmai("--help")
    env.gmai("doctor")
    if env.package == "gmai-data":
        drawn = env.gmai("data", "phantoms", "phantoms")
        _expect("phantom-ultrasound: not drawn, since videos need PyAV" in drawn, True, "the video's extra is named")
        env.gmai("data", "build", "phantoms", "--root", "phantoms", "--out", str(build))
    elif env.package == "gmai-bench":
        env.gmai("bench", "list")
        for name, text in _OWN_QUESTIONS.items():
            (env.folder / name).write_text(text, "utf-8")
        env.gmai("bench", "score", "own_answers.jsonl", "--benchmark", "own.yaml", "--out", "own_scores")
        card = build / "benchmarks" / "held_out.yaml"
        refused = env.gmai("bench", "score", "own_answers.jsonl", "--benchmark", str(card), "--out", "scores", code=2)
        _expect("gmai-bench[parquet]" in refused, True, "the extra for Parquet is named")
        env.install("gmai-bench[parquet]")
        _run(str(env.python), "-c", _RIGHT_ANSWERS, str(card.with_suffix(".parquet")), cwd=env.folder)
        env.gmai("bench", "score", "answers.jsonl", "--benchmark", str(card), "--out", "scores")
        report = json.loads((env.folder / "scores" / "report.json").read_text("utf-8"))
        _expect(report["benchmarks"][0]["accuracy"], 1.0, "accuracy of the right answers")
    elif env.package == "gmai-model":
        env.gmai("train", "--stage", "2", "--print-config")
        env.gmai("model", "init", "--preset", "tiny", "--data", str(build / "mix.yaml"), "--out", "tiny")
        _expect((env.folder / "tiny" / "model.safetensors").is_file(), True, "`gmai model init` wrote a checkpoint")
        _expect("all is well" in env.gmai("model", "check", "tiny"), True, "`gmai model check` opens the checkpoint")


def main() -> None:
    """Check all four wheels."""
    if len(sys.argv) != 2:
        sys.exit("usage: check_wheels.py DIST")
    dist = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="gmai-wheels-") as name:
        scratch = Path(name)
        constraints = scratch / "constraints.txt"
        constraints.write_text(
            _run("uv", "export", "--quiet", "--frozen", "--no-hashes", "--no-emit-workspace", cwd=ROOT), "utf-8"
        )
        for package, module in MODULES.items():
            start = time.monotonic()
            _check_contents(next(dist.glob(f"{module}-*.whl")), module)
            env = Environment(scratch / package, package, dist, constraints)
            _check_shape(env)
            _check_commands(env, scratch / "build")
            print(f"{package}: alone in a clean environment, works ({time.monotonic() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
