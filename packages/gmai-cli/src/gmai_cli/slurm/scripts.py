"""The templates ▶ scripts for a site. The templates run as they stand and are the text of `examples/slurm/`."""

import itertools
import json
import re
import shlex
import sys
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib import resources
from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.files import write_json

from gmai_cli.console import say

RECORD = ".gmai-slurm.json"
"""File of the folder: the scripts as they were written, to tell what was changed by hand."""
SCRIPTS = ("data_build.sbatch", "train_stage.sbatch", "bench.sbatch", "pipeline.sh")


@dataclass(frozen=True)
class Site:
    """What differs from cluster to cluster."""

    partition: str | None = None
    account: str | None = None
    nodes: int = 4
    gpus: int = 8
    cpus_per_gpu: int = 8
    time: str = "24:00:00"
    """Time limit of a training job, as Slurm writes it."""
    venv: Path | None = None
    container: str | None = None
    cache: Path | None = None
    build_partition: str | None = None
    """Partition of the build, which needs no GPU; that of all jobs where None."""
    build_mem: str | None = None
    qos: str | None = None
    gres: str | None = None
    """Replaces --gpus-per-node, such as gpu:a100:8."""
    modules: tuple[str, ...] = ()
    conda: str | None = None
    """Name or folder of a conda environment."""
    binds: tuple[str, ...] = ()
    """Folders that a container sees."""
    proxy: str | None = None
    train_mem: str | None = None
    """Memory of a node, as Slurm writes it; all of it (`--mem=0`) where None."""
    build_time: str | None = None
    bench_time: str | None = None
    bench_mem: str | None = None
    requeue: bool = True
    """Whether the site takes jobs back into the queue."""
    arrays: bool = True
    """Whether the site allows job arrays."""
    online: bool = False
    """Whether the compute nodes reach the Hub."""


_OF_KIND = {"data_build.sbatch": "build", "train_stage.sbatch": "train", "bench.sbatch": "bench"}


def write(site: Site, folder: Path) -> None:
    """Write the scripts of a site into a folder.

    Scripts that were written before are updated, and what was changed in them by hand stays.

    Raises:
        UserError: A value that Slurm or the shell would misread, or no environment with gmai.
    """
    _check(site)
    texts = {name: fill(template(name), site, name) for name in SCRIPTS}
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / RECORD
    written: dict[str, str] = json.loads(_read(record) or "{}")
    for name, text in texts.items():
        _update(folder / name, written.get(name), text)
    write_json(record, texts)
    say(f"wrote {', '.join(SCRIPTS)} to {folder}; {_found_how(site)}")
    say(f"Next: `gmai doctor --slurm`, then {folder / 'pipeline.sh'} MODEL OUT RECIPE…, or one script by itself.")


def _update(path: Path, written: str | None, text: str) -> None:
    """Write a script; what the user changed since it was written stays, or a file .new says what would be written."""
    if path.exists() and (mine := _read(path)) not in (text, written):
        merged = None if written is None else merge(written, mine, text)
        if merged is None:
            beside = path.with_name(f"{path.name}.new")
            beside.write_text(text, encoding="utf-8")
            say(f"{path}: changed by hand, and kept. What these options give is in {beside}; carry over what you need.")
            return
        say(f"{path}: updated, and the lines that were changed by hand kept")
        text = merged
    path.write_text(text, encoding="utf-8")
    if path.suffix == ".sh":
        path.chmod(0o755)


def merge(base: str, mine: str, theirs: str) -> str | None:
    """Return a text with the changes of both, or None where they change the same lines in different ways."""
    lines = base.splitlines(keepends=True)
    edits: set[tuple[int, int, tuple[str, ...]]] = set()
    for changed in (mine, theirs):
        other = changed.splitlines(keepends=True)
        for tag, start, end, first, last in SequenceMatcher(None, lines, other, autojunk=False).get_opcodes():
            if tag != "equal":
                edits.add((start, end, tuple(other[first:last])))
    ordered = sorted(edits)
    for (start, end, _), (after, until, _) in itertools.pairwise(ordered):
        if after < end or (start, end) == (after, until):
            return None
    for start, end, new in reversed(ordered):
        lines[start:end] = new
    return "".join(lines)


def template(name: str) -> str:
    """Return a script as it is shipped."""
    return resources.files("gmai_cli.slurm").joinpath("templates", name).read_text(encoding="utf-8")


def fill(text: str, site: Site, name: str) -> str:
    """Return a script with a site's values in it."""
    limits = {"ntasks-per-node": site.gpus or 1, "gpus-per-node": site.gpus, "cpus-per-task": site.cpus_per_gpu}
    if name == "train_stage.sbatch":
        limits |= {"nodes": site.nodes, "time": site.time}
    given: dict[str, object] = {} if name == "data_build.sbatch" else dict(limits)
    for option in ("time", "mem"):
        if value := getattr(site, f"{_OF_KIND.get(name, '')}_{option}", None):
            given[option] = value
    for option, value in given.items():
        text = re.sub(rf"^(#SBATCH --{option}=).*$", rf"\g<1>{value}", text, flags=re.MULTILINE)
    if site.gres and site.gpus:
        text = re.sub(r"^#SBATCH --gpus-per-node=.*$", f"#SBATCH --gres={site.gres}", text, flags=re.MULTILINE)
    text = _without(text, site)
    if not site.gpus:
        text = re.sub(r"^#SBATCH --gpus-per-node=.*\n", "", text, flags=re.MULTILINE)
    partition = (site.build_partition if name == "data_build.sbatch" else None) or site.partition
    charged = {"partition": partition, "account": site.account, "qos": site.qos}
    lines = "".join(f"#SBATCH --{option}={value}\n" for option, value in charged.items() if value)
    text = re.sub(r"^(#SBATCH --job-name=.*\n)", lambda found: found[1] + lines, text, flags=re.MULTILINE)
    if site.cache:
        cache = shlex.quote(str(site.cache.resolve()))
        text = re.sub(r"^(export XDG_CACHE_HOME=)\S+", lambda found: found[1] + cache, text, flags=re.MULTILINE)
    return re.sub(r'^RUN=""\n', lambda _: _environment(site), text, flags=re.MULTILINE)


def _without(text: str, site: Site) -> str:
    """Return a script without what the site does not have."""
    if not site.requeue:
        text = text.replace("#SBATCH --requeue\n", "#SBATCH --no-requeue\n")
        text = text.replace('; back into the queue"\n', '; submit the same line again to go on"\n')
        text = re.sub(r"^    scontrol requeue .*\n", "", text, flags=re.MULTILINE)
    if not site.arrays:
        # One job does what the tasks of an array and the job behind them would do.
        text = re.sub(r"^submit --array=.*\nbuild=\$job\nsubmit --dependency=\S+ ", "submit ", text, flags=re.MULTILINE)
        text = text.replace('echo "build: $build, published by $job"', 'echo "build: $job"')
        text = re.sub(r"^#   TASKS=16 .*\n", "#\n", text, flags=re.MULTILINE)
    if site.online:
        text = re.sub(r"^export HF_HUB_OFFLINE=1 .*\n", "", text, flags=re.MULTILINE)
    return text


def _environment(site: Site) -> str:
    lines = f"module load {' '.join(site.modules)}\n" if site.modules else ""
    if site.proxy:
        quoted = shlex.quote(site.proxy)
        lines += f"export HTTP_PROXY={quoted} HTTPS_PROXY={quoted} http_proxy={quoted} https_proxy={quoted}\n"
    if site.container:
        nvidia = " --nv" if site.gpus else ""
        binds = f" --bind {','.join(site.binds)}" if site.binds else ""
        image = site.container if "://" in site.container else str(Path(site.container).absolute())
        return f"{lines}RUN={shlex.quote(f'apptainer exec{nvidia}{binds} {image}')}\n"
    if site.conda:
        return f'{lines}eval "$(conda shell.bash hook)"\nconda activate {shlex.quote(site.conda)}\nRUN=""\n'
    folder = _venv(site)
    return f'{lines}source {shlex.quote(str(folder / "bin" / "activate"))}\nRUN=""\n' if folder else f'{lines}RUN=""\n'


def _venv(site: Site) -> Path | None:
    if site.venv:
        return site.venv.resolve()
    return Path(sys.prefix) if sys.prefix != sys.base_prefix else None


def _found_how(site: Site) -> str:
    if site.container:
        return f"gmai runs in {site.container}"
    if site.conda:
        return f"gmai comes from the conda environment {site.conda}"
    folder = _venv(site)
    return f"gmai comes from {folder}" if folder else "gmai must be on the PATH of the jobs"


def _check(site: Site) -> None:
    for option, value in _names(site):
        if value is not None and not re.fullmatch(r"[\w.,:/@+-]+", value):
            raise UserError(
                f"--{option} {value!r} is no name. Slurm's names hold no spaces; see `sinfo` and `sacctmgr`."
            )
    for option in ("time", "build_time", "bench_time"):
        limit = getattr(site, option)
        if limit is not None and not re.fullmatch(r"\d+(-\d+)?(:\d+){0,2}", limit):
            raise UserError(
                f"--{option.replace('_', '-')} {limit!r} is no time limit. Write minutes, hours:minutes:seconds or "
                "days-hours."
            )
    for option in ("train_mem", "build_mem", "bench_mem"):
        memory = getattr(site, option)
        if memory is not None and not re.fullmatch(r"\d+[KMGT]?", memory):
            raise UserError(f"--{option.replace('_', '-')} {memory!r} is no memory. Write a number and M, G or T.")
    if site.proxy and not re.fullmatch(r"https?://[^/\s]+/?", site.proxy):
        raise UserError(f"--proxy {site.proxy!r} is no address of a proxy. Write http://HOST:PORT.")
    given = [f"--{name}" for name in ("container", "venv", "conda") if getattr(site, name)]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)}: gmai comes from one of them. Give one.")
    if site.container and not re.fullmatch(r"[\w./:@+-]+", site.container):
        raise UserError(
            f"--container {site.container!r}: an image's name or path holds no spaces or quotes. Rename it."
        )
    if site.container and "://" not in site.container and not Path(site.container).exists():
        raise UserError(f"--container {site.container}: no such image. Give the path of one on a shared folder.")
    if site.binds and not site.container:
        raise UserError("--bind: only a container needs it. Give --container, or leave --bind out.")
    if site.venv and (site.venv / "conda-meta").is_dir():
        raise UserError(f"{site.venv}: a conda environment. Give it as --conda {site.venv}.")
    if site.venv and not (site.venv / "bin" / "activate").is_file():
        raise UserError(f"{site.venv}: no virtual environment (no bin/activate). Make one on a shared folder first.")


def _names(site: Site) -> list[tuple[str, str | None]]:
    """Return (option, value) of all that stands in the scripts as it is."""
    single = ("partition", "account", "build_partition", "qos", "gres", "conda", "proxy")
    several = {"module": site.modules, "bind": site.binds}
    return [(name.replace("_", "-"), getattr(site, name)) for name in single] + [
        (name, value) for name, values in several.items() for value in values
    ]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
