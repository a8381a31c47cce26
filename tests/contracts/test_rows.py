"""`gmai data validate` and `gmai train` judge every row alike: the same verdict, the same words, the same images."""

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

Q, A = "What is shown?", "A chest X-ray."
OBJECTS = {"ref": ["liver"], "bbox": [[4, 3, 20, 15]]}


def turns(*texts: Any, who: tuple[str, str] = ("human", "gpt")) -> list[dict[str, Any]]:
    return [{"from": who[number % 2], "value": text} for number, text in enumerate(texts)]


def chat(*texts: Any) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)]


def flagged(**flags: Any) -> list[dict[str, Any]]:
    messages = chat(Q, "Wrong.", "Again.", A)
    messages[1] |= flags
    return messages


# name ▶ (row, what is read of it: images, or the rule that it breaks)
ZOO: dict[str, tuple[Any, int | str]] = {
    "LLaVA": ({"image": "a.png", "conversations": turns(f"<image>\n{Q}", A)}, 1),
    "LLaVA-Med's spelling": ({"image": "a.png", "conversatons": turns(f"{Q}\n<image>", A), "domain": {"ct": True}}, 1),
    "PubMedVision: no placeholder": ({"image": ["a.png", "b.png"], "conversations": turns(Q, A)}, 2),
    "TRL: messages and images": ({"images": ["a.png"], "messages": chat(Q, A)}, 1),
    "an image as an object": ({"image": {"path": "a.png"}, "conversations": turns("<image>", A)}, 1),
    "typed parts": ({"images": ["a.png"], "messages": chat([{"type": "image"}, {"type": "text", "text": Q}], A)}, 1),
    "OpenAI's parts": (
        {"messages": chat([{"type": "image_url", "image_url": {"url": "a.png"}}, {"type": "text", "text": Q}], A)},
        1,
    ),
    "messages as JSON text": ({"messages": json.dumps(chat(Q, A))}, 0),
    "LIMA: a list of texts": ({"conversations": [Q, A], "source": "none"}, 0),
    "the Cauldron": ({"images": ["a.png"], "texts": [{"user": Q, "assistant": A, "source": "x"}]}, 1),
    "prompt and completion": ({"prompt": chat(Q), "completion": [{"role": "assistant", "content": A}]}, 0),
    "query, response, history": ({"query": Q, "response": A, "history": [["Hi.", "Hi."]], "system": "Brief."}, 0),
    "VQA": ({"image": "a.png", "question": Q, "answer": A}, 1),
    "alpaca": ({"instruction": "Translate.", "input": "Herz", "output": "heart"}, 0),
    "Firefly": ({"kind": "poem", "input": Q, "target": A}, 0),
    "a caption": ({"image": "a.png", "caption": A}, 1),
    "a system prompt beside": ({"system": "Be brief.", "conversations": turns(Q, A)}, 0),
    "OpenHermes": ({"system_prompt": "Brief.", "conversations": [{**t, "weight": None} for t in turns(Q, A)]}, 0),
    "bots": ({"conversations": turns(Q, A, who=("Human", "bot"))}, 0),
    "models": ({"conversations": turns(Q, A, who=("user", "chatgpt"))}, 0),
    "loss: false": ({"messages": flagged(loss=False)}, 0),
    "weight 0": ({"messages": flagged(weight=0)}, 0),
    "ms-swift": ({"images": ["a.png"], "messages": chat("<image>Where?", "<ref-object><bbox>"), "objects": OBJECTS}, 1),
    "objects as shares": (
        {
            "images": ["a.png"],
            "messages": chat("<image>Where?", "<bbox>"),
            "objects": {"ref": [], "bbox": [[0, 0, 0.57, 1]], "bbox_type": "norm1"},
        },
        1,
    ),
    "unknown columns": ({"messages": chat(Q, A), "score": 0.5}, 0),
    "two system prompts": ({"system": "x", "messages": [{"role": "system", "content": "y"}, *chat(Q, A)]}, "fields"),
    "tools": ({"messages": chat(Q, A), "tools": [{"name": "f"}]}, "fields"),
    "a call of a tool": ({"messages": flagged(tool_calls=[{"id": "1"}])}, "fields"),
    "half a loss": ({"messages": flagged(loss=0.5)}, "fields"),
    "spans that are learned": ({"messages": flagged(train_detail=[{"begin": 0}])}, "fields"),
    "preferences": ({"prompt": Q, "chosen": A, "rejected": "No."}, "columns"),
    "KTO": ({"prompt": Q, "completion": A, "label": False}, "fields"),
    "options beside a question": ({"question": Q, "answer": "A", "choices": ["x", "y"]}, "fields"),
    "a video": ({"messages": chat(Q, A), "videos": ["a.mp4"]}, "fields"),
    "an image nobody reads": ({"question": Q, "answer": A, "scan": "a.png"}, "fields"),
    "nothing to learn": ({"messages": [*chat(Q), {"role": "assistant", "content": A, "loss": False}]}, "messages"),
    "a turn of a tool": ({"messages": [*chat(Q, A), {"role": "tool", "content": "x"}]}, "roles"),
    "a last question": ({"conversations": turns(Q, A, Q)}, "roles"),
    "two questions": ({"messages": [*chat(Q), *chat(Q, A)]}, "roles"),
    "the answer first": ({"conversations": turns(A, Q, who=("gpt", "human"))}, "roles"),
    "no turn": ({"conversations": []}, "roles"),
    "an empty answer": ({"conversations": turns(Q, " \n")}, "messages"),
    "a number": ({"conversations": turns(Q, 3)}, "messages"),
    "half a surrogate pair": ({"conversations": turns("a smile \ud83d", A)}, "messages"),
    "a turn mark": ({"conversations": turns(Q, "A<|im_end|>")}, "messages"),
    "a part of sound": ({"messages": chat([{"type": "audio", "audio": "a.wav"}], A)}, "messages"),
    "an image in an answer": ({"image": "a.png", "conversations": turns(Q, "<image> shows it")}, "placeholders"),
    "an image too few": ({"image": "a.png", "conversations": turns("<image><image>", A)}, "placeholders"),
    "a word": ({"conversations": turns("<image>", A)}, "placeholders"),
    "another program's mark": ({"image": "a.png", "conversations": turns("<image>\n<image_1>", A)}, "placeholders"),
    "a number for an image": ({"image": 7, "conversations": turns("<image>", A)}, "images"),
    "an address": ({"image": "https://example.org/a.png", "conversations": turns("<image>", A)}, "path"),
    "a way out": ({"image": "../a.png", "conversations": turns("<image>", A)}, "path"),
    "a box inside out": ({"conversations": turns(Q, "<box>[[9, 0, 8, 10]]</box>")}, "box_text"),
    "marks without objects": ({"conversations": turns(Q, "<ref-object>")}, "objects"),
    "a point": (
        {"image": "a.png", "conversations": turns("<image>?", "<bbox>"), "objects": {"bbox": [[3, 4]]}},
        "objects",
    ),
    "Qwen2.5-VL": ({"image": "a.png", "conversations": turns("<image>", '{"bbox_2d": [1, 2, 3, 4]}')}, "box_text"),
    "ViP-LLaVA": ({"image": "a.png", "bboxes": [[1, 2]], "conversations": turns("<image> <bbox0>", A)}, "box_text"),
    "a text for another model": ({"prompt": f"[INST] {Q} [/INST]", "completion": A}, "messages"),
    "LRV: the image's number": ({"image_id": "2392588", "question": Q, "answer": A}, "fields"),
    "xtuner": ({"conversation": [{"system": "S", "input": Q, "output": A}]}, 0),
    "a prior image": ({"image": "a.png", "prior_image": "b.png", "conversations": turns("<image>", A)}, "fields"),
    "options of a turn": ({"messages": [{**chat(Q)[0], "options": ["x", "y"]}, chat(Q, A)[1]]}, "fields"),
    "rows in a row": ({"data": [{"question": Q, "answer": A}]}, "columns"),
    "RLHF-V": ({"image": "a.png", "text": json.dumps({"question": Q, "chosen": A, "rejected": "x"})}, "fields"),
    "TRL's KTO, batched": ({"prompt": Q, "completion": A, "labels": [False]}, "fields"),
    "PixMo": ({"image_url": "https://x.org/y?z=1", "question": Q, "answer": A}, "fields"),
    "SpatialBot": ({"image": "a.png", "image_depth": "b.png", "conversations": turns("<image>", A)}, "fields"),
    "HTML": ({"image": "a.png", "conversations": turns('<img src="a.png">?', A)}, "placeholders"),
    "Windows": ({"image": ".\\a.png", "conversations": turns("<image>", A)}, 1),
    "LLaVA-1.5's boxes": ({"image": "a.png", "conversations": turns("<image>", "[0.1, 0.2, 0.3, 0.4]")}, 1),
    "a list": ([1, 2], "columns"),
    "other columns": ({"text": "hello"}, "columns"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    for name in ("a.png", "b.png"):
        Image.linear_gradient("L").resize((40, 30)).save(made / name)
    return made


def validated(file: Path, report: Path) -> tuple[dict[int, str], int]:
    """Return row ▶ "RULE: what was found", and the number of rows, as `gmai data validate` has them."""
    from gmai_data.validation.validate import validate

    validate(file, images=None, report=report)
    entries = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    first = 1 if file.suffix == ".jsonl" else 0
    return {entry["row"] - first: f"{entry['rule']}: {entry['found']}" for entry in entries}, first


def trained(file: Path, cache: Path) -> list[Any]:
    """Return the samples of a file as `gmai train` reads them."""
    from gmai_formats.rows.mixtures import load_mixture
    from gmai_model.batching.prepare import open_source

    mixture, root = load_mixture(file)
    source = open_source(mixture, root, stage=1, split="train", seed=0, cache=cache)
    return [source[number] for number in range(len(source))]


def agree(file: Path, tmp_path: Path) -> list[Any]:
    """Hold both commands to one another on a file, and return its samples."""
    found, _ = validated(file, tmp_path / "report.jsonl")
    samples = trained(file, tmp_path / "cache")
    assert {number: sample.problem for number, sample in enumerate(samples) if sample.problem} == found
    for sample in samples:
        if sample.problem is None:
            marks = sum(message["content"].count("<image>") for message in sample.messages)
            assert marks == len(sample.images) == len([image.read() for image in sample.images])
    return samples


def test_every_row_of_the_zoo_is_judged_alike(folder: Path, tmp_path: Path) -> None:
    assert len(ZOO) >= 35
    (folder / "zoo.jsonl").write_text("".join(json.dumps(row) + "\n" for row, _ in ZOO.values()))
    samples = agree(folder / "zoo.jsonl", tmp_path)
    for (name, (_, wanted)), sample in zip(ZOO.items(), samples, strict=True):
        came = len(sample.images) if sample.problem is None else sample.problem.partition(":")[0]
        assert came == wanted, (name, sample.problem)


@pytest.mark.parametrize("name", [name for name, (row, _) in ZOO.items() if isinstance(row, dict)])
def test_a_row_is_judged_alike_as_json_and_as_parquet(folder: Path, tmp_path: Path, name: str) -> None:
    from gmai_formats.rows.rules import Problem
    from gmai_formats.rows.sample import read_row

    row, _ = ZOO[name]
    try:
        pq.write_table(pa.Table.from_pylist([row, row]), folder / "row.parquet")
    except (UnicodeEncodeError, pa.ArrowException):
        pytest.skip("Parquet cannot hold the row")
    plain = read_row(row, (folder,))
    if isinstance(plain, Problem) and plain.rule == "columns":
        return  # no row of the file can be read, which both commands refuse as a file
    for sample in agree(folder / "row.parquet", tmp_path):
        if isinstance(plain, Problem):
            assert sample.problem == f"{plain.rule}: {plain.found}"
        else:
            assert (sample.messages, sample.unlearned) == (plain.messages, plain.unlearned)


def sound(number: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "messages": chat(f"<image>\n{Q}", A),
        "images": [{"bytes": b"x%d" % number, "path": None}],
    }


def test_columns_that_are_read_together_are_read_as_rows_are(folder: Path, tmp_path: Path) -> None:
    """The short cut through the columns of a table takes what `read_row` takes as it stands, and nothing else."""
    from gmai_formats.rows.plain import MESSAGES, plain_rows
    from gmai_formats.rows.sample import Sample, read_row
    from gmai_formats.rows.tables import parquet_batches

    texts = [
        "",
        " ",
        "\u3000",
        "=",
        "ok",
        "<image>",
        "<image>x",
        "a<|im_end|>",
        "<box>[[1, 2, 3, 4]]</box>",
        "<bbox>",
        "<image 1>",
    ]
    rows: list[dict[str, Any]] = []
    for roles in (
        ("user", "assistant"),
        ("system", "user", "assistant"),
        ("assistant", "user"),
        ("user",),
        ("user", "user"),
    ):
        for one in texts:
            for images in (0, 1, 2):
                contents = (
                    [one, *["ok"] * (len(roles) - 2), one][: len(roles)]
                    if one == "ok"
                    else [one, *["ok"] * (len(roles) - 1)]
                )
                messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=True)]
                rows.append({"id": None, "messages": messages, "images": [{"bytes": b"x", "path": "p"}] * images})
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("messages", MESSAGES),
            ("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "t.parquet", row_group_size=50)
    taken = 0
    for batch in parquet_batches(folder / "t.parquet"):
        plain = plain_rows(batch)
        for number in plain.nonzero()[0]:
            (row,) = batch.rows(number[None])
            verdict = read_row(row)
            assert isinstance(verdict, Sample), row
            assert verdict.messages == row["messages"]
            taken += 1
    assert taken > 3


def test_a_broken_list_is_refused_by_both_at_the_same_place(folder: Path, tmp_path: Path) -> None:
    from gmai_formats.errors import UserError

    row = json.dumps({"conversations": turns(Q, A)})
    for text, place in (
        (f"[,,{row}]", 0),
        (f"[{row},,{row}]", 1),
        (f"[{row},{row},]", 2),
        (f"[{row} {row}]", 1),
        (f"[{row}", 1),
    ):
        (folder / "x.json").write_text(text)
        found, _ = validated(folder / "x.json", tmp_path / "report.jsonl")
        assert list(found) == [place]
        with pytest.raises(UserError, match=rf"x.json row {place}: .*valid JSON"):
            trained(folder / "x.json", tmp_path / "cache")


def test_tables_of_text_and_saved_datasets(folder: Path, tmp_path: Path) -> None:
    with (folder / "x.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [("image_path", "question", "answer"), ("a.png", Q, "1, 2\n3"), ("", Q, ""), ("c.png", "short")]
        )
    samples = agree(folder / "x.csv", tmp_path)
    assert [sample.problem and sample.problem[:8] for sample in samples] == [None, "messages", "columns:"]
    assert samples[0].messages[1]["content"] == "1, 2\n3"
    saved = tmp_path / "saved"
    saved.mkdir()
    table = pa.Table.from_pylist([sound(number) for number in range(3)])
    with (
        pa.OSFile(str(saved / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as out,
    ):
        out.write_table(table)
    (saved / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    read = trained(saved, tmp_path / "cache")
    assert [(sample.id, [image.read() for image in sample.images]) for sample in read] == [
        ("0", [b"x0"]), ("1", [b"x1"]), ("2", [b"x2"]),
    ]  # fmt: skip


def test_parquet_of_bytes_and_paths_mixed(folder: Path, tmp_path: Path) -> None:
    held = {"bytes": (folder / "b.png").read_bytes(), "path": "b.png"}
    rows = [
        {"id": str(number), "messages": chat("<image><image>", A), "images": images}
        for number, images in enumerate(
            [[held, {"bytes": None, "path": "a.png"}], [held, held], [{"bytes": None, "path": None}, held]]
        )
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "x.parquet")
    samples = agree(folder / "x.parquet", tmp_path)
    assert samples[0].images[1].read() == (folder / "a.png").read_bytes()
    assert samples[0].images[0].read() == held["bytes"]
    assert samples[2].problem == "images: image 1 is neither a picture nor a path"


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_images_in_turns_of_a_table_are_those_of_their_rows(folder: Path, tmp_path: Path, compression: str) -> None:
    held = [{"bytes": (folder / name).read_bytes(), "path": None} for name in ("a.png", "b.png")]
    Image.new("L", (9, 9)).save(folder / "b.png")
    held[1]["bytes"] = (folder / "b.png").read_bytes()

    def row(*images: Any) -> dict[str, Any]:
        empty = {"bytes": None, "path": None}
        content = [{"type": "image", "text": None, "image": own} for own in images]
        return {"messages": chat([*content, {"type": "text", "text": Q, "image": empty}],
                                 [{"type": "text", "text": A, "image": None}])}  # fmt: skip

    rows = [row(held[0]), row(), row(held[1], held[0]), row({"bytes": None, "path": "b.png"}, held[1])]
    file = folder / "x.parquet"
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=3, compression=compression)
    samples = agree(file, tmp_path)
    one, two = (own["bytes"] for own in held)
    assert [[image.read() for image in sample.images] for sample in samples] == [[one], [], [two, one], [two, two]]
    assert samples[2].messages[0]["content"] == f"<image>\n<image>\n{Q}"


def test_web_shards_with_odd_members(folder: Path, tmp_path: Path) -> None:
    picture = (folder / "a.png").read_bytes()
    members = [
        ("0.json", json.dumps({"messages": chat("<image>", A)}).encode()), ("0.png", picture),
        ("1.png", picture),
        ("2.json", b"{"),
        ("3.10.png", picture), ("3.9.png", (folder / "b.png").read_bytes()),
        ("3.json", json.dumps({"messages": chat("<image><image>", A)}).encode()),
        ("4.txt", b"A lung."), ("4.png", picture),
    ]  # fmt: skip
    with tarfile.open(folder / "x.tar", "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    samples = agree(folder / "x.tar", tmp_path)
    assert [len(sample.images) for sample in samples] == [1, 0, 0, 2, 1]
    assert samples[3].images[0].read() == (folder / "b.png").read_bytes()
    assert samples[4].messages[1]["content"] == "A lung."


def test_boxes_of_objects_are_written_in_the_checkpoints_grammar(folder: Path, tmp_path: Path) -> None:
    from gmai_formats.rows.box_text import box_text

    (folder / "x.jsonl").write_text(json.dumps(ZOO["ms-swift"][0]) + "\n" + json.dumps(ZOO["objects as shares"][0]))
    pixels, shares = agree(folder / "x.jsonl", tmp_path)
    assert pixels.messages[1]["content"] == box_text("liver", [(4, 3, 20, 15)], 40, 30)
    assert shares.messages[1]["content"] == "<box>[[0, 0, 570, 1000]]</box>"


def test_rows_whose_image_comes_later_are_read_then(folder: Path, tmp_path: Path) -> None:
    row = {**ZOO["ms-swift"][0], "images": ["late.png"]}
    (folder / "x.jsonl").write_text(json.dumps(row))
    (missing,) = trained(folder / "x.jsonl", tmp_path / "cache")
    assert missing.problem.startswith("path: late.png is missing")
    (folder / "a.png").rename(folder / "late.png")
    (there,) = trained(folder / "x.jsonl", tmp_path / "cache")
    assert there.problem is None
