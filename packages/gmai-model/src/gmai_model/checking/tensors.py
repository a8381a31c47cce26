"""What a checkpoint's tensors must be: those that config.json calls for, finite, and none of the projector's dead."""

import re
from collections.abc import Iterator, Sequence

import torch
from gmai_cli.console import progress
from gmai_formats.errors import UserError
from torch import Tensor

from gmai_model.assembly.layout import UNBUILDABLE, classic_name, expected_shapes
from gmai_model.assembly.weights import WeightFiles, count_not_finite
from gmai_model.checking.files import Files

SIZES_DIFFER = "config.json calls for"
_MAY_BE_ZERO = ("o_proj", "out_proj", "down_proj", "fc2")
"""A layer's output matrix holds zeros in a model that was made deeper; nothing else does in a trained one."""

_GLANCED = 64
_LAYER = re.compile(r"(?P<stack>.*\.layers)\.(?P<number>\d+)\.")


def check_weights(files: Files, named: Sequence[str] = ()) -> tuple[list[str], str]:
    """Read every tensor once: names, shapes, dtype and values.

    Args:
        files: Of the checkpoint.
        named: What is off already; a configuration that is named there and cannot be built is not named again.

    Returns:
        What is off, one line each; and a line about what is there.
    """
    try:
        weights = WeightFiles(files.folder)
        dtypes = {str(weights.dtype(name)).removeprefix("torch.") for name in weights.names()}
    except UserError as error:
        told = any("model.safetensors" in line for line in named)  # an index that names other files, say
        return [] if told else [str(error)], "weights: not readable"
    found = list(_names_and_shapes(files, weights, built=not any("config.json:" in line for line in named)))
    if dtypes != {stated := files.config.get("torch_dtype") or files.config.get("dtype")}:
        found.append(
            f"config.json: torch_dtype is {stated}, the tensors are {sorted(dtypes)}. Write theirs, in dtype as well"
        )
    parameters, not_finite, dead = 0, list[str](), list[str]()
    alike: dict[tuple[object, ...], list[str]] = {}
    with progress("check: tensors", len(weights.names()), unit="tensors") as bar:
        for name, tensor in weights.tensors():
            parameters += tensor.numel()
            if bad := count_not_finite(tensor):
                not_finite.append(f"{weights.file_of[name]}: {name} has {bad} values that are not finite")
            elif name.endswith("weight") and (same := _same(tensor)) and not any(part in name for part in _MAY_BE_ZERO):
                dead.append(f"{weights.file_of[name]}: {name} holds {same}, as in no trained model")
            elif tensor.ndim > 1:
                alike.setdefault(_glance(tensor), []).append(name)
            bar.advance()
    dead += _copies(weights, alike)
    for lines in (not_finite, dead if not found else []):  # else those are named that no model has
        if lines:
            found.append(f"{lines[0]} ({len(lines)} such tensors). Take an earlier checkpoint, or assemble it again")
    found = found or list(_of_files(weights))
    shards = len(set(weights.file_of.values()))
    return found, (
        f"{len(weights.names())} tensors in {shards} file{'s' if shards > 1 else ''}, {', '.join(sorted(dtypes))}, "
        f"{parameters / 1e6:,.1f} million parameters"
    )


def _same(tensor: Tensor) -> str:
    if not bool(tensor[:1].any()) and not bool(tensor.any()):
        return "zeros only"
    if tensor.ndim != 2 or not torch.equal(tensor[0], tensor[-1]):
        return ""
    return "the same row throughout" if bool((tensor == tensor[:1]).all()) else ""


def _glance(tensor: Tensor) -> tuple[object, ...]:
    """Return the shape and some values: two matrices that differ in them are not equal."""
    values = tensor.flatten()[:: max(tensor.numel() // _GLANCED, 1)][:_GLANCED]
    return (*tensor.shape, values.float().numpy().tobytes())


def _copies(weights: WeightFiles, alike: dict[tuple[object, ...], list[str]]) -> Iterator[str]:
    """Yield the matrices that are copies of another one, as a conversion that mixes up names leaves them.

    A language model that was made deeper repeats layers, but not one matrix within a layer, nor one layer throughout.
    """
    for names in alike.values():
        by_stack: dict[str, list[str]] = {}
        for name in names:
            if found := _LAYER.match(name):
                by_stack.setdefault(found["stack"], []).append(name)
        for stack, candidates in by_stack.items():
            first = weights.tensor(candidates[0]) if len(candidates) > 1 else None
            equal = [name for name in candidates if first is not None and torch.equal(weights.tensor(name), first)]
            if not equal or not bool(weights.tensor(equal[0]).any()):
                continue
            layers = [found["number"] for name in equal if (found := _LAYER.match(name))]
            every = {
                found["number"] for name in weights.names() if (found := _LAYER.match(name)) and found["stack"] == stack
            }
            if len(set(layers)) < len(layers) or len(layers) > max(len(every) / 2, 2):
                yield f"{weights.file_of[equal[1]]}: {equal[1]} is equal to {equal[0]}, as in no trained model"


def _of_files(weights: WeightFiles) -> Iterator[str]:
    """See that every file says how it is to be read, and holds no tensor that the index has elsewhere."""
    for name, (file_format, twice) in weights.files():
        if file_format != "pt":
            yield (
                f"{name}: its metadata give the format {file_format}, with which transformers 4 does not open it. Save "
                'it with metadata {"format": "pt"}'
            )
        if twice:
            yield (
                f"{name}: holds {twice[0]} ({len(twice)} such), which the index has elsewhere, and readers differ in "
                "which they take. Download the checkpoint again"
            )


def _names_and_shapes(files: Files, weights: WeightFiles, *, built: bool) -> Iterator[str]:
    renamed = [name for name in weights.names() if classic_name(name) != name]
    if any("mm_projector." in name for name in weights.names()):
        yield (
            "the tensors have the names of the original LLaVA code, which plain transformers does not open. Convert "
            "them with transformers' convert_llava_weights_to_hf.py"
        )
        return
    if renamed:
        yield (
            f"{weights.file_of[renamed[0]]}: {renamed[0]} ({len(renamed)} such): transformers 4.x and vLLM "
            f"look for {classic_name(renamed[0])}. Save it with `gmai train`, or rename them"
        )
    try:
        expected = expected_shapes(files.config)
    except (UserError, *UNBUILDABLE) as error:
        if built:
            yield (
                str(error)
                if isinstance(error, UserError)
                else f"config.json: not that of a LLaVA ({error}). Restore it"
            )
        return
    shapes = {classic_name(name): weights.shape(name) for name in weights.names()}
    flags = [part["tie_word_embeddings"] for part in (files.config, files.text) if "tie_word_embeddings" in part]
    tied, head = any(flags), "language_model.lm_head.weight"
    if tied and head not in shapes and not all(flags):
        yield (
            "config.json: tie_word_embeddings is true in one place and false in another, and there is no lm_head: a "
            "reader of the second has none. Write true in both"
        )
    if tied and head in shapes:
        yield (
            "config.json: tie_word_embeddings is true, but lm_head is a tensor of its own, which some readers then "
            "do not "
            "read. Write false, in text_config as well"
        )
    absent = expected.keys() - shapes.keys() - ({head} if tied else set())
    unknown = [name for name in shapes.keys() - expected.keys() if not name.endswith(("position_ids", "inv_freq"))]
    if absent and unknown:
        yield (
            f"no tensor {sorted(absent)[0]} ({len(absent)} such), which config.json calls for, but "
            f"{sorted(unknown)[0]} ({len(unknown)} such). Rename the tensors, or restore config.json"
        )
    elif absent:
        yield f"no tensor {sorted(absent)[0]} ({len(absent)} such), which config.json calls for. Download it again"
    elif unknown:
        yield (
            f"{sorted(unknown)[0]} ({len(unknown)} such) is no tensor of the model that config.json describes. Restore "
            f"config.json"
        )
    wrong = [name for name in sorted(expected.keys() & shapes.keys()) if shapes[name] != expected[name]]
    if wrong and not (absent and unknown):
        name = wrong[0]
        yield (
            f"{name} is {shapes[name]}, {SIZES_DIFFER} {expected[name]} ({len(wrong)} such). Restore "
            "config.json, or "
            f"download the weights again"
        )
