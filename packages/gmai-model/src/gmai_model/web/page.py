"""The page: images, a conversation, and questions by task and body region. It listens on this machine only.

Nothing is sent anywhere: no analytics, no share link, no fonts or scripts from other hosts. Answers are shown as text.
Uploads lie in a folder that only its user can read and that is removed at the end.
"""

import contextlib
import fcntl
import functools
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from html import escape
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.installing import pip_install
from gmai_formats.pictures.windows import PRESETS
from gmai_formats.weights import model_digest, shaping_digests

from gmai_model.chat import DISCLAIMER, Assistant
from gmai_model.web.presets import LANGUAGES, REGIONS, TASKS, example_images, question
from gmai_model.web.same_origin import SameOrigin
from gmai_model.web.session import Current, Session, View, look

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_UPLOAD_BYTES = 200 * 2**20
USER = "gmai"
_PREFIX, _LOCK = "gmai-chat-", ".lock"
_STYLE = "@media (max-width: 700px) { #talk { order: -1 } }"
"""On a phone the conversation comes before the images, so that the question is in view."""
_DOWNLOAD = """(text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
  link.download = "conversation.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}"""


def serve(load: Callable[[], Assistant], *, title: str, host: str, port: int, examples: Path | None) -> None:
    """Serve the page until Ctrl-C or SIGTERM; its uploads are removed then.

    Args:
        load: Opens the checkpoint; called once gradio is known to be there.
        title: Of the page.
        host: Address to listen on; any but this machine's own asks for a password, which is made and said here.
        port: Port to listen on.
        examples: Folder of example images; drawn ones when None.

    Raises:
        UserError: gradio is not installed.
        OSError: The port is taken, or the host is none of this machine.
    """
    _import_gradio()
    _require_free(host, port)  # before the weights are loaded
    with private_folder() as scratch:
        paths = example_images(examples, scratch)
        assistant = load()
        digest = functools.cache(lambda: model_digest(shaping_digests(assistant.folder)))
        page = build(assistant, title=title, examples=paths, digest=digest, longest=assistant.max_new_tokens,
                     temperature=assistant.temperature)  # fmt: skip
        password = None if host in LOOPBACK else secrets.token_urlsafe(16)
        if password is not None:
            say(f"the page listens on {host} without encryption; user {USER}, password {password}")
        say(f"http://{host}:{port} (Ctrl-C ends it; from elsewhere: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE)")
        launch(page, host=host, port=port, examples=paths, password=password)


def _require_free(host: str, port: int) -> None:
    """Raise the system's own error, with its address, where nothing can listen there."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error


def launch(page: Any, *, host: str, port: int | None, examples: list[str], password: str | None, **more: Any) -> Any:
    """Start the server of a page: for its own site, with the named example files alone, and limited uploads."""
    from starlette.middleware import Middleware

    guard = Middleware(SameOrigin, hosts=LOOPBACK if host in LOOPBACK else ())  # pyright: ignore[reportArgumentType]
    return page.queue(default_concurrency_limit=1).launch(
        server_name=host, server_port=port, share=False, quiet=True, inbrowser=False, enable_monitoring=False,
        allowed_paths=[str(Path(path).resolve()) for path in examples], max_file_size=MAX_UPLOAD_BYTES,
        strict_cors=True, app_kwargs={"middleware": [guard]},
        auth=None if password is None else (USER, password), footer_links=[], theme=page.gmai_theme, css=_STYLE, **more,
    )  # fmt: skip


@contextlib.contextmanager
def private_folder() -> Generator[Path]:
    """Yield a folder for uploads that only this user can read.

    It is removed at every end, by SIGTERM and by a terminal that closes, too; what a kill left is removed at the next
    start.
    """

    def end(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    remove_abandoned()
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    earlier = os.environ.get("GRADIO_TEMP_DIR")
    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder, Path(folder, "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            Path(lock.name).rename(Path(folder, _LOCK))  # no other page sees it before it is held
            os.environ["GRADIO_TEMP_DIR"] = folder
            yield Path(folder)
    finally:
        os.environ.pop("GRADIO_TEMP_DIR", None) if earlier is None else os.environ.update(GRADIO_TEMP_DIR=earlier)
        for number, handler in before.items():
            signal.signal(number, handler)


def remove_abandoned() -> None:
    """Remove the uploads of pages of this user that were killed; a page that runs holds the lock of its folder."""
    for lock in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        with contextlib.suppress(OSError):  # of another user, held, or just removed
            if lock.parent.is_symlink() or lock.parent.stat().st_uid != os.getuid():
                continue
            with lock.open() as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent)
            say(f"removed the uploads of a page that was killed: {lock.parent}")


def _import_gradio() -> Any:
    # Read when gradio is imported: nothing about the page or its use is reported to its makers.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import gradio
    except ImportError as error:
        raise UserError(f"--web needs gradio. Install it with `{pip_install('gmai-model[web]')}`.") from error
    return gradio


def build(
    assistant: Assistant, *, title: str, examples: list[str], digest: Callable[[], str] | None = None,
    longest: int = 512, temperature: float = 0.0,
) -> Any:  # fmt: skip
    """Return the page as a `gradio.Blocks`.

    Args:
        assistant: Answers.
        title: Of the page, and the model's name in a saved conversation.
        examples: Paths of example images.
        digest: The model's, for a saved conversation.
        longest: Tokens of an answer at first.
        temperature: At first.
    """
    gr = _import_gradio()

    def warn(error: UserError, paths: list[str] | None) -> None:
        message = str(error)
        for path in paths or ():  # its user knows it by its name alone
            message = message.replace(path, Path(path).name)
        gr.Warning(escape(message))

    def controls(view: View, key: str | None = None) -> tuple[Any, Any, Any]:
        """Return the choice of the image whose slice is moved, and its sliders."""
        movable = view.movable
        shown = next((shown for shown in movable if shown.key == key), movable[0] if movable else None)
        slices, volumes = (shown.picture.slices, shown.picture.volumes) if shown else (1, 1)
        number, volume = shown.place if shown else (None, 0)
        choices = [(shown.name, shown.key) for shown in movable]
        return (
            gr.update(choices=choices, value=shown.key if shown else None, visible=len(movable) > 1),
            gr.update(visible=slices > 1, maximum=max(slices - 1, 1), value=number or 0,
                      label=f"Slice or frame / 层 (0–{slices - 1})"),
            gr.update(visible=volumes > 1, maximum=max(volumes - 1, 1), value=volume,
                      label=f"Volume / 时相 (0–{volumes - 1})"),
        )  # fmt: skip

    def choose(current: Current, paths: list[str] | None, window: str) -> tuple[Any, ...]:
        """Other images are of another patient until one says otherwise: the conversation begins again."""
        try:
            view = look(paths, window)
        except UserError as error:
            warn(error, paths)
            view = View()
        current.change(Session(view=view))
        return *controls(view), current.repaint()

    def begin(current: Current) -> int:
        """Forget the conversation, not the images."""
        current.change(Session(view=current.view))
        return current.repaint()

    def turn(current: Current, key: str) -> tuple[Any, Any, Any]:
        return controls(current.view, key)

    def moved(
        current: Current, paths: list[str] | None, key: str | None, number: int, volume: int, window: str
    ) -> View:
        """Return the view of the files as they are now; the sliders are those of one of its images."""
        at = current.view.places()
        if key in at:
            at[key] = (int(number), int(volume))
        return look(paths, window, at)

    def anew(current: Current) -> tuple[Any, ...]:
        current.change(Session())
        return None, "", current.repaint()

    def see(current: Current, *where: Any) -> int:
        try:
            current.see(moved(current, *where))
        except UserError as error:
            warn(error, where[0])
        return current.repaint()

    def ask(
        current: Current, known: int, text: str, length: int, temperature: float, *where: Any
    ) -> Iterator[tuple[Any, int]]:
        if not text.strip():
            gr.Warning("Write a question first / 请先输入问题")
            return
        try:
            asked = current.session.asked(text.strip(), moved(current, *where), settings(length, temperature))
        except UserError as error:
            warn(error, where[0])
            return
        yield from reply(current, known, asked, text, where[0])

    def again(
        current: Current, known: int, text: str, length: int, temperature: float, paths: list[str] | None
    ) -> Iterator[tuple[Any, int]]:
        if not current.session.turns:
            gr.Warning("Nothing was asked yet / 尚未提问")
            return
        yield from reply(current, known, current.session.again(settings(length, temperature)), text, paths, kept=text)

    def settings(length: int, temperature: float) -> dict[str, Any]:
        return {"max_new_tokens": int(length), "temperature": temperature}

    def reply(
        current: Current, known: int, asked: Session, text: str, paths: list[str] | None, *, kept: str = ""
    ) -> Iterator[tuple[Any, int]]:
        """Yield what stands in the field for questions as the answer grows, until another event overtakes it.

        A question that is refused is taken back, to be written anew. One that was sent before the page knew of the last
        change is not asked: the second of two clicks at once, or one about images that are no longer chosen.
        """
        before = current.session
        number = current.change(asked, known)
        if number is None:
            yield gr.skip(), current.repaint()
            return
        yield kept, current.repaint()
        answer = ""
        try:
            for piece in assistant.answer(asked.conversation, **asked.turns[-1].settings):
                answer += piece
                if not current.grow(asked.answered(answer, end="running"), number):
                    return
                yield gr.skip(), current.repaint()
        except Exception as error:
            if current.grow(before, number):
                yield text, current.repaint()
            if not isinstance(error, UserError):
                raise
            warn(error, paths)
            return
        if current.grow(asked.answered(answer, end="cut" if assistant.cut else "done"), number):
            yield gr.skip(), current.repaint()

    def stopped(current: Current) -> int:
        current.stop()
        return current.repaint()

    def paint(current: Current) -> tuple[Any, ...]:
        """Return all that the page shows of the conversation.

        Answers of events that run side by side may reach a browser in another order than they were made. So none of
        them says what is to be shown: each asks for a painting, and one event, whose runs follow one another, paints
        what holds at its time.
        """
        session, view, number = current.shown()
        drawn = (view, *session.pointed_at())
        same, current.drawn = drawn == current.drawn, drawn
        return session.rows(), gr.skip() if same else session.gallery(view), number

    def save(current: Current) -> str:
        return current.session.record(model={"name": title} | ({"digest": digest()} if digest else {}))

    with gr.Blocks(title=f"gmai: {title}", analytics_enabled=False) as page:
        page.gmai_theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"])
        gr.Markdown(f"## {escape(title)}\n\n{DISCLAIMER}")
        current = gr.State(Current())
        known = gr.Number(0, visible="hidden")  # the change of `current` that the page shows
        painting = gr.Number(0, visible="hidden")
        with gr.Row():
            with gr.Column(scale=1):
                file = gr.File(
                    label="Images of one patient / 同一患者的图像 (PNG, JPEG, TIFF, DICOM, NIfTI)",
                    file_count="multiple", type="filepath", height=140,
                )  # fmt: skip
                which = gr.Radio([], label="Slices of / 所选图像", visible=False, elem_id="which")
                number = gr.Slider(0, 1, step=1, label="Slice or frame / 层", visible=False, elem_id="slice")
                volume = gr.Slider(0, 1, step=1, label="Volume / 时相", visible=False, elem_id="volume")
                window = gr.Dropdown(["", *PRESETS], label="Window (name or LEVEL/WIDTH) / 窗", value="",
                                     allow_custom_value=True, elem_id="window")  # fmt: skip
                seen = gr.Gallery(label="What the model sees / 模型所见", columns=1, object_fit="contain",
                                  interactive=False, buttons=[], elem_id="seen")  # fmt: skip
                with gr.Row():
                    offered = [(gr.Button(Path(path).name, size="sm"), path) for path in examples]
            with gr.Column(scale=2, elem_id="talk"):
                chat = gr.Chatbot(
                    label="Conversation / 对话", sanitize_html=True, render_markdown=False, buttons=["copy"], height=420
                )
                first = question(next(iter(TASKS)), next(iter(REGIONS)), LANGUAGES[0])
                text = gr.Textbox(first, label="Question / 问题 (Enter: ask, Shift-Enter: new line)", lines=1,
                                  max_lines=8, elem_id="question")  # fmt: skip
                with gr.Row():
                    send = gr.Button("Ask / 提问", variant="primary", elem_id="ask")
                    stop = gr.Button("Stop / 停止", elem_id="stop")
                    repeat = gr.Button("Again / 重答", elem_id="again")
                    new = gr.Button("New / 新对话", elem_id="new")
                    keep = gr.Button("Save / 保存", elem_id="save")
                    record = gr.Textbox(visible="hidden")
                with gr.Row():
                    language = gr.Radio(LANGUAGES, value=LANGUAGES[0], label="Language / 语言")
                    task = gr.Dropdown(list(TASKS), value=next(iter(TASKS)), label="Task / 任务")
                    region = gr.Dropdown(list(REGIONS), value=next(iter(REGIONS)), label="Body region / 部位")
                with gr.Row():
                    length = gr.Slider(1, max(2048, longest), value=longest, step=1,
                                       label="Longest answer, tokens / 最长回答")  # fmt: skip
                    warmth = gr.Slider(0, max(1.5, temperature), value=temperature, step=0.1,
                                       label="Temperature / 温度 (0: likeliest)")  # fmt: skip

        private: dict[str, Any] = {"api_visibility": "private"}
        # One answer at a time, whoever asks: the model has one machine.
        one: dict[str, Any] = {**private, "concurrency_id": "model"}
        answering = [text, painting]
        where = [file, which, number, volume, window]
        asking = [current, known, text, length, warmth, *where]
        running = [send.click(ask, asking, answering, **one), text.submit(ask, asking, answering, **one),
                   repeat.click(again, [current, known, text, length, warmth, file], answering, **one)]  # fmt: skip
        latest: dict[str, Any] = {**private, "trigger_mode": "always_last", "show_progress": "hidden"}
        painting.change(paint, current, [chat, seen, known], **latest)
        for event in (number.input, volume.input, window.change):
            event(see, [current, *where], painting, **latest)
        which.input(turn, [current, which], [which, number, volume], **private)
        file.change(choose, [current, file, window], [which, number, volume, painting], cancels=running, **private)
        for control in (language, task, region):
            control.change(question, [task, region, language], text, **private)
        for button, path in offered:
            button.click(lambda chosen=path: [chosen], None, file, **private)
        stop.click(stopped, current, painting, cancels=running, **private)
        chat.clear(begin, current, painting, cancels=running, **private)
        new.click(anew, current, [file, text, painting], cancels=running, **private)
        # Gradio's own download button gives the file of the click before.
        keep.click(save, current, record, **private).then(None, record, js=_DOWNLOAD, **private)
    return page
