"""How endpoints are named, and the one rule for their base URL."""

import pytest
from gmai_formats.chat.addresses import addresses, base_url
from gmai_formats.errors import UserError

VARIABLES = (
    "OPENAI_BASE_URL", "OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "OPENAI_API_VERSION", "MINE",
)  # fmt: skip


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("http://h/v1/chat/completions", "http://h/v1"),
        ("http://h/chat/completions", "http://h/v1"),
        ("https://h/api/paas/v4", "https://h/api/paas/v4"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("https://h/v1?api-version=1", "https://h/v1?api-version=1"),
    ],
)
def test_a_host_alone_means_its_v1_and_a_path_stays(given, base):
    assert base_url(given) == base
    assert addresses([given])[0].url == base


def test_endpoints_come_from_options_files_and_the_environment(tmp_path, environment):
    named = addresses(["http://a:8000/v1", "http://b:8000/v1=2.5"])
    assert [(each.url, each.weight) for each in named] == [("http://a:8000/v1", 1.0), ("http://b:8000/v1", 2.5)]
    file = tmp_path / "nodes.yaml"
    file.write_text(
        "- {url: http://c, weight: 3, key_env: MINE}\n"
        "- {url: http://d/v1/, parameters: {temperature: false, reasoning_effort: low}, system: Be brief.}\n"
    )
    first, second = addresses([str(file)])
    assert (first.url, first.key_env, first.weight) == ("http://c/v1", "MINE", 3)
    assert (second.parameters.temperature, second.parameters.reasoning_effort) == (False, "low")
    assert second.parameters.model_fields_set == {"temperature", "reasoning_effort"}
    environment.setenv("OPENAI_API_KEY", "k")
    assert addresses([])[0].url == "https://api.openai.com/v1"
    environment.setenv("OPENAI_BASE_URL", "http://e:8000")
    assert addresses([])[0].url == "http://e:8000/v1"


def test_azure_is_used_where_it_alone_is_set_up(environment):
    environment.setenv("AZURE_OPENAI_ENDPOINT", "https://x.azure.com/")
    with pytest.raises(UserError, match="OPENAI_API_VERSION is not"):
        addresses([])
    environment.setenv("OPENAI_API_VERSION", "2024-10-21")
    (azure,) = addresses([])
    assert (azure.azure, azure.url) == (True, "https://x.azure.com")
    assert not addresses(["http://h"])[0].azure
    environment.setenv("OPENAI_BASE_URL", "http://e/v1")
    assert not addresses([])[0].azure


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], r"no endpoint\. Set \$OPENAI_BASE_URL"),
        (["ftp://a"], "no http URL"),
        (["localhost:8000"], "no http URL"),
        (["http://me:secret@a/v1"], "holds a user or password"),
        (["http://a:notaport/v1"], "is no URL"),
        (["nodes.yaml"], "nodes.yaml: No such file or directory"),
    ],
)
def test_what_is_wrong_is_told_without_the_secret(given, message):
    with pytest.raises(UserError, match=message) as caught:
        addresses(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {url: http://a, wieght: 2}", r'entry 1: wieght: unknown key\. Did you mean "weight"'),
        ("- {url: http://a, parameters: {temprature: 1}}", 'temprature: unknown key. Did you mean "temperature"'),
        ("- {url: http://a, weight: 0}", "weight"),
        ("{url: http://a}", "not a list"),
        ("[]", "not a list"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, text, message):
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        addresses([str(tmp_path / "e.yaml")])


def test_a_key_that_was_named_must_be_set(environment):
    (named,) = (each.model_copy(update={"key_env": "MINE"}) for each in addresses(["http://a"]))
    with pytest.raises(UserError, match=r"\$MINE is not set"):
        named.key()
    environment.setenv("MINE", "sk-1234")
    assert named.key() == "sk-1234"
    assert addresses(["http://a"])[0].key() == ""
