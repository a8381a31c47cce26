"""What gmai-model writes is what gmai-bench digests."""

from pathlib import Path

from gmai_bench.backends.local import LocalModel
from gmai_formats.weights import model_digest as digest_of
from gmai_formats.weights import shaping_digests


def test_digest_of_a_report_is_the_one_that_a_card_asks_for(tmp_path: Path) -> None:
    def model_digest(folder: Path) -> str:
        return digest_of(shaping_digests(folder))

    for name in ("config.json", "model.safetensors", "gmai.json", ".gmai-pull.json", "chat_template.jinja"):
        (tmp_path / name).write_text("{}" if name.endswith("json") else name)
    assert model_digest(tmp_path) == LocalModel(str(tmp_path), batch_size=1, max_new_tokens=1).digest
    before = model_digest(tmp_path)
    (tmp_path / ".gmai-pull.json").write_text("another commit")
    (tmp_path / "gmai.json").write_text("another history")
    assert model_digest(tmp_path) == before
    (tmp_path / "config.json").write_text("another model")
    assert model_digest(tmp_path) != before
