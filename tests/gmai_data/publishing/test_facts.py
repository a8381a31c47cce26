"""What a release holds, counted from its own files."""

import hashlib
import json
from collections import Counter

import pytest
from gmai_data.publishing.facts import GENERATOR, count_release, grounded
from gmai_data.tables import SAMPLES, TableFiles
from gmai_data.vocabulary import SubDataset


@pytest.fixture
def release(tmp_path, sample):
    """Two sub-datasets of four samples, without annotations and questions."""
    model = json.dumps({"writer": "model", "model": "m", "prompt": "p1", "served_by": None, "tokens": 7})
    rows = {
        ("caption", "train"): [sample(1), sample(2, source="t")],
        ("caption", "validation"): [sample(3, language="zh")],
        ("text_multi", "train"): [sample(4, images=[], kind="dialogue", provenance=model)],
    }
    for (name, split), found in rows.items():
        with TableFiles(tmp_path / "samples" / name, split, SAMPLES) as files:
            files.add_rows(found)
    return tmp_path


def account(**written):
    line = {"read": 2, "kept": 1, "dropped": {"blank": 1}, "quarantined": 0}
    return {"items": line, "samples": line, "samples_by": {"kind": {}}, "written": written}


def test_samples_by_split_column_and_writer(release):
    manifest = {"recipes": {"s": account(opinions={"agrees": 2}), "t": account(opinions={"agrees": 1, "no": 4}),
                            "left out": account(opinions={"no": 9})}}  # fmt: skip
    facts = count_release(release, {"s": {}, "t": {}}, manifest, {"seed": 0})
    assert facts.samples == {
        SubDataset.CAPTION: {"train": 2, "validation": 1}, SubDataset.TEXT_MULTI: {"train": 1},
    }  # fmt: skip
    assert facts.total == 4
    assert facts.counted == {
        "kind": Counter(image_caption=3, dialogue=1), "language": Counter(en=3, zh=1), "source": Counter(s=3, t=1),
    }  # fmt: skip
    assert facts.generators == Counter({
        (("writer", "template"),): 3, (("writer", "model"), ("model", "m"), ("prompt", "p1")): 1,
    })  # fmt: skip
    assert GENERATOR == ("writer", "model", "served_by", "prompt", "templates")
    assert (facts.annotations, facts.questions) == (0, 0)
    assert facts.opinions == Counter(agrees=3, no=4)
    assert facts.build == {"seed": 0}
    assert list(facts.account) == ["s", "t"]
    assert list(facts.account["s"]) == ["items", "samples"]


def test_every_file_with_its_size_and_digest(release):
    (release / "mix.yaml").write_bytes(b"a: 1\n")
    facts = count_release(release, {}, {"recipes": {}}, {})
    assert list(facts.files) == [
        "mix.yaml", "samples/caption/train-00000.parquet", "samples/caption/validation-00000.parquet",
        "samples/text_multi/train-00000.parquet",
    ]  # fmt: skip
    assert facts.files["mix.yaml"] == (5, hashlib.sha256(b"a: 1\n").hexdigest())


def test_the_grounded_share_is_said_where_a_model_wrote():
    assert grounded({}) == ""
    said = grounded({"resolved": 1990, "left out": 10, "of no image": 5})
    assert "Of 2,000 sentences" in said
    assert "1,990 (99.5 %) are resolved against the record, 10 were left out" in said
    assert said.endswith("5 more are of texts without an image and are held against no record.")
