"""What was dropped is listed, one by one, under the reasons that the manifest counts, and alike in every run."""

import json
from collections import Counter

import numpy as np
import pydicom
import pytest
from gmai_cli.exit_codes import EXIT_OK, EXIT_PARTIAL
from gmai_data.account import account, exit_code, spent_usd
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.generation.template_writer import TemplateWriter
from gmai_data.imaging.raster import encode_png
from gmai_data.ledger import Ledger, SourceError
from gmai_data.markers import BUILT, WRITTEN, set_marker
from gmai_data.shards import ShardJob
from gmai_data.sources.cards.catalogue import Source
from gmai_data.sources.items import Item
from pydicom.data import get_testdata_file


def noise(seed):
    return np.random.default_rng(seed).integers(0, 255, (40, 40), dtype=np.uint8)


@pytest.fixture
def sources(toy, tmp_path):
    """Return a source of pictures, one of DICOM files and one of texts, each with things to drop."""
    pictures, files, texts = (tmp_path / name for name in ("pictures", "files", "texts"))
    (pictures / "a").mkdir(parents=True)
    for name, pixels in (("1", noise(1)), ("2", noise(1)), ("3", noise(3)), ("flat", np.full((40, 40), 9, np.uint8))):
        (pictures / "a" / f"{name}.png").write_bytes(encode_png(pixels))
    files.mkdir()
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    dataset.save_as(files / "good.dcm")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.save_as(files / "scout.dcm")
    texts.mkdir()
    asked = ("What is a scan?", "I am reachable at jane.roe@example.org, what is a scan?", "How long is it?")
    lines = [{"turns": [{"question": text, "answer": "It takes some minutes."}]} for text in asked]
    (texts / "q.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return [
        Source(toy(name="pictures"), pictures),
        Source(toy(name="files", modality="CT", layout={"kind": "dicom"}, labels_of_every_image=["a"]), files),
        Source(toy(name="texts", layout={"kind": "qa_text"}, task="text", labels={}), texts),
    ]


def lines(out):
    return [json.loads(line) for line in (out / "dropped.jsonl").read_text("utf-8").splitlines()]


def test_each_thing_that_counts_as_dropped_is_listed(sources, tmp_path):
    build(sources, tmp_path / "out", BuildSettings())
    listed = lines(tmp_path / "out")
    recipes = json.loads((tmp_path / "out" / "manifest.json").read_text())["recipes"]
    for recipe, told in recipes.items():
        assert "dropped" not in told, "the list is a file of its own"
        for of in ("items", "images", "samples"):
            kinds = {"items": {"item"}, "images": {"image"}}.get(of)
            found = Counter(
                line["check"]
                for line in listed
                if line["recipe"] == recipe and (line["kind"] in kinds if kinds else "language" in line)
            )
            counted = Counter(told[of]["dropped"])
            counted.pop("of a duplicate image", None)  # the image itself is listed
            counted.pop("left out for balance", None)  # offered only so that answers can be balanced
            assert found == counted, (recipe, of)
    by_check = {line["check"]: line for line in listed}
    assert by_check["near-constant image"]["id"] == "2d#cls#dermoscopy#pictures#a#alpha#flat.png"
    assert by_check["no picture left"] == {
        "recipe": "pictures", "id": "a/flat.png", "kind": "item", "check": "no picture left", "detail": "",
    }  # fmt: skip
    assert by_check["duplicate image"]["detail"] == "of 2d#cls#dermoscopy#pictures#a#alpha#1.png"
    assert (by_check["localizer"]["id"], by_check["localizer"]["kind"]) == ("scout.dcm", "item")
    assert by_check["identifier"]["id"].startswith("text#qa#dermoscopy#texts#q.jsonl#none#000001#text_only")
    assert by_check["identifier"]["detail"] == "jan… at character 18"
    assert len(listed) == 5


def test_what_may_name_a_person_is_not_copied(sources, tmp_path):
    build(sources, tmp_path / "out", BuildSettings())
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or b"jane.roe" not in path.read_bytes(), path


def test_the_list_is_the_same_in_every_run(sources, tmp_path):
    build(sources, tmp_path / "one", BuildSettings())
    build(sources, tmp_path / "two", BuildSettings(), RunOptions(share=(0, 2)))
    build(sources, tmp_path / "two", BuildSettings(), RunOptions(workers=2))
    assert lines(tmp_path / "one") == lines(tmp_path / "two")


@pytest.fixture
def shards(toy, tmp_path):
    """Return a function that makes finished shards of one item each, with what became of it and of its samples."""

    def make(*accounts, listed=1):
        jobs = []
        for number, (ledger, written) in enumerate(accounts):
            folder = tmp_path / f"shard-{number}"
            folder.mkdir()
            set_marker(folder, BUILT, {"account": ledger.to_json()}, ())
            if written is not None:
                set_marker(folder, WRITTEN, written, ())
            items = (Item(f"{number}.png", ()),) * listed
            jobs.append(ShardJob(toy(), tmp_path, number, len(accounts), items, folder, TemplateWriter(0, 0, (), 0)))
        return jobs

    return make


def one_item(*, quarantined=""):
    ledger = Ledger()
    ledger.items.read = 1
    if quarantined:
        ledger.quarantine_item(SourceError(quarantined, "found", "f.png"))
    else:
        ledger.items.kept = 1
    return ledger


def texts(kept, usd):
    ledger = Ledger()
    ledger.samples.read, ledger.samples.kept = kept + 1, kept
    ledger.quarantine_sample("s", "no reply: HTTP 500")
    ledger.tally("kind", "dialogue", kept)
    by_kind = {"dialogue/en": {"kept": kept, "quarantined": 1}}
    return {"account": ledger.to_json(), "by_kind": by_kind, "opinions": {"consistent": kept},
            "sentences": {"resolved": 2 * kept}, "spent_usd": usd}  # fmt: skip


def test_a_manifest_adds_up_shards_and_what_a_model_wrote(shards, tmp_path):
    jobs = shards((one_item(), texts(2, 0.25)), (one_item(quarantined="truncated"), texts(3, 0.5)))
    (jobs[1].folder / "judged.jsonl").write_text('{"id": "s", "opinion": "inconsistent", "reason": "r\u2028s"}\n')
    manifest = account(jobs, tmp_path, {"questions": 4})
    toy = manifest["recipes"]["toy"]
    assert manifest["benchmark"] == {"questions": 4}
    assert toy["items"] == {"read": 2, "kept": 1, "dropped": {}, "quarantined": 1}
    assert toy["samples"] == {"read": 7, "kept": 5, "dropped": {}, "quarantined": 2}
    assert toy["samples_by_kind"] == {"dialogue": 5}
    assert toy["written"] == {
        "by_kind": {"dialogue/en": {"kept": 5, "quarantined": 2}}, "opinions": {"consistent": 5},
        "sentences": {"resolved": 10},
    }  # fmt: skip
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest
    quarantine = [json.loads(line) for line in (tmp_path / "quarantine.jsonl").read_text().splitlines()]
    assert Counter(line["reason"] for line in quarantine) == {"no reply: HTTP 500": 2, "truncated: found": 1}
    assert {line["recipe"] for line in quarantine} == {"toy"}
    judged = json.loads((tmp_path / "judged.jsonl").read_text())
    assert judged == {"recipe": "toy", "id": "s", "opinion": "inconsistent", "reason": "r\u2028s"}
    assert spent_usd(jobs) == 0.75


def test_an_empty_quarantine_is_written_and_other_empty_lists_are_not(shards, tmp_path):
    account(shards((one_item(), None)), tmp_path, {})
    assert (tmp_path / "quarantine.jsonl").read_text() == ""
    assert not (tmp_path / "dropped.jsonl").exists()
    assert not (tmp_path / "judged.jsonl").exists()


def test_an_item_that_was_listed_and_is_in_no_account_is_a_bug(shards, tmp_path):
    with pytest.raises(RuntimeError, match=r"^toy: 2 items were listed, but 1 are accounted for$"):
        account(shards((one_item(), None), listed=2), tmp_path, {})
    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize(
    ("quarantined", "code"),
    [({}, EXIT_OK), ({"items": 1}, EXIT_PARTIAL), ({"boxes": 1}, EXIT_PARTIAL), ({"samples": 1}, EXIT_PARTIAL)],
)
def test_whatever_stands_in_the_quarantine_makes_a_build_partial(quarantined, code):
    recipe = {kind: {"quarantined": quarantined.get(kind, 0)} for kind in ("items", "boxes", "samples")}
    clean = {kind: {"quarantined": 0} for kind in recipe}
    assert exit_code({"recipes": {"a": clean, "b": recipe}}) == code
