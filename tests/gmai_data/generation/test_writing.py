"""A whole build with a model behind a hostile server: nothing lost, nothing paid twice, nothing told."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.checks.written import checks_digest
from gmai_data.generation.balance import REASON
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writers import WriterOptions
from gmai_data.sources.cards.catalogue import resolve
from gmai_data.vocabulary import Kind
from gmai_formats.chat.limits import Limits
from gmai_formats.errors import UserError

COMMAND = [sys.executable, "-c", "from gmai_cli.main import main; main()", "data", "build"]
SOURCES = ("phantom-dermoscopy", "phantom-microscopy", "phantom-text")
IN_FLIGHT = 4


@pytest.fixture(autouse=True)
def key(openai_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", openai_server.KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def number_of(server, body):
    """Return a number from 0 to 19 that depends on what is asked about, not on the attempt."""
    return int(hashlib.sha256(server.prompt_of(body).encode()).hexdigest()[:6], 16) % 20


def hostile(server):
    """Return faults of every kind, each for a twentieth of the records."""
    passing = ["429", "503", "500", "drop", "drop after", "garbage"]
    lasting = ["refusal", "invalid", "wrong box", "400", "500", "cut", "fence"]
    first = ["cut", "meta", "invalid"]

    def faults(body, times):
        number = number_of(server, body)
        if number < 6:
            return passing[number] if times == 0 else None
        if number < 13:
            return lasting[number - 6]
        if number < 16:
            return first[number - 13] if len(body["messages"]) == 2 and body["seed"] == 0 else None
        return "wrong box" if number == 16 else None

    return faults


def run(phantoms, out, url, *, sources=SOURCES[1:], share=None, limits=None, cache=None, cap=None, **more):
    """Build with a model; `more` are its settings."""
    shares = dict.fromkeys((Kind.IMAGE_CAPTION, Kind.REGION_CAPTION, Kind.DIALOGUE, Kind.TEXT_ONLY), 0.5)
    writing = WritingSettings(**{"writer": "openai", "model": "gpt-4o", "translate": shares, **more})
    options = WriterOptions(
        (url,), 16, cap, cache=cache, timeout_s=20, limits=limits or Limits(poll_s=0.01), backoff_s=0.01
    )
    named = [f"{name}={phantoms / name}" for name in sources]
    settings = BuildSettings(writing=writing, text_share=0.5)
    return build(resolve(named, None), out, settings, options=RunOptions(share=share, writer=options))


def release(out):
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "run.json" and ".build" not in path.parts
    }


def rows(out):
    return [row for path in sorted(out.glob("samples/*/*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_every_record_ends_in_exactly_one_place(phantoms, tmp_path, openai_server, capfd):
    out = tmp_path / "out"
    with openai_server.Server() as server:
        server.faults = hostile(openai_server)
        assert run(phantoms, out, server.url, sources=SOURCES) == 3
    samples = rows(out)
    ids = [row["id"] for row in samples]
    dropped = [json.loads(line) for line in (out / "dropped.jsonl").read_text().splitlines()]
    quarantine = [json.loads(line) for line in (out / "quarantine.jsonl").read_text().splitlines()]
    places = [*ids, *(line["id"] for line in dropped), *(line["file"] for line in quarantine)]
    assert len(places) == len(set(places))
    manifest = json.loads((out / "manifest.json").read_text())
    total = {
        name: sum(r["samples"][name] for r in manifest["recipes"].values()) for name in ("read", "kept", "quarantined")
    }
    total["dropped"] = sum(sum(r["samples"]["dropped"].values()) for r in manifest["recipes"].values())
    assert total["read"] == total["kept"] + total["dropped"] + total["quarantined"]
    balance = sum(r["samples"]["dropped"].get(REASON, 0) for r in manifest["recipes"].values())  # counted, not listed
    assert (total["kept"], total["dropped"] - balance, total["quarantined"]) == (
        len(ids),
        len(dropped),
        len(quarantine),
    )
    reasons = {line["reason"].split(":")[0] for line in quarantine}
    assert reasons == {"unusable reply", "cut at the token limit", "no reply"}
    assert {line["check"] for line in dropped} >= {"refusal", "boxes"}
    # What the model wrote, and what it must not have: the parent of a translation is there, perception is not written.
    written = [row for row in samples if json.loads(row["provenance"])["writer"] == "openai"]
    assert {row["kind"] for row in written} == {kind for kind in Kind if kind != Kind.VISUAL_PERCEPTION}
    for row in written:
        assert row["parent_id"] == (row["id"].removesuffix("#zh") if row["id"].endswith("#zh") else None)
        assert "sorry" not in json.dumps(row["messages"])
        assert "annotation" not in json.dumps(row["messages"])
    assert {row["language"] for row in written} == {"en", "zh"}
    # The key went to the server and nowhere else; no image in a journal or a log.
    assert set(server.books.keys) == {openai_server.KEY}
    told = "".join(capfd.readouterr())
    texts = [path.read_text(errors="replace") for path in out.rglob("*.json*")]
    for text in (told, *texts):
        assert openai_server.KEY not in text
        assert "base64" not in text
        assert "iVBORw0KGgo" not in text
    journals = list((out / ".build" / "journal").rglob("*.jsonl"))
    assert sum(path.stat().st_size for path in journals) / total["read"] < 3000
    # Nothing was asked again after it was answered: what was lost on the way, and only that.
    again = {name: count - 1 for name, count in server.books.delivered.items() if count > 1}
    assert not again


def test_killed_writing_repeats_at_most_what_was_in_flight(phantoms, tmp_path, openai_server):
    chance = random.Random(7)
    arguments = ["phantom-microscopy", "--root", str(phantoms / "phantom-microscopy"), "--writer", "openai"]
    arguments += ["--model", "m", "--concurrency", str(IN_FLIGHT), "--set", "writing.translate.dialogue=0.5"]

    def command(url, out):
        return [*COMMAND, *arguments, "--endpoint", url, "--out", str(out)]

    environment = {**os.environ, "OPENAI_API_KEY": "k"}
    with openai_server.Server() as server:
        subprocess.run(command(server.url, tmp_path / "whole"), env=environment, check=True, capture_output=True)
        whole = sum(server.books.asked.values())
    kills = sorted(chance.sample(range(1, whole - 1), 3))
    out = tmp_path / "killed"
    with openai_server.Server(latency_s=0.05) as server:
        for asked in kills:
            running = subprocess.Popen(
                command(server.url, out), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            deadline_s = time.monotonic() + 600
            while sum(server.books.asked.values()) < asked:
                assert running.poll() is None, "the build ended before it could be killed"
                assert time.monotonic() < deadline_s
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.1))
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
        subprocess.run(command(server.url, out), env=environment, check=True, capture_output=True)
        repeated = sum(count - 1 for count in server.books.asked.values())
    assert repeated <= len(kills) * IN_FLIGHT, f"killed after {kills} of {whole}"
    assert len(server.books.asked) == whole
    assert release(out) == release(tmp_path / "whole")


def test_a_shared_cache_pays_nothing_twice(phantoms, tmp_path, openai_server):
    with openai_server.Server() as server:
        assert run(phantoms, tmp_path / "one", server.url, cache=tmp_path / "cache") == 0
        asked = sum(server.books.asked.values())
        assert run(phantoms, tmp_path / "two", server.url, cache=tmp_path / "cache") == 0
        assert sum(server.books.asked.values()) == asked
    assert release(tmp_path / "one") == release(tmp_path / "two")
    # Where everything is known no endpoint is needed, not even to judge the answers by other checks than at that time.
    for journal in (tmp_path / "cache").rglob("*.jsonl"):
        journal.write_text(journal.read_text().replace(checks_digest(), "of-other-checks"))
    assert run(phantoms, tmp_path / "three", "http://127.0.0.1:9/v1", cache=tmp_path / "cache") == 0
    assert release(tmp_path / "one") == release(tmp_path / "three")
    judged = [path for path in (tmp_path / "cache").rglob("*.jsonl") if checks_digest() in path.read_text()]
    assert judged, "the new verdicts are kept, too"


def test_a_build_ends_where_only_what_no_model_takes_is_left(phantoms, tmp_path, openai_server):
    refused = "exactly one turn"  # every caption

    def faults(body, _times):
        return "400" if refused in openai_server.prompt_of(body) else None

    with openai_server.Server() as server:
        # The other kinds are known from another build, and each request of this one is refused.
        assert run(phantoms, tmp_path / "one", server.url, sources=SOURCES[:1], cache=tmp_path / "cache") == 0
        for journal in (tmp_path / "cache").rglob("*.jsonl"):
            lines = journal.read_text().splitlines(keepends=True)
            journal.write_text("".join(line for line in lines if line.count("question") > 1))
        server.faults = faults
        assert run(phantoms, tmp_path / "two", server.url, sources=SOURCES[:1], cache=tmp_path / "cache") == 3
    quarantine = (tmp_path / "two" / "quarantine.jsonl").read_text()
    assert quarantine.count("no reply: HTTP 400") > 8


def test_what_may_pass_is_quarantined_for_now_and_asked_again_by_the_same_command(
    phantoms, tmp_path, openai_server, capfd
):
    out = tmp_path / "out"

    def faults(body, _times):
        return "500" if number_of(openai_server, body) == 3 else None

    with openai_server.Server(faults) as server:
        assert run(phantoms, out, server.url) == 3
        told = capfd.readouterr().err
        quarantine = (out / "quarantine.jsonl").read_text()
        assert "reasons that may pass" in told
        assert 0 < quarantine.count("no reply: HTTP 500: boom, 6 times") < 60
        before = sum(server.books.delivered.values())
        assert run(phantoms, out, server.url) == 3, "still broken"
        server.faults = lambda *_: None
        assert run(phantoms, out, server.url) == 0
        assert max(server.books.delivered.values()) == 1
        assert sum(server.books.delivered.values()) > before
        assert run(phantoms, tmp_path / "whole", server.url) == 0
        assert run(phantoms, out, server.url) == 0
        assert "this build is complete; nothing to do" in capfd.readouterr().err
    assert release(out) == release(tmp_path / "whole")


def test_the_cap_holds_and_the_build_goes_on(phantoms, tmp_path, openai_server, capfd):
    out, cap = tmp_path / "out", 0.05
    with openai_server.Server() as server:
        assert run(phantoms, out, server.url, cap=cap) == 2
        assert "the same command with a higher cap goes on" in capfd.readouterr().err
        spent = sum(
            json.loads(line).get("usd", 0)
            for path in (out / ".build" / "journal").rglob("*.jsonl")
            for line in path.read_text().splitlines()
        )
        assert 0.5 * cap < spent <= cap, "what is set aside for requests in flight is used when they cost less"
        assert run(phantoms, out, server.url, cap=100.0) == 0
        assert max(server.books.asked.values()) == 1
        first = json.loads((out / "run.json").read_text())["spent_usd"]
        assert spent < first < 100
        assert run(phantoms, tmp_path / "whole", server.url) == 0
    assert release(out) == release(tmp_path / "whole")


def test_tasks_of_an_array_write_their_shards(phantoms, tmp_path, openai_server, capfd):
    out = tmp_path / "out"
    with openai_server.Server() as server:
        assert run(phantoms, out, server.url, share=(0, 2)) == 0
        assert "Run the same array once more" in capfd.readouterr().err
        assert not server.books.asked
        for task in (1, 0):
            assert run(phantoms, out, server.url, share=(task, 2)) == 0
        asked = sum(server.books.asked.values())
        assert run(phantoms, out, server.url) == 0
        assert sum(server.books.asked.values()) == asked > 0
        assert run(phantoms, tmp_path / "whole", server.url) == 0
    assert release(out) == release(tmp_path / "whole")


def test_batches_end_to_end(phantoms, tmp_path, openai_server):
    out = tmp_path / "out"
    limits = Limits(requests=40, size_bytes=400_000, poll_s=0.01)
    with openai_server.Server() as server:
        server.batch_polls = 2
        server.faults = hostile(openai_server)
        assert run(phantoms, out, server.url, sources=SOURCES, writer="openai-batch", limits=limits) == 3
        lines = [server.files[batch["input_file_id"]] for batch in server.batches.values()]
        assert len(lines) > 3
        assert max(content.count(b"\n") for content in lines) <= 40
        assert max(map(len, lines)) <= 400_000
    manifest = json.loads((out / "manifest.json").read_text())
    for recipe in manifest["recipes"].values():
        count = recipe["samples"]
        assert count["read"] == count["kept"] + sum(count["dropped"].values()) + count["quarantined"]
    reasons = {json.loads(line)["reason"].split(":")[0] for line in (out / "quarantine.jsonl").read_text().splitlines()}
    assert reasons == {"unusable reply", "cut at the token limit", "no reply"}
    assert not list((out / ".build" / "batches").glob("*.jsonl")), "an input file with images was left"
    assert not {name: count for name, count in server.books.delivered.items() if count > 1}


def test_a_batch_that_was_submitted_is_not_paid_again(phantoms, tmp_path, openai_server, monkeypatch):
    out = tmp_path / "out"
    from gmai_formats.chat import batches

    with openai_server.Server() as server:
        real, calls = batches.write_state, []

        def killed_before_the_id_was_written(path, record):
            if "id" in record and not calls:
                calls.append(path)
                raise KeyboardInterrupt
            real(path, record)

        monkeypatch.setattr(batches, "write_state", killed_before_the_id_was_written)
        with pytest.raises(KeyboardInterrupt):
            run(phantoms, out, server.url, writer="openai-batch")
        assert len(server.batches) == 1
        assert run(phantoms, out, server.url, writer="openai-batch") == 0
        assert max(server.books.asked.values()) == 1


def test_a_wrong_key_or_a_dead_endpoint_stops_the_run_with_the_remedy(phantoms, tmp_path, openai_server):
    with openai_server.Server(lambda _body, _times: "401") as server:
        with pytest.raises(UserError, match=r"HTTP 401: .*Export a valid key"):
            run(phantoms, tmp_path / "one", server.url)
        url = server.url
    with pytest.raises(UserError, match=r"no connection: .*Connection refused; nothing else was answered meanwhile"):
        run(phantoms, tmp_path / "two", url)
    with openai_server.Server(lambda _body, _times: "400") as server:
        with pytest.raises(
            UserError, match=r"gives no answer, to none of \d requests, one of each kind: HTTP 400"
        ) as caught:
            run(phantoms, tmp_path / "three", server.url)
        assert openai_server.KEY not in str(caught.value)
        server.faults = lambda _body, _times: None
        assert run(phantoms, tmp_path / "three", server.url) == 0, "the build goes on once the cause is mended"


def test_a_judge_that_only_counts_changes_nothing(phantoms, tmp_path, openai_server):
    with openai_server.Server() as server:
        assert run(phantoms, tmp_path / "plain", server.url) == 0
        assert run(phantoms, tmp_path / "judged", server.url, judge="other", judge_share=1.0, judge_filters=False) == 0
    assert server.books.models["other"] > 10
    manifest = json.loads((tmp_path / "judged" / "manifest.json").read_text())
    opinions = [recipe["written"]["opinions"] for recipe in manifest["recipes"].values()]
    against = sum(each.get("inconsistent", 0) for each in opinions)
    assert against == len((tmp_path / "judged" / "judged.jsonl").read_text().splitlines()) > 0
    assert sum(map(sum, (each.values() for each in opinions))) == server.books.models["other"]
    one, other = release(tmp_path / "plain"), release(tmp_path / "judged")
    assert {name: one[name] for name in one if "samples" in name} == {
        name: other[name] for name in other if "samples" in name
    }


def test_real_files_become_a_bilingual_build_with_one_command(real_data, tmp_path, openai_server):
    out = tmp_path / "out"
    sources = [f"bccd={real_data / 'bccd' / 'BCCD'}", f"totalsegmentator-mr={real_data / 'totalsegmentator'}"]
    with openai_server.Server() as server:
        options = ["--writer", "openai", "--model", "m", "--endpoint", server.url, "--out", str(out)]
        finished = subprocess.run(
            [*COMMAND, *sources, *options, "--limit", "4", "--chinese-share", "0.5"], capture_output=True, text=True
        )
        assert finished.returncode == 0, finished.stderr
    samples = rows(out)
    written = [row for row in samples if json.loads(row["provenance"])["writer"] == "openai"]
    found = {(row["source"], row["language"], row["kind"]) for row in written}
    for source in ("bccd", "totalsegmentator-mr"):
        for language in ("en", "zh"):
            assert (source, language, "image_caption") in found
            assert (source, language, "region_caption") in found
    parents = {row["id"]: row for row in samples}
    for row in written:
        if row["parent_id"]:
            assert row["boxes"] == parents[row["parent_id"]]["boxes"]


@pytest.mark.parametrize("behaviour", ["", "reasoning", "thinking aloud", "no usage"])
def test_any_kind_of_model_writes_every_form_with_balanced_books(phantoms, tmp_path, openai_server, behaviour):
    """Reports, reasonings and a judge that filters, against a server that fails at a quarter of the requests."""
    out = tmp_path / "out"
    more = {"report_share": 0.3, "reasoning_share": 0.7, "judge": "gpt-4.1-mini", "reasoning_tokens": 2000}
    with openai_server.Server(hostile(openai_server), behaviour=behaviour) as server:
        assert run(phantoms, out, server.url, sources=SOURCES[:2], **more) == 3
        paid, asked = sum(server.books.paid.values()), sum(server.books.asked.values())
        assert run(phantoms, out, server.url, sources=SOURCES[:2], **more) == 3
        lost = {key for key, count in server.books.paid.items() if count > server.books.delivered[key]}
        assert not {key for key, count in server.books.delivered.items() if count > 1} - lost
    assert asked > paid > 0
    recipes = json.loads((out / "manifest.json").read_text())["recipes"]
    for recipe in recipes.values():
        samples = recipe["samples"]
        assert samples["read"] == samples["kept"] + sum(samples["dropped"].values()) + samples["quarantined"]
    reasons = {reason for recipe in recipes.values() for reason in recipe["samples"]["dropped"]}
    assert any(reason.startswith("judged inconsistent: ") for reason in reasons)
    dropped = [json.loads(line) for line in (out / "dropped.jsonl").read_text().splitlines()]
    judged = [json.loads(line) for line in (out / "judged.jsonl").read_text().splitlines()]
    filtered = {line["id"] for line in dropped if line["check"].startswith("judged inconsistent")}
    assert filtered == {line["id"] for line in judged} != set()
    kept = rows(out)
    assert not filtered & {row["id"] for row in kept}
    told = [json.loads(row["provenance"]) for row in kept]
    written = [each for each in told if each["writer"] == "openai"]
    assert {each.get("form") for each in written} >= {None, "report", "reasoning"}
    assert len({each["scenario"] for each in written if "scenario" in each}) > 5
    for row, each in zip(kept, told, strict=True):
        last = row["messages"][-1]["content"]
        if each.get("form") == "reasoning" and row["language"] == "en":
            assert last.endswith(f"Answer: {each['answer']}")
