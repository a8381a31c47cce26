import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from gmai_bench import lock
from gmai_cli.errors import UserError


def test_a_second_process_is_refused_with_the_holder_and_the_remedy(tmp_path: Path) -> None:
    attempt = [
        sys.executable,
        "-c",
        "import sys\nfrom pathlib import Path\nfrom gmai_bench import lock\nfrom gmai_cli.errors import UserError\n"
        "try:\n    with lock.hold(Path(sys.argv[1])): print('held')\nexcept UserError as error: print(error)",
        str(tmp_path),
    ]
    with lock.hold(tmp_path):
        refused = subprocess.run(attempt, capture_output=True, text=True, check=True).stdout
    assert f"process {os.getpid()} on {socket.gethostname()} holds this output folder since" in refused
    assert "use another --out" in refused
    assert subprocess.run(attempt, capture_output=True, text=True, check=True).stdout == "held\n"


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    owner = {"pid": gone.pid, "host": socket.gethostname(), "started": "earlier"}
    (tmp_path / ".lock").write_text(json.dumps(owner), encoding="utf-8")
    with lock.hold(tmp_path):
        pass
    assert f"left by process {gone.pid} of earlier, which is gone; taking the folder over" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "holder"),
    [
        ('{"pid": 7, "host": "node-17", "started": "yesterday"}', r"process 7 on node-17 .* since yesterday"),
        ("", r"process -1 on unknown"),
    ],
)
def test_a_lock_that_cannot_be_checked_is_explained(tmp_path: Path, content: str, holder: str) -> None:
    (tmp_path / ".lock").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=rf"{holder}.*if that process is gone, remove .*\.lock"), lock.hold(tmp_path):
        pass
    assert (tmp_path / ".lock").exists()


def test_a_failure_gives_the_folder_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(RuntimeError), lock.hold(tmp_path):
        raise RuntimeError
    with lock.hold(tmp_path):
        pass
    assert signal.getsignal(signal.SIGTERM) == before
