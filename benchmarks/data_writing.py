"""The writing of samples by a model, against a local OpenAI-compatible stub that answers after 100 ms.

    python benchmarks/data_writing.py [--requests 3000]

Measured, in one run: our engine with journal, checks and quarantine on at 64 and 256 requests in flight; the same
client alone; the `openai` library in its typed way with `asyncio.gather` at the same; a second run in which everything
is known, in memory and from Parquet to Parquet; the offline writer; the journal's size. The stub runs in a process of
its own. Wall time depends on the other load of the machine; CPU time hardly.
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from gmai_data.annotation import Annotation, Box
from gmai_data.checks.simhash import NEAR_BITS
from gmai_data.executors import local_processes
from gmai_data.generation.asking import Asker
from gmai_data.generation.assembling import assemble
from gmai_data.generation.journal import Journal, Outcome, Reply
from gmai_data.generation.pending import Pending, settle
from gmai_data.generation.prompts import load_prompts
from gmai_data.generation.tasks import TaskMaker, WritingSettings
from gmai_data.generation.template_writer import TemplateWriter
from gmai_data.generation.writing import WriteJob
from gmai_data.sources.cards.recipe import Recipe
from gmai_data.tables import ANNOTATIONS, TableFiles
from gmai_data.vocabulary import Split
from gmai_formats.chat.addresses import Address
from gmai_formats.chat.client import Client
from gmai_formats.chat.completion import Completion
from gmai_formats.chat.dialect import Dialect
from gmai_formats.chat.driver import Driver
from gmai_formats.chat.pool import Endpoint, Pool
from gmai_formats.chat.prices import budget_for, load_table
from gmai_formats.fingerprints.near import NearHashes

CARD = {
    "name": "bench", "title": "Bench", "homepage": "https://example.org", "citation": "None.", "license": "CC0-1.0",
    "modality": "Dermoscopy", "department": "Dermatology", "clinical_task": "Disease Diagnosis",
    "anatomy": {"en": "skin", "zh": "皮肤"}, "task": "2d_detection", "layout": {"kind": "folder_per_class"},
    "labels": {"a": {"en": "alpha", "zh": "阿尔法"}, "b": {"en": "beta", "zh": "贝塔"}, "c": "gamma"},
}  # fmt: skip
RECIPE = Recipe.model_validate(CARD)
SHARDS = 8
"""Of so many a fully known build is made, which is timed with one process and with two."""
TEXT = "Write a caption. " * 60
SETTINGS = WritingSettings(writer="openai", model="stub")


def jpeg(seed: int) -> bytes:
    """Return a 336-px JPEG of about 20 kB, as a photograph of the skin has."""
    generator = np.random.default_rng(seed)
    pixels = cv2.resize(generator.integers(60, 220, (84, 84, 3), np.uint8), (336, 336), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, 90))[1].tobytes()


def annotations(count: int, *, boxes: bool = False) -> list[Annotation]:
    images = [jpeg(seed) for seed in range(50)]
    box = (Box("alpha", (40, 60, 200, 220)),) if boxes else ()
    return [
        Annotation(
            id=f"2d#det#dermoscopy#bench#{number}", image=images[number % 50] + number.to_bytes(4),
            width_px=336, height_px=336,
            modality=RECIPE.modality, department=RECIPE.department, clinical_task=RECIPE.clinical_task, anatomy="skin",
            task=RECIPE.task, labels=("alpha",), absent=("beta", "gamma"), incomplete=(), boxes=box,
            split=Split.TRAIN, group=str(number), source="bench", license="CC0-1.0", provenance={"item": str(number)},
        )
        for number in range(count)
    ]  # fmt: skip


def tasks(journal: Journal, records: list[Annotation], digests: list[str]) -> Iterator[Pending]:
    maker = TaskMaker(RECIPE, SETTINGS, load_prompts(), 0.0, 0)
    for annotation, digest in zip(records, digests, strict=True):
        for task in maker.tasks(annotation, digest):
            yield Pending(task, journal, maker)


@contextlib.contextmanager
def stub() -> Iterator[str]:
    path = Path(__file__).parents[1] / "tests" / "servers" / "openai.py"
    command = [sys.executable, str(path), "--latency", "0.1", "--canned"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def timed(name: str, count: int, wall_s: float, cpu_s: float) -> None:
    print(
        f"{name:52} {count / wall_s:9,.0f} /s {1000 * cpu_s / count:8.3f} CPU ms each  {count / cpu_s:9,.0f} per CPU s"
    )


def pool_of(urls: list[str], concurrency: int) -> Pool:
    dialect = SETTINGS.dialect()
    return Pool(
        [Endpoint(Client(Address(url=url), "stub"), dialect, size_at_start=concurrency) for url in urls], concurrency
    )


class Bare:
    """A request of the same size without journal, budget and checks."""

    def __init__(self, annotation: Annotation) -> None:
        self.image = annotation.image

    def body(self, dialect: Dialect) -> bytes:
        uri = f"data:image/jpeg;base64,{base64.b64encode(self.image).decode()}"
        content = [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": TEXT}]
        messages = json.dumps([{"role": "user", "content": content}]).encode()
        return dialect.head("stub", 500, temperature=0.7) + b',"messages":' + messages + b"}"

    def reserve(self) -> bool:
        return True

    def settle(self, completion: Completion | None, *, lost: bool = False) -> None:
        assert completion is not None, lost


def client_alone(url: str, records: list[Annotation], concurrency: int) -> tuple[float, float]:
    async def run() -> None:
        driver = Driver(pool_of([url], concurrency))

        async def one(call: Bare) -> None:
            await driver.ask(call)

        async with driver:
            await driver.run(map(Bare, records), one)
        assert driver.answered == len(records)

    wall, cpu = time.perf_counter(), time.process_time()
    asyncio.run(run())
    took = time.perf_counter() - wall, time.process_time() - cpu
    timed(f"the client alone, {concurrency} in flight", len(records), *took)
    return len(records) / took[0], took[1] / len(records)


def ours(urls: list[str], records: list[Annotation], folder: Path, concurrency: int) -> tuple[float, float]:
    journal = Journal(folder, "bench", 0, 4, "ab")
    budget = budget_for(["stub"], load_table(), cap_usd=None, batch=False)
    asker = Asker(pool_of(urls, concurrency), budget)
    waiting = list(tasks(journal, records, [hashlib.sha256(each.image).hexdigest() for each in records]))
    wall, cpu = time.perf_counter(), time.process_time()
    asyncio.run(asker.run(waiting, lambda _: None, {0: journal}))
    took = time.perf_counter() - wall, time.process_time() - cpu
    assert asker.asked.answered == len(waiting), asker.asked
    kept = sum(
        isinstance(state, Outcome) and state.state == "accepted" for each in waiting for _, state in settle(each)
    )
    assert kept == len(waiting), f"{len(waiting) - kept} replies were refused"
    journal.close()
    timed(f"gmai-data, {concurrency} in flight", len(waiting), *took)
    return len(waiting) / took[0], took[1] / len(waiting)


def openai_gather(url: str, records: list[Annotation], concurrency: int) -> tuple[float, float]:
    from openai import AsyncOpenAI

    async def one(client: AsyncOpenAI, slots: asyncio.Semaphore, annotation: Annotation) -> str | None:
        async with slots:
            uri = f"data:image/jpeg;base64,{base64.b64encode(annotation.image).decode()}"
            content = [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": TEXT}]
            reply = await client.chat.completions.create(
                model="stub", messages=[{"role": "user", "content": content}], max_tokens=500
            )
            return reply.choices[0].message.content

    async def run() -> None:
        slots = asyncio.Semaphore(concurrency)
        async with AsyncOpenAI(base_url=url, api_key="none") as client:
            await asyncio.gather(*(one(client, slots, each) for each in records))

    wall, cpu = time.perf_counter(), time.process_time()
    asyncio.run(run())
    took = time.perf_counter() - wall, time.process_time() - cpu
    timed(f"openai, typed, + asyncio.gather, {concurrency} in flight", len(records), *took)
    return len(records) / took[0], took[1] / len(records)


def answered(records: list[Annotation], folder: Path) -> None:
    """Write a journal in which every text is another one, as a real model's are: no near-duplicates."""
    sounds = ["bel", "cor", "dan", "fim", "gor", "lus", "mer", "nal", "pov", "quin", "rat", "sol", "tev"]
    words = [one + other for one in sounds for other in sounds]
    journal = Journal(folder, "bench", 0, 4, "ab")
    digests = [hashlib.sha256(each.image).hexdigest() for each in records]
    for pending in tasks(journal, records, digests):
        drawn = random.Random(pending.task.id)  # noqa: S311
        said = [" ".join(drawn.choices(words, k=16)) for _ in range(2)]
        turns = [
            {"question": f"What is {look[:25]}?", "answer": f"Dermoscopy of the skin with alpha, {look}, {look[::-1]}."}
            for look in said[: 2 if pending.task.prompt.name == "dialogue" else 1]
        ]
        journal.add_reply(pending.task.key, Reply(json.dumps({"turns": turns}), False, "stub", 900, 120, 0.1))
        assert all(isinstance(state, Outcome) and state.state == "accepted" for _, state in settle(pending))
    journal.close()


def known(records: list[Annotation], folder: Path) -> float:
    journal = Journal(folder, "bench", 0, 4, "cd")
    seen = NearHashes(NEAR_BITS)
    digests = [hashlib.sha256(each.image).hexdigest() for each in records]  # a column of the annotations
    wall, cpu = time.perf_counter(), time.process_time()
    count = 0
    for pending in tasks(journal, records, digests):
        for each, state in settle(pending):
            assert isinstance(state, Outcome)
            each.task.turns(each.journal.replies[state.reply].text)
            seen.find(int(state.print, 16))
            count += 1
    took = time.perf_counter() - wall, time.process_time() - cpu
    timed("second run, everything known", count, *took)
    return count / took[1]


def assembled(records: list[Annotation], folder: Path, processes: int) -> None:
    """Time the last step of a build whose replies are all known: Parquet in, checks of each shard, Parquet out."""
    jobs: list[WriteJob] = []
    for number in range(SHARDS):
        shard = folder / f"shards-{processes}" / str(number)
        with TableFiles(shard, "annotations", ANNOTATIONS, single=True) as table:
            table.add_rows([annotation.row() for annotation in records])
        jobs.append(WriteJob(RECIPE, 0, 4, shard, folder / "answered", "cd", SETTINGS, load_prompts(), 0.0, 0))
    with local_processes(processes) as pool:
        run = map if pool is None else pool.map
        list(run(assemble, jobs[:processes]))  # the processes of a build have started and imported long before
        wall, cpu = time.perf_counter(), time.process_time()
        assert all(run(assemble, jobs))
        took = time.perf_counter() - wall, time.process_time() - cpu
    count = 3 * len(records) * len(jobs)
    print(f"second run, from Parquet to Parquet, {processes} at work{'':9} {count / took[0]:9,.0f} /s", end="")
    print(f"{'':28}{count / took[1]:9,.0f} per CPU s" if pool is None else "")


def offline(records: list[Annotation]) -> float:
    writer = TemplateWriter(0.2, 0.15, (RECIPE.modality,), 0)
    wall, cpu = time.perf_counter(), time.process_time()
    count = sum(1 for annotation in records for _ in writer.samples(annotation, RECIPE))
    took = time.perf_counter() - wall, time.process_time() - cpu
    timed("offline writer", count, *took)
    return count / took[1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=3000)
    given = parser.parse_args()
    records = annotations(given.requests // 3)
    folder = Path(tempfile.mkdtemp(prefix="gmai-writing-"))
    with stub() as url:
        sizes = []
        for concurrency in (64, 256):
            rate, cpu_s = ours([url], records, folder / str(concurrency), concurrency)
            _, alone_s = client_alone(url, records, concurrency)
            peer, peer_s = openai_gather(url, records, concurrency)
            print(
                f"   {rate:,.0f} requests/s at {1000 * cpu_s:.2f} CPU ms each, {rate / peer:.1f} times openai's; its "
                f"CPU time is {peer_s / cpu_s:.1f} times the engine's and {peer_s / alone_s:.1f} times the client's"
            )
            journals = list((folder / str(concurrency)).rglob("*.jsonl"))
            sizes.append(sum(path.stat().st_size for path in journals) / (3 * len(records)))
    answered(records, folder / "answered")
    known(records, folder / "answered")
    for processes in (1, 2):
        assembled(records, folder, processes)
    offline(annotations(1000, boxes=True))
    print(f"journal: {statistics.fmean(sizes):,.0f} bytes a record")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
