"""The page of a build's images: what is shown, and that words of data stay words."""

import base64
import html
import io
import json
import re
import shutil
import subprocess

import pytest
from gmai_data.publishing import gallery
from gmai_data.publishing.figures import THUMBNAIL_PX
from gmai_data.publishing.gallery import write_gallery
from gmai_data.tables import ANNOTATIONS, SAMPLES, TableFiles
from PIL import Image


def row(number, **changes):
    """Return an annotated image of 40×30 px."""
    return {
        "id": f"i#{number}", "image": None, "width": 40, "height": 30, "sha256": "", "modality": "CT",
        "department": "Urology", "clinical_task": "Disease Diagnosis", "anatomy": "a", "task": "2d_classification",
        "labels": ["cyst"], "absent": [], "incomplete": [], "boxes": [], "split": "train", "group": "g",
        "source": "s", "license": "MIT", "provenance": "{}",
    } | changes  # fmt: skip


@pytest.fixture
def page_of(tmp_path, picture):
    """Return a function of annotated images that makes a build and its page: (images shown, page)."""

    def make(*rows, images=60, encoded=None):
        out = tmp_path / "out"
        with TableFiles(out / "annotations", "s", ANNOTATIONS) as files:
            files.add_rows([each | {"image": {"bytes": encoded or picture(), "path": "1.png"}} for each in rows])
        line = {"read": 3, "kept": 2, "dropped": {"blank": 1}, "quarantined": 0}
        entry = dict.fromkeys(("items", "images", "boxes", "samples"), line)
        (out / "manifest.json").write_text(json.dumps({"recipes": {"s": entry}}))
        count = write_gallery(out, tmp_path / "g.html", images=images)
        return count, (tmp_path / "g.html").read_text("utf-8")

    return make


def test_boxes_and_captions(page_of):
    boxes = [{"label": "cyst", "xyxy": [2, 3, 12, 9]}, {"label": "stone", "xyxy": [0, 0, 4, 4]}]
    count, page = page_of(row(1, boxes=boxes, provenance='{"window": "lung -600/1500"}'))
    assert count == 1
    assert '<rect x="2" y="3" width="10" height="6" stroke="#ff8c42"><title>cyst</title></rect>' in page
    assert '<rect x="0" y="0" width="4" height="4" stroke="#b388ff"><title>stone</title></rect>' in page
    assert '<svg viewBox="0 0 40 30"' in page
    assert "<b>cyst</b>CT, s, train, lung -600/1500" in page
    assert 'data-all="1"' in page
    assert "items: blank: 1, images: blank: 1, samples: blank: 1" in page
    assert "Empty: every input could be used." in page


def test_an_image_without_labels_says_so(page_of):
    _, page = page_of(row(1, labels=[]))
    assert "<b>no label</b>" in page
    assert 'alt="CT"' in page


def test_every_source_has_its_share(page_of):
    rows = [row(number, source="s" if number < 18 else "t") for number in range(20)]
    count, page = page_of(*rows, images=4)
    assert count == 4
    assert page.count("CT, s, train") == page.count("CT, t, train") == 2
    assert 'data-all="20"' in page


def test_words_of_data_stay_words(page_of):
    words = "<script>alert(1)</script>"
    _, page = page_of(row(1, labels=[words], source=words, boxes=[{"label": words, "xyxy": [0, 0, 1, 1]}]))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_large_pictures_are_shown_small(page_of, picture):
    def size(page):
        data = re.search(r"data:image/jpeg;base64,([^\"]+)", page).group(1)
        return Image.open(io.BytesIO(base64.b64decode(data))).size

    large = io.BytesIO()
    Image.new("L", (720, 300), 9).save(large, "PNG")
    assert size(page_of(row(1), encoded=large.getvalue())[1]) == (THUMBNAIL_PX, 150)
    assert size(page_of(row(1))[1]) == (40, 30)
    with pytest.raises(RuntimeError, match="an image of the build does not decode"):
        page_of(row(1), encoded=b"x")


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
    shown = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout
    assert f"{count} of {count} images shown; the build has 128" in shown  # the script ran under the page's own policy
    assert "<rect" in shown


def test_the_gallery_lists_what_checks_dropped(phantom_build, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(phantom_build, out)
    entry = {"recipe": "r", "id": "s#1", "kind": "dialogue", "language": "en", "check": "laterality", "detail": "left"}
    lines = [{**entry, "text": "<script>alert(1)</script>\u2028"}, {**entry, "check": "refusal", "text": "I'm sorry"}]
    (out / "dropped.jsonl").write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
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


def test_pages_show_every_image_once(page_of, tmp_path):
    page_of(*(row(number) for number in range(11)), images=4)
    out, first = tmp_path / "out", tmp_path / "all.html"
    assert write_gallery(out, first, images=4, pages=0) == 11
    pages = [first, tmp_path / "all-2.html", tmp_path / "all-3.html"]
    found = [re.findall(r"i#(\d+)<", path.read_text("utf-8")) for path in pages]
    assert [len(each) for each in found] == [4, 4, 3]
    assert sorted(int(name) for each in found for name in each) == list(range(11))
    assert '<b>2</b> <a href="all-3.html">3</a>' in pages[1].read_text("utf-8")
    assert "<h2>Account</h2>" in pages[0].read_text("utf-8")
    assert write_gallery(out, first, images=4, pages=2) == 8
    assert write_gallery(out, first, images=40, pages=0) == 11
    assert "<nav>" not in first.read_text("utf-8")


def test_the_texts_of_a_picture_stand_with_it(phantom_build, tmp_path):
    write_gallery(phantom_build, tmp_path / "g.html", images=1000)
    page = (tmp_path / "g.html").read_text("utf-8")
    from gmai_data.publishing.sub_datasets import sample_files
    from gmai_data.untyped import pq

    rows = [
        row for _, _, files in sample_files(phantom_build) for path in files for row in pq.read_table(path).to_pylist()
    ]
    pictured = {row["id"].rsplit("#", 2)[0] for row in rows if row["images"]}
    about_images = [row for row in rows if row["id"].rsplit("#", 2)[0] in pictured]  # texts of their records, too
    assert {row["language"] for row in about_images} == {"en", "zh"}
    assert page.count('<dl lang="zh">') == sum(row["language"] == "zh" for row in about_images)
    for sample in about_images[::97]:
        assert f"<dd>{html.escape(sample['messages'][1]['content'])}</dd>" in page
        figure = page[page.index(f">{html.escape(sample['id'].rsplit('#', 2)[0])}<") :]
        assert html.escape(sample["messages"][1]["content"]) in figure[: figure.index("</figure>")]


def test_a_dropped_text_stands_with_its_reason(page_of, tmp_path):
    page_of(row(1))
    line = {
        "id": "i#1#dialogue#0",
        "check": "too long",
        "detail": "9",
        "kind": "dialogue",
        "language": "en",
        "text": "a <b>",
    }
    (tmp_path / "out" / "dropped.jsonl").write_text(json.dumps(line) + "\n")
    write_gallery(tmp_path / "out", tmp_path / "g.html", images=9)
    page = (tmp_path / "g.html").read_text("utf-8")
    assert '<span class="left-out">dropped: too long: 9</span>' in page
    assert "<dd>a &lt;b&gt;</dd>" in page


def test_a_text_about_two_images_shows_both(page_of, tmp_path, sample, picture):
    provenance = json.dumps({"annotation": "i#1", "beside": {"annotation": "i#2"}})
    messages = [{"role": "user", "content": "<image>\n<image>\nWhich?"}, {"role": "assistant", "content": "First."}]
    asked = sample(images=[picture(1), picture(2)], id="i#2#visual_perception#7", provenance=provenance,
                   kind="visual_perception", messages=messages)  # fmt: skip
    with TableFiles(tmp_path / "out" / "samples" / "percept", "train", SAMPLES) as files:
        files.add_rows([asked, sample(2, id="i#1#image_caption#0")])
    _, page = page_of(row(1), row(2))
    assert page.count('<div class="both"><img alt="image 1"') == 1
    assert '<img alt="image 2"' in page
    assert "<dt>Which?</dt><dd>First.</dd>" in page
