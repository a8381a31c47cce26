"""Where models are: `--endpoint`, a YAML list or the environment ▶ addresses, by one rule for all commands."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gmai_formats.chat.dialect import Dialect
from gmai_formats.errors import UserError, explain_validation
from gmai_formats.safe_yaml import load_yaml, yaml_text

BASE_URL, KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"
AZURE_ENDPOINT, AZURE_KEY, AZURE_TOKEN = "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"
AZURE_VERSION = "OPENAI_API_VERSION"
"""Environment variables, named as the openai library names them."""


class Address(BaseModel):
    """One endpoint; an entry of an endpoints file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    """Base URL such as http://node7:8000/v1; see `base_url`."""
    weight: float = Field(default=1.0, gt=0)
    """Share of the requests, relative to the others."""
    key_env: str = KEY
    """Environment variable that holds the key; without one none is sent."""
    parameters: Dialect = Dialect()
    """What its model takes otherwise than the rest: limit field, temperature, reasoning, further fields."""
    system: str = ""
    """System message before each question of a benchmark; builds take theirs from the prompt files."""
    azure: bool = False
    """It is an Azure resource: the model is a deployment, and the key may be an Entra token."""

    def key(self) -> str:
        """Return the key, or an empty text where none is needed.

        Raises:
            UserError: The variable was named by the user and is not set.
        """
        key = os.environ.get(AZURE_KEY if self.azure else self.key_env, "")
        if not key and self.key_env != KEY:
            raise UserError(f"endpoint {self.url}: ${self.key_env} is not set. Export the key in it and run again.")
        return key


def addresses(given: Sequence[str], option: str = "--endpoint") -> list[Address]:
    """Return the endpoints that an option names, or the environment where it names none.

    Args:
        given: `URL`, `URL=WEIGHT`, or the path of a YAML file with a list of `Address`.
        option: Named in messages.

    Raises:
        UserError: No endpoint is named, an entry is wrong, or a URL holds a password.
    """
    found: list[Address] = []
    for entry in given:
        if entry.endswith((".yaml", ".yml")):
            found += _from_file(Path(entry))
            continue
        url, _, weight = entry.partition("=") if re.search(r"=[\d.]+$", entry) and "?" not in entry else (entry, "", "")
        found.append(_address({"url": url, **({"weight": weight} if weight else {})}, f"{option} {_safe(entry)}"))
    if found:
        return found
    url = os.environ.get(BASE_URL, "")
    azure = os.environ.get(AZURE_ENDPOINT, "")
    if azure and not url:
        if not os.environ.get(AZURE_VERSION):
            raise UserError(f"${AZURE_ENDPOINT} is set, but ${AZURE_VERSION} is not. Azure needs both; export it.")
        return [Address(url=_checked(azure, f"${AZURE_ENDPOINT}").rstrip("/"), azure=True)]
    if not url and os.environ.get(KEY):
        url = "https://api.openai.com/v1"
    if not url:
        raise UserError(
            f"{option}: no endpoint. Set ${BASE_URL} (and ${KEY}), ${AZURE_ENDPOINT} and ${AZURE_KEY}, or give "
            f"{option} http://HOST:PORT/v1."
        )
    return [_address({"url": url}, f"${BASE_URL}")]


def base_url(url: str, where: str = "--endpoint") -> str:
    """Return the base URL of an API: the host alone means its /v1, as servers of this API have it.

    A path that is given stays as it is; `/chat/completions` at its end, which people copy along, is taken off.

    Raises:
        UserError: It is no http URL, or holds a password.
    """
    parts = urlsplit(_checked(url, where))
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _from_file(path: Path) -> list[Address]:
    try:
        listed: Any = load_yaml(yaml_text(path))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}. --endpoint takes a URL, or a YAML file of several.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not readable as YAML ({error}). --endpoint takes a URL or such a file.") from error
    if not isinstance(listed, list) or not listed:
        raise UserError(
            f"{path}: not a list. An endpoints file is a YAML list of {{url, weight, key_env, parameters}}."
        )
    return [
        _address(entry, f"{path}: entry {number}") for number, entry in enumerate(cast("list[Any]", listed), start=1)
    ]


def _address(entry: Any, where: str) -> Address:
    try:
        address = Address.model_validate(entry)
    except ValidationError as error:
        known = {*Address.model_fields, *Dialect.model_fields}
        raise explain_validation(error, where=where, known_fields=known) from error
    url = _checked(address.url, where).rstrip("/") if address.azure else base_url(address.url, where)
    return address.model_copy(update={"url": url})


def _checked(url: str, where: str) -> str:
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        raise UserError(
            f'{where}: "{_safe(url)}" is no URL. Give the base, such as http://127.0.0.1:8000/v1.'
        ) from None
    if parts.username or parts.password:
        raise UserError(f"{where}: the URL holds a user or password, which logs would show. Export the key in ${KEY}.")
    if wrong:
        raise UserError(f'{where}: "{url}" is no http URL. Give the base, such as http://127.0.0.1:8000/v1.')
    return url


def _safe(entry: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", entry)
