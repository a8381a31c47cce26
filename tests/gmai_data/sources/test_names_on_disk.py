"""Names of other encodings are read where they can be, and always printed."""

import json
import os

import numpy as np
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.imaging.raster import encode_png
from gmai_data.imaging.source_files import on_disk, relative_to, require_data
from gmai_data.ledger import SourceError, printable
from gmai_data.sources.cards.catalogue import Source


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"plain.png", "plain.png"),
        ("café.png".encode(), "café.png"),
        (b"caf\xe9.png", "caf\\xe9.png"),
        ("腹部.png".encode("gbk"), "\\xb8\\xb9\\xb2\\xbf.png"),
        ("é腹".encode() + b"\xff", "é腹\\xff"),
    ],
)
def test_every_name_has_a_printable_form_that_leads_back(tmp_path, name, shown):
    path = tmp_path / os.fsdecode(name)
    try:
        path.write_bytes(b"data")
    except OSError:
        pytest.skip("a file system that takes UTF-8 names only")
    assert relative_to(tmp_path, path) == shown
    shown.encode()
    assert require_data(tmp_path, shown).read_bytes() == b"data"
    assert on_disk(tmp_path, shown) == path


def test_a_name_that_holds_a_backslash_is_itself(tmp_path):
    (tmp_path / "caf\\xe9.png").write_bytes(b"data")
    assert on_disk(tmp_path, "caf\\xe9.png").name == "caf\\xe9.png"


def test_half_of_a_surrogate_pair_is_shown():
    assert printable("a\ud800b") == "a\\ud800b"
    error = SourceError("rule", "folder caf\udce9", "caf\udce9/1.png")
    assert (error.detail, error.file, str(error)) == ("folder caf\\xe9", "caf\\xe9/1.png", "rule: folder caf\\xe9")


def test_a_build_reads_files_and_folders_of_such_names(tmp_path, toy):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / os.fsdecode(b"kl\xe4sse")).mkdir()
    rng = np.random.default_rng(0)
    for folder, name in ((b"a", b"caf\xe9.png"), (b"a", b"plain.png"), (b"kl\xe4sse", b"1.png")):
        path = root / os.fsdecode(folder) / os.fsdecode(name)
        path.write_bytes(encode_png(rng.integers(0, 255, (24, 32), dtype=np.uint8)))
    card = toy(layout={"kind": "folder_per_class"})
    assert build([Source(card, root)], tmp_path / "out", BuildSettings()) == 3
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["recipes"]["toy"]["items"]["kept"] == 2
    (line,) = (tmp_path / "out" / "quarantine.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["file"] == "kl\\xe4sse/1.png"
