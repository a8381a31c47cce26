"""A conversation in the terminal: answers on standard output, everything else on standard error."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from gmai_cli.console import say
from gmai_formats.errors import UserError
from PIL import Image

from gmai_model.chat import DISCLAIMER, Assistant, Conversation
from gmai_model.pictures import open_picture

HELP = "/image FILE shows another image, /new begins again, /quit ends; Ctrl-C stops an answer"


class Terminal:
    """One conversation.

    Args:
        assistant: Answers.
        number: Slice or frame of the images, see `open_picture`.
        window: Of the images, see `open_picture`.
    """

    def __init__(self, assistant: Assistant, *, number: int | None, window: str | None) -> None:
        self._assistant = assistant
        self._number, self._window = number, window
        self._conversation = Conversation()
        self._shown: list[Image.Image] = []

    def run(self, images: Sequence[Path], prompts: Sequence[str]) -> None:
        """Ask the prompts one after another, or, without any, what is typed or piped in, until its end."""
        say(DISCLAIMER)
        for path in images:
            self.show(path)
        if prompts:
            for prompt in prompts:
                self.ask(prompt)
            return
        if sys.stdin.isatty():
            say(HELP)
        while (line := self._read()) is not None:
            if line and not self._command(line):
                return

    def _read(self) -> str | None:
        try:
            return input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return None

    def _command(self, line: str) -> bool:
        """Do what a line says; a mistake is told and the conversation goes on."""
        try:
            if line == "/quit":
                return False
            if line == "/new":
                self._conversation, self._shown = Conversation(), []
            elif line.startswith("/image "):
                self.show(Path(line.removeprefix("/image ").strip()).expanduser())
            elif line.startswith("/"):
                say(HELP)
            else:
                self.ask(line)
        except UserError as error:
            if not sys.stdin.isatty():
                raise
            say(str(error))
        return True

    def show(self, path: Path) -> None:
        """Add an image to the next question."""
        picture = open_picture(path, number=self._number, window=self._window)
        say(f"{path.name}: {picture.description}")
        self._shown.append(picture.rgb)

    def ask(self, question: str) -> None:
        """Print the answer to a question as it is made, and keep both."""
        asked = self._conversation.with_question(question, self._shown)
        pieces: list[str] = []
        answer = self._assistant.answer(asked)
        try:
            for piece in answer:
                pieces.append(piece)
                print(piece, end="", flush=True)
        except KeyboardInterrupt:
            with contextlib.suppress(KeyboardInterrupt):
                answer.close()  # type: ignore[attr-defined]
            if not sys.stdin.isatty():
                raise
            say(" [stopped]")
        print(flush=True)
        if self._assistant.cut:
            say("[the answer was cut at --max-new-tokens]")
        self._conversation, self._shown = asked.with_answer("".join(pieces)), []
