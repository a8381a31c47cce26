import pytest
from gmai_formats.errors import UserError
from gmai_model.training import doctor, preflight


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(doctor.socket, "gethostbyname", lambda name: "127.0.0.1")
    monkeypatch.setattr(preflight, "shared_free", lambda: float(2**33))


def test_a_sound_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.doctor() is True
    said = capsys.readouterr().out
    assert "no GPU was given: training would use the CPU" in said
    assert "8.0 GiB free: 2 loader processes of each device keep 4 rows ready" in said
    assert "CHECK" not in said


def test_what_is_off_has_its_remedy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(preflight, "shared_free", lambda: float(2**26))

    def refuse() -> None:
        raise UserError("torch 2.11 is installed")

    def unknown(name: str) -> str:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(preflight, "check_versions", refuse)
    monkeypatch.setattr(doctor.socket, "gethostbyname", unknown)
    assert doctor.doctor() is False
    said = capsys.readouterr().out
    assert said.count("CHECK") == 3
    assert "64 MiB free, which is room for no of 2 loader processes" in said
    assert "docker --shm-size=8g" in said
    assert "does not resolve (Name or service not known)" in said
