"""An OpenAI-compatible chat server that fails on demand and keeps books of what was asked, paid and delivered.

It answers as an obedient model would: it reads the record, the references and the number of turns out of the prompt.
`faults(request, times)` names the fault of a request that was asked `times` times before, or None. `behaviour` is
what a kind of model does with each request: `reasoning` refuses the older fields and thinks at the cost of its limit,
`thinking aloud` wraps its answer, `no usage` counts no tokens. The same request always gets the same answer.

`python tests/servers/openai.py --latency 0.1` runs it alone and prints its URL.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KEY = "sk-test-key-that-must-not-be-seen"
Faults = Callable[[dict[str, Any], int], str | None]
ENGLISH_TO_CHINESE = {"left": "左", "right": "右"}


def digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def prompt_of(body: dict[str, Any]) -> str:
    """Return the text of the first user message."""
    content = body["messages"][1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def answer(prompt: str, variant: str) -> str:
    """Return what an obedient model says."""
    if '"consistent"' in prompt:
        return json.dumps({"consistent": variant[0] not in "01", "reason": "As far as it is visible."})
    if "Translate the conversation" in prompt:
        return json.dumps({"turns": _translated(prompt)}, ensure_ascii=False)
    if "conversation of a patient" in prompt:
        source, _ = json.JSONDecoder().raw_decode(prompt, prompt.index("[{"))
        turns = [_rewritten(turn, variant[number:]) for number, turn in enumerate(_turns(prompt, source))]
        return json.dumps({"turns": turns}, ensure_ascii=False)
    modality, region, labels = (_line(prompt, name) for name in ("Modality", "Region", "Labels"))
    known = [] if labels.startswith("none") else labels.split("; ")
    named = ", ".join(known) or "nothing that was recorded"
    words = " ".join(_WORDS[int(digit, 16)] for digit in variant[:10])
    references = re.findall(r"^(<ref>.*</box>)$", prompt, re.MULTILINE)
    if asked := re.search(r"copied as it stands: (.*)$", prompt, re.MULTILINE):
        last = re.search(r"The last line is exactly: (.*)$", prompt, re.MULTILINE)
        steps = f"The image has a {words} look.\nThere {named} stands out clearly.\n{last[1] if last else ''}"
        return json.dumps({"turns": [{"question": asked[1], "answer": steps}]})
    if '"Impression:"' in prompt:
        said = (
            f"Findings: A {modality} image of the {region} with {words} texture. It shows {named}. Impression: {named}."
        )
        return json.dumps({"turns": [{"question": f"Please report on this {words} image.", "answer": said}]})
    if references:
        known = re.findall(r"^Known of (.*), function: ([^;\n]*)", prompt, re.MULTILINE)
        said = f"The region has a {words} look: {' and '.join(references)}."
        said += "".join(f" The {label} {function}." for label, function in known)
        return json.dumps({"turns": [{"question": f"What does the {words} region hold?", "answer": said}]})
    if "no image this time" in prompt:
        first = f"What does {modality} of the {region} with {named} mean in {words} terms?"
        said = f"In {words} terms, {named} belongs to what {modality} of the {region} can bring out."
    else:
        first = f"What can be seen, in {words} terms?"
        said = f"A {modality} image of the {region} with {words} texture, on which {named} stands out clearly."
    turns = [{"question": first, "answer": said}]
    for number in range(1, len(_turns(prompt, [{}] * 9))):
        detail = " ".join(_WORDS[int(digit, 16)] for digit in variant[number : number + 6])
        turns.append(
            {"question": f"And what about the {detail} part?", "answer": f"It has a {detail} look beside {named}."}
        )
    return json.dumps({"turns": turns})


_WORDS = (
    "smooth", "grainy", "bright", "dark", "sharp", "faint", "even", "patchy", "round", "oval", "dense", "loose",
    "soft", "coarse", "fine", "mottled",
)  # fmt: skip


def _line(prompt: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", prompt, re.MULTILINE)
    return found[1] if found else ""


def _turns(prompt: str, source: list[Any]) -> list[Any]:
    if "exactly one turn" in prompt:
        return source[:1]
    least = int(re.search(r"with (\d+) to (\d+) turns", prompt)[1])  # type: ignore[index]
    return (source * least)[:least]


def _rewritten(turn: dict[str, str], variant: str) -> dict[str, str]:
    if re.search(r"[\u4e00-\u9fff]", turn["question"]):
        words = "".join("清晰均匀细腻明暗边缘柔和致密疏松"[int(digit, 16)] for digit in variant[:4])
        return {"question": f"用{words}的话说：{turn['question']}", "answer": f"用{words}的话说：{turn['answer']}"}
    words = " ".join(_WORDS[int(digit, 16)] for digit in variant[:4])
    return {"question": f"In {words} words: {turn['question']}", "answer": f"In {words} words: {turn['answer']}"}


def _translated(prompt: str) -> list[dict[str, str]]:
    source, _ = json.JSONDecoder().raw_decode(prompt, prompt.index("Conversation: [") + len("Conversation: "))
    terms = dict(entry.split(" = ", 1) for entry in _line(prompt, "Terms to be used").split("; ") if " = " in entry)

    def chinese(text: str) -> str:
        kept = re.findall(r"⟦\d+⟧", text)
        named = [term for english, term in terms.items() if english.lower() in text.lower()]
        sides = [side for word, side in ENGLISH_TO_CHINESE.items() if re.search(rf"\b{word}\b", text.lower())]
        body = hashlib.sha256(text.encode()).digest()[:8]
        filler = "".join("清晰均匀细腻明暗边缘柔和致密疏松圆形椭圆"[byte % 20] for byte in body)
        return f"可见{'、'.join(named + sides)}，表现为{filler}{''.join(kept)}。"

    def answered(text: str) -> str:
        if text.startswith("Findings:"):
            findings, impression = text.removeprefix("Findings:").split("Impression:")
            return f"所见：{chinese(findings)}印象：{chinese(impression)}"
        if (parts := text.rsplit("\nAnswer: ", 1))[1:]:
            lines = [chinese(line) for line in parts[0].split("\n")]
            return "\n".join([*lines, f"答案：{terms.get(parts[1], parts[1])}"])
        return chinese(text)

    terms = {english: term for english, term in terms.items() if not english.endswith(":")}
    return [{"question": chinese(turn["question"]), "answer": answered(turn["answer"])} for turn in source]


THOUGHT_TOKENS = 900
"""More than any prompt's limit leaves beside the answer."""
_OLDER = {
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'.",
    "temperature": "Unsupported value: 'temperature' does not support 0.7. Only the default (1) is supported.",
}
_QUOTA = {
    "message": "You exceeded your current quota, please check your plan and billing details.",
    "code": "insufficient_quota",
}
_REFUSALS: dict[str, tuple[int, dict[str, str], dict[str, str]]] = {
    "quota": (429, {}, _QUOTA),
    "a day": (429, {"Retry-After": "86400"}, {"message": "daily limit"}),
    "milliseconds": (429, {"retry-after-ms": "150"}, {"message": "slow down"}),
    "529": (529, {"Retry-After": "0.1"}, {"message": "overloaded"}),
    "filtered": (400, {}, {"message": "The prompt was filtered by the content policy.", "code": "content_filter"}),
    "too large": (413, {}, {"message": "image too large"}),
}


@dataclass
class Books:
    """What happened, by the digest of the request's body."""

    asked: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    arrived_s: list[float] = field(default_factory=list)
    targets: Counter[str] = field(default_factory=Counter)
    """Request lines' targets: a whole URL where the server is asked as a proxy."""
    heads: list[str] = field(default_factory=list)


class Server:
    """The server on a thread of its own; use it in a `with` block."""

    def __init__(
        self, faults: Faults | None = None, latency_s: float = 0.0, canned: bytes | None = None, behaviour: str = ""
    ) -> None:
        self.faults: Faults = faults or (lambda _body, _times: None)
        self.behaviour = behaviour
        self.location = ""
        """Where the fault `redirect` points to."""
        self.latency_s, self.canned = latency_s, canned
        self.books = Books()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.batch_polls = 0
        """A batch is finished when it was asked for so often."""
        self.queue_most: int | None = None
        """So many requests may be in batches at a time; a batch beyond them fails as a whole."""
        self.queue_refused = 0
        self.rate_headers: dict[str, str] = {}
        self.loop = asyncio.new_event_loop()
        self._started = threading.Event()

    def __enter__(self) -> "Server":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self.loop.run_until_complete(self.start(0))
        self._started.set()
        self.loop.run_forever()
        self._server.close()

    async def start(self, port: int) -> None:
        self._server = await self.loop.create_server(lambda: _Connection(self), "127.0.0.1", port, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def chat(self, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes, bool]:
        """Return (status, headers, content, whether the connection breaks instead)."""
        name = digest(body)
        times = self.books.asked[name]
        self.books.asked[name] += 1
        self.books.models[body["model"]] += 1
        fault = self.faults(body, times)
        if fault in ("429", "503"):
            return int(fault), {"Retry-After": "0.2"}, b'{"error": {"message": "slow down"}}', False
        if fault in ("500", "400", "401", "404"):
            told = f"{fault} for {KEY} {json.dumps(body)[:3000]}" if fault == "400" else "boom"
            return int(fault), {}, json.dumps({"error": {"message": told}}).encode(), False
        if fault == "drop":
            return 0, {}, b"", True
        if fault in _REFUSALS:
            status, headers, error = _REFUSALS[fault]
            return status, headers, json.dumps({"error": error}).encode(), False
        if fault == "redirect":
            return 307, {"Location": self.location}, b"", False
        if self.behaviour == "reasoning" and (refused := next((each for each in _OLDER if each in body), "")):
            error = {"message": _OLDER[refused], "param": refused, "code": "unsupported_parameter"}
            return 400, {}, json.dumps({"error": error}).encode(), False
        self.books.paid[name] += 1
        text, finish = answer(prompt_of(body), name), "stop"
        if self.behaviour == "thinking aloud":
            text = f"<think>\nThe record {{names}} it.\n</think>\nHere it is:\n```json\n{text}\n```\nAnything else?"
        if fault == "cut":
            text, finish = text[: len(text) // 2], "length"
        elif fault == "refusal":
            text = "I'm sorry, but I cannot assist with medical images."
        elif fault == "invalid":
            text = '{"turns": [{"question": "What is it?"}]}'
        elif fault == "fence":
            text = f"```json\n{text}\n```"
        elif fault == "wrong box":
            text = re.sub(r"\[\[(\d+)", lambda found: f"[[{int(found[1]) + 1}", text)
        elif fault == "meta":
            text = text.replace("The region", "According to the annotation, the region").replace(
                "A ", "According to the annotation, a ", 1
            )
        elif fault == "garbage":
            return 200, {}, b"<html>busy</html>", False
        elif fault == "drop after":
            return 0, {}, b"", True
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
        usage: dict[str, Any] = {"prompt_tokens": len(prompt_of(body)) // 4, "completion_tokens": len(text) // 4}
        if self.behaviour == "reasoning":
            usage["completion_tokens"] += THOUGHT_TOKENS
            usage["completion_tokens_details"] = {"reasoning_tokens": THOUGHT_TOKENS}
            if usage["completion_tokens"] > body["max_completion_tokens"]:
                choice |= {"message": {"role": "assistant", "content": None}, "finish_reason": "length"}
        document = {"model": f"{body['model']}-0613", "choices": [choice]}
        if self.behaviour != "no usage":
            document["usage"] = usage
        self.books.delivered[name] += 1
        return 200, dict(self.rate_headers), json.dumps(document, ensure_ascii=False).encode(), False

    def route(self, method: str, path: str, content: bytes, head: str) -> tuple[int, dict[str, str], bytes, bool]:
        path = path.split("?")[0]
        if path.endswith("/chat/completions"):
            if self.canned is not None:
                kind = b"dialogue" if b"2 to 5 turns" in content else b"pair"
                return 200, {}, _CANNED[kind], False
            return self.chat(json.loads(content))
        if path.endswith("/files") and method == "POST":
            name = f"file-{len(self.files)}"
            start = content.index(b"\r\n\r\n", content.index(b'name="file"')) + 4
            boundary = re.search(r"boundary=\"?([^\s\"]+)", head)[1].encode()  # type: ignore[index]
            self.files[name] = content[start : content.index(b"\r\n--" + boundary, start)]
            return 200, {}, json.dumps({"id": name}).encode(), False
        if found := re.search(r"/files/([^/]+)/content$", path):
            return 200, {}, self.files[found[1]], False
        if found := re.search(r"/files/([^/]+)$", path):
            self.files.pop(found[1], None)
            return 200, {}, b'{"deleted": true}', False
        if path.endswith("/batches") and method == "POST":
            asked = json.loads(content)
            name = f"batch-{len(self.batches)}"
            batch = self.batches[name] = {"id": name, "status": "in_progress", "polls": 0, **asked}
            if self.queue_most is not None and self._queued() > self.queue_most:
                self.queue_refused += 1
                error = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}
                batch |= {"status": "failed", "errors": {"object": "list", "data": [error]}}
            return 200, {}, json.dumps(self.batches[name]).encode(), False
        if path.endswith("/batches"):
            return 200, {}, json.dumps({"data": list(self.batches.values()), "has_more": False}).encode(), False
        if found := re.search(r"/batches/([^/]+)$", path):
            batch = self.batches[found[1]]
            batch["polls"] += 1
            if batch["polls"] > self.batch_polls and batch["status"] == "in_progress":
                self._finish(batch)
            return 200, {}, json.dumps(batch).encode(), False
        return 404, {}, b'{"error": {"message": "no such path"}}', False

    def _queued(self) -> int:
        waiting = [each for each in self.batches.values() if each["status"] == "in_progress"]
        return sum(self.files[each["input_file_id"]].count(b"\n") for each in waiting)

    def _finish(self, batch: dict[str, Any]) -> None:
        good: list[str] = []
        bad: list[str] = []
        for line in self.files[batch["input_file_id"]].splitlines():
            request = json.loads(line)
            status, _, content, broken = self.chat(request["body"])
            entry: dict[str, Any] = {"id": f"r{len(good)}", "custom_id": request["custom_id"], "error": None}
            if broken:
                continue  # expired: in neither file
            with contextlib.suppress(ValueError):
                entry["response"] = {"status_code": status, "body": json.loads(content)}
            (good if status == 200 else bad).append(json.dumps(entry))
        for name, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                batch[name] = f"file-{len(self.files)}"
                self.files[batch[name]] = "".join(f"{line}\n" for line in lines[::-1]).encode()
        batch["status"] = "completed"


_PAIR = (
    '{"turns": [{"question": "What can be seen?", "answer": "A Dermoscopy image of the skin with a smooth texture and '
    'a faint, even border, on which alpha stands out clearly from its darker surroundings."}]}'
)
_DIALOGUE = json.dumps(
    {
        "turns": json.loads(_PAIR)["turns"] * 1
        + [{"question": "Where?", "answer": "Near its centre, alpha has the densest part of its texture."}]
    }
)


def _completion(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps(
        {"model": "stub", "choices": [choice], "usage": {"prompt_tokens": 900, "completion_tokens": 120}}
    ).encode()


_CANNED = {b"pair": _completion(_PAIR), b"dialogue": _completion(_DIALOGUE)}


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, no more of it than clients of this API use, and fast."""

    def __init__(self, server: Server) -> None:
        self.server, self.buffer, self.need = server, bytearray(), 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= self.need and (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode()
            length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            self.need = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < self.need:
                return
            content = bytes(self.buffer[end + 4 : self.need])
            del self.buffer[: self.need]
            self.need = 0
            self.handle(head, content)

    def handle(self, head: str, content: bytes) -> None:
        server, books = self.server, self.server.books
        method, path, _ = head.split(" ", 2)
        key = re.search(r"^(?:authorization: bearer|api-key:) ?(\S+)", head, re.IGNORECASE | re.MULTILINE)
        books.keys[key[1] if key else ""] += 1
        books.in_flight += 1
        books.most_in_flight = max(books.most_in_flight, books.in_flight)
        books.arrived_s.append(server.loop.time())
        books.targets[path] += 1
        books.heads.append(head)
        status, headers, body, broken = server.route(method, path, content, head)
        delay_s = server.latency_s if path.split("?")[0].endswith("/chat/completions") else 0.0
        if delay_s:
            server.loop.call_later(delay_s, self.reply, status, headers, body, broken)
        else:
            self.reply(status, headers, body, broken)

    def reply(self, status: int, headers: dict[str, str], body: bytes, broken: bool) -> None:
        self.server.books.in_flight -= 1
        if broken:
            self.transport.abort()
            return
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


async def _alone(port: int, latency_s: float, canned: bool) -> None:
    server = Server(latency_s=latency_s, canned=b"" if canned else None)
    server.loop = asyncio.get_running_loop()
    await server.start(port)
    print(server.url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--canned", action="store_true", help="the same answers for every image, without reading it")
    given = parser.parse_args()
    asyncio.run(_alone(given.port, given.latency, given.canned))
