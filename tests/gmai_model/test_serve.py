"""The documented one-liner: a stock `transformers serve` answers as `gmai model chat` does."""

import base64
import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from gmai_model.chat import Assistant, Conversation
from PIL import Image


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.e2e
def test_transformers_serve_answers_the_same(checkpoint: Path, tmp_path: Path) -> None:
    serve = shutil.which("transformers", path=str(Path(sys.executable).parent))
    if serve is None:
        pytest.skip("install transformers[serving]")
    port = free_port()
    (tmp_path / "hub").mkdir()
    command = [serve, "serve", str(checkpoint), "--device", "cpu", "--dtype", "float32", "--port", str(port)]
    log = tmp_path / "serve.log"
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    with log.open("w") as file, subprocess.Popen(command, env=environment, stdout=file, stderr=file) as server:
        try:
            for _ in range(180):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                    break
                assert server.poll() is None, log.read_text()
                time.sleep(0.5)
            image = Image.effect_noise((100, 70), 90).convert("RGB")
            buffer = io.BytesIO()
            image.save(buffer, "PNG")
            address = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
            question = "Which shape is shown?"
            content = [{"type": "image_url", "image_url": {"url": address}}, {"type": "text", "text": question}]
            body = {
                "model": str(checkpoint), "messages": [{"role": "user", "content": content}], "max_tokens": 8,
                "temperature": 0,
            }  # fmt: skip
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )  # fmt: skip
            with urllib.request.urlopen(request, timeout=120) as reply:  # noqa: S310
                answer = json.load(reply)["choices"][0]["message"]["content"]
        finally:
            server.terminate()
    ours = Assistant(checkpoint, device="cpu", max_new_tokens=8).answer(Conversation().with_question(question, [image]))
    assert answer == "".join(ours)
