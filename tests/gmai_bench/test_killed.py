"""`gmai bench` killed with SIGKILL at random moments, on both backends: nothing is lost, no answer asked twice."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

GMAI = Path(sys.executable).with_name("gmai")
QUESTIONS = 40
IMPORTS = ("gmai_cli.main", "gmai_bench.run", "gmai_bench.backends.local", "transformers.models.llava.modeling_llava",
           "transformers.models.clip.modeling_clip", "transformers.models.llama.modeling_llama")  # fmt: skip


class Server:
    """A chat endpoint that needs a while, answers the same to the same question, and counts what it is asked."""

    def __init__(self) -> None:
        asked = self.asked = Counter[str]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                content = json.loads(body)["messages"][0]["content"]
                image, prompt = content[0]["image_url"]["url"], content[1]["text"]
                asked[image + prompt] += 1
                time.sleep(0.03)
                said = ("CT", "The answer is MR.", "X-ray or CT", "")[len(image + prompt) % 4]
                answer = json.dumps({"choices": [{"finish_reason": "stop", "message": {"content": said}}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def fresh(words: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([GMAI, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed_and_whole(
    path: Path, folder: Path, words: list[str], kills: int, start: Callable[[list[str]], Any] = fresh
) -> tuple[Path, Path]:
    """Run the command once undisturbed, and once killed so many times at random moments and then to its end."""
    whole, killed = folder / "whole", folder / "killed"
    command = ["bench", "--benchmarks", str(path), "--no-cache", *words, "--out"]
    assert start([*command, str(whole)]).wait() == 0
    predictions = killed / "held_out/option-text/predictions.jsonl"
    dice = random.Random(kills)
    for lines in sorted(dice.sample(range(QUESTIONS - 4), kills)):
        process = start([*command, str(killed)])
        while process.poll() is None and (not predictions.exists() or predictions.read_bytes().count(b"\n") < lines):
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 0.02))
        process.kill()
        process.wait()
    assert start([*command, str(killed)]).wait() == 0
    return whole / "held_out/option-text", killed / "held_out/option-text"


def assert_the_same(whole: Path, killed: Path) -> None:
    for name in ("scores.jsonl", "questions.jsonl", "benchmark.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    lines = [
        sorted((folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()) for folder in (whole, killed)
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) == QUESTIONS
    numbers = [json.loads((folder.parents[1] / "report.json").read_bytes())["benchmarks"] for folder in (whole, killed)]
    assert numbers[0] == numbers[1]


def test_on_an_endpoint(server: Server, inputs: SimpleNamespace, tmp_path: Path) -> None:
    path = inputs.write_held_out(tmp_path / "benchmarks", inputs.held_out_rows(QUESTIONS // 2))
    words = ["--endpoint", server.url, "--model", "m", "--concurrency", "2"]
    assert_the_same(*killed_and_whole(path, tmp_path, words, kills=3))
    assert len(server.asked) == QUESTIONS
    # each once per run, and again at most what was in flight, unwritten, at each of the three kills
    assert 2 * QUESTIONS <= server.asked.total() <= 2 * QUESTIONS + 3 * 3


@pytest.mark.e2e
def test_on_a_local_checkpoint(tiny_llava: Path, inputs: SimpleNamespace, tmp_path: Path, forked_gmai: Any) -> None:
    path = inputs.write_held_out(tmp_path / "benchmarks", inputs.held_out_rows(QUESTIONS // 2))
    words = ["--model", str(tiny_llava), "--batch-size", "3", "--max-new-tokens", "6"]
    with forked_gmai.Server(IMPORTS, os.environ) as server:
        made = killed_and_whole(path, tmp_path, words, 2, lambda words: server.start(words, os.environ))
    assert_the_same(*made)
