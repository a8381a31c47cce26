"""Pushing against a small server that speaks as much of the Hub's HTTP API as the client uses for one commit."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.push import BEGIN, END, push
from gmai_bench.run import Settings, score_file
from gmai_cli.errors import UserError

README = "---\nlicense: apache-2.0\n---\n# Tiny\n\nA model.\n"
SHA = "a" * 40


class Hub(BaseHTTPRequestHandler):
    files: dict[str, bytes]
    commits: list[dict[str, Any]]

    def _answer(self, status: int, value: Any = None, content: bytes | None = None, **headers: str) -> None:
        body = content if content is not None else json.dumps(value).encode()
        self.send_response(status)
        for name, header in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, header)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name = self.path.partition("/resolve/")[2].partition("/")[2]
        if name in self.files:
            headers = {"X-Repo-Commit": SHA, "ETag": f'"{len(self.commits)}"'}
            self._answer(200, content=self.files[name], **headers)
        elif name:
            self._answer(404, {}, **{"X-Error-Code": "EntryNotFound", "X-Repo-Commit": SHA})
        else:
            self._answer(200, {"id": "me/tiny", "sha": SHA, "siblings": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer hf_test":
            self._answer(401, {"error": "Invalid credentials"})
        elif self.path.endswith("/api/validate-yaml"):
            self._answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            self._answer(200, {"files": files})
        else:
            lines = [json.loads(line) for line in body.splitlines()]
            for line in lines:
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.commits.append(lines[0]["value"])
            self._answer(200, {"commitOid": SHA, "commitUrl": f"http://{self.headers['Host']}/me/tiny/commit/{SHA}"})

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def hub() -> Iterator[type[Hub]]:
    handler = type("OneHub", (Hub,), {"files": {"README.md": README.encode()}, "commits": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler.url = f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()


@pytest.fixture
def result(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> Path:
    file = inputs.write_predictions(tmp_path / "a.jsonl", {r["id"]: "CT" for r in inputs.held_out_rows()})
    score_file(file, DeclaredBenchmark(held_out), tmp_path / "out", Settings(), model="m")
    card = tmp_path / "out/held_out/option-text/benchmark.json"
    kept = json.loads(card.read_text(encoding="utf-8"))
    kept["card"] |= {"hub": "someone/held-out", "source": f"someone/held-out@{SHA[:12]}"}
    card.write_text(json.dumps(kept), encoding="utf-8")
    return tmp_path / "out"


def gmai_push(hub: type[Hub], result: Path, cache: Path, *, known: bool = True) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1"}
    env["HF_TOKEN"] = "hf_test" if known else "hf_other"
    gmai = Path(sys.executable).with_name("gmai")
    return subprocess.run([gmai, "bench", "push", result, "me/tiny"], env=env, capture_output=True, text=True)


def test_results_reach_the_repository_in_one_commit(hub: type[Hub], result: Path, tmp_path: Path) -> None:
    done = gmai_push(hub, result, tmp_path / "hf")
    assert done.returncode == 0, done.stderr
    assert "me/tiny: wrote .eval_results/gmai-bench.yaml" in done.stdout
    (entry,) = yaml.safe_load(hub.files[".eval_results/gmai-bench.yaml"])
    assert entry["dataset"] == {"id": "someone/held-out", "task_id": "option-text", "revision": SHA[:12]}
    assert entry["value"] == 33.33
    assert (
        "protocol held_out/option-text v1, n = 12, micro accuracy in percent, 95 % interval 13.8–60.9 %"
        in entry["notes"]
    )
    readme = hub.files["README.md"].decode()
    assert readme.startswith(README)
    assert "| `held_out/option-text` v1 | 12 | 33.3 % | 13.8–60.9 % |" in readme
    assert [commit["summary"] for commit in hub.commits] == ["Add evaluation results: held_out/option-text"]
    assert gmai_push(hub, result, tmp_path / "hf").returncode == 0
    assert hub.files["README.md"].decode().count(BEGIN) == hub.files["README.md"].decode().count(END) == 1


def test_a_refused_token_gets_the_remedy(hub: type[Hub], result: Path, tmp_path: Path) -> None:
    refused = gmai_push(hub, result, tmp_path / "hf", known=False)
    assert refused.returncode == 2
    assert "me/tiny: the Hub refused" in refused.stderr
    assert "hf auth login" in refused.stderr
    assert "hf_other" not in refused.stderr


def test_partial_results_are_not_published(inputs: SimpleNamespace, held_out: Path, tmp_path: Path) -> None:
    file = inputs.write_predictions(tmp_path / "a.jsonl", {"q0-0": "CT"})
    score_file(file, DeclaredBenchmark(held_out), tmp_path / "out", Settings(limit=1), model="m")
    with pytest.raises(UserError, match=r"held_out/option-text is partial.*Only whole results are published"):
        push(tmp_path / "out", "me/tiny", dry_run=True)
