"""The page: images, a conversation, and questions by task and body region. It listens on this machine only.

Nothing is sent anywhere: no analytics, no share link, no fonts or scripts from other hosts. Answers are shown as text.
Uploads lie in a folder that only its user can read and that is removed at the end.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
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

from gmai_model.chat import DISCLAIMER, Assistant
from gmai_model.web.presets import LANGUAGES, REGIONS, TASKS, example_images, question
from gmai_model.web.session import Session, View, look

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
FILE_TYPES = [".png", ".jpg", ".jpeg", ".dcm", ".dicom", ".nii", ".gz"]
MAX_UPLOAD_BYTES = 200 * 2**20
USER = "gmai"
_PREFIX, _LOCK = "gmai-chat-", ".lock"
_STYLE = "@media (max-width: 700px) { #talk { order: -1 } }"
"""On a phone the conversation comes before the images, so that the question is in view."""


def serve(load: Callable[[], Assistant], *, title: str, host: str, port: int, examples: Path | None) -> None:
    """Serve the page until Ctrl-C or SIGTERM; its uploads are removed then.

    Args:
        load: Opens the checkpoint; called once gradio is known to be there.
        title: Of the page.
        host: Address to listen on; any but this machine's own asks for a password, which is made and said here.
        port: Port to listen on.
        examples: Folder of example images; drawn ones when None.

    Raises:
        UserError: gradio is not installed, or the port is taken.
    """
    _import_gradio()
    with private_folder() as scratch:
        paths = example_images(examples, scratch)
        page = build(load(), title=title, examples=paths)
        password = None if host in LOOPBACK else secrets.token_urlsafe(16)
        if password is not None:
            say(f"the page listens on {host} without encryption; user {USER}, password {password}")
        say(f"http://{host}:{port} (Ctrl-C ends it; from elsewhere: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE)")
        try:
            launch(page, host=host, port=port, examples=paths, password=password)
        except OSError as error:
            raise UserError(f"port {port}: {error}. Another program uses it; choose another --port.") from error


def launch(page: Any, *, host: str, port: int | None, examples: list[str], password: str | None, **more: Any) -> Any:
    """Start the server of a page: only the named example files are served, uploads are limited."""
    return page.queue(default_concurrency_limit=1).launch(
        server_name=host, server_port=port, share=False, quiet=True, inbrowser=False, enable_monitoring=False,
        allowed_paths=[str(Path(path).resolve()) for path in examples], max_file_size=MAX_UPLOAD_BYTES,
        strict_cors=True,
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


def build(assistant: Assistant, *, title: str, examples: list[str]) -> Any:
    """Return the page as a `gradio.Blocks`."""
    gr = _import_gradio()

    def shown(paths: list[str] | None, number: int | None, window: str) -> View:
        try:
            return look(paths, None if number is None else int(number), window)
        except UserError as error:
            message = str(error)
            for path in paths or ():
                message = message.replace(path, Path(path).name)
            raise gr.Error(escape(message)) from error

    def choose(paths: list[str] | None, window: str) -> tuple[Any, ...]:
        """Other images are of another patient until one says otherwise: the conversation begins again."""
        view = shown(paths, None, window)
        slices = view.slices
        slider = gr.update(visible=slices > 1, maximum=max(slices - 1, 1), value=slices // 2,
                           label=f"Slice or frame / 层 (0–{slices - 1})")  # fmt: skip
        return slider, Session(view=view).gallery(), [], Session()

    def see(paths: list[str] | None, number: int, window: str) -> list[Any]:
        return Session(view=shown(paths, number, window)).gallery()

    def ask(
        session: Session, paths: list[str] | None, number: int, window: str, text: str, length: int, temperature: float
    ) -> Iterator[tuple[Any, ...]]:
        if not text.strip():
            raise gr.Error("Write a question first / 请先输入问题")
        yield from reply(session.asked(text.strip(), shown(paths, number, window)), length, temperature)

    def again(session: Session, length: int, temperature: float) -> Iterator[tuple[Any, ...]]:
        if not session.conversation.messages:
            raise gr.Error("Nothing was asked yet / 尚未提问")
        yield from reply(session.again(), length, temperature)

    def reply(asked: Session, length: int, temperature: float) -> Iterator[tuple[Any, ...]]:
        yield asked.rows(), asked, "", asked.gallery()
        answer = ""
        try:
            for piece in assistant.answer(asked.conversation, max_new_tokens=int(length), temperature=temperature):
                answer += piece
                session = asked.answered(answer)
                yield session.rows(), session, gr.skip(), gr.skip()
        except UserError as error:
            raise gr.Error(escape(str(error))) from error
        session = asked.answered(answer, cut=assistant.cut)
        yield session.rows(), session, gr.skip(), session.gallery()

    def save(session: Session, length: int, temperature: float) -> str:
        folder = Path(tempfile.mkdtemp(dir=os.environ.get("GRADIO_TEMP_DIR")))
        settings = {"max_new_tokens": int(length), "temperature": temperature}
        return str(session.save(folder, model=title, settings=settings))

    with gr.Blocks(title=f"gmai: {title}", analytics_enabled=False) as page:
        page.gmai_theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"])
        gr.Markdown(f"## {escape(title)}\n\n{DISCLAIMER}")
        session = gr.State(Session())
        with gr.Row():
            with gr.Column(scale=1):
                file = gr.File(
                    label="Images of one patient / 同一患者的图像 (PNG, JPEG, DICOM, NIfTI)", file_types=FILE_TYPES,
                    file_count="multiple", type="filepath", height=140,
                )  # fmt: skip
                number = gr.Slider(0, 1, step=1, label="Slice or frame / 层", visible=False, elem_id="slice")
                window = gr.Dropdown(["", *PRESETS], label="Window / 窗", value="", allow_custom_value=True)
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
                    stop, repeat = gr.Button("Stop / 停止"), gr.Button("Again / 重答", elem_id="again")
                    new = gr.Button("New / 新对话", elem_id="new")
                    keep = gr.DownloadButton("Save / 保存")
                with gr.Row():
                    language = gr.Radio(LANGUAGES, value=LANGUAGES[0], label="Language / 语言")
                    task = gr.Dropdown(list(TASKS), value=next(iter(TASKS)), label="Task / 任务")
                    region = gr.Dropdown(list(REGIONS), value=next(iter(REGIONS)), label="Body region / 部位")
                with gr.Row():
                    length = gr.Slider(16, 2048, value=512, step=16, label="Longest answer, tokens / 最长回答")
                    temperature = gr.Slider(0, 1.5, value=0, step=0.1, label="Temperature / 温度 (0: likeliest)")

        private: dict[str, Any] = {"api_visibility": "private"}
        answering = [chat, session, text, seen]
        asking = [session, file, number, window, text, length, temperature]
        running = [send.click(ask, asking, answering, **private), text.submit(ask, asking, answering, **private),
                   repeat.click(again, [session, length, temperature], answering, **private)]  # fmt: skip
        file.change(choose, [file, window], [number, seen, chat, session], cancels=running, **private)
        for control in (number, window):
            control.change(see, [file, number, window], seen, trigger_mode="always_last", **private)
        for control in (language, task, region):
            control.change(question, [task, region, language], text, **private)
        for button, path in offered:
            button.click(lambda chosen=path: [chosen], None, file, **private)
        stop.click(None, cancels=running, **private)
        chat.clear(_nothing, None, [chat, session], cancels=running, **private)
        new.click(
            lambda: (*_nothing(), None, None, ""), None, [chat, session, file, seen, text], cancels=running, **private
        )
        keep.click(save, [session, length, temperature], keep, **private)
    return page


def _nothing() -> tuple[None, Session]:
    return None, Session()
