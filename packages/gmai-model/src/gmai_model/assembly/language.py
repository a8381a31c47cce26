"""The language model's side: a folder of one of the families ▶ tensors and settings as transformers' class has them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from gmai_formats.checkpoints import require_bounded
from gmai_formats.errors import UserError
from gmai_formats.json_text import read_json_object
from torch import Tensor

from gmai_model.assembly.families import LANGUAGE, TEXT_CLASSES
from gmai_model.assembly.internlm2 import llama_names, split_wqkv
from gmai_model.assembly.layout import Shape, text_shapes
from gmai_model.assembly.weights import WeightFiles

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
ROWS_MULTIPLE = 64
AGAIN = "Download the model again."


def read_config(folder: Path) -> dict[str, Any]:
    """Return a folder's `config.json`."""
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(
            f"{folder}: no config.json. A model is a Hugging Face folder with config.json and safetensors. "
            f"Give such a folder, or a Hub id."
        )
    config = read_json_object(path, remedy=AGAIN)
    if (folder / "adapter_config.json").is_file():
        raise UserError(
            f"{folder / 'adapter_config.json'}: an adapter, which would be lost. Merge it into the weights first "
            f"(`merge_and_unload` of PEFT), or give a folder without it."
        )
    if "quantization_config" in config:
        raise UserError(f"{path}: a quantised model. Parts are assembled from plain weights. Use the original model.")
    return config


class LanguageModel:
    """A language model's folder, read as the text class that computes it exactly.

    InternLM2's and InternLM3's dynamic position scaling does nothing up to `max_position_embeddings` and is left out.
    A sliding window does nothing within its own length, to which the positions are then limited. Tied embeddings become
    two equal tensors, since stage 3 trains both.

    Args:
        folder: A Hugging Face model folder.
        keep_rope_scaling: Keep that dynamic scaling, which acts beyond `max_position_embeddings` only.

    Raises:
        UserError: A family that is not taken, quantised or broken weights, or tensors that do not have the names and
            shapes that `config.json` calls for.
    """

    def __init__(self, folder: Path, *, keep_rope_scaling: bool = False) -> None:
        self.folder = folder
        self.config = read_config(folder)
        require_bounded(folder)
        kind = self.config.get("model_type")
        if kind not in LANGUAGE:
            raise UserError(
                f"{folder / 'config.json'}: model_type is {kind!r}. The language model must be one of "
                f"{', '.join(LANGUAGE)} (`gmai model families` says which models these are). Choose another model."
            )
        self.kind: str = kind
        self.family = LANGUAGE[kind]
        if self.family.title.startswith("InternLM") and any(self.config.get(key) for key in ("bias", "qkv_bias")):
            raise UserError(
                f"{folder / 'config.json'}: the model has biases, which a Llama of this family has not, and leaving "
                f"them out would change the model. Choose another model."
            )
        self.weights = WeightFiles(folder)
        self.notes: list[str] = []
        """What was changed on the way, one line each, for the user and the record."""
        self.text_config = self._text_config(keep_rope_scaling=keep_rope_scaling)
        self.source_rows: int = self.text_config["vocab_size"]
        names = self.weights.names()
        has_head = any(HEAD in self._targets(name) for name in names)
        self.untied = bool(self.config.get("tie_word_embeddings", not has_head))
        """Whether the output matrix is a copy of the input embedding."""
        self._check_shapes()
        self._check_tied()

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the input embedding, which stands for the whole model."""
        return self.weights.dtype("model.tok_embeddings.weight" if self.kind == "internlm2" else EMBEDDING)

    def grow(self, tokens: int) -> None:
        """Give the embedding room for that many tokens, as LLaVA does: to a multiple of 64, where there is none yet."""
        if tokens <= self.source_rows:
            return
        rows = -(-tokens // ROWS_MULTIPLE) * ROWS_MULTIPLE
        self.notes.append(
            f"{rows - self.source_rows} embedding rows were added ({self.source_rows} ▶ {rows}), each the mean of the "
            f"old ones, since {tokens - self.source_rows} tokens had no row"
        )
        self.text_config["vocab_size"] = rows

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (name in the text class, tensor), one source tensor in memory at a time."""
        heads, kv_heads = self.text_config["num_attention_heads"], self.text_config["num_key_value_heads"]
        for name, tensor in self.weights.tensors():
            targets = self._targets(name)
            if len(targets) > 1:
                yield from zip(targets, split_wqkv(tensor, heads=heads, kv_heads=kv_heads), strict=True)
            elif targets == [EMBEDDING]:
                grown = self._grown(tensor)
                yield EMBEDDING, grown
                if self.untied:
                    size_mb = grown.numel() * grown.element_size() / 1e6
                    self.notes.append(
                        f"tied embeddings were untied: lm_head is a copy of embed_tokens, {size_mb:.1f} MB more"
                    )
                    yield HEAD, grown.clone()
            elif targets == [HEAD]:
                if not self.untied:
                    yield HEAD, self._grown(tensor)
            elif targets:
                yield targets[0], tensor

    def source_tensor(self, name: str, rows: Tensor | None = None) -> Tensor:
        """Return a tensor of the source under its own name, or some of its rows, in fp32."""
        found = self.weights.tensor(name)
        return (found if rows is None else found[rows]).float()

    def _grown(self, tensor: Tensor) -> Tensor:
        more = self.text_config["vocab_size"] - len(tensor)
        if more == 0:
            return tensor
        mean = torch.stack([part.sum(dim=0, dtype=torch.float64) for part in tensor.split(8192)]).sum(dim=0)
        mean = (mean / len(tensor)).to(tensor.dtype)
        return torch.cat([tensor, mean.expand(more, -1)])

    def _targets(self, name: str) -> list[str]:
        """Return what a tensor of the source becomes: no tensor, one, or q, k and v."""
        if self.kind == "internlm2":
            return llama_names(name)
        return [] if name.endswith("rotary_emb.inv_freq") else [name]  # a buffer that old checkpoints saved

    def _check_shapes(self) -> None:
        expected = text_shapes(self.text_config)
        needs = set(expected) - ({HEAD} if self.untied else set())
        for name in self.weights.names():
            targets = self._targets(name)
            unknown = [target for target in targets if target not in expected]
            if unknown:
                raise UserError(
                    f"{self.folder}: {name} is no tensor of a {self.family.title} model with the settings that "
                    f"config.json gives. Nothing of a model may be left out. Check that the folder is "
                    f"right; a quantised or adapted model must be merged into plain weights first."
                )
            if targets:
                self.weights.dtype(name)  # refuses a quantised tensor
                self._check_shape(name, [expected[target] for target in targets])
            needs -= set(targets)
        if needs:
            raise UserError(
                f"{self.folder}: no tensor for {sorted(needs)[0]} ({len(needs)} such). config.json calls for it. "
                f"Download the model again, or choose another."
            )

    def _check_tied(self) -> None:
        """Refuse an output matrix that config.json calls tied and that is none: transformers 5 uses it, 4 does not."""
        own = {target: name for name in self.weights.names() for target in self._targets(name)}
        head, embedding = own.get(HEAD), own[EMBEDDING]
        if self.untied and head and not torch.equal(self.weights.tensor(head), self.weights.tensor(embedding)):
            raise UserError(
                f"{self.folder / 'config.json'}: tie_word_embeddings is true, but {head} is not {embedding}, so that "
                f"transformers 4 and 5 compute two models. Write false to keep {head}, or leave that tensor out."
            )

    def _check_shape(self, name: str, targets: list[Shape]) -> None:
        found = self.weights.shape(name)
        needs = (sum(shape[0] for shape in targets), *targets[0][1:])
        if found != needs:
            raise UserError(
                f"{self.folder}: {name} is {found}, config.json says {needs} (hidden_size "
                f"{self.text_config['hidden_size']}, vocab_size {self.text_config['vocab_size']}). The two must agree. "
                f"Download the model again."
            )

    def _text_config(self, *, keep_rope_scaling: bool) -> dict[str, Any]:
        config = self.config
        try:
            heads: int = config["num_attention_heads"]
            result: dict[str, Any] = {
                "model_type": self.family.text_type,
                "architectures": [TEXT_CLASSES[self.family.text_type]],
                "vocab_size": config["vocab_size"],
                "hidden_size": config["hidden_size"],
                "intermediate_size": config["intermediate_size"],
                "num_hidden_layers": config["num_hidden_layers"],
                "num_attention_heads": heads,
                "num_key_value_heads": config.get("num_key_value_heads") or heads,
                "head_dim": config.get("head_dim") or config["hidden_size"] // heads,
                "hidden_act": config.get("hidden_act", "silu"),
                "max_position_embeddings": config["max_position_embeddings"],
                "initializer_range": config.get("initializer_range", 0.02),
                "rms_norm_eps": config["rms_norm_eps"],
                **({"attention_bias": False, "mlp_bias": False} if self.family.text_type == "llama" else {}),
                "attention_dropout": 0.0,
                "tie_word_embeddings": False,
            }
        except KeyError as error:
            raise UserError(
                f"{self.folder / 'config.json'}: no {error.args[0]}, without which the model cannot be built. Download "
                f"the model again."
            ) from error
        if self.family.text_type != "llama":
            result["sliding_window"] = None
        result |= {key: config[key] for key in self.family.keeps if key in config}
        self._limit_to_the_window(result)
        return result | self._rope(keep_rope_scaling=keep_rope_scaling)

    def _limit_to_the_window(self, result: dict[str, Any]) -> None:
        used = self.config.get("use_sliding_window", self.kind == "mistral")
        window = self.config.get("sliding_window") if used else None
        if window is not None and window < result["max_position_embeddings"]:
            self.notes.append(
                f"its sliding window of {window} tokens is left out and positions end there "
                f"({result['max_position_embeddings']} ▶ {window}); within it the two are the same model"
            )
            result["max_position_embeddings"] = window

    def _rope(self, *, keep_rope_scaling: bool) -> dict[str, Any]:
        """Return the position settings for both generations of readers.

        transformers 5 reads and writes only `rope_parameters`; 4.x and servers read only `rope_theta`, and fall back to
        10000 without a word when it is absent.
        """
        rope: dict[str, Any] = self.config.get("rope_parameters") or {}
        theta = self.config.get("rope_theta", rope.get("rope_theta", 10000.0))
        if any(isinstance(value, dict) for value in rope.values()):
            raise UserError(
                f"{self.folder / 'config.json'}: rope_parameters are given by kind of layer; this family has "
                f"one position scaling. Choose another model."
            )
        if rope.get("rope_theta", theta) != theta:
            raise UserError(
                f"{self.folder / 'config.json'}: rope_theta is {theta!r}, rope_parameters says {rope['rope_theta']!r}, "
                f"so that transformers 4 and 5 compute two models. Leave out the wrong one."
            )
        turned = {**rope, **self.config}.get("partial_rotary_factor", 1.0)
        if turned != 1.0:
            raise UserError(
                f"{self.folder / 'config.json'}: partial_rotary_factor is {turned!r}. transformers 4 turns that part "
                f"of each head, 5 whole heads, which are two models. Choose another model."
            )
        scaling = self.config.get("rope_scaling") or {key: value for key, value in rope.items() if key != "rope_theta"}
        kind = scaling.get("rope_type", scaling.get("type", "default"))
        if self.family.title.startswith("InternLM") and kind == "dynamic" and not keep_rope_scaling:
            self.notes.append("its dynamic position scaling acts beyond its positions only and is left out")
            kind, scaling = "default", {}
        parameters: dict[str, Any] = {"rope_type": kind, "rope_theta": theta}
        result: dict[str, Any] = {"rope_theta": theta, "rope_parameters": parameters}
        if kind != "default":
            extra = {key: value for key, value in scaling.items() if key not in {"type", "rope_type", "rope_theta"}}
            result["rope_scaling"] = {"rope_type": kind, **extra}
            parameters.update(extra)
        return result
