"""The page in a real browser: it asks, shows answers as text, reaches no other host and reports nothing."""

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gmai_formats.errors import UserError
from gmai_model.chat import Conversation
from gmai_model.web.presets import REGIONS, TASKS, example_images, question
from PIL import Image

pytest.importorskip("gradio", reason="install gmai-model[web]")
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> **肝脏** [a](javascript:1)"
)


class Parrot:
    """Stands in for a checkpoint: says how many images it was shown, then what a hostile one might."""

    cut = False

    def __init__(self) -> None:
        self.asked: list[Conversation] = []

    def answer(self, conversation: Conversation) -> Iterator[str]:
        self.asked.append(conversation)
        yield f"I see {len(conversation.images)} image. "
        yield HOSTILE


@pytest.fixture
def page(tmp_path: Path) -> Iterator[tuple[str, Parrot]]:
    from gmai_model.web.page import build

    parrot = Parrot()
    paths = example_images(None, tmp_path)
    blocks = build(parrot, title="lab/<b>model</b>", examples=paths)  # type: ignore[arg-type]
    _, url, share = blocks.launch(
        server_name="127.0.0.1", server_port=None, share=False, quiet=True, prevent_thread_lock=True,
        allowed_paths=[str(tmp_path)], theme=blocks.gmai_theme,
    )  # fmt: skip
    assert share is None
    yield url, parrot
    blocks.close()


SCRIPT = """
(async () => {
  const until = async (what) => { for (let i = 0; i < 600; i++) { const v = what(); if (v) return v;
    await new Promise(r => setTimeout(r, 100)); } throw new Error("waited in vain for " + what); };
  const named = (tag, text) => [...document.querySelectorAll(tag)].find(e => e.textContent.includes(text));
  (await until(() => named("button", "drawn-ct"))).click();
  await until(() => [...document.querySelectorAll("img")].some(e => e.naturalWidth == 336));
  let clicked = 0;
  for (let turn = 1; turn <= 2; turn++) await until(() => {
    const turns = (document.body.innerText.match(/I see 1 image.*onerror/g) || []).length;
    if (turns < turn && Date.now() > clicked + 3000) {  // a click while an answer is on its way is ignored
      clicked = Date.now();
      document.querySelector("#ask").click();
    }
    return turns >= turn;
  });
  const hosts = performance.getEntriesByType("resource").map(e => new URL(e.name).host);
  return JSON.stringify({title: document.title, text: document.body.innerText, hosts: [...new Set(hosts)],
    scripts: [...document.querySelectorAll("img")].filter(e => e.getAttribute("src") === "x").length});
})()
"""


async def drive(url: str, profile: Path, screenshot: Path) -> dict[str, Any]:
    """Open the page in headless Chromium, run `SCRIPT` in it, take a picture."""
    chromium = await asyncio.create_subprocess_exec(
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={profile}",
        "--window-size=1300,900", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "about:blank",
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert chromium.stderr is not None
        async with asyncio.timeout(60):
            while not (found := re.search(rb"ws://([^/]+)/", await chromium.stderr.readline())):
                pass
        address = found[1].decode()
        async with aiohttp.ClientSession() as session:
            async with session.put(f"http://{address}/json/new?{url}") as answer:
                target = (await answer.json())["webSocketDebuggerUrl"]
            async with session.ws_connect(target, max_msg_size=0) as socket:

                async def call(number: int, method: str, **params: Any) -> dict[str, Any]:
                    await socket.send_json({"id": number, "method": method, "params": params})
                    while (reply := json.loads((await socket.receive()).data)).get("id") != number:
                        pass
                    return reply.get("result") or reply

                ready = f"location.href.startsWith({json.dumps(url)}) && document.readyState == 'complete'"
                async with asyncio.timeout(60):
                    while not (await call(1, "Runtime.evaluate", expression=ready)).get("result", {}).get("value"):
                        await asyncio.sleep(0.1)
                result = await call(2, "Runtime.evaluate", expression=SCRIPT, awaitPromise=True, returnByValue=True)
                shot = await call(3, "Page.captureScreenshot")
        screenshot.write_bytes(base64.b64decode(shot["data"]))
        assert "exceptionDetails" not in result, result
        return json.loads(result["result"]["value"])
    finally:
        chromium.kill()
        await chromium.wait()


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="install chromium")
def test_asking_in_a_browser(page: tuple[str, Parrot], tmp_path: Path) -> None:
    url, parrot = page
    seen = asyncio.run(drive(url, tmp_path / "profile", tmp_path / "page.png"))
    assert seen["title"] == "gmai: lab/<b>model</b>"
    assert seen["scripts"] == 0
    assert "<script>document.title='owned'</script> **肝脏** [a](javascript:1)" in seen["text"]
    assert "lab/<b>model</b>" in seen["text"]
    assert "no medical advice" in seen["text"]
    assert seen["hosts"] == [url.removeprefix("http://").rstrip("/")]
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    first, second = parrot.asked[:2]
    assert len(first.images) == len(second.images) == 1, "an image is shown once, with the first question about it"
    assert first.images[0].size == (336, 336)
    assert [message["role"] for message in second.messages] == ["user", "assistant", "user"]
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size[0] == 1300
    if keep := os.environ.get("GMAI_SCREENSHOTS"):
        shutil.copy(tmp_path / "page.png", Path(keep) / f"chat-{time.time():.0f}.png")


def test_questions_by_task_and_region() -> None:
    assert question("Modality / 成像方式", "chest / 胸部", "English") == "Which imaging modality is this chest image?"
    assert question("Modality / 成像方式", "any / 不限", "中文") == "这张图像是哪种成像方式？"
    assert len({question(task, region, "English") for task in TASKS for region in REGIONS}) == len(TASKS) * len(REGIONS)


def test_examples_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no PNG or JPEG file"):
        example_images(tmp_path, tmp_path)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert example_images(tmp_path, tmp_path) == [str(tmp_path / "a.png")]


def test_without_gradio_or_with_a_taken_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import socket
    import sys

    from gmai_model.web import page

    def load() -> Any:
        return Parrot()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="Another program uses it"):
            page.serve(load, title="x", host="127.0.0.1", port=taken.getsockname()[1], examples=None)
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match=r"pip install 'gmai-model\[web\]'"):
        page.serve(load, title="x", host="127.0.0.1", port=1, examples=None)
