"""The page in a real browser: it asks, shows answers as text, reaches no other host and reports nothing."""

import asyncio
import base64
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pydicom.data
import pytest
from gmai_cli.system_errors import explain
from gmai_formats.errors import UserError
from gmai_model.chat import Conversation
from gmai_model.web.presets import example_images
from PIL import Image

pytest.importorskip("gradio", reason="install gmai-model[web]")
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> **肝脏** [a](javascript:1)"
)


class Parrot:
    """Stands in for a checkpoint: says how many images it was shown, points, then says what a hostile one might."""

    cut = False

    def __init__(self) -> None:
        self.asked: list[Conversation] = []

    def answer(self, conversation: Conversation, **settings: Any) -> Iterator[str]:
        self.asked.append(conversation)
        self.settings = settings
        if any("REFUSED" in part.get("text", "") for message in conversation.messages for part in message["content"]):
            raise UserError("a question holds REFUSED. Write it otherwise.")
        yield f"I see {len(conversation.images)} image. "
        yield "<ref>liver</ref><box>[[250, 250, 750, 500]]</box> "
        yield HOSTILE


@pytest.fixture
def page(tmp_path: Path) -> Iterator[tuple[str, Parrot, Path]]:
    from gmai_model.web.page import build, launch, private_folder

    parrot = Parrot()
    with private_folder() as scratch:
        paths = example_images(None, scratch)
        blocks = build(parrot, title="lab/<b>model</b>", examples=paths)  # type: ignore[arg-type]
        _, url, share = launch(
            blocks, host="127.0.0.1", port=None, examples=paths, password=None, prevent_thread_lock=True
        )
        assert share is None
        yield url, parrot, scratch
        blocks.close()
    assert not scratch.exists()


SCRIPT = """
(async () => {
  const until = async (what) => { for (let i = 0; i < 600; i++) { const v = what(); if (v) return v;
    await new Promise(r => setTimeout(r, 100)); } throw new Error("waited in vain for " + what); };
  const named = (tag, text) => [...document.querySelectorAll(tag)].find(e => e.textContent.includes(text));
  const text = () => document.body.innerText;
  const area = () => document.querySelector("#question textarea");
  const setter = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;
  const write = (value) => { setter.call(area(), value);
    area().dispatchEvent(new Event("input", {bubbles: true})); };
  const settle = () => new Promise(r => setTimeout(r, 1500));
  const ask = async (value, seen, how) => { write(value); await settle();
    if (how == "enter") area().dispatchEvent(new KeyboardEvent("keypress", {key: "Enter", bubbles: true}));
    else document.querySelector("#ask").click();
    await until(() => text().includes(value) && text().split(value)[1].includes(seen)
      && text().split(value)[1].includes("onerror")); await settle(); };
  const choose = async (name) => { await settle(); (await until(() => named("button", name))).click();
    await until(() => text().includes(name + ": 336")); await settle(); };
  await until(() => named("button", "drawn-ct"));
  await choose("drawn-ct.png");
  await ask("First of one?", "I see 1 image");
  await ask("Second of one?", "I see 1 image", "enter");
  const boxes = text();
  await choose("drawn-x-ray.png");
  const cleared = !text().includes("First of one?");
  await ask("First of two?", "I see 1 image");
  document.querySelector("#again").click(); await settle();
  document.querySelector("#new").click();
  await until(() => !text().includes("First of two?")); await settle();
  await ask("Of none?", "I see 0 image");
  const says = (b) => b.title + b.getAttribute("aria-label");
  const trash = [...document.querySelectorAll("button")].find(b => /clear/i.test(says(b)));
  if (trash) { trash.click(); await until(() => !text().includes("Of none?")); await settle();
    await ask("After clearing?", "I see 0 image"); }
  const hosts = performance.getEntriesByType("resource").map(e => new URL(e.name).host);
  return JSON.stringify({title: document.title, text: boxes, last: text(), hosts: [...new Set(hosts)], cleared,
    trash: !!trash, scripts: [...document.querySelectorAll("img")].filter(e => e.getAttribute("src") === "x").length});
})()
"""


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="install chromium")
def test_asking_in_a_browser(page: tuple[str, Parrot, Path], tmp_path: Path, browser: Any) -> None:
    url, parrot, _ = page
    told, shown_page = asyncio.run(browser.visit(url, tmp_path / "profile", script=SCRIPT))
    (tmp_path / "page.png").write_bytes(shown_page)
    seen = json.loads(told)
    assert seen["title"] == "gmai: lab/<b>model</b>"
    assert seen["scripts"] == 0
    assert "<script>document.title='owned'</script> **肝脏** [a](javascript:1)" in seen["text"]
    assert "lab/<b>model</b>" in seen["text"]
    assert "no medical advice" in seen["text"]
    assert "<ref>liver</ref><box>[[250, 250, 750, 500]]</box>" in seen["text"]
    assert "liver: x 84–252, y 84–168 px (168×84 px)" in seen["text"]
    assert "no image is shown" in seen["last"]
    assert seen["hosts"] == [url.removeprefix("http://").rstrip("/")]
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert seen["cleared"], "another image begins another conversation"
    questions = {conversation.messages[-1]["content"][-1]["text"]: conversation for conversation in parrot.asked}
    shown = {text: (len(c.images), len(c.messages)) for text, c in questions.items()}
    assert shown["First of one?"] == (1, 1)
    assert shown["Second of one?"] == (1, 3), "an image is sent once, with the first question about it"
    assert shown["First of two?"] == (1, 1)
    assert shown["Of none?"] == (0, 1)
    assert not seen["trash"] or shown["After clearing?"] == (0, 1)
    of_one, of_two = questions["First of one?"].images[0], questions["First of two?"].images[0]
    assert of_one.size == of_two.size == (336, 336)
    assert of_one.tobytes() != of_two.tobytes()
    assert [c.messages[-1]["content"][-1]["text"] for c in parrot.asked].count("First of two?") == 2  # Again
    assert parrot.settings == {"max_new_tokens": 512, "temperature": 0}
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size[0] == 1300
    if keep := os.environ.get("GMAI_SCREENSHOTS"):
        shutil.copy(tmp_path / "page.png", Path(keep) / f"chat-{time.time():.0f}.png")


READY = """
  const until = async (what) => { for (let i = 0; i < 600; i++) { const v = what(); if (v) return v;
    await new Promise(r => setTimeout(r, 100)); } throw new Error("waited in vain for " + what); };
  await until(() => [...document.querySelectorAll("button")].find(b => b.textContent.includes("drawn-ct")));
  await new Promise(r => setTimeout(r, 1500));
"""


def within(script: str) -> str:
    """Return a script that first waits for the page."""
    return script.replace("READY", READY)


LOOK = """
(async () => { READY
  const area = document.querySelector("#question textarea").getBoundingClientRect();
  const light = (e) => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor.match(/[0-9.]+/g);
    if (c.length < 4 || +c[3] > 0) return (+c[0] + +c[1] + +c[2]) / 3; } return 255; };
  const cut = [...document.querySelectorAll("button, label, .prose, textarea")].filter(
    e => e.offsetParent && (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1));
  return JSON.stringify({wide: document.documentElement.scrollWidth, width: innerWidth,
    top: area.top, bottom: area.bottom, height: innerHeight, light: light(document.querySelector("#question textarea")),
    ink: +getComputedStyle(document.querySelector("#question textarea")).color.match(/[0-9]+/)[0],
    cut: cut.map(e => e.textContent.slice(0, 40))});
})()
"""


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="install chromium")
@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_is_cut_and_the_question_is_in_view(
    page: tuple[str, Parrot, Path], tmp_path: Path, browser: Any, *, dark: bool
) -> None:
    visit = browser.visit(page[0], tmp_path / "profile", script=within(LOOK), width=400, height=850, dark=dark)
    told, picture = asyncio.run(visit)
    if keep := os.environ.get("GMAI_SCREENSHOTS"):
        (Path(keep) / f"chat-phone-{dark}.png").write_bytes(picture)
    seen = json.loads(told)
    assert seen["wide"] <= seen["width"] == 400
    assert seen["cut"] == []
    assert 0 <= seen["top"] < seen["bottom"] <= seen["height"]
    assert (seen["light"] < 80, seen["ink"] > 180) == (dark, dark)


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="install chromium")
def test_the_keyboard_alone_asks(page: tuple[str, Parrot, Path], tmp_path: Path, browser: Any) -> None:
    url, parrot, _ = page
    focus = within("""(async () => { READY
      document.querySelector("#question textarea").select(); window.seen = [];
      document.addEventListener("focusin", e => window.seen.push(e.target.closest("[id]")?.id || "")); })()""")
    said = within("(async () => { READY return JSON.stringify(window.seen); })()")
    keys = ["Which organ?", *["Tab"] * 12]
    told, _ = asyncio.run(browser.visit(url, tmp_path / "one", script=focus, keys=keys, after=said))
    assert [name for name in json.loads(told) if name in ("ask", "again", "new")] == ["ask", "again", "new"]
    answered = within("(async () => { READY await until(() => document.body.innerText.includes('onerror')); })()")
    asyncio.run(browser.visit(url, tmp_path / "two", script=focus, keys=["Which organ?", "Enter"], after=answered))
    assert parrot.asked[-1].messages[-1]["content"][-1]["text"] == "Which organ?"


REFUSED = """
(async () => { READY
  let saved; const own = URL.createObjectURL;
  URL.createObjectURL = (blob) => { saved = blob; return own(blob); };
  const area = () => document.querySelector("#question textarea");
  const setter = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;
  const ask = async (value, seen) => { setter.call(area(), value);
    area().dispatchEvent(new Event("input", {bubbles: true})); await new Promise(r => setTimeout(r, 800));
    document.querySelector("#ask").click(); await until(seen); await new Promise(r => setTimeout(r, 800)); };
  const text = () => document.querySelector("#talk").innerText;
  const save = async () => { saved = null; document.querySelector("#save").click(); await until(() => saved);
    return JSON.parse(await saved.text()); };
  await ask("REFUSED?", () => document.body.innerText.includes("holds REFUSED"));
  const kept = area().value, shown = text().includes("REFUSED?");
  await ask("First?", () => text().split("First?")[1]?.includes("onerror"));
  const first = await save();
  await ask("Second?", () => text().split("Second?")[1]?.includes("onerror"));
  return JSON.stringify({kept, shown, first, second: await save()});
})()
"""


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="install chromium")
def test_a_refused_question_is_taken_back_and_save_gives_what_is_shown(
    page: tuple[str, Parrot, Path], tmp_path: Path, browser: Any
) -> None:
    url, parrot, _ = page
    told, _ = asyncio.run(browser.visit(url, tmp_path / "profile", script=within(REFUSED)))
    seen = json.loads(told)
    assert (seen["kept"], seen["shown"]) == ("REFUSED?", False)
    assert len(parrot.asked[1].messages) == 1, "the refused question is not asked again"
    for name, questions in (("first", ["First?"]), ("second", ["First?", "Second?"])):
        said = [message["content"][-1]["text"] for message in seen[name]["messages"] if message["role"] == "user"]
        assert said == questions, "not the conversation of the click before"
    assert seen["second"]["model"] == {"name": "lab/<b>model</b>"}


AT_ONCE = """
(async () => { READY
  const named = (text) => [...document.querySelectorAll("button")].find(b => b.textContent.includes(text));
  const by = (id) => document.querySelector("#" + id), area = () => document.querySelector("#question textarea");
  const setter = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;
  const text = () => by("talk").innerText, wait = () => new Promise(r => setTimeout(r, 2500));
  const write = async (value) => { setter.call(area(), value);
    area().dispatchEvent(new Event("input", {bubbles: true})); await new Promise(r => setTimeout(r, 800)); };
  const enter = () => area().dispatchEvent(new KeyboardEvent("keypress", {key: "Enter", bubbles: true}));
  const answered = async (value) => { try { await until(() => text().split(value)[1]?.includes("onerror")); }
    catch (error) { throw new Error(value + " has no answer: " + document.body.innerText); } };
  named("drawn-ct").click(); await until(() => document.body.innerText.includes("drawn-ct.png: 336")); await wait();
  await write("Twice by click?"); by("ask").click(); by("ask").click(); await answered("Twice by click?"); await wait();
  await write("By click and key?"); by("ask").click(); enter(); await answered("By click and key?"); await wait();
  await write("By key, twice?"); enter(); enter(); await answered("By key, twice?"); await wait();
  by("again").click(); by("again").click(); await wait(); await wait();
  await write("Asked and begun anew?"); by("ask").click(); by("new").click(); await wait(); await wait();
  const gone = !text().includes("By key, twice?");
  await write("After the new start?"); by("ask").click(); await answered("After the new start?"); await wait();
  named("drawn-ct").click(); named("drawn-x-ray").click(); await wait(); await wait();
  const shown = by("seen").innerText, other = shown.includes("drawn-ct") ? "drawn-x-ray" : "drawn-ct";
  await write("Of which image?"); by("ask").click(); await answered("Of which image?"); await wait();
  await write("Asked while another comes?"); by("ask").click(); named(other).click();
  await until(() => by("seen").innerText.includes(other)); await wait(); await wait();
  await write("Of the other one?"); by("ask").click(); await answered("Of the other one?"); await wait();
  return JSON.stringify({gone, shown, last: text(), seen: by("seen").innerText});
})()
"""


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="install chromium")
def test_two_clicks_at_once_are_one_and_mix_no_patients(
    page: tuple[str, Parrot, Path], tmp_path: Path, browser: Any
) -> None:
    url, parrot, scratch = page
    told, _ = asyncio.run(browser.visit(url, tmp_path / "profile", script=within(AT_ONCE)))
    seen = json.loads(told)
    asked = [conversation.messages[-1]["content"][-1]["text"] for conversation in parrot.asked]
    counted = {text: asked.count(text) for text in asked}
    assert counted["Twice by click?"] == counted["By click and key?"] == 1
    assert counted["By key, twice?"] == 2, "asked, and once more by Again"
    by_text = {conversation.messages[-1]["content"][-1]["text"]: conversation for conversation in parrot.asked}
    shapes = {text: (len(c.images), len(c.messages)) for text, c in by_text.items()}
    assert seen["gone"]
    assert shapes["After the new start?"] == (0, 1), "nothing of the former conversation is sent again"
    named = [name for name in ("drawn-ct.png", "drawn-x-ray.png") if name in seen["shown"]]
    assert len(named) == 1, "one of the two images is shown"
    (of_which,) = by_text["Of which image?"].images
    with Image.open(next(scratch.rglob(named[0]))) as drawn:
        assert of_which.tobytes() == drawn.convert("RGB").tobytes(), "what is asked about is what is shown"
    assert shapes["Of the other one?"] == (1, 1)
    assert by_text["Of the other one?"].images[0].tobytes() != of_which.tobytes()
    assert "Asked while another comes?" not in seen["last"]


UPLOADED = """
(async () => { READY
  const file = (name, text) => new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name);
  const chosen = new DataTransfer();
  for (const [name, text] of FILES) chosen.items.add(file(name, text));
  const input = document.querySelector("input[type=file]");
  input.files = chosen.files; input.dispatchEvent(new Event("change", {bubbles: true}));
  const seen = () => document.querySelector("#seen").innerText;
  const slider = (id) => document.querySelector(`#${id} input[type=range]`);
  const setter = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
  const slide = async (id, value, words) => { setter.call(slider(id), value);
    for (const name of ["input", "change", "pointerup"]) slider(id).dispatchEvent(new Event(name, {bubbles: true}));
    await until(() => seen().includes(words)); await new Promise(r => setTimeout(r, 500)); };
  await until(() => seen().includes("slice 1 of 3") && seen().includes("volume 0 of 2"));
  await until(() => document.querySelectorAll("#which input").length == 2);
  await slide("slice", 2, "slice 2 of 3");
  document.querySelectorAll("#which input")[1].click();
  await until(() => slider("volume") && slider("slice").max == 6);
  await slide("slice", 5, "axial slice 5 of 7");
  await slide("volume", 1, "volume 1 of 2, axial slice 5 of 7");
  const both = seen();
  document.querySelectorAll("#which input")[0].click();
  await until(() => slider("slice").max == 2);
  return JSON.stringify({both, value: slider("slice").value});
})()
"""


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="install chromium")
def test_a_series_and_a_dynamic_volume_are_two_images_with_places_of_their_own(
    page: tuple[str, Parrot, Path], tmp_path: Path, browser: Any
) -> None:
    for place in range(3):
        slice_ = pydicom.dcmread(Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm")
        slice_.ImageOrientationPatient, slice_.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, place]
        slice_.save_as(tmp_path / f"IM{place}")
    volumes = np.arange(6 * 8 * 7 * 2, dtype=np.int16).reshape(6, 8, 7, 2)
    nibabel.save(nibabel.Nifti1Image(volumes, np.eye(4)), tmp_path / "dynamic.nii")
    files = [(path.name, base64.b64encode(path.read_bytes()).decode()) for path in sorted(tmp_path.iterdir())]
    script = within(UPLOADED).replace("FILES", json.dumps(files))
    told, _ = asyncio.run(browser.visit(page[0], tmp_path / "profile", script=script))
    seen = json.loads(told)
    assert "series of 3 files): 128×128 px, slice 2 of 3" in seen["both"]
    assert seen["value"] == "2"


def test_one_event_alone_paints_what_is_shown(tmp_path: Path) -> None:
    """Answers of events that run side by side may overtake one another; an old one must not stay on the page."""
    from gmai_model.web.page import build

    config = build(Parrot(), title="m", examples=example_images(None, tmp_path)).config  # type: ignore[arg-type]
    kinds = {component["id"]: component["type"] for component in config["components"]}
    shown = {number for number, kind in kinds.items() if kind in ("chatbot", "gallery")}
    painters = [event for event in config["dependencies"] if shown & set(event["outputs"])]
    assert len(shown) == 2
    assert [(len(shown & set(event["outputs"])), event["trigger_mode"], event["cancels"]) for event in painters] == [
        (2, "always_last", [])
    ]
    (painter,) = painters
    assert not [event for event in config["dependencies"] if painter["id"] in event["cancels"]]
    ((asks, _),) = painter["targets"]
    assert sum(asks in event["outputs"] for event in config["dependencies"]) == 10, "all that change what is shown"


def test_nothing_but_the_named_examples_is_served(page: tuple[str, Parrot, Path], tmp_path: Path) -> None:
    url, _, scratch = page
    assert scratch.stat().st_mode & 0o777 == 0o700
    (scratch.parent / "gmai-secret.txt").write_text("secret")
    (tmp_path / "other.png").write_bytes((scratch / "drawn-ct.png").read_bytes())

    def status(path: Path) -> int:
        try:
            with urllib.request.urlopen(f"{url}gradio_api/file={path}", timeout=600) as answer:  # noqa: S310
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    try:
        assert status(scratch / "drawn-ct.png") == 200
        for path in (tmp_path / "other.png", scratch.parent / "gmai-secret.txt", Path("/etc/hostname")):
            assert status(path) in {403, 404}
    finally:
        (scratch.parent / "gmai-secret.txt").unlink()


UPLOAD = (
    b'--b\r\nContent-Disposition: form-data; name="files"; filename="%b"\r\n'
    b"Content-Type: text/html\r\n\r\nabc\r\n--b--\r\n"
)


def asked_raw(url: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Return status and text of an answer to a request that a hostile client has written itself."""
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=600)
    connection.putrequest("GET" if body is None else "POST", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer.status, answer.read(100_000).decode(errors="replace")


def test_a_hostile_client_gets_nothing_and_stops_nobody(page: tuple[str, Parrot, Path], tmp_path: Path) -> None:
    url, _, scratch = page
    form = {"Content_Type": "multipart/form-data; boundary=b"}
    own = urllib.parse.urlsplit(url).netloc
    for foreign in (
        {"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ):  # fmt: skip
        assert asked_raw(url, "/config", **foreign)[0] == 403
        assert asked_raw(url, "/gradio_api/upload", UPLOAD % b"a.png", **form, **foreign)[0] == 403
        assert asked_raw(url, "/gradio_api/queue/join", b"{}", Content_Type="application/json", **foreign)[0] == 403
    before = set(scratch.rglob("*"))
    for name in (
        b"../../evil.png",
        str(tmp_path / "evil.png").encode(),
        b"a/../../evil.png",
        b"a.html",
        b"",
        b"a\0.png",
    ):
        status, text = asked_raw(url, "/gradio_api/upload", UPLOAD % name, **form, Origin=f"http://{own}")
        assert status == 200
        (stored,) = json.loads(text)
        assert Path(stored).resolve().is_relative_to(scratch.resolve())
    assert set(scratch.rglob("*")) > before
    assert not (tmp_path / "evil.png").exists()
    assert not (scratch.parent / "evil.png").exists()
    for path in ("../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc/passwd", "file:///etc/passwd",
                 f"{scratch}/../../etc/passwd", "http://127.0.0.1:9/x"):  # fmt: skip
        assert asked_raw(url, f"/gradio_api/file={path}")[0] == 403
    for path in (
        "/static/..%2f..%2fetc%2fpasswd",
        "/assets/../../../etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1:9/",
    ):
        assert asked_raw(url, path)[0] in {400, 403, 404}
    place = urllib.parse.urlsplit(url)
    slow = socket.create_connection((place.hostname or "", place.port or 0), timeout=600)
    slow.sendall(b"POST /gradio_api/upload HTTP/1.1\r\nHost: %b\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                 b"Content-Length: 99999999999\r\n\r\n--b\r\n" % own.encode())  # fmt: skip
    for broken in (b"\x16\x03\x01\x02", b"[" * 100_000, b'{"data": 1, "fn_index": "x"}'):
        assert asked_raw(url, "/gradio_api/queue/join", broken, Content_Type="application/json")[0] in {400, 422}
    assert asked_raw(url, "/config")[0] == 200  # a body that never comes holds up nobody else
    slow.close()


def called(url: str, session: str, number: int, data: list[Any]) -> dict[str, Any]:
    """Return what a function of the page answers to one user, as the page's own script asks it."""
    body = json.dumps({"data": data, "fn_index": number, "session_hash": session}).encode()
    status, text = asked_raw(url, "/gradio_api/queue/join", body, Content_Type="application/json")
    assert status == 200, text
    with urllib.request.urlopen(f"{url}gradio_api/queue/data?session_hash={session}", timeout=600) as lines:  # noqa: S310
        for line in lines:
            if b'"process_completed"' in line:
                return json.loads(line.removeprefix(b"data: "))
    raise AssertionError("no answer")


def test_two_users_do_not_see_one_another(page: tuple[str, Parrot, Path]) -> None:
    url, parrot, _ = page
    with urllib.request.urlopen(f"{url}config", timeout=600) as answer:  # noqa: S310
        config = json.loads(answer.read())
    clicked = {target[0]: each["id"] for each in config["dependencies"] for target in each["targets"]}
    (button,) = [each["id"] for each in config["components"] if each["props"].get("elem_id") == "ask"]
    for user, known, question in (
        ("one", 0, "Is it the first patient?"), ("two", 0, "And the second?"), ("one", 1, "Once more?"),
        ("one", 1, "Once more, before the page knew?"),
    ):  # fmt: skip
        assert called(url, user, clicked[button], [None, known, question, 16, 0, None, None, 0, 0, ""])["success"], (
            question
        )
    said = [[part["text"] for message in each.messages for part in message["content"] if message["role"] == "user"]
            for each in parrot.asked]  # fmt: skip
    assert said == [["Is it the first patient?"], ["And the second?"], ["Is it the first patient?", "Once more?"]]


def test_uploads_are_limited_and_strangers_need_the_password(tmp_path: Path) -> None:
    from gmai_model.web.page import MAX_UPLOAD_BYTES, USER, build, launch, private_folder

    right = "right"
    with private_folder() as scratch:
        paths = example_images(None, scratch)
        blocks = build(Parrot(), title="x", examples=paths)  # type: ignore[arg-type]
        _, url, _ = launch(
            blocks,
            host="127.0.0.1",
            port=None,
            examples=paths,
            password=right,
            prevent_thread_lock=True,
        )
        try:
            assert blocks.max_file_size == MAX_UPLOAD_BYTES == 200 * 2**20
            for password, expected in (("wrong", 400), ("right", 200)):
                form = urllib.parse.urlencode({"username": USER, "password": password}).encode()
                try:
                    with urllib.request.urlopen(f"{url}login", form, timeout=600) as answer:  # noqa: S310
                        code = answer.status
                except urllib.error.HTTPError as error:
                    code = error.code
                assert code == expected
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(f"{url}config", timeout=600)  # noqa: S310
        finally:
            blocks.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_uploads_are_removed_at_the_end_or_at_the_next_start(number: signal.Signals, tmp_path: Path) -> None:
    from gmai_model.web.page import remove_abandoned

    program = (
        "import time, pathlib\nfrom gmai_model.web.page import private_folder\n"
        "with private_folder() as folder:\n    (folder / 'scan').write_text('x')\n    print(folder, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        remove_abandoned()
        assert (folder / "scan").exists()  # a page that runs keeps its own
        assert folder.stat().st_mode & 0o77 == 0
        process.send_signal(number)
        assert process.wait(30) in {128 + number, -number}
    assert folder.exists() == (number == signal.SIGKILL)
    trap = Path(tempfile.mkdtemp(prefix="gmai-chat-"))
    (tmp_path / ".lock").touch()
    trap.rmdir()
    trap.symlink_to(tmp_path)
    remove_abandoned()
    assert not folder.exists()
    assert (tmp_path / ".lock").exists()
    trap.unlink()


def test_without_gradio_or_with_a_taken_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from gmai_model.web import page

    def load() -> Any:
        return Parrot()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use") as found:
            page.serve(lambda: pytest.fail("loaded first"), title="x", host="127.0.0.1", port=port, examples=None)
    assert explain(found.value) == (
        f"127.0.0.1:{port}: the port is taken. Choose another port, or end the program that has it."
    )
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match=r"gmai-model\[web\]'"):
        page.serve(load, title="x", host="127.0.0.1", port=1, examples=None)
