"""A trace of the steps asked for, after those that are skipped."""

import gzip
import json
from types import SimpleNamespace

import torch
from gmai_model.training.callbacks.profile import Profile


def trace(tmp_path, *, steps, last):
    run = SimpleNamespace(out=tmp_path, is_main=True, last_step=last, place=SimpleNamespace(steps=0),
                          device=torch.device("cpu"))  # fmt: skip
    profile = Profile(steps)
    profile.begin(run)
    for number in range(1, last + 1):
        with torch.profiler.record_function(f"step {number}"):
            torch.ones(8, 8) @ torch.ones(8, 8)
        run.place.steps = number
        profile.after_step(run, SimpleNamespace(number=number))
    profile.end(run)
    (file,) = (tmp_path / "profile").glob("trace-*.json.gz")
    names = {event.get("name") for event in json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]}
    return sorted(name for name in names if name and name.startswith("step ")), file.name


def test_two_steps_are_skipped(tmp_path, capsys):
    assert trace(tmp_path, steps=2, last=6) == (["step 3", "step 4"], "trace-step-00000004.json.gz")
    assert "perfetto" in capsys.readouterr().err
    (table,) = (tmp_path / "profile").glob("table-*.txt")
    assert "aten::mm" in table.read_text()


def test_a_short_run_is_traced_whole(tmp_path):
    assert trace(tmp_path, steps=5, last=3)[0] == ["step 1", "step 2", "step 3"]
