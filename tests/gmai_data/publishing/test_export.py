"""Exports as their readers see them: `webdataset`, `datasets`, and plain JSON by the published schema."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
import webdataset
from gmai_data.publishing import web_shards
from gmai_data.publishing.export import FORMATS, export
from gmai_data.publishing.ms_swift import grounded
from gmai_data.tables import SAMPLES, TableFiles
from gmai_formats.errors import UserError
from gmai_formats.files import sha256_file
from gmai_formats.rows.box_text import box_tag, box_text
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

WHOLE = sorted(set(FORMATS) - {"dpo", "grpo"})
"""Formats of all samples; the two others are a choice of them: test_preferences.py."""
HOSTILE = "../../a\\b\n<script>alert(1)</script> =cmd|' /C calc'!A1 \u202e\u0000 肝 \U0001f9e0 \"quoted\", ;--"


def picture(number=0, form="PNG"):
    buffer = io.BytesIO()
    Image.new("L", (40 + number, 30), number % 256).save(buffer, form)
    return buffer.getvalue()


def sample(number, *, images=None, text="What?", answer="That.", **changes):
    shown = [picture(number % 7)] if images is None else images
    marks = "<image>\n" * len(shown)
    return {
        "id": f"s#{number}", "parent_id": None,
        "images": [{"bytes": each, "path": f"{number}_{position}.png"} for position, each in enumerate(shown)],
        "messages": [{"role": "user", "content": marks + text}, {"role": "assistant", "content": answer}],
        "kind": "image_caption", "language": "en", "modality": "CT", "department": "Urology", "labels": ["a"],
        "boxes": [], "source": "s", "license": "MIT", "split": "train", "provenance": '{"writer": "template"}',
    } | changes  # fmt: skip


def build_of(folder, rows, name="caption"):
    with TableFiles(folder / "samples" / name, "train", SAMPLES) as files:
        files.add_rows(rows)
    return folder


def rows_of(build, name="*", split="train"):
    return [row for path in sorted(build.glob(f"samples/{name}/{split}-*")) for row in pq.read_table(path).to_pylist()]


def digest(rows):
    """Return a digest of what a sample says and shows, without the images' file names."""
    plain = sorted(
        json.dumps(row | {"images": [hashlib.sha256(image).hexdigest() for image in row["images"]]}, sort_keys=True)
        for row in rows
    )
    return hashlib.sha256("\n".join(plain).encode()).hexdigest()


def encoded(rows):
    return [row | {"images": [image["bytes"] for image in row["images"]]} for row in rows]


def read_llava(folder, split="train"):
    for path in sorted(folder.glob(f"GMAI-*-{split}.json")):
        facts = {row["id"]: row for row in pq.read_table(folder / "facts" / f"{path.stem}.parquet").to_pylist()}
        for entry in json.loads(path.read_text("utf-8")):
            named = entry.get("image", [])
            several = isinstance(named, list) and bool(named)
            sides = ["width_list", "height_list"] if several else ["width", "height"]
            assert list(entry) == (["image", "conversations", "id", *sides] if named else ["conversations", "id"])
            images = [(folder / "images" / name).read_bytes() for name in (named if several or not named else [named])]
            sizes = [Image.open(io.BytesIO(image)).size for image in images]
            stated = [entry[side] if several else [entry[side]] for side in sides if named]
            assert sizes == list(zip(*stated, strict=True))
            roles = {"human": "user", "gpt": "assistant", "system": "system"}
            messages = [{"role": roles[turn["from"]], "content": turn["value"]} for turn in entry["conversations"]]
            yield facts[entry["id"]] | {"images": images, "messages": messages}


def read_ms_swift(folder, cache, split="train"):
    facts = {
        row["id"]: row for path in folder.glob(f"facts/*-{split}.parquet") for row in pq.read_table(path).to_pylist()
    }
    for path in [*folder.glob(f"GMAI-*-{split}.jsonl"), *folder.glob(f"GMAI-*-{split}-grounding.jsonl")]:
        keys = ["id", "messages", "images", *(["objects"] if "grounding" in path.name else [])]
        for row in datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(cache)):
            assert list(row) == keys
            images = [(folder / name).read_bytes() for name in row["images"]]
            messages = row["messages"]
            if "objects" in row:
                messages = filled(messages, row["objects"], Image.open(io.BytesIO(images[0])).size)
            yield facts[row["id"]] | {"images": images, "messages": messages}


def filled(messages, objects, size_px):
    """Put the boxes back into the text, as ms-swift does for InternVL."""
    refs, boxes = iter(objects["ref"]), iter(objects["bbox"])
    done = []
    for message in messages:
        content = message["content"]
        while "<ref-object>" in content:
            content = content.replace("<ref-object>", f"<ref>{next(refs)}</ref>", 1)
        while "<bbox>" in content:
            run = max(n for n in range(1, 99) if "<bbox>" * n in content)
            while "<bbox>" * run not in content[: content.index("<bbox>") + 6 * run]:
                run -= 1
            text = box_tag([next(boxes) for _ in range(run)], *size_px)
            content = content.replace("<bbox>" * run, text, 1)
        done.append({**message, "content": content})
    assert next(refs, None) is None
    assert next(boxes, None) is None
    return done


def read_webdataset(folder, split="train"):
    shards = [str(path) for path in sorted(folder.glob(f"GMAI-*-{split}-*.tar"))]
    for item in webdataset.WebDataset(shards, shardshuffle=False, empty_check=False):
        facts = json.loads(item["json"])
        names = sorted(name for name in item if name.rpartition(".")[2] in ("png", "jpg"))
        yield facts | {"images": [item[name] for name in names]}


def read_trl(folder, split="train"):
    facts = {
        row["id"]: row for path in folder.glob(f"facts/*-{split}.parquet") for row in pq.read_table(path).to_pylist()
    }
    for path in sorted(folder.glob(f"GMAI-*-{split}.parquet")):
        for row in pq.read_table(path).to_pylist():
            messages = [
                {
                    "role": message["role"],
                    "content": "".join("<image>\n" if p["type"] == "image" else p["text"] for p in message["content"]),
                }
                for message in row["messages"]
            ]
            yield facts[row["id"]] | {"images": [image["bytes"] for image in row["images"]], "messages": messages}


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("form", WHOLE)
def test_each_export_gives_back_the_same_samples(phantom_build, tmp_path, form, split):
    assert export(phantom_build, tmp_path / "out", form) == 0
    read = {
        "llava": lambda: read_llava(tmp_path / "out", split),
        "ms-swift": lambda: read_ms_swift(tmp_path / "out", tmp_path / "cache", split),
        "trl": lambda: read_trl(tmp_path / "out", split),
        "webdataset": lambda: read_webdataset(tmp_path / "out", split),
    }[form]()
    rows = encoded(rows_of(phantom_build, split=split))
    assert rows
    assert digest(list(read)) == digest(rows)
    counts = json.loads((tmp_path / "out" / "export.json").read_text())
    assert sum(splits.get(split, 0) for splits in counts["samples"].values()) == len(rows)
    assert counts["left_out"] == {}


def test_the_mixing_lists_have_the_published_keys_and_the_shares_of_table_7(phantom_build, tmp_path):
    export(phantom_build, tmp_path / "out", "llava")
    lists = {n: json.loads((tmp_path / "out" / f"mixture_stage{n}.json").read_text()) for n in (1, 2, 3)}
    assert list(lists[1]) == list(lists[2]) == ["GMAI-MM-Caption", "GMAI-MM-Instruct", "GMAI-MM-Percept"]
    assert list(lists[3]) == [*lists[1], "GMAI-Text-Single", "GMAI-Text-Multi"]
    for entry in lists[3].values():
        assert list(entry) == ["image_dir", "annotations", "sample_ratio", "length", "data_augment"]
        entries = json.loads((tmp_path / "out" / entry["annotations"]).read_text("utf-8"))
        assert entry["length"] == len(entries)
        for one in entries:
            files = one.get("image", [])
            for file in [files] if isinstance(files, str) else files:
                assert (tmp_path / "out" / entry["image_dir"] / file).is_file()


def test_datasets_reads_web_shards_with_decoded_images(phantom_build, tmp_path):
    export(phantom_build, tmp_path / "out", "webdataset")
    rows = {row["id"]: row for row in rows_of(phantom_build)}
    for name in ("GMAI-MM-Percept", "GMAI-MM-Caption", "GMAI-Text-Multi"):
        loaded = datasets.load_dataset(str(tmp_path / "out"), name, split="train", cache_dir=str(tmp_path / "c"))
        assert loaded.num_rows
        for item in loaded:
            images = [image.size for name, image in item.items() if name.endswith("png") and image is not None]
            row = rows[item["json"]["id"]]
            assert item["json"] == {key: value for key, value in row.items() if key != "images"}
            assert images == [(112, 112)] * len(row["images"])


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_samples_give_the_same_bytes(phantom_build, tmp_path, form):
    for name in ("one", "two"):
        export(phantom_build, tmp_path / name, form)
    for path in sorted((tmp_path / "one").rglob("*")):
        if path.is_file():
            assert sha256_file(path) == sha256_file(tmp_path / "two" / path.relative_to(tmp_path / "one")), path


@pytest.mark.parametrize("form", WHOLE)
def test_hostile_words_name_no_file_and_come_back_unchanged(tmp_path, form):
    names = {"id": HOSTILE, "labels": [HOSTILE], "source": HOSTILE, "provenance": json.dumps({"writer": HOSTILE})}
    rows = [sample(1, text=HOSTILE, answer=HOSTILE, boxes=[{"label": HOSTILE, "xyxy": [1, 2, 3, 4]}], **names)]
    rows[0]["images"][0]["path"] = "../../../evil.png"
    build_of(tmp_path / "build", rows)
    assert export(tmp_path / "build", tmp_path / "a" / "b" / "out", form) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"build", "a"}
    for path in (tmp_path / "a").rglob("*"):
        assert all(ord(character) < 128 and character not in "\\\n<>" for character in path.name), path
    out = tmp_path / "a" / "b" / "out"
    read = {
        "llava": lambda: read_llava(out),
        "ms-swift": lambda: read_ms_swift(out, tmp_path / "cache"),
        "trl": lambda: read_trl(out),
        "webdataset": lambda: read_webdataset(out),
    }[form]()
    assert digest(list(read)) == digest(encoded(rows))


LABELS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<"), max_size=12)
SIDES = st.integers(1, 4000)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), width=SIDES, height=SIDES, labels=st.lists(LABELS, min_size=1, max_size=4))
def test_boxes_leave_the_text_and_come_back_exactly(data, width, height, labels):
    def box():
        x1, y1 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
        return (x1, y1, data.draw(st.integers(x1 + 1, width)), data.draw(st.integers(y1 + 1, height)))

    boxes = [(label, box()) for label in labels]
    parts = [box_text(label, [xyxy], width, height) for label, xyxy in boxes]
    messages = [
        {"role": "user", "content": "<image>\nWhere? " + " and ".join(parts)},
        {"role": "assistant", "content": f"Here: {parts[0].partition('</ref>')[2]}; {parts[-1]}."},
    ]
    columns = [{"label": label, "xyxy": list(xyxy)} for label, xyxy in boxes]
    given_back, objects = grounded(messages, columns, (width, height))
    assert objects["ref"] == [*labels, labels[-1]]
    tags = {box_tag([xyxy], width, height): list(xyxy) for _, xyxy in reversed(boxes)}
    exact = [tags[box_tag([xyxy], width, height)] for _, xyxy in boxes]
    assert objects["bbox"] == [*exact, exact[0], exact[-1]]
    assert filled(given_back, objects, (width, height)) == messages


def test_several_boxes_of_one_label_and_a_box_that_is_not_the_samples_own():
    messages = [{"role": "user", "content": "<ref>cyst</ref><box>[[0, 0, 100, 100], [250, 0, 1000, 500]]</box>"}]
    boxes = [{"label": "cyst", "xyxy": [0, 0, 40, 20]}]
    given_back, objects = grounded(messages, boxes, (400, 200))
    assert given_back[0]["content"] == "<ref-object><bbox><bbox>"
    assert objects == {"ref": ["cyst"], "bbox": [[0, 0, 40, 20], [100, 0, 400, 100]]}


def test_rows_that_a_format_cannot_hold_are_counted_and_named(tmp_path):
    rows = [
        sample(0),
        sample(1, images=[picture(1), picture(2)]),
        sample(2, text="What is <bbox>?"),
        sample(3, images=[b"no picture"]),
        sample(4, images=[picture(4, "JPEG")]),
        sample(5, images=[picture(5, "MPO")]),
        sample(6, images=[picture(6, "EPS")]),
    ]
    build_of(tmp_path / "build", rows)
    expected = {"llava": ["s#3", "s#6"], "ms-swift": ["s#2", "s#3", "s#6"], "webdataset": ["s#3", "s#6"]}
    for form, ids in expected.items():
        assert export(tmp_path / "build", tmp_path / form, form) == 3
        lines = [json.loads(line) for line in (tmp_path / form / "left_out.jsonl").read_text().splitlines()]
        assert [line["id"] for line in lines] == ids
        account = json.loads((tmp_path / form / "export.json").read_text())
        assert sum(account["left_out"].values()) == len(ids)
        assert account["samples"]["GMAI-MM-Caption"]["train"] == 7 - len(ids)
    read = {row["id"]: row for row in read_webdataset(tmp_path / "webdataset")}
    assert read["s#1"]["images"] == [picture(1), picture(2)]
    assert read["s#4"]["images"] == [picture(4, "JPEG")]


def test_shards_are_cut_by_size_and_a_sample_is_never_divided(tmp_path, monkeypatch):
    rows = [sample(number) for number in range(40)]
    build_of(tmp_path / "build", rows)
    monkeypatch.setattr(web_shards, "SHARD_BYTES", 20_000)
    export(tmp_path / "build", tmp_path / "out", "webdataset")
    assert len(list((tmp_path / "out").glob("*.tar"))) == 4
    assert [row["id"] for row in read_webdataset(tmp_path / "out")] == [row["id"] for row in rows]


def test_a_killed_export_leaves_nothing_and_the_next_one_is_whole(tmp_path):
    build_of(tmp_path / "build", [sample(number) for number in range(6000)])
    program = "import sys; from pathlib import Path; from gmai_data.publishing.export import export\n"
    program += "print('begin', flush=True); export(Path(sys.argv[1]), Path(sys.argv[2]), 'webdataset')"
    out = tmp_path / "out"
    command = [sys.executable, "-c", program, str(tmp_path / "build"), str(out)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    running.stdout.readline()
    partial = tmp_path / ".out.partial" / "GMAI-MM-Caption-train-000000.tar"
    while not (partial.is_file() and partial.stat().st_size > 100_000):
        assert running.poll() is None
        time.sleep(0.005)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not out.exists()
    assert export(tmp_path / "build", out, "webdataset") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"build", "out"}
    assert sum(1 for _ in read_webdataset(out)) == 6000


def test_mistakes_are_named(tmp_path, phantom_build):
    with pytest.raises(UserError, match=r'no such format\. Did you mean "llava"'):
        export(phantom_build, tmp_path / "out", "lava")
    with pytest.raises(UserError, match=r"no samples/\*/\*\.parquet"):
        export(tmp_path, tmp_path / "out", "llava")
    with pytest.raises(UserError, match="not empty"):
        export(phantom_build, Path(phantom_build), "llava")
