"""Samples, lengths and plan: made once, found again, bound to the data; other people's files as they are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gmai_formats.errors import UserError
from gmai_model.batching import index, lengths
from gmai_model.batching.tokens import Encoder
from gmai_model.training.config import resolve
from gmai_model.training.inputs import Inputs
from PIL import Image

SMALL = ["pack_tokens=512", "global_batch_size=4", "micro_batch_size=1", "epochs=2"]


@pytest.fixture
def open_inputs(checkpoint: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GMAI_CACHE", str(tmp_path / "cache"))

    def open_them(*, data: Path = samples, out: str = "run", settings: tuple[str, ...] = (), stage: int = 1) -> Inputs:
        config = resolve(stage, None, [*SMALL, *settings])
        return Inputs(config.samples, model=checkpoint, data=data, out=tmp_path / out, is_main=True)

    return open_them


def count_encodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    measure = Encoder.measure

    def counted(self: Encoder, samples: Any) -> Any:
        seen.extend(sample.id for sample in samples)
        return measure(self, samples)

    monkeypatch.setattr(Encoder, "measure", counted)
    return seen


def test_resumed_run_measures_nothing_and_has_the_same_plan(open_inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_inputs()
    seen = count_encodings(monkeypatch)
    again = open_inputs()
    assert seen == []
    assert [pack.tolist() for pack in again.plan.packs] == [pack.tolist() for pack in first.plan.packs]
    assert again.record() == first.record()
    assert again.lengths.supervised.tolist() == first.lengths.supervised.tolist()


def test_a_run_in_progress_keeps_its_plan_when_an_upgrade_reads_rows_in_another_way(
    open_inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_inputs()
    monkeypatch.setattr(index, "VERSION", index.VERSION + 1)
    again = open_inputs()
    assert [pack.tolist() for pack in again.plan.packs] == [pack.tolist() for pack in first.plan.packs]
    assert again.lengths.supervised.tolist() == first.lengths.supervised.tolist()


def test_stages_share_lengths_through_the_cache(open_inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_inputs(out="one")
    seen = count_encodings(monkeypatch)
    second = open_inputs(out="two", stage=2, settings=("seed=1",))
    assert seen == []
    assert sorted(second.lengths.tokens.tolist()) == sorted(first.lengths.tokens.tolist())
    open_inputs(out="three", settings=("pack_tokens=90",))
    assert len(seen) == 60


def test_a_share_measures_only_what_it_takes(open_inputs, samples: Path, tmp_path: Path, monkeypatch) -> None:
    seen = count_encodings(monkeypatch)
    mix = tmp_path / "mix.yaml"
    mix.write_text(f"datasets: [{{name: shapes, path: {samples}, ratio: {{1: 0.5}}}}]\n")
    inputs = open_inputs(data=mix)
    assert len(inputs.source) == inputs.record()["train"]["datasets"][0]["used"] < 40
    assert len(seen) == len(inputs.source) + 12  # all of the validation samples


def test_repeats_are_measured_once_and_trained_on_twice(
    open_inputs, samples: Path, tmp_path: Path, monkeypatch
) -> None:
    seen = count_encodings(monkeypatch)
    mix = tmp_path / "mix.yaml"
    mix.write_text(f"datasets: [{{name: shapes, path: {samples}, ratio: {{1: 2}}}}]\n")
    inputs = open_inputs(data=mix)
    assert len(inputs.source) == 96
    assert len(seen) == 48 + 12
    ids = [inputs.source[int(number)].id for pack in inputs.plan.packs for number in pack]
    assert len(ids) == 2 * 96  # two epochs
    assert set(np.unique(ids, return_counts=True)[1]) == {4}


def test_processes_measure_what_one_does(open_inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = open_inputs(out="alone")
    monkeypatch.setenv("GMAI_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr(lengths, "_IN_PROCESS_ROWS", 0)
    monkeypatch.setattr(lengths, "CHUNK_ROWS", 7)
    together = open_inputs(out="together")
    assert together.lengths.tokens.tolist() == alone.lengths.tokens.tolist()
    assert together.record() == alone.record()


def test_changed_data_ends_a_resumed_run_by_name(open_inputs, samples: Path, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    row = {"id": "a", "conversations": [{"from": "human", "value": "Hello."}, {"from": "gpt", "value": "Hello."}]}
    data.write_text(json.dumps(row))
    open_inputs(data=data)
    data.write_text(json.dumps({**row, "id": "b"}))
    with pytest.raises(UserError, match=r"plan/train: the samples of rows changed since this run was planned"):
        open_inputs(data=data)


def picture_rows(tmp_path: Path, count: int = 6) -> Path:
    for number in range(count):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(tmp_path / f"{number}.png")
    said = [{"from": "human", "value": "<image>?"}, {"from": "gpt", "value": "Hello."}]
    rows = [{"id": str(number), "image": f"{number}.png", "conversations": said} for number in range(count)]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return tmp_path / "rows.jsonl"


def test_other_images_under_the_same_names_end_a_resumed_run(open_inputs, tmp_path: Path) -> None:
    data = picture_rows(tmp_path)
    (tmp_path / "5.png").unlink()
    open_inputs(data=data)
    Image.new("RGB", (40, 40)).save(tmp_path / "5.png")  # what was missing may come
    (tmp_path / "4.png").unlink()  # and what is missing is counted where it is needed
    open_inputs(data=data)
    (tmp_path / "2.png").write_bytes((tmp_path / "3.png").read_bytes())
    with pytest.raises(UserError, match=r"plan/train: 1 of 6 image files .* others .* planned, 2\.png first\. A run"):
        open_inputs(data=data)


def test_the_digest_is_of_what_is_trained_on(open_inputs, tmp_path: Path) -> None:
    data = picture_rows(tmp_path)
    digests = {open_inputs(data=data).digest, open_inputs(data=data, out="again").digest}
    assert len(digests) == 1
    assert open_inputs(data=data, out="seed", settings=("seed=1",)).digest not in digests
    data.write_text(data.read_text().replace("Hello.", "Hallo.", 1))
    assert open_inputs(data=data, out="row").digest not in digests


def test_datasets_that_nothing_is_trained_on_are_named(
    open_inputs, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none.jsonl").touch()
    (tmp_path / "bad.jsonl").write_text('{"messages": [{"role": "user", "content": "x"}]}\n' * 3)
    (tmp_path / "good.jsonl").write_text('{"question": "x", "answer": "y"}\n' * 3)
    names = {"none": 1, "bad": 1, "good": 1e-9}
    lines = "".join(f"- {{name: {name}, path: {name}.jsonl, ratio: {{1: {share}}}}}\n" for name, share in names.items())
    (tmp_path / "mix.yaml").write_text(f"datasets:\n- {{name: shapes, path: {samples}}}\n{lines}")
    open_inputs(data=tmp_path / "mix.yaml").announce()
    said = capsys.readouterr().err
    assert "none: nothing of it is trained on: its files have no rows" in said
    assert "good: nothing of it is trained on: ratio 1e-09 of 3 is none" in said
    assert "bad: nothing of it is trained on: all 3 samples were left out" in said
    assert "shapes: nothing" not in said


@pytest.mark.parametrize("bad", [1, 4])
def test_validation_samples_that_are_left_out_are_counted(
    open_inputs, tmp_path: Path, bad: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows").mkdir()
    good = {"question": "x", "answer": "y"}
    for split, rows in (("train", [good] * 4), ("validation", [{**good, "answer": ""}] * bad + [good] * (4 - bad))):
        (tmp_path / "rows" / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    open_inputs(data=tmp_path / "rows").announce()
    said = capsys.readouterr().err
    assert f"validation: left out {bad} of 4 samples: messages: Each message has a speaker" in said
    assert ("no validation loss: none of the 4 validation samples can be used" in said) == (bad == 4)


def test_what_cannot_be_used_is_counted_and_listed(
    open_inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [{"from": "human", "value": "Hello."}, {"from": "gpt", "value": "Hello."}]
    rows = [
        {"id": "good", "conversations": good},
        {"id": "roles", "conversations": [{"from": "robot", "value": "x"}]},
        {"id": "silent", "conversations": good[:1]},
        {"id": "image", "image": ["a.png"] * 2, "conversations": [{**good[0], "value": "<image>?"}, good[1]]},
        {"id": "long", "conversations": [{"from": "human", "value": "word " * 600}, good[1]]},
        {"id": "cut", "conversations": [*good, {"from": "human", "value": "word " * 600}, good[1]]},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    inputs = open_inputs(data=tmp_path / "rows.jsonl")
    listed = tmp_path / "run" / "plan" / "train" / "left_out.jsonl"
    lines = [json.loads(line) for line in listed.read_text().splitlines()]
    assert [(line["row"], line["id"]) for line in lines] == [(1, "roles"), (2, "silent"), (3, "image"), (4, "long")]
    assert lines[0]["reason"] == "roles: message 1 is from 'robot'"
    assert {line["file"] for line in lines} == {str(tmp_path / "rows.jsonl")}
    assert inputs.lengths.cut == 1
    assert sum(inputs.record()["train"]["left_out"].values()) == 4
    inputs.announce()
    printed = capsys.readouterr().err
    assert "left out 2 samples: roles: Roles are an optional system, then user and assistant in turn" in printed
    assert "1 samples lost turns at their end to fit 512 tokens" in printed
    assert f"rows.jsonl row 1 (roles: message 1 is from 'robot'); all are in {listed}" in printed


def test_nothing_usable_is_an_error(open_inputs, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "conversations": [{"from": "human", "value": "x"}]}')
    with pytest.raises(UserError, match=r"none of the 1 samples can be used: roles: Roles are .* \(1\)"):
        open_inputs(data=tmp_path / "rows.jsonl")


EXAMPLE = [
    {
        "image": "example.tif",
        "conversations": [
            {"from": "human", "value": "<image>\nPlease describe this medical image."},
            {"from": "gpt", "value": "A section of tissue with glands in regular order.\n\nNo change is seen."},
        ],
        "id": "2d#cls#histopathology#crc100k#images#NORM#example.tif",
        "width": 224,
        "height": 224,
    }
]


@pytest.mark.e2e
def test_published_example_files_train_as_they_are(checkpoint: Path, tmp_path: Path, train) -> None:
    """The authors' layout: a list with a last comma, paths from the current folder, a TIFF beside its annotations."""
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "example_data.json").write_text(json.dumps(EXAMPLE, indent=4))
    (tmp_path / "examples" / "example_list.json").write_text(
        '{\n    "FILE1": {\n        "image_dir": "",\n        "annotations": "examples/example_data.json",\n'
        '        "sample_ratio": 1.0,\n        "length": 38276,\n        "data_augment": true\n    },\n}\n'
    )
    Image.new("RGB", (224, 224), (200, 120, 160)).save(tmp_path / "examples" / "example.tif")
    train = train.on(Path("examples/example_list.json"))
    words = train.words(1, checkpoint, tmp_path / "run", global_batch_size=1, loader_workers=0)
    result = train.run(words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "FILE1: the mixture says 38276 samples, 1 are there" in result.stderr
    assert "FILE1: the mixture asks for augmentation, which is not done" in result.stderr
    assert (tmp_path / "run" / "model" / "config.json").is_file()
    share = json.loads((tmp_path / "run" / "mixture.json").read_text())["train"]["datasets"][0]
    assert (share["name"], share["used"], share["images"], share["token_share"]) == ("FILE1", 1, 1, 1.0)


@pytest.mark.parametrize("name", ["order", "starts", "dataset", "row", "tokens", "supervised", "plan.json"])
@pytest.mark.parametrize("damage", ["zeros", "half", "bit"])
def test_a_damaged_plan_is_said_and_made_again_as_it_was(
    open_inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    """Zeros behind the header of the order would train the first sample again and again."""
    first = open_inputs()
    packs = [pack.tolist() for pack in first.plan.packs]
    supervised = first.lengths.supervised.tolist()
    file = tmp_path / "run" / "plan" / "train" / (name if "." in name else f"{name}.npy")
    content = bytearray(file.read_bytes())
    if damage == "zeros":
        content[128:] = bytes(len(content) - 128)
    elif damage == "half":
        content = content[: len(content) // 2]
    else:
        content[-3] ^= 0x10
    if content == file.read_bytes():
        pytest.skip("the array holds nothing but zeros")
    file.write_bytes(content)
    again = open_inputs()
    assert [pack.tolist() for pack in again.plan.packs] == packs
    assert again.lengths.supervised.tolist() == supervised
    assert f"{tmp_path / 'run' / 'plan' / 'train'}: " in (said := capsys.readouterr().err)
    assert "the plan is made again, which gives the same one" in said


def test_the_list_of_what_was_left_out_is_part_of_the_plan(
    open_inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_inputs()
    listed = tmp_path / "run" / "plan" / "train" / "left_out.jsonl"
    content = listed.read_bytes()
    for damage in (lambda: listed.write_bytes(content + b"{"), listed.unlink):
        damage()
        open_inputs()
        assert listed.read_bytes() == content
        assert "left_out.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", bytes(500)])
def test_damaged_lengths_are_measured_again(
    open_inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    first = open_inputs(out="one")
    files = list((tmp_path / "cache" / "lengths").rglob("*.npy"))
    for file in files:
        file.write_bytes(content)
    seen = count_encodings(monkeypatch)
    again = open_inputs(out="two")
    assert len(seen) == 60
    assert again.lengths.tokens.tolist() == first.lengths.tokens.tolist()
