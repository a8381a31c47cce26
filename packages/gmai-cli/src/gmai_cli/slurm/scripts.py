"""The templates ▶ scripts for a site. The templates run as they stand and are the text of `examples/slurm/`."""

import re
import shlex
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from gmai_formats.errors import UserError

from gmai_cli.console import say

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
    """Of a training job, as Slurm writes it."""
    venv: Path | None = None
    container: str | None = None
    cache: Path | None = None


def write(site: Site, folder: Path) -> None:
    """Write the scripts of a site into a folder.

    Raises:
        UserError: A value that Slurm or the shell would misread, no environment with gmai, or a file in the way.
    """
    _check(site)
    texts = {name: fill(template(name), site, name) for name in SCRIPTS}
    different = [name for name, text in texts.items() if (folder / name).exists() and _read(folder / name) != text]
    if different:
        raise UserError(
            f"{folder / different[0]} is there and differs from what would be written. Scripts that you may have "
            f"changed are never replaced. Name another folder, or move that file away."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        if name.endswith(".sh"):
            (folder / name).chmod(0o755)
    say(f"wrote {', '.join(SCRIPTS)} to {folder}; {_found_how(site)}")
    say(f"Next: `gmai doctor --slurm`, then {folder / 'pipeline.sh'} MODEL OUT RECIPE…, or one script by itself.")


def template(name: str) -> str:
    """Return a script as it is shipped."""
    return resources.files("gmai_cli.slurm").joinpath("templates", name).read_text(encoding="utf-8")


def fill(text: str, site: Site, name: str) -> str:
    """Return a script with a site's values in it."""
    limits = {"ntasks-per-node": site.gpus or 1, "gpus-per-node": site.gpus, "cpus-per-task": site.cpus_per_gpu}
    if name == "train_stage.sbatch":
        limits |= {"nodes": site.nodes, "time": site.time}
    for option, value in {} if name == "data_build.sbatch" else limits.items():
        text = re.sub(rf"^(#SBATCH --{option}=).*$", rf"\g<1>{value}", text, flags=re.MULTILINE)
    if not site.gpus:
        text = re.sub(r"^#SBATCH --gpus-per-node=.*\n", "", text, flags=re.MULTILINE)
    given = {"partition": site.partition, "account": site.account}
    lines = "".join(f"#SBATCH --{option}={value}\n" for option, value in given.items() if value)
    text = re.sub(r"^(#SBATCH --job-name=.*\n)", lambda found: found[1] + lines, text, flags=re.MULTILINE)
    if site.cache:
        cache = shlex.quote(str(site.cache.resolve()))
        text = re.sub(r"^(export XDG_CACHE_HOME=)\S+", lambda found: found[1] + cache, text, flags=re.MULTILINE)
    return re.sub(r'^RUN=""\n', lambda _: _environment(site), text, flags=re.MULTILINE)


def _environment(site: Site) -> str:
    if site.container:
        nvidia = " --nv" if site.gpus else ""
        return f"RUN={shlex.quote(f'apptainer exec{nvidia} {shlex.quote(site.container)}')}\n"
    folder = _venv(site)
    return f'source {shlex.quote(str(folder / "bin" / "activate"))}\nRUN=""\n' if folder else 'RUN=""\n'


def _venv(site: Site) -> Path | None:
    if site.venv:
        return site.venv.resolve()
    return Path(sys.prefix) if sys.prefix != sys.base_prefix else None


def _found_how(site: Site) -> str:
    if site.container:
        return f"gmai runs in {site.container}"
    folder = _venv(site)
    return f"gmai comes from {folder}" if folder else "gmai must be on the PATH of the jobs"


def _check(site: Site) -> None:
    for option, value in {"partition": site.partition, "account": site.account}.items():
        if value is not None and not re.fullmatch(r"[\w.,@+-]+", value):
            raise UserError(
                f"--{option} {value!r} is no name. Slurm's names hold no spaces; see `sinfo` and `sacctmgr`."
            )
    if not re.fullmatch(r"\d+(-\d+)?(:\d+){0,2}", site.time):
        raise UserError(f"--time {site.time!r} is no time limit. Write minutes, hours:minutes:seconds or days-hours.")
    if site.container and site.venv:
        raise UserError("--container and --venv: gmai comes from one of them. Give one.")
    if site.container and not re.fullmatch(r"[\w./:@+-]+", site.container):
        raise UserError(
            f"--container {site.container!r}: an image's name or path holds no spaces or quotes. Rename it."
        )
    if site.venv and not (site.venv / "bin" / "activate").is_file():
        raise UserError(f"{site.venv}: no virtual environment (no bin/activate). Make one on a shared folder first.")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
