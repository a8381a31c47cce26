"""The licence gate, the gallery in a browser, and Fig. 3."""

import json
import shutil
import subprocess

import pyarrow.parquet as pq
import pytest
from gmai_data.build import BuildSettings, build
from gmai_data.publishing import gallery
from gmai_data.publishing.gallery import write_gallery
from gmai_data.publishing.licences import reason_to_refuse
from gmai_data.publishing.publication import publish_build
from gmai_data.publishing.statistics import fig3, write_fig3
from gmai_data.sources.catalogue import Source, resolve
from gmai_formats.errors import UserError


@pytest.mark.parametrize(
    ("licence", "redistribution", "reason"),
    [
        ("CC-BY-4.0", None, None),
        ("MIT", None, None),
        ("not stated", None, "its licence is not stated"),
        ("CC-BY-NC-ND-4.0", None, "forbids derivatives"),
        ("House terms", None, "no licence that is known to allow it"),
        ("House terms", True, None),
        ("Kaggle competition rules", False, "forbids passing the data on"),
    ],
)
def test_verdicts(licence, redistribution, reason):
    found = reason_to_refuse({"license": licence, "redistribution": redistribution})
    assert (found is None) if reason is None else reason in found


@pytest.fixture
def mixed(phantoms, tmp_path):
    (good,) = resolve(["phantom-fundus"], phantoms / "phantom-fundus")
    (other,) = resolve(["phantom-xray"], phantoms / "phantom-xray")
    bad = Source(
        other.recipe.model_copy(update={"license": "not stated", "title": "<script>alert(1)</script>"}), other.root
    )
    build([good, bad], tmp_path / "out", BuildSettings())
    return tmp_path / "out"


def test_publish_refuses_by_name_and_can_leave_out(mixed, tmp_path):
    with pytest.raises(UserError, match="phantom-xray: its licence is not stated"):
        publish_build(mixed, tmp_path / "pub", leave_out_unlicensed=False)
    assert not (tmp_path / "pub").exists()
    publish_build(mixed, tmp_path / "pub", leave_out_unlicensed=True)
    sources = {
        name
        for path in (tmp_path / "pub").rglob("*.parquet")
        for name in pq.read_table(path, columns=["source"])["source"].to_pylist()
    }
    assert sources == {"phantom-fundus"}
    assert "phantom-xray" not in (tmp_path / "pub" / "README.md").read_text()
    assert (tmp_path / "pub" / "mix.yaml").is_file()


def test_fig3_counts_images(phantom_build, tmp_path):
    rings = fig3(phantom_build)
    assert sum(share for _, _, share, _ in rings["task"]) == pytest.approx(100)
    assert next(row for row in rings["modality"] if row[0] == "PET")[1:] == (0, 0.0, 0.2)
    write_fig3(phantom_build, tmp_path / "f.html")
    assert "paper 26.8 %" in (tmp_path / "f.html").read_text()
    shares = {name: (images, paper) for name, images, _, paper in rings["clinical_task"]}
    organs = sum(images for name, (images, _) in shares.items() if name.startswith("Organ Recognition - "))
    assert shares["Organ Recognition (all four)"] == (organs, 16.0)
    assert shares["Disease Diagnosis"][1] == 40.4
    assert {name: paper for name, _, _, paper in rings["department"]}["Orthopedic Surgery"] == 12.9


@pytest.mark.browser
def test_gallery_in_a_browser(phantom_build, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    page = tmp_path / "g.html"
    count = write_gallery(phantom_build, page, images=60)
    text = page.read_text()
    assert "default-src 'none'" in text
    assert "http://" not in text
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000",
        f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert f"{count} of {count} images shown; the build has 128" in shown  # the script ran under the page's own policy
    assert "<rect" in shown


def test_the_gallery_lists_what_checks_dropped(phantom_build, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(phantom_build, out)
    entry = {"recipe": "r", "id": "s#1", "kind": "dialogue", "language": "en", "check": "laterality", "detail": "left"}
    lines = [{**entry, "text": "<script>alert(1)</script>"}, {**entry, "check": "refusal", "text": "I'm sorry"}]
    (out / "dropped.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    write_gallery(out, tmp_path / "g.html", images=1)
    page = (tmp_path / "g.html").read_text()
    assert "Dropped by checks (2)" in page
    assert "laterality: 1, refusal: 1" in page
    assert "<td>laterality</td><td>left</td><td>dialogue</td><td>en</td><td>r</td><td>s#1</td>" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_a_reason_that_comes_often_hides_no_other(phantom_build, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "SHOWN_LINES", 6)
    out = tmp_path / "out"
    shutil.copytree(phantom_build, out)
    bad = [{"recipe": "r", "file": f"{number}.png", "reason": "empty file: 0 bytes"} for number in range(9)]
    bad.append({"recipe": "r", "file": "x.dcm", "reason": "truncated: it ends: too early"})
    (out / "quarantine.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in bad))
    write_gallery(out, tmp_path / "g.html", images=1)
    page = (tmp_path / "g.html").read_text()
    assert (
        "Quarantine (10)</h2><p>empty file: 9, truncated: 1</p><p>At most 3 of each; all are in quarantine.jsonl"
        in page
    )
    assert page.count("<td>empty file</td>") == 3
    assert "<td>truncated</td><td>it ends: too early</td><td>r</td><td>x.dcm</td>" in page
