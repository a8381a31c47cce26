"""What one process can know of another on its machine."""

import os


def is_alive(pid: int) -> bool:
    """Say whether a process of this machine runs, or waits to be reaped, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
