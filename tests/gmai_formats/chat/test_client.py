"""One endpoint by the openai library: headers, addresses, Azure, and nothing that a server echoes."""

import asyncio
import sys
import types

import pytest
from gmai_formats.chat.addresses import Address, addresses
from gmai_formats.chat.client import Client
from gmai_formats.errors import UserError


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_AD_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def post(client, times=1):
    async def run():
        async with client:
            for _ in range(times):
                answer = await client.post(b'{"a": 1}')
            return answer

    return asyncio.run(run())


@pytest.fixture
def server(openai_server):
    with openai_server.Server() as running:
        running.route = lambda _method, _path, content, _head: (200, {"X-Told": "yes"}, content, False)
        yield running


def header(server, name):
    lines = server.books.heads[-1].split("\r\n")
    return next((line.partition(": ")[2] for line in lines if line.lower().startswith(f"{name}:")), None)


def test_the_body_goes_out_as_it_was_built_with_key_organisation_and_project(server, environment):
    for name, value in (("OPENAI_API_KEY", "sk-1234"), ("OPENAI_ORG_ID", "org-1"), ("OPENAI_PROJECT_ID", "proj-1")):
        environment.setenv(name, value)
    answer = post(Client(Address(url=server.url), "m"))
    assert (answer.status, answer.content, answer.headers["x-told"]) == (200, b'{"a": 1}', "yes")
    assert list(server.books.targets) == ["/v1/chat/completions"]
    assert header(server, "authorization") == "Bearer sk-1234"
    assert (header(server, "openai-organization"), header(server, "openai-project")) == ("org-1", "proj-1")
    assert header(server, "content-type") == "application/json"


def test_without_a_key_none_is_sent(server):
    client = Client(Address(url=server.url), "m")
    post(client)
    assert header(server, "authorization") is None
    assert not client.has_key


def test_a_query_of_the_address_stays_behind_the_path(server):
    client = Client(addresses([f"{server.url}?api-version=7"])[0], "m")
    post(client)
    assert list(server.books.targets) == ["/v1/chat/completions?api-version=7"]
    assert client.url == server.url


def azure(server, environment, **variables):
    environment.setenv("OPENAI_API_VERSION", "2024-10-21")
    for name, value in variables.items():
        environment.setenv(name, value)
    return Client(Address(url=server.url.removesuffix("/v1"), azure=True), "gpt-4o")


def test_azure_takes_a_key_or_an_entra_token(server, environment):
    post(azure(server, environment, AZURE_OPENAI_API_KEY="azure-key"))
    assert list(server.books.targets) == ["/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"]
    assert header(server, "api-key") == "azure-key"
    environment.delenv("AZURE_OPENAI_API_KEY")
    client = azure(server, environment, **{"AZURE_OPENAI_AD_TOKEN": "entra-token"})
    post(client)
    assert (header(server, "api-key"), header(server, "authorization")) == (None, "Bearer entra-token")
    assert client.scrub("no entra-token here") == "no (key) here"


def test_azure_without_either_asks_the_library_of_azure_for_each_request(server, environment):
    client = azure(server, environment)
    with pytest.raises(UserError, match="pip install azure-identity"):
        post(client)
    given = []

    def get_bearer_token_provider(_credential, scope):
        assert scope == "https://cognitiveservices.azure.com/.default"

        async def token():
            given.append(f"token-{len(given)}")
            return given[-1]

        return token

    stand_in = types.ModuleType("azure.identity.aio")
    stand_in.DefaultAzureCredential = object
    stand_in.get_bearer_token_provider = get_bearer_token_provider
    for name in ("azure", "azure.identity"):
        environment.setitem(sys.modules, name, types.ModuleType(name))
    environment.setitem(sys.modules, "azure.identity.aio", stand_in)
    post(azure(server, environment), times=2)
    assert header(server, "authorization") == "Bearer token-1"


def test_nothing_is_imported_before_the_first_request():
    client = Client(Address(url="http://h/v1"), "m")
    assert (client.url, client.key_name) == ("http://h/v1", "OPENAI_API_KEY")
