"""`gmai data push` against the Hub of `tests/servers/hub.py`: what goes, what never goes, and what comes back."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import gmai_data.publishing.push as module
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_data.publishing.publication import publish_build
from gmai_formats.errors import UserError
from gmai_formats.files import sha256_file
from gmai_formats.state import read_state, write_state

OWNER = "hf_owner00000000"


@pytest.fixture(scope="module")
def published(phantom_build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "release"
    publish_build(phantom_build, folder, leave_out_unlicensed=False)
    return folder


@pytest.fixture
def release(published, tmp_path):
    return shutil.copytree(published, tmp_path / "release")


@pytest.fixture
def run(hub_server, tmp_path):
    """Run a command with the Hub's environment in a process of its own."""

    def call(*command, token=OWNER):
        environment = {name: text for name, text in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        environment |= hub_server.environment(tmp_path / "hf-home", token=token)
        done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=600)
        assert OWNER not in done.stdout + done.stderr
        return SimpleNamespace(code=done.returncode, out=done.stdout, news=done.stderr)

    return call


def push(run, folder, *options, **more):
    return run(sys.executable, "-m", "gmai_cli", "data", "push", folder, "me/data", *options, **more)


def digests(folder):
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {
        path.as_posix(): sha256_file(folder / path)
        for path in paths
        if not any(part.startswith(".") for part in path.parts)  # the client's own
    }


READ = """
import json, sys
import datasets
for name in datasets.get_dataset_config_names("me/data"):
    for split, rows in datasets.load_dataset("me/data", name).items():
        sizes = [image.size for image in rows[0]["images"]] if "images" in rows.features else []
        print(json.dumps([name, split, rows["id"][:], sizes]))
"""

PULL = """
import sys
from pathlib import Path
from gmai_cli.hub import pull
pull("me/data", repo_type="dataset", to=Path(sys.argv[1]))
"""


def test_what_is_pushed_comes_back_with_equal_digests_and_reads_by_its_name(release, run, tmp_path, hub_server):
    done = push(run, release)
    assert done.code == 0, done.news
    assert done.out.strip().startswith("http")
    repository = next(iter(hub_server.repositories.values()))
    assert repository.private
    commits = len(repository.commits)
    assert run(sys.executable, "-c", PULL, tmp_path / "pulled").code == 0
    assert digests(tmp_path / "pulled") == digests(release)
    read = run(sys.executable, "-c", READ)
    assert read.code == 0, read.news[-2000:]
    found = {(name, split): (ids, sizes) for name, split, ids, sizes in map(json.loads, read.out.splitlines())}
    assert [name for name, split in found if split == "train"] == [
        "GMAI-MM-Caption", "GMAI-MM-Instruct", "GMAI-MM-Percept", "GMAI-Text-Single", "GMAI-Text-Multi",
    ]  # fmt: skip
    caption = pq.read_table(release / "samples" / "caption" / "train-00000.parquet")["id"].to_pylist()
    assert found["GMAI-MM-Caption", "train"] == (caption, [[112, 112]])
    assert push(run, release).code == 0  # nothing new: no new commit
    assert len(repository.commits) == commits


def test_a_dry_run_checks_and_sends_nothing(release, run, hub_server):
    done = push(run, release, "--dry-run")
    assert (done.code, done.out) == (0, "")
    assert " MB  samples/caption/train-00000.parquet" in done.news
    assert "samples would go to me/data (private)." in done.news.splitlines()[-1]
    assert not hub_server.repositories
    (release / "README.md").write_text("changed")
    refused = push(run, release, "--dry-run")
    assert refused.code == 2
    assert "changed since it was published" in refused.news


def test_public_only_on_request(release, run, hub_server):
    assert push(run, release, "--public").code == 0
    assert not next(iter(hub_server.repositories.values())).private


@pytest.fixture
def refusal(monkeypatch):
    """Return a function that pushes and returns the message of the refusal, which must come before anything is sent."""
    monkeypatch.setattr(module, "push_folder", lambda *_, **__: pytest.fail("something was sent"))

    def call(folder):
        with pytest.raises(UserError) as caught:
            module.push_release(folder, "me/data", private=True)
        return str(caught.value)

    return call


@pytest.mark.parametrize(
    "name", [".build/build.json", "raw/patient.dcm", ".env", "samples/caption/extra.parquet", "scan.nii.gz"]
)
def test_what_publish_did_not_write_is_refused_by_name(release, refusal, name):
    (release / name).parent.mkdir(parents=True, exist_ok=True)
    (release / name).write_bytes(b"secret")
    assert name in refusal(release)


def test_a_build_is_not_a_release(phantom_build, refusal):
    assert "a build, not a release" in refusal(phantom_build)


def test_changed_and_lost_files_are_refused(release, refusal):
    readme = release / "README.md"
    text = readme.read_text("utf-8")
    readme.write_text(text + "more", encoding="utf-8")
    assert "README.md: changed since it was published" in refusal(release)
    readme.unlink()
    assert "1 files of the release are gone" in refusal(release)


@pytest.mark.parametrize("damage", ["cut", "emptied", "zeroed", "bit", "list"])
def test_a_damaged_record_is_named(release, refusal, damage):
    path = release / "release.json"
    content = path.read_bytes()
    turned = content.replace(b"CC0-1.0", b"CC0-3.0", 1)
    path.write_bytes({"cut": content[:99], "emptied": b"", "zeroed": bytes(99), "bit": turned, "list": b"[]"}[damage])
    assert f"{path} is damaged: " in (said := refusal(release))
    assert "Publish the build again" in said


def test_the_licences_are_checked_once_more(release, refusal):
    record = read_state(release / "release.json")
    record["sources"]["phantom-ct"]["license"] = "not stated"
    write_state(release / "release.json", record)
    assert "phantom-ct: its licence is not stated" in refusal(release)
    del record["sources"]["phantom-ct"]
    write_state(release / "release.json", record)
    assert "rows of ('phantom-ct', 'CC0-1.0')" in refusal(release)


def test_rows_of_another_licence_are_refused(release, refusal):
    path = release / "annotations" / "part-00000.parquet"
    table = pq.read_table(path)
    column = table.schema.get_field_index("license")
    pq.write_table(table.set_column(column, "license", pa.array(["Secret"] * table.num_rows)), path)
    record = read_state(release / "release.json")
    record["files"]["annotations/part-00000.parquet"]["sha256"] = sha256_file(path)
    write_state(release / "release.json", record)
    assert "'Secret'" in refusal(release)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", ".hidden/x"])
def test_a_record_that_names_what_is_outside_is_refused(release, refusal, name):
    record = read_state(release / "release.json")
    record["files"][name] = {"bytes": 1, "sha256": "0" * 64}
    write_state(release / "release.json", record)
    assert "hidden, or outside of the release" in refusal(release)
