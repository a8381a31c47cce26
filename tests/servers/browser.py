"""A headless Chromium that opens one page, runs a script in it and takes a picture; no other host is reached."""

import asyncio
import base64
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp


async def visit(
    url: str,
    profile: Path,
    *,
    script: str = "''",
    width: int = 1300,
    height: int = 900,
    dark: bool = False,
    keys: Sequence[str] = (),
    after: str = "",
) -> tuple[Any, bytes]:
    """Return what a script returned in a page, and a PNG of the page after it.

    Args:
        url: Of this machine, or a file's.
        profile: New folder for the browser.
        script: JavaScript; a promise is waited for.
        width: CSS pixels.
        height: CSS pixels.
        dark: The user prefers dark pages.
        keys: Pressed after the script: `Tab`, `Enter`, or a text that is typed.
        after: A second script, after the keys, whose result is returned in the place of the first one's.

    Raises:
        RuntimeError: A script threw.
    """
    chromium = await asyncio.create_subprocess_exec(
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--hide-scrollbars", "--disable-background-networking", "--remote-debugging-port=0",
        f"--user-data-dir={profile}", f"--window-size={width},{height}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "about:blank",
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert chromium.stderr is not None
        async with asyncio.timeout(300):
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
                async with asyncio.timeout(300):
                    while not (await call(1, "Runtime.evaluate", expression=ready)).get("result", {}).get("value"):
                        await asyncio.sleep(0.1)
                size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
                await call(2, "Emulation.setDeviceMetricsOverride", **size)
                result = await call(3, "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
                for name in keys:
                    code = {"Tab": 9, "Enter": 13}.get(name)
                    if code is None:
                        await call(4, "Input.insertText", text=name)
                        continue
                    pressed: dict[str, Any] = {"key": name, "code": name, "windowsVirtualKeyCode": code}
                    await call(4, "Input.dispatchKeyEvent", type="keyDown", **pressed, text="\r" * (name == "Enter"))
                    await call(4, "Input.dispatchKeyEvent", type="keyUp", **pressed)
                if after and "exceptionDetails" not in result:
                    result = await call(5, "Runtime.evaluate", expression=after, awaitPromise=True, returnByValue=True)
                picture = await call(6, "Page.captureScreenshot")
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result)[:2000])
        return result["result"].get("value"), base64.b64decode(picture["data"])
    finally:
        chromium.kill()
        await chromium.wait()
