"""The endpoint driver against a server of our own that fails on demand and keeps books."""

import asyncio
import base64
import contextlib
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_bench.backends.asks import Answer, Ask
from gmai_bench.backends.endpoint import Endpoint
from gmai_bench.backends.local import LocalModel
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.images import ImageStore, Shown
from gmai_bench.run import Settings, ask_and_report, score_file
from gmai_bench.tools.judge import judge_folder
from gmai_formats.errors import UserError

KEY = "secret-key-of-the-test"


class Stub:
    """A chat endpoint on a thread; `fault(prompt, times asked so far)` returns a raw answer, or None for a good one."""

    def __init__(self) -> None:
        self.fault: Callable[[str, int], bytes | None] = lambda _prompt, _times: None
        self.say: Callable[[str], str] = lambda prompt: f"echo {prompt}"
        self.asked: Counter[str] = Counter()
        self.arrived_s: list[float] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.in_flight = self.most_in_flight = 0
        self.latency_s = 0.0
        self.prompt_at = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait()

    def _run(self) -> None:
        async def start() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 26)
            self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
            self._started.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(self._loop)])
        self._loop.call_soon_threadsafe(lambda: self._loop.call_soon(self._loop.stop))
        self._thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    int(h.split(":")[1]) for h in head.split("\r\n") if h.lower().startswith("content-length")
                )
                body = json.loads(await reader.readexactly(length))
                prompt = body["messages"][self.prompt_at]["content"][-1]["text"]
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                self.headers.append(head)
                self.bodies.append(body)
                self.arrived_s.append(time.monotonic())
                raw = self.fault(prompt, self.asked[prompt])
                self.asked[prompt] += 1
                await asyncio.sleep(self.latency_s)
                self.in_flight -= 1
                if raw == b"":
                    break
                if raw == b"cut off":
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhalf")
                    await writer.drain()
                    break
                writer.write(raw or good(self.say(prompt)))
                await writer.drain()
        writer.close()


def http(status: str, content: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def good(text: str, finish: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return http("200 OK", json.dumps({"choices": [choice]}).encode(), "Content-Type: application/json")


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.close()


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    return Shown(ImageStore(tmp_path / "images"), "none", 0)


def ask_all(stub: Stub, shown: Shown, n: int = 20, **settings: Any) -> dict[str, Answer]:
    endpoint = Endpoint(stub.url, "m", **{"max_new_tokens": 8, "backoff_s": 0.01, "timeout_s": 5.0, **settings})
    asks = [Ask(f"q{i}", f"question {i}", ()) for i in range(n)]
    return {answer.id: answer for answer in endpoint.answers(asks, shown)}


def test_every_question_is_asked_once_and_many_at_once(stub: Stub, shown: Shown) -> None:
    stub.latency_s = 0.02
    answers = ask_all(stub, shown, 200, concurrency=32)
    assert {a.response for a in answers.values()} == {f"echo question {i}" for i in range(200)}
    assert set(stub.asked.values()) == {1}
    assert 16 <= stub.most_in_flight <= 32


@pytest.mark.parametrize(
    "failure",
    [
        http("500 Internal Server Error", b"boom"),
        http("503 Service Unavailable", b""),
        http("200 OK", b"<html>garbage</html>"),
        http("200 OK", b'{"choices": []}'),
        b"",
        b"cut off",
    ],
    ids=["500", "503", "garbage", "no choice", "dropped", "cut off"],
)
def test_a_failure_is_tried_again(stub: Stub, shown: Shown, failure: bytes) -> None:
    stub.fault = lambda _prompt, times: failure if times == 0 else None
    answers = ask_all(stub, shown)
    assert len(answers) == 20
    assert set(stub.asked.values()) == {2}


def test_retry_after_holds_the_server_s_queue_back(stub: Stub, shown: Shown) -> None:
    refusal = http("429 Too Many Requests", b"slow down", "Retry-After: 0.5")
    stub.fault = lambda prompt, times: refusal if prompt == "question 3" and times == 0 else None
    answers = ask_all(stub, shown, 10, concurrency=1)
    assert len(answers) == 10
    assert stub.asked["question 3"] == 2
    gaps_s = [after - before for before, after in itertools.pairwise(stub.arrived_s)]
    assert gaps_s.index(max(gaps_s)) == 3
    assert gaps_s[3] >= 0.5, "nothing is sent in the time that the server asked for"


def test_a_server_that_stays_broken_ends_the_run_with_the_remedy(stub: Stub, shown: Shown) -> None:
    stub.fault = lambda prompt, _times: http("500 Oops", b"no GPU") if prompt == "question 7" else None
    endpoint = Endpoint(stub.url, "m", max_new_tokens=8, backoff_s=0.01)
    arrived: list[str] = []
    with pytest.raises(UserError, match=r'question "q7" failed: HTTP 500: no GPU, 6 times.*are kept'):
        arrived += (a.id for a in endpoint.answers([Ask(f"q{i}", f"question {i}", ()) for i in range(12)], shown))
    got: list[str] = []
    with contextlib.suppress(UserError):
        for answer in endpoint.answers([Ask(f"q{i}", f"question {i}", ()) for i in range(12)], shown):
            got.append(answer.id)
    assert sorted(got) == sorted(f"q{i}" for i in range(12) if i != 7)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("401 Unauthorized", r"HTTP 401: refused.*valid key in \$OPENAI_API_KEY"),
        ("404 Not Found", r"HTTP 404: refused.*Check the URL .* and the model's name"),
        ("400 Bad Request", r"1 of 1 questions are refused.*HTTP 400: refused.*context length"),
    ],
)
def test_what_cannot_succeed_is_not_tried_again(stub: Stub, shown: Shown, status: str, message: str) -> None:
    stub.fault = lambda _prompt, _times: http(status, b"refused")
    with pytest.raises(UserError, match=message):
        ask_all(stub, shown, 1)
    assert sum(stub.asked.values()) == 1


def test_an_endpoint_that_is_down_and_urls_that_are_none(shown: Shown) -> None:
    endpoint = Endpoint("http://127.0.0.1:9/v1", "m", max_new_tokens=8, backoff_s=0.001)
    with pytest.raises(UserError, match=r"no connection: .*Connection refused.*must be up.*Start or repair it"):
        list(endpoint.answers([Ask("a", "?", ())], shown))
    with pytest.raises(UserError, match=r"no http URL"):
        Endpoint("localhost:8000", "m", max_new_tokens=8)
    with pytest.raises(UserError, match=r"holds a user or password"):
        Endpoint("http://me:pw@host/v1", "m", max_new_tokens=8)
    with pytest.raises(UserError, match=r"\$MY_KEY is not set"):
        Endpoint("http://host/v1", "m", max_new_tokens=8, key_variable="MY_KEY")
    with pytest.raises(UserError, match=r"needs the likelihood of each option"):
        list(endpoint.answers([Ask("a", "?", (), ("CT", "MR"))], shown))


def test_a_refused_question_is_recorded_with_its_reason_and_the_run_goes_on(
    stub: Stub, held_out: Path, tmp_path: Path
) -> None:
    stub.say = lambda _prompt: "CT"
    first: list[str] = []

    def fault(prompt: str, _times: int) -> bytes | None:
        first.append(prompt)
        return http("400 Bad Request", b'{"error": {"message": "filtered by policy"}}') if prompt == first[0] else None

    stub.fault = fault
    out = tmp_path / "out"
    for _ in range(2):
        endpoint = Endpoint(stub.url, "m", max_new_tokens=8, max_errors=0.5)
        (scored,) = ask_and_report([DeclaredBenchmark(held_out)], endpoint, out, Settings())
        refused = {item.question.id: item.prediction for item in scored.scored if item.prediction.refused}
        assert scored.result.refused_by_server == len(refused) >= 1
        assert scored.result.n == 12
        assert {item.refused for item in refused.values()} == {"HTTP 400: filtered by policy"}
        asked = len(first)
    assert asked == len(first) == 12, "a refusal is an answer, and not asked for again"
    lines = [json.loads(line) for line in next(out.rglob("predictions.jsonl")).read_text().splitlines()]
    assert sum("refused" in line for line in lines) == len(refused)
    usage = [json.loads(line) for line in next(out.rglob("usage.jsonl")).read_text().splitlines()]
    assert len(usage) == 12 - len(refused)
    assert all(line["seconds"] >= 0 and "input_tokens" not in line for line in usage), "the stub counts no tokens"


@pytest.mark.parametrize(("status", "n"), [("400 Bad Request", 40), ("413 Too Large", 40), ("422 No", 5)])
def test_too_many_refusals_end_the_run_and_none_of_them_is_recorded(
    stub: Stub, shown: Shown, status: str, n: int
) -> None:
    stub.fault = lambda prompt, _times: http(status, b"no images") if int(prompt.split()[1]) % 2 else None
    endpoint = Endpoint(stub.url, "m", max_new_tokens=8, concurrency=4, max_errors=0.1)
    arrived: list[Answer] = []
    with pytest.raises(UserError, match=rf"HTTP {status[:3]}: no images.*More than 10% \(--max-errors\)"):
        arrived += endpoint.answers([Ask(f"q{i}", f"question {i}", ()) for i in range(n)], shown)
    assert not any(answer.refused for answer in arrived)
    assert sum(stub.asked.values()) < n or n == 5


def test_an_answer_that_the_content_filter_ended_counts_as_refused(stub: Stub, shown: Shown) -> None:
    stub.fault = lambda _prompt, _times: good("half an", "content_filter")
    (answer,) = ask_all(stub, shown, 1).values()
    assert answer.refused == "the provider's content filter ended the answer"
    assert not answer.cut


def test_an_endpoints_file_gives_parameters_and_a_system_message(stub: Stub, shown: Shown, tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(
        f"- {{url: {stub.url}, system: Be brief., parameters: {{temperature: false, reasoning_effort: low, "
        "reasoning_tokens: 100, extra_body: {top_k: 1}}}\n"
    )
    endpoint = Endpoint(str(file), "m", max_new_tokens=8)
    stub.prompt_at = 1
    assert [each.response for each in endpoint.answers([Ask("a", "why", ())], shown)] == ["echo why"]
    (body,) = stub.bodies
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert {key: body[key] for key in body if key != "messages"} == {
        "model": "m", "max_tokens": 108, "reasoning_effort": "low", "top_k": 1,
    }  # fmt: skip
    assert endpoint.generation == {
        "temperature": False, "max_new_tokens": 8, "system": "Be brief.", "reasoning_effort": "low",
        "reasoning_tokens": 100, "extra_body": {"top_k": 1},
    }  # fmt: skip
    assert endpoint.digest == f"endpoint:{stub.url}#m"
    plain = Endpoint(stub.url, "m", max_new_tokens=8)
    assert plain.generation == {"temperature": 0, "max_new_tokens": 8}
    file.write_text(f"- {{url: {stub.url}}}\n- {{url: {stub.url}, parameters: {{temperature: 1}}}}\n")
    with pytest.raises(UserError, match="its endpoints have different parameters"):
        Endpoint(str(file), "m", max_new_tokens=8)


def test_the_most_that_a_run_takes_is_said_before_it(stub: Stub, tmp_path: Path) -> None:
    table = tmp_path / "prices.yaml"
    price = "{input_usd: 1000, output_usd: 2000, image: {by: fixed, per_image: 9}}"
    table.write_text(f"as_of: now\nsource: us\nmodels: {{m: {price}}}\n")
    file = tmp_path / "model.yaml"
    file.write_text(f"- url: {stub.url}\n  system: {'x' * 40}\n  parameters: {{reasoning_tokens: 100}}\n")
    endpoint = Endpoint(str(file), "m", max_new_tokens=8, prices=table)
    asks = [Ask(f"q{n}", "x" * 8, ("i",) * n) for n in range(3)]
    # per question 10 tokens of the system message and 2 of its own, 3 images of 9, 108 back; $1,000 a million in
    assert endpoint.estimate(asks) == "3 questions, about 63 tokens in, at most 324 out, at most $0.71"
    assert Endpoint(stub.url, "m", max_new_tokens=8).estimate(asks).endswith("its price is not known (--prices FILE)")
    assert not stub.bodies


def test_the_cap_holds_with_and_without_usage_and_the_answers_are_kept(
    stub: Stub, shown: Shown, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "prices.yaml"
    price = "{input_usd: 0, output_usd: 1000, image: {by: fixed, per_image: 9}}"
    table.write_text(f"as_of: now\nsource: us\nmodels: {{m: {price}}}\n")
    stub.say = lambda _prompt: "x" * 16  # 4 tokens, where 8 are set aside
    arrived: list[Answer] = []
    endpoint = Endpoint(stub.url, "m", max_new_tokens=8, max_cost_usd=0.05, prices=table)
    with pytest.raises(UserError, match=r"--max-cost-usd: \$0\.04 are spent in this run.*higher cap goes on"):
        arrived += endpoint.answers([Ask(f"q{i}", f"question {i}", ()) for i in range(40)], shown)
    with pytest.raises(UserError, match='has no model "other"'):
        Endpoint(stub.url, "other", max_new_tokens=8, max_cost_usd=1.0, prices=table)
    assert sum(stub.asked.values()) == 11
    assert len(list(Endpoint(stub.url, "m", max_new_tokens=8, prices=table).answers([Ask("a", "?", ())], shown))) == 1
    assert "1 answers" in (told := capsys.readouterr().err)
    assert "1 answers came without usage, $0.00" in told


def test_a_setting_of_the_benchmark_is_never_dropped_by_itself(stub: Stub, shown: Shown) -> None:
    complaint = b'{"error": {"message": "temperature is not supported", "param": "temperature"}}'
    stub.fault = lambda *_: http("400 Bad Request", complaint)
    with pytest.raises(UserError, match=r"does not take `temperature`.*`parameters: \{temperature: false\}`"):
        ask_all(stub, shown, 3)


def test_newer_openai_models_get_the_name_they_want(stub: Stub, shown: Shown) -> None:
    complaint = http("400 Bad Request", b"Use 'max_completion_tokens' instead of max_tokens")
    stub.fault = lambda _prompt, times: complaint if times == 0 and "max_tokens" in stub.bodies[-1] else None
    assert len(ask_all(stub, shown, 1)) == 1
    assert stub.bodies[-1]["max_completion_tokens"] == 8


def test_the_request_holds_the_image_as_it_was_stored(inputs: SimpleNamespace, stub: Stub, tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    digest = store.add(inputs.draw(3), "")
    asks = [Ask("a", 'Is it "CT"?\n', (digest,)), Ask("b", "And now?", (digest,))]
    stub.fault = lambda prompt, _times: good("B", "length") if prompt == "And now?" else None
    answers = {a.id: a for a in Endpoint(stub.url, "m", max_new_tokens=8).answers(asks, Shown(store, "none", 0))}
    assert (answers["b"].cut, answers["a"].cut) == (True, False)
    for body in stub.bodies:
        image, text = body["messages"][0]["content"]
        mime, _, data = image["image_url"]["url"].partition(";base64,")
        assert (mime, base64.b64decode(data)) == ("data:image/png", inputs.draw(3))
        assert text["text"] in ('Is it "CT"?\n', "And now?")
        assert body["temperature"] == 0
    list(Endpoint(stub.url, "m", max_new_tokens=8).answers(asks[:1], Shown(store, "blank", 0)))
    assert len({body["messages"][0]["content"][0]["image_url"]["url"] for body in stub.bodies}) == 2


def test_the_key_is_sent_and_never_written(
    stub: Stub, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    stub.say = lambda _prompt: "CT"
    out = tmp_path / "out"
    ask_and_report([DeclaredBenchmark(held_out)], Endpoint(stub.url, "m", max_new_tokens=8), out, Settings())
    assert all(f"authorization: bearer {KEY}" in head.lower() for head in stub.headers)
    assert json.loads((out / "report.json").read_text(encoding="utf-8"))["benchmarks"][0]["correct"] == 4
    stub.fault = lambda _prompt, _times: http("401 Unauthorized", f"bad key {KEY}".encode())
    with pytest.raises(UserError) as refused:
        list(Endpoint(stub.url, "m", max_new_tokens=8).answers([Ask("a", "?", ())], Shown(ImageStore(out), "none", 0)))
    assert "(key)" in str(refused.value)
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert KEY not in str(refused.value) + capsys.readouterr().err
    assert KEY.encode() not in written


def test_a_judge_reads_each_answer_once_and_changes_no_number(
    inputs: SimpleNamespace, stub: Stub, held_out: Path, tmp_path: Path
) -> None:
    rows = inputs.held_out_rows()
    said = {row["id"]: ("CT", "slices of a rotating tube")[i % 2] for i, row in enumerate(rows)}
    file = inputs.write_predictions(tmp_path / "a.jsonl", said)
    (before,) = score_file(file, [DeclaredBenchmark(held_out)], tmp_path / "out", Settings(), model="m")
    stub.say = lambda prompt: "A" if "rotating" in prompt or "X-ray" not in prompt else "NONE"
    found = judge_folder(tmp_path / "out", Endpoint(stub.url, "judge", max_new_tokens=4))["held_out/option-text"]
    assert (found["n"], found["both_read"], found["agreement"]) == (12, 6, 0.0)
    assert (found["read_by_the_judge_only"], found["read_by_neither"]) == (6, 0)
    assert found["accuracy_of_the_rules"] == before.result.accuracy
    asked = sum(stub.asked.values())
    assert asked == 2  # two questions with one answer each: the very same request is sent once
    judge_folder(tmp_path / "out", Endpoint(stub.url, "judge", max_new_tokens=4))
    assert sum(stub.asked.values()) == asked


@pytest.mark.e2e
def test_a_real_server_answers(tiny_llava: Path, held_out: Path, tmp_path: Path, serving: Any) -> None:
    with serving(tiny_llava, tmp_path) as url:
        endpoint = Endpoint(url, str(tiny_llava), max_new_tokens=4, concurrency=4)
        (result,) = ask_and_report([DeclaredBenchmark(held_out)], endpoint, tmp_path / "out", Settings())
        assert result.result.n == 12
        local = LocalModel(str(tiny_llava), batch_size=4, max_new_tokens=4)
        (alike,) = ask_and_report([DeclaredBenchmark(held_out)], local, tmp_path / "local", Settings())
        said = [[item.prediction.response for item in run.scored] for run in (result, alike)]
        assert said[0] == said[1]
