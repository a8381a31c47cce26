"""`gmai` in processes of its own that need not start: each is forked from one that has imported the libraries.

Imports are two thirds of what a training run of the tiny model computes. Such a process has its own arguments,
environment, folder, output, random state, signals, exit code and end of the interpreter. What it cannot show is that a
fresh one finds what it needs: launchers, Slurm jobs and the commands of the docs start fresh ones.
"""

import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def serve(modules):
    """Answer one request per line: start a process, or say whether one has ended. Return in each new process."""
    for name in modules:
        importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            _, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = {"code": os.waitstatus_to_exitcode(status)} if _ else {}
        else:
            pid = os.fork()
            if pid == 0:
                become(request)
                return
            answer = {"pid": pid}
        print(json.dumps(answer), flush=True)
    sys.exit()


def become(request):
    """Take over what a fresh process has of its own."""
    for number, path, mode in ((0, os.devnull, os.O_RDONLY), (1, request["stdout"], os.O_WRONLY),
                               (2, request["stderr"], os.O_WRONLY)):  # fmt: skip
        os.dup2(os.open(path, mode), number)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = ["gmai", *request["argv"]]
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


class Process:
    """What `subprocess.Popen` shows of a process, as far as tests look."""

    def __init__(self, server: "Server", argv: Sequence[str], env: Mapping[str, str], cwd: Path | None) -> None:
        self._server = server
        self._folder = tempfile.TemporaryDirectory(prefix="gmai-forked-")
        self._files = [Path(self._folder.name, name) for name in ("stdout", "stderr")]
        for file in self._files:
            file.touch()
        out, err = map(str, self._files)
        request = {"argv": [str(word) for word in argv], "env": dict(env), "cwd": str(cwd or Path.cwd()), "stdout": out,
                   "stderr": err}  # fmt: skip
        self.pid: int = server.ask(request)["pid"]
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.ask({"poll": self.pid}).get("code")
        return self.returncode

    def wait(self, timeout: float = 600) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                self.kill()
                raise subprocess.TimeoutExpired(f"gmai (forked, process {self.pid})", timeout)
            time.sleep(0.02)
        return code

    def communicate(self, timeout: float = 600) -> tuple[str, str]:
        self.wait(timeout)
        out, err = (file.read_text("utf-8", errors="replace") for file in self._files)
        return out, err

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Server:
    """A process that has imported modules under an environment, and becomes `gmai` again and again."""

    def __init__(self, modules: Sequence[str], env: Mapping[str, str]) -> None:
        command = [sys.executable, __file__, *modules]
        self._process = subprocess.Popen(command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, request: dict[str, object]) -> dict[str, int]:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path | None = None) -> Process:
        """Start `gmai ARGV…`."""
        return Process(self, argv, env, cwd)

    def run(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run `gmai ARGV…` to its end."""
        process = self.start(argv, env, cwd)
        out, err = process.communicate()
        return subprocess.CompletedProcess(["gmai", *argv], process.wait(), out, err)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()  # a process that was forked beside it may hold its input open
        self._process.communicate()


if __name__ == "__main__":
    serve(sys.argv[1:])
    from gmai_cli.main import main

    main()
