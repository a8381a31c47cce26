"""What gmai-model writes is what gmai-bench digests."""

from pathlib import Path

from gmai_bench.backends import local
from gmai_model.publishing.push import model_digest


def test_digest_of_a_report_is_the_one_that_a_card_asks_for(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "gmai.json", ".gmai-pull.json", "chat_template.jinja"):
        (tmp_path / name).write_text(name)
    assert model_digest(tmp_path) == local._digest_of(tmp_path)
    before = model_digest(tmp_path)
    (tmp_path / ".gmai-pull.json").write_text("another commit")
    (tmp_path / "gmai.json").write_text("another history")
    assert model_digest(tmp_path) == before
    (tmp_path / "config.json").write_text("another model")
    assert model_digest(tmp_path) != before
