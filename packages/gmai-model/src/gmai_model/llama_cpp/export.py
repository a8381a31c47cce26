"""READ THIS FIRST: a checkpoint ▶ a folder with `model.gguf`, `mmproj.gguf` and `export.json`, for llama.cpp.

Everything is asked of the settings before a tensor is read: what llama.cpp would compute otherwise is refused.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from gguf import GGUFWriter
from gmai_cli.console import say
from gmai_cli.folders import check_new, new_folder
from gmai_formats.checkpoints import require_bounded
from gmai_formats.errors import UserError
from gmai_formats.files import write_json
from gmai_formats.weights import model_digest, require_as_written, require_checkpoint, sealed_files, shaping_digests
from tokenizers import Tokenizer

from gmai_model.assembly.weights import WeightFiles
from gmai_model.checking.check import check_folder
from gmai_model.checking.files import Files
from gmai_model.llama_cpp.tensors import write_file
from gmai_model.llama_cpp.text import TextPart
from gmai_model.llama_cpp.vision import ARCHITECTURE, VisionPart
from gmai_model.llama_cpp.vocabulary import Vocabulary, as_text, read_vocabulary

MODEL, MMPROJ, RECORD = "model.gguf", "mmproj.gguf", "export.json"


@dataclass(frozen=True)
class Plan:
    """A checkpoint that llama.cpp can run."""

    text: TextPart
    vision: VisionPart | None
    """None: the language model alone."""
    vocabulary: Vocabulary

    @property
    def notes(self) -> list[str]:
        """What llama.cpp does otherwise all the same, one line each."""
        if self.vision is None:
            return self.vocabulary.notes
        size = self.vision.config.image_size
        resized = f"llama.cpp resizes images by a filter of its own: what is {size} × {size} px arrives as it is"
        return [*self.vocabulary.notes, resized]


@dataclass(frozen=True)
class Choice:
    """What the user says of the export."""

    dtype: str = "auto"
    """Of the matrices: `auto` (the checkpoint's), `f32`, `f16`, `bf16`, or `q8_0` with the vision encoder in `f16`."""
    square_images: bool = False
    fixed_clip: bool = False
    text_only: bool = False


def plan(files: Files, choice: Choice) -> Plan:
    """Return how a checkpoint becomes GGUF.

    Args:
        files: Of the checkpoint.
        choice: `square_images` and `fixed_clip` as `VisionPart` takes them.

    Raises:
        UserError: It cannot, with the reason.
    """
    text = TextPart(files.folder, files.text)
    vocabulary = read_vocabulary(files.folder, text.rows)
    if choice.text_only:
        return Plan(text, None, vocabulary)
    vision = VisionPart(files, square_images=choice.square_images, fixed_clip=choice.fixed_clip)
    return Plan(text, vision, vocabulary)


def _require_tokenizer(path: Path) -> None:
    """Refuse a tokenizer.json whose entries are not of the types that its own library takes: they are read one by one.

    Raises:
        UserError: It is so.
    """
    if path.is_file():
        try:
            Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise UserError(f"{path}: no readable tokenizer ({str(error)[:200]}). Download it again.") from error


def export(folder: Path, out: Path, choice: Choice) -> None:
    """Write a checkpoint as GGUF.

    Args:
        folder: A LLaVA checkpoint.
        out: The folder to write; new or empty.
        choice: What the user says of it.

    Raises:
        UserError: The checkpoint is off, or llama.cpp cannot run it.
    """
    check_new(out)
    require_checkpoint(folder, takes="`gmai model export` takes a checkpoint folder")
    files = Files(folder)
    if files.config.get("model_type") != "llava":
        raise UserError(
            f"{folder}: model_type is {files.config.get('model_type')!r}. `gmai model export` takes a LLaVA "
            f"checkpoint folder. Check the path."
        )
    require_bounded(folder)
    _require_tokenizer(folder / "tokenizer.json")
    planned = plan(files, choice)
    off, _ = check_folder(files)
    if off:
        raise UserError(f"{folder}: {off[0]} ({len(off)} things are off; `gmai model check {folder}` lists them).")
    require_as_written(folder)
    weights = WeightFiles(folder)
    text = list(planned.text.tensors(weights, choice.dtype))
    with new_folder(out) as building:
        write_file(
            building / MODEL, planned.text.name, text,
            (_named("model"), planned.text.describe, planned.vocabulary.describe),
        )  # fmt: skip
        if planned.vision is not None:
            vision = list(planned.vision.tensors(weights, "f16" if choice.dtype == "q8_0" else choice.dtype))
            write_file(building / MMPROJ, ARCHITECTURE, vision, (_named("mmproj"), planned.vision.describe))
        record = {
            "made_by": "gmai model export --format gguf",
            "checkpoint": model_digest(shaping_digests(folder)),
            **asdict(choice),
            "tokenizer": as_text(planned.vocabulary),
            "notes": planned.notes,
            **sealed_files(building),
        }
        write_json(building / RECORD, record)
    for note in planned.notes:
        say(note)


def _named(kind: str) -> Callable[[GGUFWriter], None]:
    def describe(writer: GGUFWriter) -> None:
        writer.add_type(kind)
        writer.add_name("LLaVA of gmai")  # by some names, such as phi-3, llama.cpp changes how it treats blanks

    return describe
