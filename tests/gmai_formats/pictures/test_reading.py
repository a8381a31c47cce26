"""The process that reads pictures: one line for each question, and nothing else."""

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image


def answers(*questions: bytes, shared: int) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "gmai_formats.pictures.reading", str(shared)], input=b"".join(questions),
        capture_output=True, pass_fds=(shared,), check=True, timeout=600,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_pixels_lie_in_the_shared_memory_and_the_answer_says_how_to_read_them(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("L", (3, 2), 7).save(file, "PNG")
    content = file.getvalue()
    (tmp_path / "a.png").write_bytes(content)
    by_bytes = json.dumps({"what": "picture", "how": {}, "bytes": len(content)}).encode() + b"\n"
    by_path = json.dumps({"what": "picture", "how": {}, "paths": [str(tmp_path / "a.png")]}).encode() + b"\n"
    gone = json.dumps({"what": "picture", "how": {}, "paths": [str(tmp_path / "b.png")]}).encode() + b"\n"
    with tempfile.TemporaryFile() as shared:
        os.pwrite(shared.fileno(), content, 0)  # encoded bytes lie where the pixels will
        found = answers(by_bytes, gone, by_path, shared=shared.fileno())
        assert os.pread(shared.fileno(), 6, 0) == bytes([7] * 6)
    assert (found[0]["mode"], found[0]["size"]) == ("L", [3, 2])
    assert found[2] == found[0]
    assert (found[1]["errno"], found[1]["file"]) == (2, str(tmp_path / "b.png"))


def test_no_question_no_answer() -> None:
    with tempfile.TemporaryFile() as shared:
        assert answers(shared=shared.fileno()) == []


def test_who_no_longer_listens_is_told_nothing() -> None:
    with tempfile.TemporaryFile() as shared:
        reader, writer = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-m", "gmai_formats.pictures.reading", str(shared.fileno())], stdin=subprocess.PIPE,
            stdout=writer, stderr=subprocess.PIPE, pass_fds=(shared.fileno(),),
        )  # fmt: skip
        os.close(writer)
        os.close(reader)
        _, said = process.communicate(b'{"what": "picture", "how": {}, "paths": ["/none"]}\n', timeout=60)
    assert (process.returncode, said) == (0, b"")
