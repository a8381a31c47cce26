"""Keys and tokens of the environment stand in nothing that a command prints or writes."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SECRETS = {
    "HF_TOKEN": "hf_secretsecret0001",
    "OPENAI_API_KEY": "sk-secretsecret0002",
    "WANDB_API_KEY": "wandbsecret00003",
}


@pytest.fixture
def endpoint() -> Iterator[str]:
    """A server that answers every question with the key it was sent, as a proxy in trouble may."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"error": {"message": f"bad key {self.headers['Authorization']}"}}).encode()
            self.send_response(401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def assert_none(text: str, where: str) -> None:
    for secret in SECRETS.values():
        assert secret not in text, where


def test_no_secret_is_printed_or_written(
    gmai: Any, card: Callable[..., Path], source: Path, tmp_path: Path, endpoint: str
) -> None:
    runs = [
        gmai("doctor", env=SECRETS),
        gmai("data", "build", card(), "--root", source, "--out", tmp_path / "out", env=SECRETS),
        gmai("bench", "--endpoint", endpoint, "--model", "m", "--benchmarks", tmp_path / "out/benchmarks/held_out.yaml",
             "--out", tmp_path / "bench", env=SECRETS),
        gmai("bench", "push", tmp_path / "bench", "me/none", env=SECRETS | {"HF_ENDPOINT": "http://127.0.0.1:9"}),
        gmai("data", "push", tmp_path / "out", "me/none", env=SECRETS | {"HF_ENDPOINT": "http://127.0.0.1:9"}),
    ]  # fmt: skip
    assert runs[1].returncode == 0, runs[1].stderr
    assert runs[2].returncode != 0, "the server refuses the key"
    for run in runs:
        assert_none(run.stdout + run.stderr, str(run.args))
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert_none(path.read_bytes().decode("latin-1"), str(path))
