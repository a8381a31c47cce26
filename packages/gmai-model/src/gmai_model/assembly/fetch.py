"""A model by local folder or Hub id."""

from pathlib import Path

from gmai_cli.console import say
from gmai_formats.errors import UserError
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

PATTERNS = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]
"""No Python files and no pickles."""


def local_folder(name: str, scratch: Path | None = None) -> Path:
    """Return a folder as it is, or download a Hub id (or find it in the cache) and return its folder.

    Args:
        name: A folder, `owner/name`, or `owner/name@revision`; with `scratch` also a GGUF file.
        scratch: Where to write a GGUF file as a folder.

    Raises:
        UserError: Neither a folder nor a model that the Hub gives, or one without safetensors.
    """
    if Path(name).is_dir():
        return Path(name)
    if scratch is not None and Path(name).is_file() and name.lower().endswith(".gguf"):
        from gmai_model.assembly.gguf import convert

        folder = scratch / Path(name).stem
        folder.mkdir()
        convert(Path(name), folder)
        return folder
    repository, _, revision = name.partition("@")
    if Path(name).exists() or Path(name).is_absolute() or name.startswith((".", "~")) or repository.count("/") > 1:
        found = "a file" if Path(name).exists() else "no such folder"
        what = "a model's folder or a Hub id (owner/name)" + (
            ", or a GGUF file (*.gguf)" if scratch is not None else ""
        )
        raise UserError(f"{name}: {found}. What is due is {what}. Correct the path.")
    try:
        folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=PATTERNS))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{name}: neither a folder here nor a model to be had from the Hub ({reason}). Check the name, `HF_TOKEN` "
            f"for gated models, and `HF_HUB_OFFLINE`; on a node without network, download it first with `hf download`."
        ) from error
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f"{name}: the repository holds no safetensors at this revision, and pickled weights are never opened. "
            f"Many older repositories have them on a pull request: open its discussions on the Hub, look for one that "
            f"adds safetensors, and write {repository}@refs/pr/NUMBER."
        )
    say(f"{name}: {folder}")
    return folder


def part_name(name: str, folder: Path) -> str:
    """Return what a record calls a part: a local folder's own name, or `owner/name@commit`."""
    return folder.name if Path(name).exists() else f"{name.partition('@')[0]}@{folder.name}"
