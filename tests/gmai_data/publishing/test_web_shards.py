"""WebDataset shards: what a member is called, where a shard ends, and what the README tells `datasets`."""

import json
import tarfile

import pytest
import yaml
from gmai_data.publishing import web_shards
from gmai_data.publishing.web_shards import SHARD_BYTES, WebShardFolder
from gmai_data.vocabulary import Split


def written(folder, rows):
    shards = WebShardFolder(folder)
    with shards.open("NAME", Split.TRAIN) as files:
        reasons = [files.add(row) for row in rows]
    shards.finish({})
    return reasons, {path.name: tarfile.open(path).getnames() for path in sorted(folder.glob("*.tar"))}


def test_members_of_a_sample_stand_together_under_a_running_number(tmp_path, sample, picture):
    rows = [sample(1), sample(2, images=[picture(form="JPEG")]), sample(3, images=[picture(), picture(1, "JPEG")]),
            sample(4, images=[b"x"]), sample(5, images=[])]  # fmt: skip
    reasons, shards = written(tmp_path, rows)
    assert reasons == [None, None, None, "the image is not PNG, JPEG, TIFF, WebP or BMP", None]
    assert shards == {
        "NAME-train-000000.tar": [
            "NAME-train-000000000.png", "NAME-train-000000000.json",
            "NAME-train-000000001.jpg", "NAME-train-000000001.json",
            "NAME-train-000000002.0.png", "NAME-train-000000002.1.jpg", "NAME-train-000000002.json",
            "NAME-train-000000003.json",
        ]
    }  # fmt: skip
    with tarfile.open(tmp_path / "NAME-train-000000.tar") as tar:
        member = tar.getmember("NAME-train-000000000.json")
        assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (0, 0, 0, "", 0o644)
        facts = json.loads(tar.extractfile(member).read())
        assert tar.extractfile("NAME-train-000000000.png").read() == picture(1)
    assert facts == {name: value for name, value in rows[0].items() if name != "images"}


@pytest.mark.parametrize(("limit_bytes", "shards"), [(1, 3), (SHARD_BYTES, 1)])
def test_a_shard_ends_behind_the_sample_that_passes_its_size(tmp_path, sample, monkeypatch, limit_bytes, shards):
    monkeypatch.setattr(web_shards, "SHARD_BYTES", limit_bytes)
    _, files = written(tmp_path, [sample(number) for number in range(3)])
    assert list(files) == [f"NAME-train-{number:06d}.tar" for number in range(shards)]
    assert sum(map(len, files.values())) == 6
    assert SHARD_BYTES == 500_000_000


def test_the_readme_names_files_and_types(tmp_path, sample):
    written(tmp_path, [sample(1)])
    head = yaml.safe_load((tmp_path / "README.md").read_text().split("---")[1])
    assert head["configs"] == [
        {"config_name": "NAME", "data_files": [{"split": "train", "path": "NAME-train-*.tar"}]}
    ]  # fmt: skip
    (info,) = head["dataset_info"]
    features = {each["name"]: each for each in info["features"]}
    assert list(features) == ["__key__", "__url__", "png", "json"]
    assert features["png"]["dtype"] == "image"
    facts = {each["name"]: each for each in features["json"]["struct"]}
    assert facts["labels"] == {"name": "labels", "list": "string"}
    assert facts["boxes"]["list"] == [{"name": "label", "dtype": "string"}, {"name": "xyxy", "list": "int32"}]
    assert facts["id"] == {"name": "id", "dtype": "string"}


def test_a_split_without_samples_is_not_named(tmp_path):
    written(tmp_path, [])
    head = yaml.safe_load((tmp_path / "README.md").read_text().split("---")[1])
    assert head == {"configs": [], "dataset_info": []}
