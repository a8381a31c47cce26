"""Random weights behind the real `transformers serve`: every reply is nonsense, and every record is accounted for."""

import importlib.util
import json
import subprocess
import sys

import pytest
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.generation.tasks import WritingSettings
from gmai_data.generation.writers import WriterOptions
from gmai_data.sources.cards.catalogue import resolve

GMAI = [sys.executable, "-c", "from gmai_cli.main import main; main()"]


@pytest.fixture
def served(tmp_path, phantom_build, serving):
    """Return (URL, model name) of a tiny checkpoint behind `transformers serve`."""
    if importlib.util.find_spec("gmai_model") is None:
        pytest.skip("needs gmai-model: pip install gmai-model")
    model = tmp_path / "tiny"
    init = [*GMAI, "model", "init", "--preset", "tiny", "--data", phantom_build / "mix.yaml", "--out", model]
    subprocess.run(init, check=True, capture_output=True)
    with serving(model, tmp_path) as url:
        yield url, str(model)


@pytest.mark.e2e
def test_a_real_server_answers_and_nothing_of_its_nonsense_is_kept(served, phantoms, tmp_path):
    url, model = served
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    from gmai_data.generation.prompts import load_prompts

    for name in ("image_caption", "free_instruction", "dialogue", "region_caption"):
        specific = load_prompts()[name].specific.model_dump() | {"max_tokens": 8}
        (prompts / f"{name}.yaml").write_text(json.dumps(specific))
    writing = WritingSettings(writer="openai", model=model, response_format="none")
    settings = BuildSettings(writing=writing, limit=2, text_share=0.0)
    options = RunOptions(writer=WriterOptions((url,), 2), prompts=prompts)
    sources = resolve(["phantom-dermoscopy"], phantoms / "phantom-dermoscopy")
    assert build(sources, tmp_path / "out", settings, options=options) == 3
    account = json.loads((tmp_path / "out" / "manifest.json").read_text())["recipes"]["phantom-dermoscopy"]
    written = account["written"]["by_kind"]
    assert all(set(counts) == {"quarantined"} for counts in written.values())
    assert account["samples"]["quarantined"] == sum(sum(counts.values()) for counts in written.values()) > 0
    entries = [
        json.loads(line)
        for path in (tmp_path / "out" / ".build" / "journal").rglob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    replies = [entry for entry in entries if "reply" in entry]
    assert len(replies) == 3 * account["samples"]["quarantined"], "a first request, a repair and a new attempt each"
    assert all(entry["tokens"][0] > 100 and 0 < entry["tokens"][1] <= 8 for entry in replies)
