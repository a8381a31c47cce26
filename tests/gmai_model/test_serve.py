"""The documented one-liner: a stock `transformers serve` answers as `gmai model chat` does."""

import base64
import io
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from gmai_model.chat import Assistant, Conversation
from PIL import Image


@pytest.mark.e2e
def test_transformers_serve_answers_the_same(checkpoint: Path, tmp_path: Path, serving: Any) -> None:
    with serving(checkpoint, tmp_path) as url:
        image = Image.effect_noise((100, 70), 90).convert("RGB")
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        address = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
        question = "Which shape is shown?"
        content = [{"type": "image_url", "image_url": {"url": address}}, {"type": "text", "text": question}]
        body = {
            "model": str(checkpoint), "messages": [{"role": "user", "content": content}], "max_tokens": 8,
            "temperature": 0,
        }  # fmt: skip
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode(), headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=600) as reply:  # noqa: S310
            answer = json.load(reply)["choices"][0]["message"]["content"]
    ours = Assistant(checkpoint, device="cpu", max_new_tokens=8).answer(Conversation().with_question(question, [image]))
    assert answer == "".join(ours)
