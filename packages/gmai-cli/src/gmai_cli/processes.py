"""What one process can know of another on its machine."""

import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Return whether a process of this machine runs, whoever owns it; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        # The state follows the name in brackets, which may hold brackets itself (proc(5)).
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] not in b"ZX"
    except OSError:
        return True
