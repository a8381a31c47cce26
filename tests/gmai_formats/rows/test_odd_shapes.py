"""Rows as people write them: each is read as it is meant, or refused by the field's name; nothing of it is dropped.

Where the shapes are from: https://github.com/QwenLM/Qwen3-VL/blob/main/qwen-vl-finetune/README.md (`bbox_2d`),
https://github.com/mu-cai/ViP-LLaVA/blob/main/docs/Finetune_Custom_Data.md (`<bbox0>`),
https://swift.readthedocs.io/en/latest/Customization/Custom-dataset.html, https://github.com/OpenBMB/MiniCPM-V
(finetune/readme.md), https://docs.axolotl.ai/docs/multimodal.html, https://huggingface.co/datasets/hiyouga/geometry3k,
https://huggingface.co/datasets/openbmb/RLHF-V-Dataset (a row as JSON in `text`), https://huggingface.co/docs/trl
(KTO's `labels`), https://github.com/BAAI-DCAI/SpatialBot (`image_depth`),
https://huggingface.co/datasets/allenai/pixmo-ask-model-anything (`image_url`), imagefolder's `*_file_name` in
https://huggingface.co/docs/datasets/image_dataset, https://huggingface.co/datasets/nvidia/Nemotron-VLM-Dataset-v2
(`metadata` of a part), https://github.com/Liquid4All/DataCraft (`value` of a part, conversations in a list),
https://docs.aws.amazon.com/nova/latest/nova2-userguide/nova-data-prep-sft-2.html (`system` as parts, reasoning),
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-supervised-tuning-about (`contents`),
https://huggingface.co/datasets/HuggingFaceM4/FineVision (ratings), https://huggingface.co/datasets/neginb/OpenMedReason
(`reasoning`), https://github.com/zjysteven/lmms-finetune (docs/dataset.md, `num_frames`),
https://huggingface.co/datasets/wangclnlp/vision-feedback-mix-binarized (`preference_values`),
https://huggingface.co/datasets/trl-lib/rlaif-v, https://huggingface.co/datasets/Jaehun/physreason-samples (verl).
"""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gmai_formats.rows.files import read_rows
from gmai_formats.rows.plain import MESSAGES, plain_rows
from gmai_formats.rows.rules import BARE_BOXES, PLACED, Problem
from gmai_formats.rows.sample import Sample, read_row
from gmai_formats.rows.tables import parquet_batches
from PIL import Image

Q, A = "What is it?", "A cyst."
_FILE = io.BytesIO()
Image.new("RGB", (50, 40), (9, 99, 200)).save(_FILE, "PNG")
PNG = _FILE.getvalue()
BASE64 = base64.b64encode(PNG).decode()
URI = f"data:image/png;base64,{BASE64}"
BARE = f"data:;base64,{BASE64}"
IN_FRONT = f"<image>\n{Q}"


def said(*texts: Any) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


def one(question: Any = Q, answer: Any = A, **more: Any) -> dict[str, Any]:
    return {"messages": said(question, answer), **more}


def answer(**fields: Any) -> dict[str, Any]:
    return {"messages": [*said(Q), {"role": "assistant", "content": A, **fields}, *said("And?", "No.")]}


def part(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


TEXT = part("text", text=Q)

READ: list[tuple[str, dict[str, Any], list[str], list[Any]]] = [
    ("typed texts", one([TEXT], [part("text", text=A)]), [Q, A], []),
    ("typed texts under other keys", one([part("text", content=Q)], [part("output_text", value=A)]), [Q, A], []),
    ("an empty text part", one([part("text", text=""), TEXT]), [Q, A], []),
    ("parts of a union, as Parquet holds them", one([part("image", text=None, index=0), {**TEXT, "index": None}],
     images=["a.png"]), [IN_FRONT, A], ["a.png"]),
    ("image_url as text", one([part("image_url", image_url="a.png"), TEXT]), [IN_FRONT, A], ["a.png"]),
    ("image_url with detail", one([part("image_url", image_url={"url": URI, "detail": "high"}), TEXT]), [IN_FRONT, A],
     [URI]),
    ("Anthropic's source", one([part("image", source={"type": "base64", "media_type": "image/png", "data": BASE64}),
     TEXT]), [IN_FRONT, A], [URI]),
    ("Qwen's parts without a type", one([{"image": "a.png"}, {"text": Q}], [{"text": A}]), [IN_FRONT, A], ["a.png"]),
    ("types in capitals", one([part("IMAGE"), part("Text", text=Q)], images=["a.png"]), [IN_FRONT, A], ["a.png"]),
    ("parts as JSON text", one(json.dumps([part("image"), TEXT]), images=["a.png"]), [IN_FRONT, A], ["a.png"]),
    ("a file: address", one([part("image", image="file:///x/a.png"), TEXT]), [IN_FRONT, A], ["/x/a.png"]),
    ("messages as JSON text", {"messages": json.dumps(said("<image>Q", A)), "images": ["a.png"]}, ["<image>Q", A],
     ["a.png"]),
    ("messages each as JSON text", {"messages": [json.dumps(turn) for turn in said(Q, A)]}, [Q, A], []),
    ("prompt and completion as JSON text", {"prompt": json.dumps(said(Q)), "completion": json.dumps(said(Q, A)[1:])},
     [Q, A], []),
    ("a Sequence of turns", {"conversations": {"from": ["human", "gpt"], "value": [Q, A]}}, [Q, A], []),
    ("role and text", {"messages": [{"role": "User ", "text": Q}, {"role": " ASSISTANT", "text": A}]}, [Q, A], []),
    ("an empty system turn", {"messages": [{"role": "system", "content": ""}, *said(Q, A)]}, [Q, A], []),
    ("a developer's turn", {"messages": [{"role": "developer", "content": "S"}, *said(Q, A)]}, ["S", Q, A], []),
    ("no tools", one(tools="[]", videos=[], rejected=None), [Q, A], []),
    ("history as JSON text", {"query": Q, "response": A, "history": json.dumps([["q", "a"]])}, ["q", "a", Q, A], []),
    ("history as turns", {"query": Q, "response": A, "history": said("q", "a")}, ["q", "a", Q, A], []),
    ("the first column is empty", {"messages": None, "conversations": said(Q, A)}, [Q, A], []),
    ("the same in two columns", {"messages": said(Q, A), "conversations": [{"from": "human", "value": Q},
     {"from": "gpt", "value": A}]}, [Q, A], []),
    ("turns empty, a pair beside", {"messages": [], "question": Q, "answer": A}, [Q, A], []),
    ("the_cauldron", {"texts": [{"user": Q, "assistant": A, "source": "x"}], "images": ["a.png"]}, [IN_FRONT, A],
     ["a.png"]),
    ("base64 without a head", one("<image>", images=[BASE64]), ["<image>", A], [BARE]),
    ("base64 as bytes", one("<image>", images=[{"bytes": BASE64, "path": None}]), ["<image>", A], [BARE]),
    ("images as JSON text", one("<image>", images='["a.png"]'), ["<image>", A], ["a.png"]),
    ("an image's url", one("<image>", images=[{"url": "a.png"}]), ["<image>", A], ["a.png"]),
    ("no input, as Alpaca says it", {"instruction": Q, "input": "<noinput>", "output": A}, [Q, A], []),
    ("what only sounds like options", {"image": "a.png", "question": Q, "answer": A, "choice_type": "single",
                                       "num_options": 4, "choice_rating": [1, 2],
                                       "notes": "checked"}, [f"<image>\n{Q}", A], ["a.png"]),
    ("a key of a record", {"question": Q, "answer": A, "record_id": "5" * 90, "options": "[]",
                           "choices": {"text": None}}, [Q, A], []),
    ("a count of turns", {"image": "a.png", "caption": A, "turns": 3}, ["<image>", A], ["a.png"]),
    ("notes on an image", {"image": "a.png", "question": Q, "answer": A, "notes": "long " * 20},
     [f"<image>\n{Q}", A], ["a.png"]),
    ("an image's bytes as numbers", one("<image>", images=[{"bytes": [*PNG]}]), ["<image>", A],
     [f"data:;base64,{base64.b64encode(PNG).decode()}"]),
    ("an OpenAI part in images", one("<image>", images=[part("image_url", image_url={"url": URI})]), ["<image>", A],
     [URI]),
    ("InternVL's sizes", one("<image><image>", images=["a.png", "b.png"], width_list=[5, 6], height_list=[4, 7]),
     ["<image><image>", A], ["a.png", "b.png"]),
    ("xtuner's system", {"conversation": [{"system": "S", "input": Q, "output": A}, {"input": "q", "output": "a"}]},
     ["S", Q, A, "q", "a"], []),
    ("geometry3k", {"images": ["a.png"], "problem": IN_FRONT, "answer": A}, [IN_FRONT, A], ["a.png"]),
    ("Chinese speakers", {"conversations": [{"from": "用户", "value": Q}, {"from": "助手", "value": A}]}, [Q, A], []),
    ("a camel's system prompt", one(systemPrompt="S"), ["S", Q, A], []),
    ("an image and its key", one("<image>", images=["a.png"], image_id="a", study_id=5), ["<image>", A], ["a.png"]),
    ("an answer that is right", {"question": Q, "answer": A, "is_correct": True, "hallucinated": 0}, [Q, A], []),
    ("what is known of an image", {"image": "a.png", "question": Q, "answer": A, "evidence": "long"}, [IN_FRONT, A],
     ["a.png"]),
    ("a number of images", one(num_images=0, organ_system="lung"), [Q, A], []),
    ("a class", {"question": Q, "answer": A, "label": 1, "labels": ["cyst"]}, [Q, A], []),
    ("LangChain's speakers", {"messages": [{"role": "human", "content": Q}, {"role": "ai", "content": A}]}, [Q, A], []),
    ("Cohere's speakers", {"messages": [{"role": "User", "content": Q}, {"role": "Chatbot", "content": A}]}, [Q, A],
     []),
    ("imagefolder", {"image_file_name": "a.png", "text": A}, ["<image>", A], ["a.png"]),
    ("imagefolder of several", {"file_names": ["a.png", "b.png"], "text": A}, ["<image><image>", A],
     ["a.png", "b.png"]),
    ("where an image came from", one("<image>", images=["a.png"], image_url="https://x.org/y"), ["<image>", A],
     ["a.png"]),
    ("a safe answer", {"prompt": Q, "response": A, "is_safe": True, "toxic": 0}, [Q, A], []),
    ("a picture in a part", one([part("image", text=None, image=PNG), {**TEXT, "image": None}]), [IN_FRONT, A], [PNG]),
    ("a picture in a part of `datasets`", one([part("image", image={"bytes": PNG, "path": None}),
     {**TEXT, "image": {"bytes": None, "path": None}}]), [IN_FRONT, A], [PNG]),
    ("JSON as an answer", {"question": Q, "answer": '{"cyst": 1}'}, [Q, '{"cyst": 1}'], []),
    ("Nemotron's parts", one([part("image", image="a.png", metadata={"width": 50, "format": "PNG"}), TEXT]),
     [IN_FRONT, A], ["a.png"]),
    ("DataCraft's parts", {"conversations": said([part("image", value="a.png"), part("text", value=Q)], A)},
     [IN_FRONT, A], ["a.png"]),
    ("DataCraft's list of one", {"conversations": [said(Q, A)]}, [Q, A], []),
    ("oumi's parts", one([part("image_path", content="a.png"), part("text", content=Q)]), [IN_FRONT, A], ["a.png"]),
    ("oumi's bytes", one([part("image_binary", binary=BASE64), TEXT]), [IN_FRONT, A], [BARE]),
    ("Bedrock's system", one([{"text": Q}], [{"text": A}], system=[{"text": "S"}]), ["S", Q, A], []),
    ("Bedrock's bytes", one([{"image": {"format": "png", "source": {"bytes": BASE64}}}, {"text": Q}]), [IN_FRONT, A],
     [BARE]),
    ("Unsloth's order", one([TEXT, part("image", image=PNG)]), [f"{Q}<image>\n", A], [PNG]),
    ("TRL's prompt with images", {"images": ["a.png"], "prompt": said([part("image"), TEXT]),
     "completion": said(Q, A)[1:]}, [IN_FRONT, A], ["a.png"]),
    ("FineVision", {"images": [PNG], "texts": [{"user": Q, "assistant": A}], "relevance_ratings": [1],
     "image_correspondence_ratings": [1]}, [IN_FRONT, A], [PNG]),
    ("Mistral's weights", {"messages": [*said(Q), {"role": "assistant", "content": "no", "weight": 0}, *said("x", A)]},
     [Q, "no", "x", A], []),
    ("Responses of OpenAI", {"input": said([part("input_text", text=Q)]), "output": [{"type": "message",
     "role": "assistant", "content": [part("output_text", text=A)]}]}, [Q, A], []),
    ("a row to keep", one(is_train=True, keep=1, deleted=False, skip=0), [Q, A], []),
    ("the volume of a slice", one("<image>", images=["a.png"], volume="a.nii.gz"), ["<image>", A], ["a.png"]),
    ("words that end like a file", one(note="it is in a.nii.gz"), [Q, A], []),
    ("images in their order", one("<image><image>", images=["a.png", "b.png"], image_idx=[0, 1],
     image_placeholder="<image>"), ["<image><image>", A], ["a.png", "b.png"]),
    ("a part that says the same twice", one([part("text", text=Q, value=Q)]), [Q, A], []),
    ("a question that stands twice", {"messages": said(Q, A), "question": Q, "prompt": f" {Q}\n"}, [Q, A], []),
    ("a part that is trained on", one(split="train", subset="validation", is_test=False), [Q, A], []),
    ("the name of a test", one(test="blood count", use="teaching"), [Q, A], []),
    ("one letter alone", {"question": Q, "answer": A, "a": "x", "1": "y"}, [Q, A], []),
    ("a sound turn", answer(valid=True, is_correct=1, skip=False), [Q, A, "And?", "No."], []),
    ("sizes of an image", one("<image>", images=[{"path": "a.png", "width": 5, "caption": "c", "frame": None}]),
     ["<image>", A], ["a.png"]),
    ("a key of a case", {"question": Q, "answer": A, "case_id": "7" * 90, "facts": []}, [Q, A], []),
    ("what a tool was asked for", one(parallel_tool_calls=False, finish_reason="stop", errors=[]), [Q, A], []),
    ("Magpie", {"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": A}], "instruction": Q,
                "response": A}, [Q, A], []),
    ("a patient's history", {"image": "a.png", "text": A, "history": "65 years, cough"}, ["<image>", A], ["a.png"]),
    ("points that an answer is worth", {"image": "a.png", "question": Q, "answer": A, "points": 5},
     [f"<image>\n{Q}", A], ["a.png"]),
    ("a region by its name", {"image": "a.png", "question": Q, "answer": A, "region": "Abdomen"},
     [f"<image>\n{Q}", A], ["a.png"]),
    ("boxes beside a chat that has them", one("<image>", images=["a.png"], bbox=[1, 2, 3, 4]), ["<image>", A],
     ["a.png"]),
    ("a row that is accepted", one(accepted=True, flagged=False, use=1, has_error=0), [Q, A], []),
    ("a question in a caption", {"image": "a.png", "caption": "Answer: unclear. Question: open."},
     ["<image>", "Answer: unclear. Question: open."], ["a.png"]),
    ("a second column with the name", one("<image>", image={"bytes": PNG, "path": "1.png"}, image_path="x/1.png"),
     ["<image>", A], [PNG]),
]  # fmt: skip

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("parts in another order", one([part("image", index=1), part("image", index=0), TEXT], images=["a.png", "b.png"]),
     "`index` 1, 0"),
    ("a file of OpenAI", one([part("input_image", file_id="f"), TEXT], images=["a.png"]), "`file_id`"),
    ("an address", one([part("image", source={"type": "url", "url": "https://x/y.png"}), TEXT]), "is an address"),
    ("a text part with an image", one([{**TEXT, "image": "a.png"}]), "`image` of a part"),
    ("a thought", one(Q, [part("thinking", thinking="…"), part("text", text=A)]), "'thinking'"),
    ("several answers", {"question": Q, "answer": ["x", "y"]}, "a list of 2 texts"),
    ("several captions", {"image": "a.png", "caption": ["x", "y"]}, "a list of 2 texts"),
    ("two speakers", {"messages": [{"from": "human", "role": "assistant", "value": Q}, *said(Q, A)[1:]]},
     "two speakers"),
    ("two texts", {"messages": [{"from": "human", "value": Q, "content": "x"}, *said(Q, A)[1:]]}, "says two things"),
    ("two conversations", {"messages": said(Q, A), "conversations": said(Q, "B")}, "say two things"),
    ("two pairs", {"prompt": "p", "response": "r", "question": Q, "answer": A}, "say two things"),
    ("options in columns", {"question": Q, "answer": "A", "opa": "x", "opb": "y"}, "`opa`"),
    ("options in letters", {"question": Q, "answer": "A", "A": "x", "B": "y"}, "`A`"),
    ("two columns of images", one("<image>", images=["a.png"], image="b.png"), "`image` holds images beside `images`"),
    ("two columns of pictures", one("<image>", image={"bytes": PNG}, scan={"bytes": PNG}),
     "`scan` looks like an image"),
    ("base64 elsewhere", one(image_b64=BASE64), "`image_b64` looks like an image"),
    ("paths elsewhere", one(pictures=["a.png"]), "`pictures` looks like an image"),
    ("media", one(media=[{"type": "image", "path": "a.png"}]), "`media` looks like an image"),
    ("a list of Python", one("<image>", images="['a.png']"), "is no JSON"),
    ("an image in the system prompt", {"messages": [{"role": "system", "content": "<image>"}, *said(Q, A)],
     "images": ["a.png"]}, "the system prompt, has `<image>`"),
    ("a zero-width answer", one(Q, "\u200b"), "message 2 is empty"),
    ("other fields of objects", one("<image>Find <ref-object>", "<bbox>", images=["a.png"], width=50, height=40,
     objects={"ref": ["cyst"], "bbox": [[1, 2, 3, 4]], "width": [500]}), "`width` of `objects`"),
    ("COCO's objects", one("<image>", images=["a.png"], objects={"bbox": [[1, 2, 3, 4]], "category": [1]}),
     "`category`"),
    ("a system prompt in the middle", {"conversation": [{"input": Q, "output": A}, {"system": "S", "input": Q,
     "output": A}]}, "user, assistant, system"),
    ("a file of pairs", {"data": [{"question": Q, "answer": A}, {"question": "And?", "answer": "No."}]},
     "`data` is a list of rows"),
    ("a row in a caption", {"image": "a.png", "text": json.dumps({"question": Q, "chosen": A, "rejected": "x"})},
     "`text` holds JSON"),
    ("turns in a caption", {"image": "a.png", "caption": json.dumps(said(Q, A))}, "`caption` holds JSON"),
    ("TRL's verdicts", {"prompt": Q, "completion": A, "labels": [True]}, "`labels` says whether"),
    ("a verdict in words", {"prompt": Q, "completion": A, "labels": "False"}, "`labels` says whether"),
    ("an unsafe answer", {"prompt": Q, "response": A, "is_safe": False}, "`is_safe` is False"),
    ("a picture beside its column", one([part("image", image=PNG), TEXT], images=None), "all images belong into"),
    ("Bedrock's image", one([part("image", source={"s3Location": {"uri": "s3://b"}}), TEXT]), "neither a picture"),
    ("two conversations in a list", {"conversations": [said(Q, A), said("x", "y")]}, "holds 2 conversations"),
    ("a film in a part", one([part("video", video="v.mp4", metadata={"video_fps": 2}), TEXT]), "'video'"),
    ("a sound in a part", one([part("input_audio", input_audio={"data": "x"}), TEXT]), "'input_audio'"),
    ("a document of Bedrock", one([{"document": {"format": "pdf"}}, {"text": Q}]), "of type None"),
    ("reasoning of Bedrock", one(Q, [{"reasoningContent": {"reasoningText": {"text": "r"}}}, {"text": A}]),
     "of type None"),
    ("a system prompt with more", one(system=[{"text": "S", "image": "a.png"}]), "`system` is a list"),
    ("lmms-finetune's film", one("<video>", video=["v.mp4"], num_frames=[8]), "`video`"),
    ("Gemini's contents", {"contents": [{"role": "user", "parts": [{"text": Q}]}]}, "but contents"),
    ("Gemini's parts in messages", {"messages": [{"role": "user", "parts": [{"text": Q}]}]}, "message 1 is missing"),
    ("verl", {"prompt": said(Q), "images": [PNG], "reward_model": {"ground_truth": A}},
     "but prompt, images, reward_model"),
    ("TRL's GRPO", {"prompt": said(Q), "image": PNG, "solution": A}, "but prompt, image, solution"),
    ("TRL's DPO", {"prompt": said(Q), "images": [PNG], "chosen": said(Q, A)[1:], "rejected": said(Q, "x")[1:]},
     "but prompt, images, chosen, rejected"),
    ("TRL's KTO", {"prompt": said(Q), "images": [PNG], "completion": said(Q, A)[1:], "label": True}, "`label` says"),
    ("two values of an answer", {"image": "a.png", "conversations": json.dumps([{"from": "human", "value": Q},
     {"from": "gpt", "preference_values": [A, "x"]}])}, "message 2 is missing"),
    ("two outputs beside a chat", {"image": "a.png", "conversations": said(Q), "output_1": {"value": A}},
     "roles are user"),
    ("OpenAI's preferences", {"input": {"messages": said(Q)}, "preferred_output": said(Q, A)[1:]}, "but input"),
    ("OpenAI's references", {"messages": said(Q), "reference_answer": A}, "roles are user"),
    ("axolotl's segments", {"segments": [{"label": True, "text": A}]}, "but segments"),
    ("axolotl's parts of an answer", answer(train_detail=[{"begin_offset": 0, "train": False}]), "`train_detail`"),
    ("a turn that is null", {"messages": [*said(Q), None, *said(Q, A)[1:]]}, "message 2 is missing"),
    ("a text that is null", one(Q, None), "message 2 is missing"),
    ("turns that are pairs", {"messages": [["user", Q], ["assistant", A]]}, "message 1 is a list"),
    ("a chat within an object", {"conversation": {"messages": said(Q, A)}}, "no `role` and `content`"),
    ("a chat within another column", {"sample": {"messages": said(Q, A)}}, "but sample"),
    ("an image that is null", one("<image>", images=[None]), "image 1 is neither"),
    ("images in lists", one("<image>", images=[["a.png"]]), "image 1 is neither"),
    ("an image's numbers, not its bytes", one("<image>", images=[{"bytes": [0, 0, 255]}]), "image 1 is neither"),
    ("MiniCPM's images", {"image": {"<image_00>": "a.png"}, "conversations": said("<image_00>", A)},
     "image 1 is neither"),
    ("MMMU", {"question": "<image 1>", "answer": "A", "image_1": {"bytes": PNG}}, "`image_1` looks like an"),
    ("a chain of thought beside", {"Question": Q, "Complex_CoT": "r", "Response": A}, "but Question, Complex_CoT"),
    ("several answers of VQA", {"image": "a.png", "question": Q, "answers": [A, "x"]}, "but image, question, answers"),
    ("pairs in a column", {"image": "a.png", "qa_pairs": [{"question": Q, "answer": A}]}, "but image, qa_pairs"),
    ("a report by other names", {"image": "a.png", "findings": "f", "impression": "i"}, "but image, findings"),
    *((f"a {name} beside words", one(**{name: value}), f"`{name}` names a file") for name, value in {
        "volume": "a.nii.gz", "ct": "x/a.NRRD", "slide": "a.svs", "clip": ["a.mp4"], "array": "a.npy",
        "guideline": "a.pdf",
    }.items()),
    *((f"a row that is {name}", one(**{name: value}), f"`{name}` is") for name, value in {
        "is_train": False, "exclude": True, "deleted": 1, "ignored": "yes", "skip": True, "keep": 0,
        "is_duplicate": True, "filtered_out": True,
    }.items()),
    *((f"{name} of a row", one(**{name: value}), f"`{name}` is") for name, value in {
        "accepted": False, "flagged": True, "has_error": True, "error": "timeout", "drop": True, "use": False,
        "blacklisted": 1, "is_refusal": True, "approved": "no", "is_invalid": True, "truncated": True,
        "finish_reason": "length", "stop_reason": "max_tokens",
    }.items()),
    *((f"a row of the {name} {value}", one(**{name: value}), f"`{name}` is {value!r}") for name, value in {
        "split": "test", "set": "Test", "partition": "held_out", "subset": "holdout", "is_test": True,
    }.items()),
    *((f"a turn that is {name}", answer(**{name: value}), f"`{name}` of message 2") for name, value in {
        "valid": False, "is_correct": "no", "skip": True, "flagged": 1, "supervised": False, "backprop": 0,
        "hidden": True, "accepted": False,
    }.items()),
    *((f"{name} of all turns", one(**{name: value}), f"`{name}` is not read") for name, value in {
        "train_turns": [1], "only_last": True, "only_last_turn_loss": True, "loss_on_last": True,
        "last_turn_only": True, "roles_to_train": ["assistant"],
    }.items()),
    *((f"{name} that a question lacks", {"image": "a.png", "question": Q, "answer": A, name: "Be brief."}, f"`{name}`")
      for name in ("prompt", "post_prompt", "prefix", "question_suffix", "task_prompt", "format_instruction", "persona",
                   "answer_prefix", "query")),
    *((f"{name} of the images", one("<image><image>", images=["a.png", "b.png"], **{name: value}), f"`{name}` is")
      for name, value in {"image_order": [1, 0], "image_idx": [1, 0], "img_indices": [1], "image_placeholder": "{pic}",
                          "image_token": "<pic>"}.items()),
    *((f"another answer in {name}", {"question": Q, "answer": A, name: "B"}, f"`{name}` is not read") for name in (
        "corrected_answer", "edited_response", "winner", "preference", "num_repeats", "sampling_weight",
    )),
    ("revised messages", one(revised_messages=said(Q, "B")), "`revised_messages` is not read"),
    ("a part that says two things", one([part("text", text=Q, value="x")]), "a part of message 1 says two things"),
    ("a page of a part", one([part("image", image={"path": "a.tif", "page": 2}), TEXT]), "`page` of image 1"),
    ("a prompt that a chat lacks", one(prompt="Be brief."), "`prompt` beside `messages`"),
    *((f"options called {one_} and {two}", {"question": Q, "answer": "x", one_: "x", two: "y"}, f"`{one_}`")
      for one_, two in (("a", "b"), ("1", "2"), ("0", "1"), ("(A)", "(B)"), ("a)", "b)"), ("answer_a", "answer_b"),
                        ("distractor1", "distractor2"))),
    *((f"{name} in words alone", {"question": Q, "answer": A, name: value}, f"`{name}` beside") for name, value in {
        "findings": "long " * 20, "case_description": "long " * 20, "scenario": "long " * 20, "facts": ["long " * 20],
        "patient_info": "long " * 20, "ctxs": [{"text": "long " * 20}], "search_results": ["a", "b"],
        "premise": "long " * 20,
    }.items()),
    *((f"the {name} of an image", one("<image>", images=[{"path": "a.png", name: value}]), f"`{name}` of image 1")
      for name, value in {"frame": 3, "page_number": 2, "bbox": [1, 2, 3, 4], "crop": [1, 2], "rotation": 90}.items()),
    *((f"{name} before a question", {"image": "a.png", "question": Q, "answer": A, name: value}, f"`{name}` holds what")
      for name, value in {
          "dialog_history": ["q", "a"], "chat_history": "q a", "previous_question": "q", "previous": [["q", "a"]],
          "prior_turns": ["q"], "conversation_history": "[]q", "qa_history": [{"q": "a"}],
      }.items()),
    ("history beside a chat", one(history=[["q", "a"]]), "`history` holds what"),
    ("history as JSON beside a caption", {"image": "a.png", "caption": A, "history": '[["q", "a"]]'},
     "`history` holds"),
    *((f"{name} of a caption", {"image": "a.png", "caption": A, name: value}, f"`{name}` marks a") for name, value in {
        "bbox": [1, 2, 3, 4], "bounding_box": {"x": 1, "y": 2}, "roi": [[1, 2, 3, 4]], "crop": "[1, 2, 3, 4]",
        "point": [5, 6], "bbox_xywh": [1, 2, 3, 4], "region": [1, 2, 3, 4], "polygon": [[[1, 2], [3, 4]]],
    }.items()),
    ("RefCOCO's box", {"image": "a.png", "question": Q, "answer": A, "bbox": [1, 2, 3, 4]}, "`bbox` marks a place"),
    ("an instruction beside a chat", one(instruction="Answer in one word."), "`instruction` beside `messages`"),
    *((f"{text[:12]}… as a caption", {"image": "a.png", "text": text}, "and no caption") for text in (
        "Question: Q Answer: A", "Human: Q\nAssistant: A", "USER: Q ASSISTANT: A", "Q: what?\nA: this",
    )),
    ("an answer that was cut", answer(finish_reason="length"), "`finish_reason` of message 2"),
    ("a speaker in front of a question", one(f"USER: {Q}"), "USER:"),
    ("a speaker in front of a later question", {"messages": said(Q, A, f"x\nUSER: {Q}", A)}, "USER:"),
    ("a key twice in a text", {"messages": '[{"role": "user", "content": "a", "content": "b"}]'}, "`content` is given"),
    ("pixels", {"question": Q, "answer": A, "pixel_values": [0.5]}, "`pixel_values`"),
    ("a template's settings", one(chat_template_kwargs={"enable_thinking": False}), "`chat_template_kwargs`"),
    *((f"{name} beside an image", one("<image>", images=["a.png"], **{name: ["b.png"]}), f"`{name}` looks like")
      for name in ("image_depth", "depth_image", "lateral_image", "conditioning_image")),
    *((f"{name} without an image", one(**{name: "https://x.org/y?z=1"}), f"`{name}` points to an image")
      for name in ("image_url", "img_link", "image_urls", "thumbnail_url", "image_sha256")),
    *((f"{mark} in an answer about an image", one("<image>", f"There: {mark}", images=["a.png"]), mark) for mark in (
        "bbox_2d", "box_2d", "point_2d", "<patch_index_0044>", "<phrase>", "<boxes>", "<bbox_location0>",
        "<region_fea>", "<bbox0>", "<mask>", "[SEG]", "<25><30><45><50>", "<loc0123>", "<loc_1>", "<|det|>",
        "<point x=", "<region1>", "<point>", "<quad>", "<box>[[0.1, 0.2, 0.3, 0.4]]</box>",
        '"bbox": [1', '"boxes": [[0',
        "<spi_patch>", "<bounding_box>", "<coor>", "</image>", "<fake_token_around_image>",
        "<|begin_of_box|>", "[refer]",
    )),
    *((f"{mark} of another template", one(f"{mark} {Q}"), mark) for mark in (
        "</s>", "<|user|>", "<|endoftext|>", "<｜User｜>", "<start_of_turn>", "[INST]", "<<SYS>>", "### Response:",
        "ASSISTANT:", "<|endofchunk|>", "[|Human|]", "<human>", "</assistant>", "<pad>", "<sep>", "[SEP]", "[EOS]",
        "<extra_id_0>", "<reserved_106>", "<EOT>", "Human:", "User:", "<|begin_of_text|>",
    )),
    *((f"HuatuoGPT's {mark}", {"data": [f"{mark}{Q}", A]}, mark) for mark in ("问：", "答：")),
    *((f"{name} beside a question", {"question": Q, "answer": A, name: value}, f"`{name}`") for name, value in {
        "distractors": ["x", "y"], "candidates": ["x", "y"], "answer_choices": "A: x", "passage": "long",
        "abstract": "long", "evidence": "long",
    }.items()),
    *((f"{name} of another name", {"image": "a.png", "question": Q, "answer": A, name: value}, f"`{name}` beside")
      for name, value in {
          "mc_options": ["x", "y"], "multi-choice options": ["x", "y"], "possible_answers": ["x", "y"],
          "Options": ["x", "y"],
          "choices_en": '["x", "y"]', "option": {"A": "x", "B": "y"}, "Choices": "A: x B: y",
          "Answer Choices": "A) x\nB) y",
          "Hint": "look left", "answer_candidates": [2, 4],
      }.items()),
    *((f"{name} in words alone", {"Question": Q, "Answer": A, name: value}, f"`{name}` beside") for name, value in {
        "Context": "c", "table": [["a", "b"], ["1", "2"]], "Patient Note": "long " * 20, "clinical_notes": "long " * 20,
        "contexts": ["x", "y"], "discharge_summary": "long " * 20, "transcript": "long " * 20,
    }.items()),
    ("VisDial", {"image": "a.png", "caption": A, "dialog": [{"question": Q, "answer": A}]}, "`dialog` beside"),
    *((f"{name} beside a caption", {"image": "a.png", "text": Q, name: A}, f"`{name}` beside `text`") for name in (
        "target", "answer", "report", "question",
    )),
    *((f"{name} beside an image", one("<image>", images=["a.png"], **{name: "b.png"}), f"`{name}` looks like an image")
      for name in ("image2", "image_2", "prior_image", "reference_image_path", "IMG-2")),
    *((f"{name} without an image", one(**{name: "5"}), f"`{name}` points to an image") for name in (
        "image_id", "img_id", "dicom_id", "study_id", "SeriesUID", "ImageID", "slice_index", "image_folder",
        "series_dir", "scan_id", "video_id", "slide_id", "ecg_id", "ct_file",
    )),
    *((f"a row's {name}", one(**{name: value}), f"`{name}`") for name, value in {
        "mask_history": True, "train_on_prompt": True, "negatives": ["x"], "is_correct": False, "correct": 0,
        "answerable": "no", "is_impossible": True, "hallucinated": 1,
        "teacher_prompt": "x", "meta_instruction": "x", "segmentations": [[1, 2]],
        "label": False, "kto_tag": True, "mask": "m.png", "lung_masks": ["m.png"], "Mask": "m.png", "audio": "a.wav",
        "audio_path": "a.wav", "videos": ["v.mp4"], "video_path": "v.mp4", "rejected_images": ["x.png"],
        "chosen_response": "x", "negative_messages": said("x"), "documents": [{"text": "d"}], "loss": False,
        "weight": 0.5, "train": False, "assistant_masks": [0, 1], "tools": '[{"type": "function"}]', "functions": [{}],
    }.items()),
    *((f"a turn's {name}", answer(**{name: value}), f"`{name}` of message 2") for name, value in {
        "loss_mask": 1, "mask": True, "trainable": False, "training": False, "ignore": True, "reasoning": "r",
        "thought": "r", "refusal": "r", "bbox": [1, 2, 3, 4], "attachments": ["a.png"], "picture": "a.png",
        "prefix": True, "loss": "false", "weight": 0.5, "tool_calls": [{}], "videos": ["v.mp4"], "options": ["x", "y"],
        "context": "long", "cot": "r", "explanation": "r", "channel": "analysis", "recipient": "python", "system": "S",
        "is_error": True, "train_on_eot": False,
    }.items()),
    *((f"{mark} with an image", one(f"{mark} {Q}", images=["a.png"]), mark) for mark in (
        "<IMAGE>", "<Image>", "<image 1>", "<image_1>", "<image_placeholder>", "<img>", "<im_start>", "<ImageHere>",
        "<start_of_image>",
        "<vision_start>", "<visual>", "<Visual>", "<dicom>", "<slice>", "<slice_3>", "<CT>", "<frame>", "<frame 1>",
        "<mm_image>", "<vis_token>", "<volume>", "〖image〗", "【图片】", "[图像]", "(image 1)\n",
        "<image/>", "< image >", "<image: a.png>", "<Image_2>", "<picture>", "<media>", '<img src="a.png">',
        "![](a.png)", "[image:1]", "[Image #2]",
        "&lt;image&gt;", "[image 1]", "<|vision_start|>", "<|image_pad|>", "<|image_1|>", "[IMG]", "{image}", "<video>",
        "<audio>",
    )),
    *((f"{mark} alone", one(f"{mark} {Q}"), mark) for mark in ("<img>a.png</img>", "<|box_start|>", "<video>")),
]  # fmt: skip


@pytest.mark.parametrize(("row", "texts", "images"), [case[1:] for case in READ], ids=[case[0] for case in READ])
def test_it_is_read_as_it_is_meant(row: dict[str, Any], texts: list[str], images: list[Any]) -> None:
    sample = read_row(row)
    assert isinstance(sample, Sample), sample
    assert [message["content"] for message in sample.messages] == texts
    assert [message["role"] for message in sample.messages][-2:] == ["user", "assistant"]
    assert sample.images == images


@pytest.mark.parametrize(("row", "found"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_it_is_refused_by_name(row: dict[str, Any], found: str) -> None:
    problem = read_row(row)
    assert isinstance(problem, Problem), problem
    assert found in problem.found


@pytest.mark.parametrize("text", [
    "What does <img src='a'> or [image] or {image} do?", "Fill <mask> in: [SEG] of bbox_2d", "a <b>c</b>",
    "p < 0.05 | n > 3", "<think>It is</think> a cyst", "<ref>cyst</ref>",
    "The assistant: a nurse", "### Findings: none", "[1, 2, 3, 4]", "![](a.png)", "the <photo> tag", '{"box": [1, 2]}',
])  # fmt: skip
def test_words_stay_words_where_there_is_no_image(text: str) -> None:
    assert isinstance(read_row(one(text)), Sample)


@pytest.mark.parametrize(
    "text",
    [
        "a <imaging> study",
        "[image quality: poor]",
        "<b>image</b>",
        "images [1, 2, 3]",
        "(1-4)",
        "[scan]",
        "CT < MRI",
        "an (image) of",
        "【影像】",
        "a <slices> tag",
    ],
)
def test_words_stay_words_beside_an_image(text: str) -> None:
    sample = read_row(one(f"<image>{text}", images=["a.png"]))
    assert isinstance(sample, Sample)
    assert sample.notes == ()


@pytest.mark.parametrize(
    "text", ["[0.1, 0.25, 0.5, 1.0]", "At (12, 30, 200, 300).", "[ 1,2,3,4 ]", "[[.1, .2, .3, .4]]"]
)
def test_numbers_that_may_be_a_box_are_kept_and_counted(text: str) -> None:
    sample = read_row(one(f"{Q}", text, images=["a.png"]))
    assert isinstance(sample, Sample)
    assert (sample.messages[1]["content"], sample.notes) == (text, (PLACED, BARE_BOXES))
    own = read_row(one(f"<image>{Q}", "<box>[[1, 2, 3, 4]]</box>", images=["a.png"]))
    assert isinstance(own, Sample)
    assert own.notes == ()


def test_what_says_nothing_is_named() -> None:
    row = one(rationale="r", split="train", source="x")
    row["messages"][0]["name"] = "Bob"
    sample = read_row(row)
    assert isinstance(sample, Sample)
    assert sample.unread == ("rationale", "messages.name")


@pytest.mark.parametrize("column", [
    {"mask": pa.array([{"bytes": PNG, "path": "m"}])}, {"label": pa.array([False])}, {"label": pa.array(["True"])},
    {"labels": pa.array([[False, True]])}, {"labels": pa.array(["true"])},
    {"scan": pa.array([PNG])}, {"rejected_text": pa.array(["x"])}, {"weight": pa.array([0.0])},
    {"image": pa.array([{"bytes": PNG, "path": "m"}])}, {"thumbnails": pa.array([[PNG]])},
    {"chat_history": pa.array([["q", "a"]])}, {"flagged": pa.array([True])}, {"finish_reason": pa.array(["length"])},
    {"instruction": pa.array(["In one word."])}, {"split": pa.array(["test"])}, {"only_last": pa.array([True])},
    {"prompt": pa.array(["Be brief."])}, {"partition": pa.array(["test"])},
])  # fmt: skip
def test_a_table_says_the_same_as_its_rows(tmp_path: Path, column: dict[str, Any]) -> None:
    images = pa.array([[{"bytes": PNG, "path": "a"}]])
    table = pa.table({"messages": pa.array([said("<image>", A)], MESSAGES), "images": images, "score": [1.0], **column})
    pq.write_table(table, tmp_path / "a.parquet")
    (batch,) = parquet_batches(tmp_path / "a.parquet")
    assert plain_rows(batch).tolist() == [False]
    ((_, row),) = read_rows(tmp_path / "a.parquet", "parquet")
    verdicts = [read_row(row), read_row(batch.rows(batch.lengths.nonzero()[0])[0])]
    assert verdicts[0] == verdicts[1]
    assert isinstance(verdicts[0], Problem)
    assert f"`{next(iter(column))}`" in verdicts[0].found
