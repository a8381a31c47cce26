"""vLLM's offline engine, by a stand-in with its documented interface; the real one needs a GPU."""

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from gmai_bench.backends import local
from gmai_bench.backends.asks import Ask
from gmai_bench.backends.offline import OfflineEngine
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.run import Settings, ask_and_report
from gmai_formats.errors import UserError
from PIL import Image

STAND_IN = '''
"""`LLM.chat` and `SamplingParams` as vllm/entrypoints/llm.py documents them; a call fails for one prompt too long."""
import json, os, pathlib
from types import SimpleNamespace

calls = []
left = []


class SamplingParams:
    def __init__(self, **given):
        self.given = given


class LLM:
    def __init__(self, *, model, **given):
        if given.get("max_model_len") == 1:
            raise ValueError("no room for one block")
        calls.append({"model": model, **given, "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")})

    def chat(self, messages, sampling_params, use_tqdm=True):
        assert len(messages) == len(sampling_params)
        made = []
        for message, sampling in zip(messages, sampling_params):
            text = message[-1]["content"][-1]["text"]
            if "too long" in text:
                left.extend(made)
                raise ValueError("The decoder prompt (length 9001) is longer than the maximum model length of 8192.")
            calls.append({"messages": message, **sampling.given})
            said = SimpleNamespace(text=f" {text} {sampling.given['seed']} ", token_ids=[1, 2], finish_reason="stop")
            made.append(SimpleNamespace(prompt_token_ids=[1, 2, 3], outputs=[said]))
        earlier, left[:] = list(left), []
        return earlier + made
'''


@pytest.fixture
def vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "site/vllm").mkdir(parents=True)
    (tmp_path / "site/vllm/__init__.py").write_text(STAND_IN, encoding="utf-8")
    (tmp_path / "site/vllm-0.11.0.dist-info").mkdir()
    (tmp_path / "site/vllm-0.11.0.dist-info/METADATA").write_text("Name: vllm\nVersion: 0.11.0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(__import__("sys").modules, "vllm", raising=False)
    monkeypatch.setattr(local, "digest_of", lambda model: f"sha of {model}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return __import__("vllm")


class Shown:
    def __call__(self, digest: str) -> Image.Image:
        return Image.new("RGB", (2, 2))

    def encoded(self, digest: str) -> tuple[str, bytes]:
        return "image/png", digest.encode()


def asked(engine: OfflineEngine, *asks: Ask) -> dict[str, Any]:
    return {answer.id: answer for answer in engine.answers(asks, Shown())}


def test_questions_go_as_chats_with_their_images_in_front(vllm: Any) -> None:
    engine = OfflineEngine("ckpt", max_new_tokens=9, temperature=0.5)
    found = asked(engine, Ask("a", "Which?", ("d1", "d2"), seed=4), Ask("b", "Text?", ()))
    assert (found["a"].response, found["a"].cut, found["a"].usage) == (
        "Which? 4", False, {"input_tokens": 3, "output_tokens": 2},
    )  # fmt: skip
    start, first, second = vllm.calls
    assert start == {"model": "ckpt", "trust_remote_code": False, "limit_mm_per_prompt": {"image": 2}, "gpus": None}
    content = first["messages"][0]["content"]
    assert [part["type"] for part in content] == ["image_url", "image_url", "text"]
    assert content[0]["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(b'd1').decode()}"
    assert {name: first[name] for name in ("temperature", "max_tokens", "seed")} == {
        "temperature": 0.5, "max_tokens": 9, "seed": 4,
    }  # fmt: skip
    assert second["messages"][0]["content"] == [{"type": "text", "text": "Text?"}]


def test_one_prompt_too_long_is_refused_alone_and_no_answer_moves(vllm: Any) -> None:
    engine = OfflineEngine("ckpt", max_new_tokens=9)
    found = asked(engine, Ask("a", "A", ()), Ask("b", "B too long", ()), Ask("c", "C", ()))
    assert {identity: answer.response for identity, answer in found.items()} == {"a": "A None", "b": "", "c": "C None"}
    assert found["b"].refused.startswith("The decoder prompt (length 9001) is longer than")


def test_the_engine_is_started_anew_for_more_images_a_question_and_only_then(vllm: Any) -> None:
    engine = OfflineEngine("ckpt", max_new_tokens=9)
    for images in ((), ("d",), ("d", "e"), ("d",)):
        asked(engine, Ask("a", "A", images))
    assert [call["limit_mm_per_prompt"] for call in vllm.calls if "model" in call] == [{"image": 1}, {"image": 2}]


@pytest.mark.parametrize(("each", "gpus"), [(1, "5"), (2, "6,7")])
def test_each_rank_has_gpus_of_its_own(
    vllm: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, each: int, gpus: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    settings = tmp_path / "engine.yaml"
    settings.write_text(f"tensor_parallel_size: {each}\n", encoding="utf-8")
    asked(OfflineEngine("c", max_new_tokens=9, settings=settings, local_rank=1, ranks=4), Ask("a", "A", ()))
    assert (vllm.calls[0]["gpus"], vllm.calls[0]["tensor_parallel_size"]) == (gpus, each)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == gpus


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "not a mapping of vLLM's arguments"),
        ("trust_remote_code: true", "trust_remote_code cannot be set here"),
        ("a: [", "not readable as YAML"),
    ],
)
@pytest.mark.usefixtures("vllm")
def test_settings_that_are_none_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "engine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        OfflineEngine("c", max_new_tokens=9, settings=path)


@pytest.mark.usefixtures("vllm")
def test_an_engine_that_does_not_start_and_protocols_by_likelihood_are_explained(tmp_path: Path) -> None:
    path = tmp_path / "engine.yaml"
    path.write_text("max_model_len: 1", encoding="utf-8")
    engine = OfflineEngine("c", max_new_tokens=9, settings=path)
    with pytest.raises(UserError, match=r"c: vLLM does not start with it \(no room for one block\)"):
        asked(engine, Ask("a", "A", ()))
    with pytest.raises(UserError, match=r"needs the likelihood of each option"):
        asked(engine, Ask("a", "A", (), continuations=("x", "y")))


def test_without_vllm_the_message_says_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"vllm is not installed.*separate environment"):
        OfflineEngine("c", max_new_tokens=9)


@pytest.mark.usefixtures("vllm")
def test_a_benchmark_is_asked_and_the_engine_stands_in_the_report(held_out: Path, tmp_path: Path) -> None:
    engine = OfflineEngine("ckpt", max_new_tokens=9)
    ask_and_report([DeclaredBenchmark(held_out)], engine, tmp_path / "out", Settings())
    report = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert report["generation"] == {"temperature": 0, "max_new_tokens": 9, "engine": "vllm 0.11.0"}
    assert (report["benchmarks"][0]["n"], report["model_digest"]) == (12, "sha of ckpt")
    line = json.loads((tmp_path / "out/held_out/option-text/usage.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert (line["input_tokens"], line["output_tokens"]) == (3, 2)


def test_the_stand_in_takes_what_a_question_shows(vllm: Any, held_out: Path, tmp_path: Path) -> None:
    ask_and_report(
        [DeclaredBenchmark(held_out)], OfflineEngine("c", max_new_tokens=9), tmp_path / "out", Settings(limit=1)
    )
    url = vllm.calls[1]["messages"][0]["content"][0]["image_url"]["url"]
    assert Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size == (40, 30)
