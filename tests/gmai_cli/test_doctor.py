import pytest

from .conftest import Gmai, Site

BROKEN_TORCH = "raise OSError('libcudart.so.13: cannot open shared object file')"


@pytest.fixture
def light(site: Site) -> Site:
    """A site whose torch does not load: a finding of the doctor, and seconds saved."""
    (site.folder / "torch.py").write_text(BROKEN_TORCH)
    return site


def row(table: str, *starts: str) -> str:
    """Return the one line that starts with these cells."""
    found = [line for line in table.splitlines() if line.split()[: len(starts)] == list(starts)]
    assert len(found) == 1, (starts, table)
    return " ".join(found[0].split())


@pytest.mark.usefixtures("light")
def test_it_says_what_is_here(gmai: Gmai) -> None:
    result = gmai("doctor")
    assert result.returncode == 0
    assert result.stderr == ""
    assert row(result.stdout, "gmai", "data") == "gmai data gmai-data ok"
    assert "cores usable" in row(result.stdout, "cpu")
    assert row(result.stdout, "build", "samples").endswith("gmai-data ok")
    assert "several nodes under Slurm" in row(result.stdout, "srun")


@pytest.mark.usefixtures("light")
def test_a_torch_that_does_not_load_is_a_line(gmai: Gmai) -> None:
    assert row(gmai("doctor").stdout, "gpu") == (
        "gpu torch does not load: OSError: libcudart.so.13: cannot open shared object file"
    )


def test_a_broken_plugin_is_a_line(light: Site, gmai: Gmai) -> None:
    light.add("cracked", {"cracked": "cracked_cli:app"}, cracked_cli="import no_such_library")
    result = gmai("doctor")
    assert result.returncode == 0
    assert row(result.stdout, "gmai", "cracked") == "gmai cracked cracked BROKEN: No module named 'no_such_library'"
    assert row(result.stdout, "gmai", "data").endswith("ok")


@pytest.mark.usefixtures("light")
def test_no_secret_is_printed(gmai: Gmai) -> None:
    secrets = {"HF_TOKEN": "hf_verysecret", "OPENAI_API_KEY": "sk-verysecret"}
    addresses = {
        "OPENAI_BASE_URL": "https://ann:verysecret@models.example.org/v1",
        "HF_ENDPOINT": "https://hub.example.org",
    }
    result = gmai("doctor", **secrets, **addresses)
    assert "verysecret" not in result.stdout + result.stderr
    assert row(result.stdout, "HF_TOKEN") == "HF_TOKEN (set, not shown)"
    assert row(result.stdout, "OPENAI_BASE_URL") == "OPENAI_BASE_URL https://(not shown)@models.example.org/v1"
    assert row(result.stdout, "HF_ENDPOINT") == "HF_ENDPOINT https://hub.example.org"
