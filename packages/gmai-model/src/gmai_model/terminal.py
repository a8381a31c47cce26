"""A conversation in the terminal: answers on standard output, everything else on standard error."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from gmai_cli.console import say, visible
from gmai_formats.errors import UserError
from gmai_formats.files import is_file
from gmai_formats.pictures.picture import Picture

from gmai_model.chat import DISCLAIMER, Assistant, Conversation
from gmai_model.pictures import has_values, open_picture, require_one_patient
from gmai_model.regions import places

HELP = (
    "/image FILE [SLICE] begins a new conversation about another image, /add FILE [SLICE] shows one more in this one, "
    "/new begins again, /quit ends; Ctrl-C stops an answer"
)


class Terminal:
    """One conversation, about one patient.

    Args:
        assistant: Answers.
        numbers: Slices or frames of the images that have some, in their order; a single one is that of all.
        window: Of the images that have values in a unit, see `open_picture`.
        volume: Of the NIfTI files that hold several; the first when None.
    """

    def __init__(
        self, assistant: Assistant, *, numbers: Sequence[int] = (), window: str | None = None, volume: int | None = None
    ) -> None:
        self._assistant = assistant
        self._numbers, self._window, self._volume = list(numbers), window, volume
        self._conversation = Conversation()
        self._waiting: list[Picture] = []
        self._shown: list[tuple[str, Picture]] = []

    def run(self, images: Sequence[Path], prompts: Sequence[str]) -> None:
        """Ask the prompts one after another, or, without any, what is typed or piped in, until its end."""
        say(DISCLAIMER)
        if images and self._window is not None and all(is_file(path) and not has_values(path) for path in images):
            raise UserError("--window is for DICOM and NIfTI, and no image is one. Leave it out.")
        for path, number in zip(images, self._slices(images), strict=True):
            self.show(path, number)
        if images and self._volume is not None and all(picture.volumes == 1 for picture in self._waiting):
            raise UserError("--volume is for NIfTI files of several volumes, and no image is one. Leave it out.")
        if prompts:
            for prompt in prompts:
                self.ask(prompt)
            return
        if sys.stdin.isatty():
            say(HELP)
        while (line := self._read()) is not None:
            if line and not self._command(line):
                return

    def _slices(self, images: Sequence[Path]) -> list[int | None]:
        sliced = [path for path in images if has_values(path)] or list(images)
        if len(self._numbers) not in {0, 1, len(sliced)}:
            raise UserError(
                f"--slice is given {len(self._numbers)} times for {len(sliced)} images with slices. Give it once for "
                f"all, or once for each of them."
            )
        numbers = iter(self._numbers * len(sliced) if len(self._numbers) == 1 else self._numbers)
        return [next(numbers, None) if path in sliced else None for path in images]

    def _read(self) -> str | None:
        try:
            return input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return None

    def _command(self, line: str) -> bool:
        """Do what a line says; a mistake is shown and the conversation goes on."""
        try:
            name, _, rest = line.partition(" ")
            if line == "/quit":
                return False
            if line == "/new":
                self._begin()
            elif name in {"/image", "/add"} and rest:
                path, number = _with_slice(rest.strip())
                if name == "/image":
                    if self._shown or self._conversation.messages:
                        say("a new conversation: nothing of the earlier one is sent again")
                    self._begin()
                self.show(path, number)
            elif line.startswith("/"):
                say(HELP)
            else:
                self.ask(line)
        except UserError as error:
            if not sys.stdin.isatty():
                raise
            say(str(error))
        return True

    def _begin(self) -> None:
        self._conversation, self._waiting, self._shown = Conversation(), [], []

    def show(self, path: Path, number: int | None = None) -> None:
        """Add an image to the next question."""
        window = self._window if has_values(path) else None
        picture = open_picture(path, number=number, window=window, volume=self._volume or 0)
        require_one_patient([*self._shown, (path.name, picture)])
        say(f"{path.name}: {picture.description}")
        self._shown.append((path.name, picture))
        self._waiting.append(picture)

    def ask(self, question: str) -> None:
        """Print the answer to a question as it is made, say where it points, and keep both."""
        if not question.strip():
            raise UserError("the question is empty. Write one.")
        asked = self._conversation.with_question(question, [picture.rgb for picture in self._waiting])
        if not asked.images:
            say("no image is shown with this question")
        pieces: list[str] = []
        answer = self._assistant.answer(asked)
        try:
            for piece in answer:
                pieces.append(piece)
                print(visible(piece), end="", flush=True)
        except KeyboardInterrupt:
            with contextlib.suppress(KeyboardInterrupt):
                answer.close()  # type: ignore[attr-defined]
            if not sys.stdin.isatty():
                raise
            say(" [stopped]")
        print(flush=True)
        if self._assistant.cut:
            say("[the answer was cut at --max-new-tokens]")
        if self._shown:
            _, last = self._shown[-1]
            several = " (on the image shown last)" if len(asked.images) > 1 else ""
            for line in places("".join(pieces), last.image.size, last.pixel_mm):
                say(line + several)
        self._conversation, self._waiting = asked.with_answer("".join(pieces)), []


def _with_slice(words: str) -> tuple[Path, int | None]:
    """Read `FILE` or `FILE SLICE`; a file's own name comes first."""
    path, _, last = words.rpartition(" ")
    if path and last.isdigit() and not Path(words).expanduser().exists():
        return Path(path).expanduser(), int(last)
    return Path(words).expanduser(), None
