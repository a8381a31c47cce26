"""What a checkpoint's tensors must be: those that config.json calls for, finite, and none of the projector's dead."""

from collections.abc import Iterator, Sequence

from gmai_cli.console import progress
from gmai_formats.errors import UserError

from gmai_model.assembly.layout import UNBUILDABLE, classic_name, expected_shapes
from gmai_model.assembly.weights import WeightFiles, count_not_finite
from gmai_model.checking.rules import Files

SIZES_DIFFER = "config.json calls for ("
_NEVER_ZERO = ("multi_modal_projector", "embed", "norm", "lm_head")
"""What no trained model holds as zeros; a layer's output matrix may, in a model that was made deeper."""


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
        return [str(error)], "weights: not readable"
    found = list(_names_and_shapes(files, weights, built=not any("config.json:" in line for line in named)))
    if dtypes != {files.config.get("torch_dtype")}:
        found.append(
            f"config.json: torch_dtype is {files.config.get('torch_dtype')}, the tensors are {sorted(dtypes)}. Write "
            f"theirs, in dtype as well"
        )
    parameters, not_finite, dead = 0, list[str](), list[str]()
    with progress("check: tensors", len(weights.names()), unit="tensors") as bar:
        for name, tensor in weights.tensors():
            parameters += tensor.numel()
            if bad := count_not_finite(tensor):
                not_finite.append(f"{weights.file_of[name]}: {name} has {bad} values that are not finite")
            elif any(part in name for part in _NEVER_ZERO) and name.endswith("weight") and not bool(tensor.any()):
                dead.append(f"{weights.file_of[name]}: {name} holds zeros only, as in no trained model")
            bar.advance()
    for lines in (not_finite, dead):
        if lines:
            found.append(f"{lines[0]} ({len(lines)} such tensors). Take an earlier checkpoint, or assemble it again")
    shards = len(set(weights.file_of.values()))
    return found, (
        f"{len(weights.names())} tensors in {shards} file{'s' if shards > 1 else ''}, {', '.join(sorted(dtypes))}, "
        f"{parameters / 1e6:,.1f} million parameters"
    )


def _names_and_shapes(files: Files, weights: WeightFiles, *, built: bool) -> Iterator[str]:
    renamed = [name for name in weights.names() if classic_name(name) != name]
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
    tied = files.config.get("tie_word_embeddings") or files.text.get("tie_word_embeddings")
    head = "language_model.lm_head.weight"
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
    if wrong:
        name = wrong[0]
        yield (
            f"{name} is {shapes[name]}, {SIZES_DIFFER}{str(expected[name])[1:]} ({len(wrong)} such). Restore "
            "config.json, or "
            f"download the weights again"
        )
