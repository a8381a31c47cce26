"""Models by name: a folder is taken as it is, everything else ends in one line."""

from pathlib import Path

import pytest
from gmai_formats.errors import UserError
from gmai_model.assembly import fetch


def test_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert fetch.local_folder(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["owner/not-in-the-cache", "owner/not-in-the-cache@main"])
def test_unknown_name_offline(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="neither a folder here nor a model to be had from the Hub"):
        fetch.local_folder(name)


def test_path_is_never_asked_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "snapshot_download", lambda *_, **__: pytest.fail("the Hub was asked"))
    (tmp_path / "clip.bin").touch()
    monkeypatch.chdir(tmp_path)
    for name, found in (
        ("clip.bin", "a file"), (str(tmp_path / "none"), "no such folder"), ("./none", "no such folder"),
        ("no/such/folder", "no such folder"), ("../none", "no such folder"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=rf"{found}\. What is due is a model's folder or a Hub id") as caught:
            fetch.local_folder(name)
        assert str(caught.value).startswith(f"{name}: ")


def test_repository_without_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    def download(repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repository, revision))
        assert not any(pattern.endswith((".bin", ".py")) for pattern in allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(fetch, "snapshot_download", download)
    with pytest.raises(UserError, match=r"holds no safetensors at this revision.*owner/clip@refs/pr/NUMBER"):
        fetch.local_folder("owner/clip@main")
    assert asked == [("owner/clip", "main")]
