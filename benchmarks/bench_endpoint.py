"""The endpoint driver against a stub with a fixed latency, beside inspect_ai and bare HTTP clients in the same run.

    uv venv INSPECT && uv pip install --python INSPECT/bin/python inspect-ai openai
    python benchmarks/bench_endpoint.py --inspect INSPECT/bin/python

The stub runs in a process of its own and answers after 50 ms whatever it is sent.
"""

import argparse
import asyncio
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from gmai_bench.backends.asks import Ask
from gmai_bench.backends.endpoint import Endpoint
from gmai_bench.images import ImageStore, Shown
from PIL import Image

LATENCY_S = 0.05
ANSWER = {
    "id": "x", "object": "chat.completion", "created": 0, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "B"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}  # fmt: skip
BODY = json.dumps(ANSWER).encode()
REPLY = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY


class Stub(asyncio.Protocol):
    """Counts the bytes of each request and answers `LATENCY_S` later."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer, self.missing = transport, b"", -1

    def data_received(self, data: bytes) -> None:
        if self.missing < 0:
            self.buffer += data
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            lower = head.lower()
            start = lower.index(b"content-length:") + 15
            self.missing = int(lower[start:].split(b"\r\n", 1)[0]) - len(rest)
        else:
            self.missing -= len(data)
        if self.missing <= 0:
            self.buffer, self.missing = b"", -1
            asyncio.get_running_loop().call_later(LATENCY_S, self.transport.write, REPLY)


def serve(pipe: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0, backlog=512)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


INSPECT = """
import sys, time, json
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentImage, ContentText, get_model
from inspect_ai.scorer import match
url, n, concurrency, image, logs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
def sample(i):
    text = f"Question {i}. Answer with a letter."
    content = [ContentImage(image=image), ContentText(text=text)] if image != "-" else text
    return Sample(input=[ChatMessageUser(content=content)], target="B")
model = get_model("openai-api/stub/m", base_url=url, api_key="x")
begin = time.perf_counter()
log = eval(Task(dataset=MemoryDataset([sample(i) for i in range(n)]), scorer=match()), model=model, log_dir=logs,
           display="none", max_connections=concurrency, log_samples=True)[0]
print(json.dumps({"seconds": time.perf_counter() - begin, "status": log.status, "samples": len(log.samples or [])}))
"""


def ours(url: str, n: int, concurrency: int, image: Path | None) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = ImageStore(Path(folder))
        images = (store.add(image.read_bytes(), ""),) if image else ()
        asks = [Ask(str(i), f"Question {i}. Answer with a letter.", images) for i in range(n)]
        endpoint = Endpoint(url, "m", max_new_tokens=8, concurrency=concurrency)
        begin = time.perf_counter()
        answered = sum(answer.response == "B" for answer in endpoint.answers(asks, Shown(store, "none", 0)))
        seconds = time.perf_counter() - begin
    assert answered == n
    return n / seconds


def bare_httpx2(url: str, n: int, concurrency: int) -> float:
    """The other client that was weighed: text requests, no retries, no adaptation."""
    import httpx2

    async def run() -> None:
        gate = asyncio.Semaphore(concurrency)
        async with httpx2.AsyncClient(limits=httpx2.Limits(max_connections=concurrency)) as client:

            async def one(i: int) -> None:
                async with gate:
                    body = {"model": "m", "messages": [{"role": "user", "content": f"Question {i}."}]}
                    (await client.post(f"{url}/chat/completions", json=body)).json()

            await asyncio.gather(*(one(i) for i in range(n)))

    begin = time.perf_counter()
    asyncio.run(run())
    return n / (time.perf_counter() - begin)


def inspect(python: str, url: str, n: int, concurrency: int, image: Path | None) -> float:
    with tempfile.TemporaryDirectory() as logs:
        command = [python, "-c", INSPECT, url, str(n), str(concurrency), str(image or "-"), logs]
        done = subprocess.run(command, capture_output=True, text=True, cwd=logs)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert (said["status"], said["samples"]) == ("success", n), said
    return n / said["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inspect", help="Python of an environment with inspect-ai and openai.")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=64)
    arguments = parser.parse_args()
    here, there = multiprocessing.Pipe()
    stub = multiprocessing.Process(target=serve, args=(there,), daemon=True)
    stub.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    n, concurrency = arguments.requests, arguments.concurrency
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.png"
        noise = np.random.default_rng(0).integers(0, 256, size=(224, 224, 3), dtype=np.uint8)
        Image.fromarray(noise).save(image)
        print(f"stub latency {LATENCY_S * 1000:.0f} ms, {n} requests, at most {concurrency} in flight, image "
              f"{image.stat().st_size // 1000} kB")  # fmt: skip
        print(f"  bare httpx2, text           {bare_httpx2(url, n, concurrency):8.0f} requests/s")
        for name, shown in (("text", None), ("image", image)):
            mine = ours(url, n, concurrency, shown)
            print(f"  gmai-bench, {name:5}           {mine:8.0f} requests/s")
            if arguments.inspect:
                theirs = inspect(arguments.inspect, url, n // 4, concurrency, shown)
                print(f"  inspect_ai, {name:5}           {theirs:8.0f} requests/s   ours is {mine / theirs:.1f} ×")
    stub.terminate()


if __name__ == "__main__":
    main()
