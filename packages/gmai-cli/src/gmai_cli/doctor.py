"""`gmai doctor`: what is installed and what this machine has, without touching the network."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys

from gmai_formats.errors import UserError
from gmai_formats.files import installed_versions
from gmai_formats.installing import pip_install

from gmai_cli import plugins
from gmai_cli.console import table

CAPABILITIES = (
    ("build samples from medical datasets", "gmai-data", ("gmai_data",)),
    ("read tables in workbooks (.xlsx)", "gmai-data[tables]", ("gmai_data", "openpyxl")),
    ("read videos", "gmai-data[video]", ("gmai_data", "av")),
    ("read NRRD and MetaImage volumes", "gmai-data[nrrd]", ("gmai_data", "SimpleITK")),
    ("read HDF5, MATLAB and sparse arrays", "gmai-data[arrays]", ("gmai_data", "h5py", "scipy")),
    ("tile whole slides", "gmai-data[pathology]", ("gmai_data", "openslide", "openslide_bin", "imagecodecs")),
    ("assemble and train a model", "gmai-model", ("gmai_model", "torch", "transformers", "accelerate", "deepspeed")),
    ("score answers, ask an endpoint", "gmai-bench", ("gmai_bench",)),
    ("read questions and answers in Parquet", "gmai-bench[parquet]", ("gmai_bench", "pyarrow")),
    ("ask a local checkpoint", "gmai-bench[local]", ("gmai_bench", "torch", "transformers")),
    ("everything, and `gmai demo`", "gmai-cli[all]", ("gmai_data", "gmai_model", "gmai_bench", "torch", "av")),
)
"""(what for, what to install, the modules it needs)."""

LAUNCHERS = (
    ("torchrun", "several processes on one node"),
    ("accelerate", "several processes, from an accelerate config"),
    ("deepspeed", "several nodes over ssh"),
    ("srun", "several nodes under Slurm; needs no other launcher"),
    ("sbatch", "submit to Slurm"),
)


def run() -> None:
    """Print the tables; a broken part is a line in them, never an error."""
    versions = {"python": platform.python_version(), **installed_versions()}
    table(("package", "version"), list(versions.items()), title=f"gmai on {platform.platform()}")
    print()
    table(("command", "from", "state"), [_command_row(plugin) for plugin in plugins.discover().values()])
    print()
    rows = [(what, pip_install(install), _missing(modules)) for what, install, modules in CAPABILITIES]
    table(("to", "install", "state"), rows)
    print()
    table(("device", "detail"), _devices())
    print()
    table(("launcher", "for", "found"), [(name, use, _which(name)) for name, use in LAUNCHERS])
    print()
    table(("environment", "value"), _environment())


def _command_row(plugin: plugins.Plugin) -> tuple[str, str, str]:
    if plugin.entry_point is None:
        return f"gmai {plugin.name}", plugin.package, "not installed"
    try:
        plugin.load()
    except UserError as error:
        return f"gmai {plugin.name}", plugin.package, f"BROKEN: {error.__cause__ or error}"
    return f"gmai {plugin.name}", plugin.package, "ok"


def _missing(modules: tuple[str, ...]) -> str:
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    return "ok" if not absent else f"missing {', '.join(absent)}"


def _which(name: str) -> str:
    beside_python = os.path.join(os.path.dirname(sys.executable), name)  # noqa: PTH118, PTH120
    return beside_python if os.path.exists(beside_python) else shutil.which(name) or "-"  # noqa: PTH110


def _devices() -> list[tuple[str, str]]:
    rows = [("cpu", f"{len(os.sched_getaffinity(0))} cores usable of {os.cpu_count()}, {_memory()}")]
    if importlib.util.find_spec("torch") is None:
        return [*rows, ("gpu", _nvidia_smi() or "none seen (torch is not installed; nvidia-smi finds none)")]
    try:
        import torch

        count = torch.cuda.device_count()
        for index in range(count):
            properties = torch.cuda.get_device_properties(index)
            capability = f"{properties.major}.{properties.minor}"
            bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
            memory_gib = properties.total_memory / 2**30
            rows.append((f"cuda:{index}", f"{properties.name}, {memory_gib:.0f} GiB, capability {capability}, {bf16}"))
        if count == 0:
            why = _nvidia_smi()
            detail = f"torch {torch.__version__} sees none" + (f", but nvidia-smi lists: {why}" if why else "")
            rows.append(("gpu", f"{detail}; training runs on the CPU"))
    except Exception as error:  # a broken torch is a finding of the doctor, not a crash
        rows.append(("gpu", f"torch does not load: {type(error).__name__}: {error}"))
    return rows


def _nvidia_smi() -> str:
    try:
        result = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(result.stdout.strip().splitlines())


def _memory() -> str:
    total_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{total_bytes / 2**30:.0f} GiB memory"


def _environment() -> list[tuple[str, str]]:
    names = ("HF_HOME", "HF_HUB_OFFLINE", "HF_ENDPOINT", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "SLURM_JOB_ID",
             "SLURM_NTASKS", "RANK", "WORLD_SIZE", "OPENAI_BASE_URL")  # fmt: skip
    # An address may carry a user and a password before its host.
    rows = [(name, re.sub(r"//[^/@]*@", "//(not shown)@", os.environ.get(name, "(not set)"))) for name in names]
    secrets = ("HF_TOKEN", "OPENAI_API_KEY")
    return rows + [(name, "(set, not shown)" if os.environ.get(name) else "(not set)") for name in secrets]
