"""The page in a real browser: it asks, shows answers as text, reaches no other host and reports nothing."""

import asyncio
import json
import os
import shutil
import signal
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

import pytest
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


def test_nothing_but_the_named_examples_is_served(page: tuple[str, Parrot, Path], tmp_path: Path) -> None:
    url, _, scratch = page
    assert scratch.stat().st_mode & 0o777 == 0o700
    (scratch.parent / "gmai-secret.txt").write_text("secret")
    (tmp_path / "other.png").write_bytes((scratch / "drawn-ct.png").read_bytes())

    def status(path: Path) -> int:
        try:
            with urllib.request.urlopen(f"{url}gradio_api/file={path}", timeout=20) as answer:  # noqa: S310
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    try:
        assert status(scratch / "drawn-ct.png") == 200
        for path in (tmp_path / "other.png", scratch.parent / "gmai-secret.txt", Path("/etc/hostname")):
            assert status(path) in {403, 404}
    finally:
        (scratch.parent / "gmai-secret.txt").unlink()


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
                    with urllib.request.urlopen(f"{url}login", form, timeout=20) as answer:  # noqa: S310
                        code = answer.status
                except urllib.error.HTTPError as error:
                    code = error.code
                assert code == expected
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(f"{url}config", timeout=20)  # noqa: S310
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
    import socket

    from gmai_model.web import page

    def load() -> Any:
        return Parrot()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="Another program uses it"):
            page.serve(load, title="x", host="127.0.0.1", port=taken.getsockname()[1], examples=None)
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match=r"gmai-model\[web\]'"):
        page.serve(load, title="x", host="127.0.0.1", port=1, examples=None)
