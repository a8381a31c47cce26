"""A benchmark by the Batch API, against a server that keeps books of what was asked and paid."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from gmai_bench.backends.batches import BatchEndpoint
from gmai_bench.benchmarks.declared import DeclaredBenchmark
from gmai_bench.run import Settings, ask_and_report
from gmai_formats.chat import batches
from gmai_formats.chat.control import patiently
from gmai_formats.chat.limits import Limits
from gmai_formats.errors import UserError


@pytest.fixture
def endpoint(openai_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)
    monkeypatch.setattr(openai_server, "answer", lambda _prompt, _variant: "CT")

    def make(url: str, model: str = "gpt-4o", requests: int = 5, **settings: Any) -> BatchEndpoint:
        file = tmp_path / "endpoint.yaml"
        file.write_text(f"- {{url: {url}, system: Be brief.}}\n", encoding="utf-8")
        limits = Limits(requests=requests, poll_s=0.001)
        return BatchEndpoint(str(file), model, limits=limits, max_new_tokens=400, **settings)

    return make


def run(held_out: Path, out: Path, backend: BatchEndpoint, **settings: Any) -> dict[str, Any]:
    ask_and_report([DeclaredBenchmark(held_out)], backend, out, Settings(**settings))
    return json.loads((out / "report.json").read_text(encoding="utf-8"))["benchmarks"][0]


def lines(out: Path) -> list[dict[str, Any]]:
    path = out / "held_out/option-text/predictions.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_all_questions_are_asked_in_batches_within_the_limits(
    held_out: Path, tmp_path: Path, openai_server: Any, endpoint: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with openai_server.Server() as server:
        server.batch_polls = 1
        result = run(held_out, tmp_path / "out", endpoint(server.url))
        assert [server.files[each["input_file_id"]].count(b"\n") for each in server.batches.values()] == [5, 5, 2]
        body = json.loads(server.files["file-0"].splitlines()[0])["body"]
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert body["messages"][1]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
        assert sum(server.books.asked.values()) == 12
        assert run(held_out, tmp_path / "out", endpoint(server.url))["n"] == 12
        assert len(server.batches) == 3
    assert (result["n"], result["partial"], len(lines(tmp_path / "out"))) == (12, False, 12)
    assert "gpt-4o: 12 answers" in capsys.readouterr().err


def test_a_killed_run_collects_what_was_submitted(
    held_out: Path, tmp_path: Path, openai_server: Any, endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with openai_server.Server() as server:
        with monkeypatch.context() as patch:
            patch.setattr(batches, "patiently", killed)
            with pytest.raises(UserError, match="killed"):
                run(held_out, tmp_path / "out", endpoint(server.url, requests=50))
        assert len(server.batches) == 1
        assert lines(tmp_path / "out") == []
        assert run(held_out, tmp_path / "out", endpoint(server.url, requests=50))["n"] == 12
        assert len(server.batches) == 1
        assert sum(server.books.asked.values()) == 12


async def killed(endpoint: Any, what: str, call: Callable[[], Awaitable[Any]], *, once: bool = False) -> Any:
    if what == "look at the batch":
        raise UserError("killed")
    return await patiently(endpoint, what, call, once=once)


def test_refused_questions_are_recorded_or_end_the_run(
    held_out: Path, tmp_path: Path, openai_server: Any, endpoint: Any
) -> None:
    def half(body: dict[str, Any], times: int) -> str | None:
        del times
        return "400" if "Which modality" in str(body) else None

    with openai_server.Server(faults=half) as server:
        with pytest.raises(UserError, match=r"6 of 12 questions are refused and 6 answered; the last refusal: HTTP 4"):
            run(held_out, tmp_path / "out", endpoint(server.url))
        assert len(lines(tmp_path / "out")) == 6
        result = run(held_out, tmp_path / "out", endpoint(server.url, max_errors=1.0))
    assert (result["n"], result["refused_by_server"]) == (12, 6)


def test_the_cap_ends_the_run_before_the_batch(
    held_out: Path, tmp_path: Path, openai_server: Any, endpoint: Any
) -> None:
    with openai_server.Server() as server:
        with pytest.raises(UserError, match=r"--max-cost-usd: \$0\.00 are spent in this run, and the next batch could"):
            run(held_out, tmp_path / "out", endpoint(server.url, max_cost_usd=0.001))
        assert not server.batches
        assert lines(tmp_path / "out") == []


def test_several_endpoints_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text("- {url: http://127.0.0.1:1/v1}\n- {url: http://127.0.0.1:2/v1}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"--batch: .* names 2 endpoints\. Batches go to one"):
        BatchEndpoint(str(file), "m", max_new_tokens=8)


def test_the_estimate_is_half_of_the_live_one() -> None:
    from gmai_bench.backends.asks import Ask
    from gmai_bench.backends.endpoint import Endpoint

    asks = [Ask("a", "Which?" * 100, ())] * 10_000
    live = Endpoint("http://127.0.0.1:1/v1", "gpt-4o", max_new_tokens=100).estimate(asks)
    batch = BatchEndpoint("http://127.0.0.1:1/v1", "gpt-4o", max_new_tokens=100).estimate(asks)
    usd = [float(text.rpartition("$")[2].replace(",", "")) for text in (live, batch)]
    assert usd[0] == pytest.approx(2 * usd[1], abs=0.02)
