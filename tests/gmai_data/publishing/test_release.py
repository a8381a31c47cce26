"""A release: card, Croissant and record say what the files hold; it appears whole or not at all."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter

import datasets
import mlcroissant
import pyarrow.parquet as pq
import pytest
import yaml
from gmai_data.generation.wording import wording
from gmai_data.publishing import publication
from gmai_data.publishing.card import _cell, dataset_card, front_matter
from gmai_data.publishing.facts import ReleaseFacts, count_release
from gmai_data.publishing.publication import publish_build
from gmai_data.publishing.record import build_record
from gmai_data.vocabulary import SubDataset
from gmai_formats.files import sha256_file
from gmai_formats.state import write_state

NAMES = ["GMAI-MM-Caption", "GMAI-MM-Instruct", "GMAI-MM-Percept", "GMAI-Text-Single", "GMAI-Text-Multi"]


@pytest.fixture(scope="module")
def release(phantom_build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("release") / "release"
    publish_build(phantom_build, folder, leave_out_unlicensed=False)
    return folder


def front(release):
    _, head, text = (release / "README.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(head), text


def test_datasets_reads_each_sub_dataset_by_the_name_of_table_6(release, tmp_path):
    configs = datasets.get_dataset_config_names(str(release))
    assert configs == [*NAMES, "annotations", "held_out"]
    for name, folder in zip(NAMES, SubDataset, strict=True):
        loaded = datasets.load_dataset(str(release), name, cache_dir=str(tmp_path))
        for split, rows in loaded.items():
            files = sorted((release / "samples" / folder).glob(f"{split}-*.parquet"))
            assert rows["id"][:] == [each for file in files for each in pq.read_table(file)["id"].to_pylist()]
    default = datasets.load_dataset(str(release), split="train", cache_dir=str(tmp_path))
    assert set(default["kind"]) == {"image_caption", "region_caption"}
    assert default[0]["images"][0].size == (112, 112)


def test_the_card_counts_what_the_files_hold(release):
    head, text = front(release)
    rows = [row for file in release.glob("samples/*/*.parquet") for row in pq.read_table(file).to_pylist()]
    assert f"\n{len(rows)} samples on " in text
    for kind, count in Counter(row["kind"] for row in rows).items():
        assert f"| kind {_cell(kind)} | {count} |" in text
    writers = Counter(json.loads(row["provenance"]).get("templates", "") for row in rows)
    for language in ("en", "zh"):
        version = f"{language}-{wording(language)['version']}"
        assert writers[version]
        assert f"| template | {version} | {writers[version]} |" in text
    assert head["language"] == ["en", "zh"]
    assert head["size_categories"] == ["n<1K" if len(rows) < 1000 else "1K<n<10K"]
    assert head["license"] == "cc0-1.0"
    percept = Counter(row["split"] for row in rows if row["kind"] == "visual_perception")
    assert f"| GMAI-MM-Percept | {percept['train']} | {percept['validation']} |" in text
    assert "| 1.3 M | 23.6% |" in text  # the paper's own
    assert "| CT | " in text.split("## Images (Fig. 3)")[1]
    assert "| 26.8 % |" in text


def test_croissant_is_valid_and_reads_the_same_records(release):
    dataset = mlcroissant.Dataset(str(release / "croissant.json"))
    assert not list(dataset.metadata.ctx.issues.errors)
    names = [record_set.name for record_set in dataset.metadata.record_sets]
    assert names == [*NAMES, "annotations", "held_out"]
    rows = [
        row for file in sorted(release.glob("samples/caption/*.parquet")) for row in pq.read_table(file).to_pylist()
    ]
    read = {record["GMAI-MM-Caption/id"].decode(): record for record in dataset.records("GMAI-MM-Caption")}
    assert len(read) == len(rows)
    for row in rows:
        found = read[row["id"]]
        contents = [turn["GMAI-MM-Caption/messages/content"].decode() for turn in found["GMAI-MM-Caption/messages"]]
        assert contents == [message["content"] for message in row["messages"]]
        assert found["GMAI-MM-Caption/images"][0].size == (112, 112)
        boxes = [box["GMAI-MM-Caption/boxes/xyxy"] for box in found["GMAI-MM-Caption/boxes"]]
        assert [list(map(int, box)) for box in boxes] == [box["xyxy"] for box in row["boxes"]]
    digests = {node.content_url: node.sha256 for node in dataset.metadata.distribution if hasattr(node, "sha256")}
    for path, digest in digests.items():
        assert sha256_file(release / path) == digest


def test_the_record_names_every_file_and_nothing_private_is_copied(release, phantom_build):
    record = json.loads((release / "release.json").read_text("utf-8"))
    present = {path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()}
    assert present == {*record["files"], "release.json"}
    assert not present & {"run.json", "manifest.json", "quarantine.jsonl"}
    assert not [path for path in present if path.startswith(".")]
    for path, said in record["files"].items():
        assert said == {"bytes": (release / path).stat().st_size, "sha256": sha256_file(release / path)}
    for line in (line for entry in record["account"].values() for line in entry.values()):
        assert line["read"] == line["kept"] + sum(line["dropped"].values()) + line["quarantined"]
    assert sha256_file(release / "mix.yaml") == sha256_file(phantom_build / "mix.yaml")


def test_the_same_build_gives_the_same_bytes(release, phantom_build, tmp_path):
    publish_build(phantom_build, tmp_path / "again", leave_out_unlicensed=False)
    for path in sorted(release.rglob("*")):
        if path.is_file():
            assert sha256_file(path) == sha256_file(tmp_path / "again" / path.relative_to(release)), path


def test_a_failure_leaves_no_folder_that_looks_complete(phantom_build, tmp_path, monkeypatch):
    monkeypatch.setattr(publication, "croissant", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        publish_build(phantom_build, tmp_path / "release", leave_out_unlicensed=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".release.partial").mkdir()  # what a kill leaves
    (tmp_path / ".release.partial" / "README.md").write_text("half")
    monkeypatch.undo()
    publish_build(phantom_build, tmp_path / "release", leave_out_unlicensed=False)
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


def test_the_card_says_what_checks_dropped_and_what_a_second_model_thought(phantom_build):
    manifest = json.loads((phantom_build / "manifest.json").read_text("utf-8"))
    for source, count in (("phantom-ct", 2), ("phantom-mr", 3)):
        line = manifest["recipes"][source]["samples"]
        line["read"] += count
        line["dropped"] = line["dropped"] | {"refusal": count}
        manifest["recipes"][source]["written"] = {"opinions": {"consistent": 10, "inconsistent": count}}
    text = dataset_card(facts_of(phantom_build, manifest), {})
    kept = sum(recipe["samples"]["kept"] for recipe in manifest["recipes"].values())
    dropped = sum(sum(recipe["samples"]["dropped"].values()) for recipe in manifest["recipes"].values())
    assert f"| samples | {kept + dropped} | {kept} | {dropped} | 0 |" in text
    assert "| samples | refusal | 5 |" in text
    assert "| consistent | 20 |" in text
    assert "| inconsistent | 5 |" in text


HOSTILE = "a|b</td><script>alert(1)</script>\n---\n# [x](http://evil) `c` *d* =cmd()|A1"


def facts_of(phantom_build, manifest=None, **changes):
    record = json.loads((phantom_build / ".build" / "build.json").read_text("utf-8"))
    manifest = manifest or json.loads((phantom_build / "manifest.json").read_text("utf-8"))
    return count_release(phantom_build, {n: r | changes for n, r in record["recipes"].items()}, manifest, record)


@pytest.mark.parametrize("field", ["title", "homepage", "citation", "license"])
def test_hostile_words_of_a_card_stay_words(phantom_build, field):
    text = dataset_card(facts_of(phantom_build, **{field: HOSTILE}), {})
    head, body = text.split("---\n\n", 1)
    assert yaml.safe_load(head.removeprefix("---\n"))["configs"]
    assert "<script" not in body.replace("\\<", "")
    lines = [line for line in body.splitlines() if "alert" in line]
    assert lines
    for line in lines:  # still one row of the table, with its cells
        assert line.replace("\\|", "").count("|") == 7
    assert not re.search(r"(?<!\\)\]\(http://evil", body)


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        (["MIT"], {"license": "mit"}),
        (["MIT", "CC-BY-4.0"], {"license": ["cc-by-4.0", "mit"]}),
        (["MIT", "House terms"], {"license": "other", "license_name": "per-source", "license_link": "#sources"}),
    ],
)
def test_the_licence_of_the_whole(licences, expected):
    recipes = {f"r{number}": {"license": licence} for number, licence in enumerate(licences)}
    counted = {"kind": Counter(), "language": Counter(en=1), "source": Counter()}
    facts = ReleaseFacts(recipes, {}, counted, Counter(), 0, 0, {}, {}, {}, Counter(), {}, {})
    head = front_matter(facts)
    assert {key: value for key, value in head.items() if key.startswith("license")} == expected


def test_leaving_out_a_source_corrects_all_that_counts_it(phantom_build, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(phantom_build, out)
    record = build_record(out)
    record["recipes"]["phantom-text"]["license"] = "not stated"
    record["recipes"]["phantom-ct"]["license"] = "CC-BY-ND-4.0"
    write_state(out / ".build" / "build.json", record)
    publish_build(out, tmp_path / "release", leave_out_unlicensed=True)
    released = json.loads((tmp_path / "release" / "release.json").read_text("utf-8"))
    assert not {"phantom-ct", "phantom-text"} & released["sources"].keys()
    questions = pq.read_table(tmp_path / "release" / "benchmarks" / "held_out.parquet").to_pylist()
    card = yaml.safe_load((tmp_path / "release" / "benchmarks" / "held_out.yaml").read_text("utf-8"))
    assert card["expected"] == {"total": len(questions)}
    assert released["questions"] == len(questions)
    assert "phantom-ct" not in {row["source"] for row in questions}
    entries = yaml.safe_load((tmp_path / "release" / "mix.yaml").read_text("utf-8"))["datasets"]
    assert all((tmp_path / "release" / entry["path"]).is_dir() for entry in entries)


def test_questions_that_the_options_give_away_are_named(phantom_build, release, tmp_path, capfd):
    whole = json.loads((release / "release.json").read_text("utf-8"))
    benchmark = json.loads((phantom_build / "manifest.json").read_text("utf-8"))["benchmark"]
    assert whole["odds"] == {name: benchmark[name] for name in ("chance", "prior_accuracy")}
    assert whole["guessable"] == {}
    assert "give away" not in front(release)[1]
    out = tmp_path / "out"
    shutil.copytree(phantom_build, out)
    record = build_record(out)
    for name, recipe in record["recipes"].items():
        recipe["license"] = "MIT" if name == "phantom-fundus" else "not stated"
    write_state(out / ".build" / "build.json", record)
    publish_build(out, tmp_path / "fundus", leave_out_unlicensed=True)
    # Every question about the modality is now answered by "Fundus photography".
    questions = pq.read_table(tmp_path / "fundus" / "benchmarks" / "held_out.parquet").to_pylist()
    told = [len(row["choices"]) for row in questions if row["asks"] == "modality"]
    assert told
    chance = round(sum(1 / options for options in told) / len(told), 4)
    released = json.loads((tmp_path / "fundus" / "release.json").read_text("utf-8"))
    assert released["guessable"] == {
        "modality": {"questions": len(told), "chance": chance, "prior_accuracy": 1.0},
    }
    assert released["odds"]["chance"] == round(sum(1 / len(row["choices"]) for row in questions) / len(questions), 4)
    text = front(tmp_path / "fundus")[1]
    assert f"give away (modality, {len(told)}): a blind guess gets {chance:.1%} right" in text
    assert "held-out questions about modality: 100.0% can be guessed" in capfd.readouterr().err
    # A source that has no questions leaves no benchmark behind.
    for name, recipe in record["recipes"].items():
        recipe["license"] = "MIT" if name == "phantom-text" else "not stated"
    write_state(out / ".build" / "build.json", record)
    publish_build(out, tmp_path / "text", leave_out_unlicensed=True)
    assert not (tmp_path / "text" / "benchmarks").exists()
    released = json.loads((tmp_path / "text" / "release.json").read_text("utf-8"))
    assert (released["questions"], released["odds"]) == (0, {"chance": 0.0, "prior_accuracy": 0.0})


def run_gmai(*words):
    command = [sys.executable, "-m", "gmai_cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_real_files_become_a_bilingual_release_with_one_command(real_data, tmp_path):
    sources = (f"bccd={real_data / 'bccd' / 'BCCD'}", f"totalsegmentator-ct={real_data / 'totalsegmentator'}")
    command = ("data", "build", *sources, "--limit", "6", "--out", tmp_path / "out", "--release", tmp_path / "release")
    done = run_gmai(*command)
    assert done.returncode == 0, done.stderr
    head, _ = front(tmp_path / "release")
    assert head["language"] == ["en", "zh"]
    assert head["license"] == ["apache-2.0", "mit"]
    assert run_gmai("data", "validate", tmp_path / "release").returncode == 0
    digest = sha256_file(tmp_path / "release" / "release.json")
    assert run_gmai(*command).returncode == 0  # the same command once more finds it all there
    assert sha256_file(tmp_path / "release" / "release.json") == digest


def test_a_release_that_would_be_refused_is_refused_before_the_build(phantoms, tmp_path):
    card = yaml.safe_load(run_gmai("data", "recipes", "show", "phantom-xray").stdout)
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card | {"license": "not stated"}))
    command = ("data", "build", tmp_path / "card.yaml", "--root", phantoms / "phantom-xray", "--out", tmp_path / "out")
    done = run_gmai(*command, "--release", tmp_path / "release")
    assert done.returncode == 2
    assert "phantom-xray: its licence is not stated" in done.stderr
    assert not (tmp_path / "out").exists()
