"""Files as other programs write them, scored end to end against numbers that are known by construction."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_bench.answers.imported import read_answers
from gmai_bench.answers.records import Keys
from gmai_bench.benchmarks.registry import open_benchmark
from gmai_bench.run import Settings, score_file
from gmai_formats.errors import UserError
from PIL import Image

PARTIAL = Settings(allow_partial=True)
VQA = (("Is it CT?", "yes"), ("Is there air?", "no"), ("Is there air?", "yes"), ("Which organ is shown?", "Liver"))


def png(shade: int = 9) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (shade, 90, 30)).save(buffer, format="PNG")
    return buffer.getvalue()


def score(path: Path, root: Path, *names: str, **more: Any) -> dict[str, tuple[int, int]]:
    benchmarks = [open_benchmark(name, root) for name in names]
    scored = score_file(path, benchmarks, None, PARTIAL, model="m", data_root=root, **more)
    return {one.result.protocol: (one.result.correct, one.result.n) for one in scored}


def write(path: Path, value: Any) -> Path:
    lines = "".join(json.dumps(one) + "\n" for one in value) if path.suffix == ".jsonl" else json.dumps(value)
    path.write_text(lines, encoding="utf-8")
    return path


@pytest.fixture
def vqa_rad(tmp_path: Path) -> Path:
    rows = [{"image": {"bytes": png(n), "path": None}, "question": q, "answer": a} for n, (q, a) in enumerate(VQA)]
    (tmp_path / "root/vqa-rad/data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "root/vqa-rad/data/test-00000-of-00001.parquet")
    return tmp_path / "root"


@pytest.fixture
def slake(tmp_path: Path) -> Path:
    (tmp_path / "root/slake/imgs/x").mkdir(parents=True)
    (tmp_path / "root/slake/imgs/x/source.jpg").write_bytes(png())
    records = [
        {"img_name": "x/source.jpg", "question": q, "answer": a, "q_lang": lang, "answer_type": kind, "qid": 900 + n,
         "content_type": "Organ", "modality": "CT"}
        for n, (q, a, lang, kind) in enumerate(
            [
                ("Is it CT?", "Yes", "en", "CLOSED"),
                ("是CT吗？", "是的", "zh", "CLOSED"),
                ("Which?", "Liver", "en", "OPEN"),
            ]
        )
    ]  # fmt: skip
    write(tmp_path / "root/slake/test.json", records)
    return tmp_path / "root"


def test_medevalkit_without_ids(vqa_rad: Path, tmp_path: Path) -> None:
    """`results.json` of VQA_RAD: the row of the data set, `response`, and what its own rules say."""
    said = ("Yes", "no", "No.", "liver")
    results = [
        {"question": q, "answer": a, "response": r, "correct": True} for (q, a), r in zip(VQA, said, strict=True)
    ]
    path = write(tmp_path / "results.json", results)
    both = score(path, vqa_rad, "vqa-rad/medevalkit", "vqa-rad/yes-no-251")
    assert both == {"vqa-rad/medevalkit": (3, 4), "vqa-rad/yes-no-251": (2, 3)}
    assert score(path, vqa_rad, "vqa-rad/yes-no-251") == {"vqa-rad/yes-no-251": (2, 3)}
    chunks = write(tmp_path / "results_of_chunks.json", [results[i] for i in (0, 2, 1, 3)])
    assert score(chunks, vqa_rad, "vqa-rad/medevalkit") == {"vqa-rad/medevalkit": (3, 4)}  # the golds tell them apart


def test_medevalkit_of_both_languages_of_slake(slake: Path, tmp_path: Path) -> None:
    kept = [
        ("Is it CT?", "Yes", "en", "CLOSED"),
        ("是CT吗？", "是的", "zh", "CLOSED"),
        ("Which?", "Liver", "en", "OPEN"),
    ]
    results = [
        {"lang": lang, "answer_type": kind, "answer": a, "question": q, "prompt": f"{q}\nAnswer.", "response": a}
        for q, a, lang, kind in kept
    ]
    path = write(tmp_path / "results.json", results)
    assert score(path, slake, "slake/medevalkit", "slake/exact-1061", "slake/zh-exact-1033") == {
        "slake/medevalkit": (3, 3), "slake/exact-1061": (2, 2), "slake/zh-exact-1033": (1, 1),
    }  # fmt: skip


def test_lmms_eval_by_the_id_in_its_metrics(slake: Path, tmp_path: Path) -> None:
    """`doc_id` counts the English questions only; the id stands in the record of each metric."""
    lines = [
        {"doc_id": n, "target": a, "filtered_resps": r, "doc_hash": "x", "input": f"{q}\nAnswer shortly.",
         "slake_accuracy": {"id": str(qid), "prediction": r, "is_correct": True}}
        for n, (qid, q, a, r) in enumerate([(900, "Is it CT?", "Yes", "yes"), (902, "Which?", "Liver", "Lung")])
    ]  # fmt: skip
    path = write(tmp_path / "samples_slake_en.jsonl", lines)
    assert score(path, slake, "slake/exact-1061") == {"slake/exact-1061": (1, 2)}
    bare = [{key: value for key, value in line.items() if key != "slake_accuracy"} for line in lines]
    assert score(write(path, bare), slake, "slake/exact-1061") == {"slake/exact-1061": (1, 2)}


@pytest.mark.parametrize("program", ["lmms-eval", "VLMEvalKit", "LLaVA-Med", "MedEvalKit", "HuatuoGPT-Vision"])
def test_thoughts_of_any_program_change_no_verdict(vqa_rad: Path, tmp_path: Path, program: str) -> None:
    def record(n: int, said: str) -> dict[str, Any]:
        return {
            "lmms-eval": {"doc_id": n, "resps": [[f"<think>I know. No?</think>{said}"]], "filtered_resps": [said]},
            "VLMEvalKit": {"index": n, "prediction": f"<think>Yes or no?</think>\n{said}"},
            "LLaVA-Med": {"question_id": n, "text": f"Not now, no.</think>{said}"},
            "MedEvalKit": {"response": f"<think>Yes or no?</think>\n\n{said}"},
            "HuatuoGPT-Vision": {"id": n, "model_output": [f"◁think▷no, yes◁/think▷{said}"]},
        }[program]

    said = ("Yes", "no", "No", "liver")
    lines = [{**record(n, r), "question": q, "answer": a} for n, ((q, a), r) in enumerate(zip(VQA, said, strict=True))]
    path = write(tmp_path / "samples_vqa_rad.jsonl", lines)
    assert score(path, vqa_rad, "vqa-rad/exact-451", "vqa-rad/yes-no-251") == {
        "vqa-rad/exact-451": (3, 4), "vqa-rad/yes-no-251": (2, 3),
    }  # fmt: skip


def test_huatuo_one_file_of_all_data_sets_in_any_order(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "huatuo/images").mkdir(parents=True)
    records = []
    for n, (name, question, options, answer) in enumerate(
        [("VQA-RAD_test", "Is there air?", ["yes", "no"], "no"), ("SLAKE_test", "Which?", ["Lung", "Liver"], "Liver"),
         ("VQA-RAD_test", "Is there air?", ["yes", "no"], "yes"), ("PathVQA_test", "Which stain?", ["HE", "PAS"], "HE")]
    ):  # fmt: skip
        (root / f"huatuo/images/{n}.png").write_bytes(png(n))
        records.append({"dataset": name, "question": question, "options": options, "answer": answer,
                        "image": [f"images/{n}.png"]})  # fmt: skip
    write(root / "huatuo/medical_multimodel_evaluation_data.json", records)
    said = ["B", "B. Liver", "B", "A"]
    results = [{**record, "model_output": r} for record, r in zip(records, said, strict=True)]
    path = write(tmp_path / "result.json", [results[i] for i in (3, 2, 1, 0)])
    both = score(path, root, "vqa-rad/huatuo-251", "slake/huatuo-416")
    assert both == {"vqa-rad/huatuo-251": (1, 2), "slake/huatuo-416": (1, 1)}
    shuffled = [{**results[0], "options": ["no", "yes"], "model_output": "A"}, *results[1:]]
    assert score(write(path, shuffled), root, "vqa-rad/huatuo-251") == {"vqa-rad/huatuo-251": (1, 2)}


def test_huatuo_records_that_its_processes_answered_again_count_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As accelerate fills the batches of two processes for five questions, two of which are alike."""
    root = tmp_path / "root"
    (root / "huatuo/images").mkdir(parents=True)
    (root / "huatuo/images/0.png").write_bytes(png(0))
    asked = [
        ("Is there air?", "no"),
        ("Is it a CT?", "yes"),
        ("Is there air?", "no"),
        ("Is it CT?", "no"),
        ("Old?", "no"),
    ]
    records = [
        {"dataset": "VQA-RAD_test", "question": q, "options": ["yes", "no"], "answer": a, "image": ["images/0.png"]}
        for q, a in asked
    ]
    write(root / "huatuo/medical_multimodel_evaluation_data.json", records)
    said = ["B", "A", "A", "B", "A"]
    results = [{**r, "test_id": n + 1, "model_output": o} for n, (r, o) in enumerate(zip(records, said, strict=True))]
    opened = {**records[0], "options": [], "answer": "air", "test_id": 6, "model_output": "air"}
    path = write(tmp_path / "result.json", [*(results[n] for n in (0, 2, 4, 1, 3, 0)), opened])
    assert score(path, root, "vqa-rad/huatuo-251") == {"vqa-rad/huatuo-251": (3, 5)}
    told = " ".join(capsys.readouterr().err.split())
    assert "1 records stand twice with the same answer and count once" in told
    assert "1 records without options passed over" in told
    write(path, [*results, {**results[0], "model_output": "A"}])
    with pytest.raises(UserError, match="a second, different answer to test_id 1, which"):
        score(path, root, "vqa-rad/huatuo-251")


def test_omnimedvqa_a_file_per_data_set(tmp_path: Path) -> None:
    root, answers = tmp_path / "root", tmp_path / "answers"
    (root / "omnimedvqa/QA_information/Open-access").mkdir(parents=True)
    (root / "omnimedvqa/Images").mkdir()
    (root / "omnimedvqa/Images/i.png").write_bytes(png())
    answers.mkdir()
    for name in ("ACRIMA", "Chest CT Scan"):
        records = [
            {"dataset": name, "question_id": f"{n:04d}", "question_type": "Disease Diagnosis", "question": "Which?",
             "gt_answer": "CT", "image_path": "Images/i.png", "option_A": "CT", "option_B": "MR",
             "modality_type": "CT"}
            for n in range(2)
        ]  # fmt: skip
        write(root / f"omnimedvqa/QA_information/Open-access/{name}.json", records)
        predicted = [
            {**r, "model_pred": said, "is_correct": "yes"} for r, said in zip(records, ("CT", "MR"), strict=True)
        ]
        run = {"model_name": "m", "dataset_name": name, "correct_precentage": 0.5, "pred_dict": predicted}
        write(answers / f"{name}.json", run)
    assert score(answers, root, "omnimedvqa/open-88996") == {"omnimedvqa/open-88996": (2, 4)}


@pytest.mark.parametrize("program", ["Med-Flamingo", "MedVInT", "plain", "LLaVA-Med", "prefix score"])
def test_omnimedvqa_as_its_programs_write_it(tmp_path: Path, program: str) -> None:
    """MedicalEval of Multi-Modality-Arena: `append_to_json` of two programs writes a file for each question."""
    root, answers = tmp_path / "root", tmp_path / "answers"
    (root / "omnimedvqa/QA_information/Open-access").mkdir(parents=True)
    (root / "omnimedvqa/Images").mkdir()
    (root / "omnimedvqa/Images/i.png").write_bytes(png())
    for name in ("ACRIMA", "Chest CT Scan"):
        records = [
            {"dataset": name, "question_id": f"{name}_{n:04d}", "question_type": "Disease Diagnosis",
             "question": f"Which is {n}?", "gt_answer": "CT", "image_path": "Images/i.png", "option_A": "CT",
             "option_B": "MR", "modality_type": "CT"}
            for n in range(2)
        ]  # fmt: skip
        write(root / f"omnimedvqa/QA_information/Open-access/{name}.json", records)
        folder = answers / "saved_dir/CT" / name
        folder.mkdir(parents=True)
        more: dict[str, Any] = {"confidence": "[1.0, 2.0]"} if program == "prefix score" else {"prompt_question": "?"}
        predicted = [{**r, "model_pred": said, **more} for r, said in zip(records, ("CT", "MR"), strict=True)]
        if program == "LLaVA-Med":
            write(folder / "pred.jsonl", predicted)
        if program in ("LLaVA-Med", "prefix score"):
            write(folder / f"_data_{name}.json", {"model_name": "m", "dataset_name": name, "pred_dict": predicted})
            continue
        for record, said in zip(records, ("CT", "MR"), strict=True):
            own = {"pred": f" {said}", "pred_compact": f" {said}"[:6]} if program == "Med-Flamingo" else {"pred": said}
            fields = record if program == "plain" else {key: [value] for key, value in record.items()}
            write(folder / f"{record['question_id']}.json", {**fields, **own, "is_correct": 1})
    assert score(answers, root, "omnimedvqa/open-88996") == {"omnimedvqa/open-88996": (2, 4)}


@pytest.mark.parametrize("keyed", [False, True])
def test_mmmu_by_subject_and_by_vlmevalkit(write_mmmu: Callable[[Path], Path], tmp_path: Path, keyed: bool) -> None:
    root = write_mmmu(tmp_path / "root")
    ids = [f"validation_{s}_{n}" for s in ("Pharmacy", "Public_Health") for n in (1, 2)]
    if keyed:
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for row in [("index", "question", "name", "said"), *((n, "?", i, "B") for n, i in enumerate(ids))]:
            sheet.append(row)
        book.save(tmp_path / "m.xlsx")
        with pytest.raises(UserError, match=r"none of which is what the model said.*--response-key"):
            score(tmp_path / "m.xlsx", root, "mmmu-hm/mc-145")
        found = score(tmp_path / "m.xlsx", root, "mmmu-hm/mc-145", keys=Keys("name", "said"))
    else:
        for subject in ("Pharmacy", "Public_Health"):
            (tmp_path / "out" / subject).mkdir(parents=True)
            records = [{"id": i, "response": "B", "answer": "B"} for i in ids if subject in i]
            write(tmp_path / "out" / subject / "output_sample.json", records)
        found = score(tmp_path / "out", root, "mmmu-hm/mc-145")
    assert found == {"mmmu-hm/mc-145": (4, 4)}


def test_llava_med_with_running_numbers(vqa_rad: Path, tmp_path: Path) -> None:
    lines = [
        {"question_id": n, "prompt": q, "text": a, "answer_id": "x", "model_id": "llava-med", "metadata": {}}
        for n, (q, a) in enumerate(VQA)
    ]
    path = write(tmp_path / "answers.jsonl", lines)
    assert score(path, vqa_rad, "vqa-rad/exact-451") == {"vqa-rad/exact-451": (4, 4)}
    bare = write(path, [{"question_id": n, "text": a} for n, (_, a) in enumerate(VQA)])
    with pytest.raises(UserError, match=r"pass --in-order"):
        score(bare, vqa_rad, "vqa-rad/exact-451")
    assert score(bare, vqa_rad, "vqa-rad/exact-451", in_order=True) == {"vqa-rad/exact-451": (4, 4)}


def chat(content: Any, finish: str = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content, **message}
    choice = {"index": 0, "finish_reason": finish, "message": said}
    return {"object": "chat.completion", "choices": [choice], "usage": {"total_tokens": 9}}


def batch_line(n: int, body: Any, status: int = 200, error: Any = None) -> dict[str, Any]:
    """https://platform.openai.com/docs/guides/batch: `id` is the request's, `custom_id` the one that was given."""
    response = {"status_code": status, "request_id": f"req_{n}", "body": body}
    answer = None if error else response
    return {"id": f"batch_req_{n}", "custom_id": f"test-{n:04d}", "response": answer, "error": error}


def test_output_of_the_batch_api(vqa_rad: Path, tmp_path: Path) -> None:
    parts = [{"type": "output_text", "text": "No"}, {"type": "output_text", "text": "."}]
    lines = [
        batch_line(3, chat("Liver", "length")),
        batch_line(0, chat([{"type": "text", "text": "Yes"}])),
        batch_line(2, None, error={"code": "batch_expired", "message": "This request could not be executed in time."}),
        batch_line(1, {"object": "response", "output": [{"type": "reasoning", "summary": []},
                                                       {"type": "message", "content": parts}]}),
    ]  # fmt: skip
    path = write(tmp_path / "batch_output.jsonl", lines)
    assert score(path, vqa_rad, "vqa-rad/exact-451") == {"vqa-rad/exact-451": (3, 4)}
    [result] = score_file(path, [open_benchmark("vqa-rad/exact-451", vqa_rad)], None, PARTIAL, model="m")
    assert (result.result.refused_by_server, result.result.cut) == (1, 1)
    refused = [
        batch_line(0, {"error": {"message": "too long"}}, status=400),
        batch_line(1, chat(None, refusal="I can't help with that.")),
    ]
    path = write(tmp_path / "batch_error.jsonl", refused)
    [result] = score_file(path, [open_benchmark("vqa-rad/exact-451", vqa_rad)], None, PARTIAL, model="m")
    assert (result.result.refused_by_server, result.result.n) == (2, 2)


def test_completions_kept_whole(vqa_rad: Path, tmp_path: Path) -> None:
    lines = [{"question_id": f"test-{n:04d}", "response": chat(a)} for n, (_, a) in enumerate(VQA)]
    path = write(tmp_path / "kept.jsonl", lines)
    assert score(path, vqa_rad, "vqa-rad/exact-451") == {"vqa-rad/exact-451": (4, 4)}
    strange = write(tmp_path / "strange.jsonl", [{"id": "test-0000", "response": {"score": 3}}])
    with pytest.raises(UserError, match="the answer is an object"):
        score(strange, vqa_rad, "vqa-rad/exact-451")


@pytest.mark.parametrize("suffix", [".eval", ".json"])
def test_a_log_of_inspect(vqa_rad: Path, tmp_path: Path, suffix: str) -> None:
    samples = [
        {"id": f"test-{n:04d}", "epoch": 1, "input": [{"role": "user", "content": q}], "target": a, "choices": None,
         "output": {"model": "m", "completion": a if n else "no", **chat(a if n else "no")}, "scores": {}}
        for n, (q, a) in enumerate(VQA)
    ]  # fmt: skip
    log = {"version": 2, "status": "success", "tags": [], "samples": samples, "reductions": [{"scorer": "match"}]}
    path = tmp_path / f"log{suffix}"
    if suffix == ".json":
        write(path, log)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("header.json", json.dumps({**log, "samples": None}))
            file.writestr("summaries.json", "[]")
            for sample in samples:
                file.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
    assert score(path, vqa_rad, "vqa-rad/exact-451") == {"vqa-rad/exact-451": (3, 4)}
    path.write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(UserError, match=r"inspect log convert|not readable as JSON|not UTF-8"):
        score(path, vqa_rad, "vqa-rad/exact-451")


def test_samples_of_lm_evaluation_harness(vqa_rad: Path, tmp_path: Path) -> None:
    """Generated answers stand there once for each filter; options are weighed, and `acc` takes the likeliest."""
    generated = [
        {"doc_id": n, "doc": {"id": f"test-{n:04d}", "question": q, "answer": a, "text": "no answer"}, "target": a,
         "arguments": {"gen_args_0": {"arg_0": q, "arg_1": {"until": ["\n"]}}}, "resps": [[a]],
         "filtered_resps": [a if name == "strict" else "x"], "filter": name, "metrics": ["exact_match"],
         "doc_hash": "x", "exact_match": 1.0}
        for name in ("strict", "flexible") for n, (q, a) in enumerate(VQA)
    ]  # fmt: skip
    path = write(tmp_path / "samples_vqa_rad_2026-01-01T00-00-00.000000.jsonl", generated)
    assert score(path, vqa_rad, "vqa-rad/exact-451") == {"vqa-rad/exact-451": (4, 4)}
    weighed = [
        {"doc_id": n, "doc": {"id": f"test-{n:04d}", "question": q}, "target": 0,
         "arguments": {f"gen_args_{i}": {"arg_0": q, "arg_1": f" {o}"} for i, o in enumerate(("yes", "no"))},
         "resps": [[["-2.5", "False"]], [["-0.5" if n == 1 else "-9.25", "False"]]],
         "filtered_resps": [["-2.5", "False"], ["-0.5", "True"]], "filter": "none", "metrics": ["acc"], "acc": 1.0}
        for n, (q, _) in enumerate(VQA[:3])
    ]  # fmt: skip
    path = write(tmp_path / "weighed.jsonl", weighed)
    assert score(path, vqa_rad, "vqa-rad/yes-no-251") == {"vqa-rad/yes-no-251": (3, 3)}
    old = [{**weighed[0], "arguments": [["?", " yes"], ["?", " no"]], "resps": [[[-1.0, False]], [[-1.0, True]]]}]
    assert score(write(path, old), vqa_rad, "vqa-rad/yes-no-251") == {"vqa-rad/yes-no-251": (1, 1)}
    with pytest.raises(UserError, match="weighs 2 continuations and names 1"):
        score(write(path, [{**old[0], "arguments": [["?", " yes"]]}]), vqa_rad, "vqa-rad/yes-no-251")


def test_answers_in_parquet(vqa_rad: Path, tmp_path: Path) -> None:
    rows = [{"question_id": f"test-{n:04d}", "prediction": a} for n, (_, a) in enumerate(VQA)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "answers.parquet")
    found = score(tmp_path / "answers.parquet", vqa_rad, "vqa-rad/exact-451")
    assert found == {"vqa-rad/exact-451": (4, 4)}


IDS = [f"test-{number:04d}" for number in range(4)]
RIGHT = ("Yes", "no", "Yes.", "a kidney")
ROWS = [
    {"question": q, "answer": a, "said": said, "id": i} for (q, a), said, i in zip(VQA, RIGHT, IDS, strict=True)
]  # fmt: skip


def turn(row: dict[str, str]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": f"{row['question']}\nShortly."}]}


def gemini(text: str) -> dict[str, Any]:
    thought = {"text": "no?", "thought": True}
    return {"candidates": [{"content": {"parts": [thought, {"text": text}], "role": "model"}, "finishReason": "STOP"}]}


def claude(text: str) -> dict[str, Any]:
    content = [{"type": "thinking", "thinking": "no?"}, {"type": "text", "text": text}]
    return {"type": "succeeded", "message": {"role": "assistant", "content": content, "stop_reason": "end_turn"}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # https://github.com/hiyouga/LLaMA-Factory, src/llamafactory/train/sft/trainer.py
        ("predict.jsonl", [{"prompt": f"<|user|>{r['question']}", "predict": r["said"], "label": r["answer"]}
                           for r in ROWS]),
        # https://github.com/modelscope/ms-swift, result_path of `swift infer`
        ("swift.jsonl", [{"response": r["said"], "labels": r["answer"], "messages": [turn(r)], "images": ["x.png"]}
                         for r in ROWS]),
        ("evalscope.jsonl", [{"index": n, "model_output": {"choices": [{"message": {"content": r["said"]}}]},
                              "messages": [turn(r)]} for n, r in enumerate(ROWS)]),
        # https://platform.claude.com/docs/en/api/retrieving-message-batch-results
        ("claude.jsonl", [{"custom_id": r["id"], "result": claude(r["said"])} for r in ROWS]),
        # https://ai.google.dev/api/batch-mode
        ("gemini.jsonl", [{"key": r["id"], "response": gemini(r["said"])} for r in ROWS]),
        ("vertex.jsonl", [{"request": {"contents": [{"role": "user", "parts": [{"text": r["question"]}]}]},
                           "response": gemini(r["said"])} for r in ROWS]),
        ("pred.json", [{"question": r["question"], "pred": r["said"], "gt": r["answer"]} for r in ROWS]),
        ("spoken.json", [{"Question": r["question"], "Ground Truth": r["answer"], "Model Answer": r["said"]}
                         for r in ROWS]),
        ("llm.json", [{"id": r["id"], "llm_answer": r["said"], "answer": r["answer"]} for r in ROWS]),
        ("outputs.json", [{"sample_id": r["id"], "outputs": [{"text": r["said"]}]} for r in ROWS]),
        ("raw.jsonl", [{"question_id": r["id"], "model_prediction": r["said"], "is_correct": "yes"} for r in ROWS]),
        ("whole.jsonl", [{"id": r["id"], "choices": [{"message": {"content": r["said"]}}]} for r in ROWS]),
        ("pairs.json", [[r["id"], r["said"]] for r in ROWS]),
        ("columns.json", {"id": IDS, "prediction": list(RIGHT)}),
        ("pandas.json", {"id": dict(enumerate(IDS)), "prediction": dict(enumerate(RIGHT))}),
    ],
)  # fmt: skip
def test_further_programs(vqa_rad: Path, tmp_path: Path, name: str, value: Any) -> None:
    assert score(write(tmp_path / name, value), vqa_rad, "vqa-rad/exact-451") == {"vqa-rad/exact-451": (3, 4)}


def test_a_list_of_texts_is_taken_in_order_only_where_the_user_says_so(vqa_rad: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "texts.json", list(RIGHT))
    with pytest.raises(UserError, match=r"such as one without an id or question .*--in-order"):
        score(path, vqa_rad, "vqa-rad/exact-451")
    assert score(path, vqa_rad, "vqa-rad/exact-451", in_order=True) == {"vqa-rad/exact-451": (3, 4)}


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_tables_of_any_separator(vqa_rad: Path, tmp_path: Path, mark: str) -> None:
    path = tmp_path / "table.csv"
    lines = [mark.join(("id", "Model Answer")), *(mark.join((r["id"], r["said"])) for r in ROWS)]
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    assert score(path, vqa_rad, "vqa-rad/exact-451") == {"vqa-rad/exact-451": (3, 4)}


def test_what_a_batch_refused_is_recorded(vqa_rad: Path, tmp_path: Path) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}}
    lines = [
        {"custom_id": IDS[0], "result": {"type": "errored", "error": error}},
        {"custom_id": IDS[1], "result": {"type": "expired"}},
        {"custom_id": IDS[2], "response": {"promptFeedback": {"blockReason": "SAFETY"}}},
        {"custom_id": IDS[3], "result": claude("Liver")},
    ]
    found = read_answers(write(tmp_path / "claude.jsonl", lines))
    assert [one.prediction.refused for one in found] == ["too long", "expired", "SAFETY", ""]
    assert score(tmp_path / "claude.jsonl", vqa_rad, "vqa-rad/exact-451") == {"vqa-rad/exact-451": (1, 4)}


def test_the_answers_of_a_training_file_are_no_predictions(vqa_rad: Path, tmp_path: Path) -> None:
    rows = [{"id": r["id"], "conversations": [{"from": "human", "value": r["question"]},
                                              {"from": "gpt", "value": r["answer"]}]} for r in ROWS]  # fmt: skip
    with pytest.raises(UserError, match=r"none of which is what the model said"):
        score(write(tmp_path / "rows.jsonl", rows), vqa_rad, "vqa-rad/exact-451")


CASES = tuple((f"case-{n}", f"What is shown in picture {n}?", "BADC"[n], "BABC"[n]) for n in range(4))
"""Id, question, right answer, what was said: three of four are right."""


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    rows = [{"id": i, "question": q, "options": ["CT", "MRI", "X-ray", "PET"], "answer": a} for i, q, a, _ in CASES]
    write(tmp_path / "q.jsonl", rows)
    (tmp_path / "cases.yaml").write_text(
        "name: cases\ntitle: cases\nprotocol: cases/all-4\nquestions: q.jsonl\nanswer: letter\nchoices_style: letters\n"
        "columns: {id: id, question: question, choices: options, reference: answer, images: null}\n"
        'prompt: "{question}\\n{choices}"\nexpected: {total: 4, source: made up}\n',
        encoding="utf-8",
    )
    return tmp_path / "cases.yaml"


def promptfoo(n: int) -> dict[str, Any]:
    i, q, a, said = CASES[n]
    known = {"id": i, "question": q, "answer": a}
    return {
        "testIdx": n,
        "testCase": {"vars": known},
        "prompt": {"raw": q},
        "response": {"output": said},
        "vars": known,
    }


FILES: dict[str, Any] = {
    "promptfoo.json": {"evalId": "e", "results": {"prompts": [{}], "results": [promptfoo(n) for n in range(4)]}},
    "promptfoo.jsonl": [promptfoo(n) for n in range(4)],
    "evalscope.jsonl": [
        {"index": n, "raw_input": {"id": i, "question": q}, "choices": [{"message": {"content": said}}]}
        for n, (i, q, _, said) in enumerate(CASES)
    ],
    "review.jsonl": [
        {
            "index": n,
            "input": q,
            "target": a,
            "sample_score": {"score": {"prediction": said}, "sample_metadata": {"id": i}},
        }
        for n, (i, q, a, said) in enumerate(CASES)
    ],
    "helm.json": {
        "adapter_spec": {},
        "request_states": [
            {"instance": {"id": i, "input": {"text": q}}, "result": {"success": True, "completions": [{"text": said}]}}
            for i, q, _, said in CASES
        ],
    },
    "evals.jsonl": [
        {"spec": {}},
        *({"sample_id": i, "type": "sampling", "data": {"sampled": [said]}} for i, _, _, said in CASES),
        *({"sample_id": i, "type": "match", "data": {"correct": False}} for i, *_ in CASES),
    ],
    "mlflow.json": {"columns": ["id", "outputs"], "data": [[i, said] for i, _, _, said in CASES]},
    "deepeval.json": {
        "testCases": [{"input": q, "actualOutput": said, "expectedOutput": a} for _, q, a, said in CASES],
        "metricsScores": [],
    },
    "langfuse.jsonl": [
        {"id": f"item-{n}", "input": {"id": i, "question": q}, "output": said}
        for n, (i, q, _, said) in enumerate(CASES)
    ],
    "ollama.jsonl": [
        {"id": i, "message": {"role": "assistant", "content": said, "thinking": "A?"}, "done": True}
        for i, _, _, said in CASES
    ],
}


@pytest.mark.parametrize("name", FILES)
def test_logs_and_exports_give_the_number_that_their_tool_gives(cases: Path, tmp_path: Path, name: str) -> None:
    assert score(write(tmp_path / name, FILES[name]), tmp_path, str(cases)) == {"cases/all-4": (3, 4)}


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (
            "id,question,[vllm:m] {{question}},Status,Score,Named Scores,Grader Reason,Comment",
            "{0},{1},{3},PASS,1.00,,,",
        ),
        ("id,inputs.id,inputs.question,outputs.output,reference_outputs.answer", "run-{0},{0},{1},{3},{2}"),
        ("id,inputs,outputs", 'run-{0},"{{""question"": ""{1}""}}","{{""output"": ""{3}""}}"'),
    ],
    ids=["promptfoo", "langsmith-columns", "langsmith-json"],
)
def test_tables_of_promptfoo_and_langsmith(cases: Path, tmp_path: Path, header: str, row: str) -> None:
    path = tmp_path / "export.csv"
    path.write_text("\n".join([header, *(row.format(*case) for case in CASES), ""]), encoding="utf-8")
    assert score(path, tmp_path, str(cases)) == {"cases/all-4": (3, 4)}


def test_events_that_are_no_samples_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read_answers(write(tmp_path / "evals.jsonl", FILES["evals.jsonl"]))
    assert "4 samples; 5 other lines of the log passed over" in capsys.readouterr().err


def test_answers_to_all_of_mmmu_pro_serve_its_medical_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the authors' own file of GPT-4o's answers holds them: 1,730, of which 286 are asked."""
    folder = tmp_path / "mmmu-pro-hm/standard (10 options)"
    folder.mkdir(parents=True)
    image = {"bytes": png(), "path": None}
    rows = [
        {"id": f"test_{subject}_{n}", "question": f"What is {n}?", "options": "['CT', 'MRI']", "answer": "B"}
        | {"subject": subject, "image_1": image, **{f"image_{k}": None for k in range(2, 8)}}
        for subject in ("Pharmacy", "Math")
        for n in range(2)
    ]
    parts = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    names = ("id", "question", "options", "answer", "subject")
    fields = [*((name, pa.string()) for name in names), *((f"image_{k}", parts) for k in range(1, 8))]
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(fields)), folder / "test-00000-of-00001.parquet")
    answers = [
        {key: row[key] for key in ("id", "question", "options", "answer")} | {"response": "B. MRI"} for row in rows
    ]
    path = write(tmp_path / "gpt-4o.jsonl", answers)
    assert score(path, tmp_path, "mmmu-pro-hm") == {"mmmu-pro-hm/standard-286": (2, 2)}
    assert (
        "2 answers passed over, to questions of the same data that mmmu-pro-hm does not ask" in capsys.readouterr().err
    )
    write(path, [*answers, {"id": "test_Maths_1", "response": "A"}])
    with pytest.raises(UserError, match=r'answers 1 questions .* such as "test_Maths_1"'):
        score(path, tmp_path, "mmmu-pro-hm")
