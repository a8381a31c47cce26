"""The real `transformers serve` on a checkpoint, offline, on a free port."""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVE = Path(sys.executable).with_name("transformers")


@contextlib.contextmanager
def serving(checkpoint: Path, folder: Path) -> Iterator[str]:
    """Serve until the block ends, and give the URL to ask.

    Args:
        checkpoint: A checkpoint folder, which is also the model's name.
        folder: Gets the server's log and its empty Hub cache.
    """
    if not SERVE.exists() or not all(importlib.util.find_spec(name) for name in ("fastapi", "uvicorn", "openai")):
        pytest.skip("needs `transformers serve`: pip install 'transformers[serving]'")
    (folder / "hf" / "hub").mkdir(parents=True)
    environment = os.environ | {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [SERVE, "serve", checkpoint, "--device", "cpu", "--dtype", "float32", "--port", port]
    log = folder / "serve.log"
    with log.open("w") as file, subprocess.Popen(command, env=environment, stdout=file, stderr=file) as server:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60)
                    break
                assert server.poll() is None, log.read_text(encoding="utf-8")
                time.sleep(1)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
