"""Whether this process was meant to use a GPU, and why torch cannot: nothing runs on the CPU by mistake.

torch is passed in, so that whoever does not need it need not have it.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gmai_formats.errors import UserError

_HIDDEN = {"", "-1", "NoDevFiles"}
"""Values of CUDA_VISIBLE_DEVICES that hide every GPU: whoever sets one asks for the CPU (Slurm sets the last)."""
_COUNTS = ("SLURM_GPUS_ON_NODE", "SLURM_GPUS")
_DEVICES = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "GPU_DEVICE_ORDINAL")
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def gpus_given(env: Mapping[str, str]) -> list[str]:
    """Return what says that this process was given GPUs; nothing where none was, or where they are hidden."""
    if any(env[name].strip() in _HIDDEN for name in _VISIBLE if name in env):
        return []
    found = [f"{name}={env[name]}" for name in _COUNTS if env.get(name, "0").strip() not in {"0", ""}]
    found += [f"{name}={env[name]}" for name in (*_DEVICES, *_VISIBLE) if env.get(name, "").strip()]
    listed = [line for line in _call("nvidia-smi", "-L").splitlines() if line.startswith("GPU ")]
    if listed:
        found.append(f"nvidia-smi lists {len(listed)}, {listed[0].partition('(')[0].strip()} first")
    return found


def require_usable_gpu(torch: Any, *, ask_for_cpu: str = 'CUDA_VISIBLE_DEVICES=""') -> bool:
    """Return whether torch can use a GPU; where GPUs were given that it cannot use, refuse instead.

    Args:
        torch: The module.
        ask_for_cpu: What the user writes to have the CPU all the same.

    Raises:
        UserError: GPUs were given and torch can use none; names the driver, torch's CUDA and the remedy.
    """
    if torch.cuda.is_available() and torch.cuda.device_count() > 0:
        return True
    given = gpus_given(os.environ)
    if not given:
        return False
    built = (torch.version.cuda and f"CUDA {torch.version.cuda}") or getattr(torch.version, "hip", None)
    if built:
        reason = f"torch {torch.__version__} (made for {built}) can use none: {_why(torch)}"
        remedy = (
            "Install a torch whose CUDA this driver runs, or a newer driver; in a container, pass the GPUs on "
            "(apptainer --nv, docker --gpus all)"
        )
    else:
        reason = f"torch {torch.__version__} is made for the CPU alone"
        remedy = "Install a torch with CUDA"
    raise UserError(
        f"GPUs were given to this process ({'; '.join(given)}), but {reason}. {_driver()}. On the CPU the work would "
        f"take hundreds of times longer. {remedy}, or write {ask_for_cpu} to use the CPU. `gmai doctor` shows more."
    )


def _why(torch: Any) -> str:
    try:
        torch.cuda.init()
    except Exception as error:  # whatever the driver's library raises is the reason to be shown
        return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return f"it counts {torch.cuda.device_count()} devices"


def _driver() -> str:
    """Return the version of the NVIDIA driver as its kernel module states it, or as its program does."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text("utf-8")
    except OSError:
        text = _call("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    version = re.search(r"\b\d{3}\.\d+(\.\d+)?\b", text)
    return f"The NVIDIA driver is {version[0]}" if version else "No NVIDIA driver answers"


def _call(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
