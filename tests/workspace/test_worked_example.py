"""The worked example of the docs, command by command, on the real files that it is about."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(os.environ.get("GMAI_REAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


@pytest.mark.e2e
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not (DATA / "bccd").is_dir(), reason="needs the real files (GMAI_REAL_DATA)")
def test_from_raw_files_to_a_model_card(root: Path, tmp_path: Path) -> None:
    page = (root / "docs/how-to/worked-example.md").read_text("utf-8")
    fetching, *blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert "git -C raw clone" in fetching
    shutil.copytree(DATA / "bccd", tmp_path / "raw/BCCD_Dataset")
    shutil.copytree(DATA / "totalsegmentator", tmp_path / "raw/TotalSegmentator/tests/reference_files")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = "\n".join(["set -e", *blocks])
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env={**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1"},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    card = (tmp_path / "runs/stage3/model/README.md").read_text("utf-8")
    for due in ("bccd", "totalsegmentator-ct-dicom", "totalsegmentator-mr", "Apache-2.0", "MIT"):
        assert due in card
