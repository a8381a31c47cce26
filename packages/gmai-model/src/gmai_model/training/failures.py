"""What the libraries raise when a disk is full or a rank is gone, in one sentence."""

import errno
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed as dist
from gmai_formats.errors import UserError
from safetensors import SafetensorError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PEER_GONE = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe")
AGAIN = "The same command goes on from the last complete checkpoint."


@contextmanager
def explained(out: Path) -> Generator[None]:
    """Turn what the libraries raise for a full disk or a lost rank into a `UserError`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        full = error.errno in _NO_SPACE if isinstance(error, OSError) else "os error 28" in str(error)
        if not full:
            raise
        free_gib = shutil.disk_usage(out).free / 2**30
        raise UserError(f"{out}: {error} ({free_gib:.2f} GiB free there). Make room. {AGAIN}") from error
    except RuntimeError as error:
        if not isinstance(error, dist.DistBackendError) and not any(sign in str(error) for sign in _PEER_GONE):
            raise
        reason = str(error).splitlines()[0][:160]
        raise UserError(f"another rank is gone: {reason}. Its own message says why. {AGAIN}") from error
