"""The page: images, a conversation, and questions by task and body region. It listens on this machine only.

Nothing is sent anywhere: no analytics, no share link, no fonts or scripts from other hosts. Answers are shown as text.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_formats.errors import UserError
from gmai_formats.pictures.windows import PRESETS

from gmai_model.chat import DISCLAIMER, Assistant, Conversation
from gmai_model.pictures import open_picture
from gmai_model.web.presets import LANGUAGES, REGIONS, TASKS, example_images, question

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
FILE_TYPES = [".png", ".jpg", ".jpeg", ".dcm", ".dicom", ".nii", ".gz"]


def serve(load: Callable[[], Assistant], *, title: str, host: str, port: int, examples: Path | None) -> None:
    """Serve the page until Ctrl-C.

    Args:
        load: Opens the checkpoint; called once gradio is known to be there.
        title: Of the page.
        host: Address to listen on.
        port: Port to listen on.
        examples: Folder of example images; drawn ones when None.

    Raises:
        UserError: gradio is not installed, or the port is taken.
    """
    _import_gradio()
    with tempfile.TemporaryDirectory() as scratch:
        paths = example_images(examples, Path(scratch))
        page = build(load(), title=title, examples=paths)
        if host not in LOOPBACK:
            say(f"the page has no password and listens on {host}: everybody who reaches this machine can use it")
        say(f"http://{host}:{port} (Ctrl-C ends it; from elsewhere: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE)")
        try:
            page.queue(default_concurrency_limit=1).launch(
                server_name=host, server_port=port, share=False, quiet=True, inbrowser=False, enable_monitoring=False,
                allowed_paths=sorted({str(Path(path).parent.resolve()) for path in paths}), footer_links=[],
                theme=page.gmai_theme,
            )  # fmt: skip
        except OSError as error:
            raise UserError(f"port {port}: {error}. Another program uses it; choose another --port.") from error


def _import_gradio() -> Any:
    # Read when gradio is imported: nothing about the page or its use is reported to its makers.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import gradio
    except ImportError as error:
        raise UserError("--web needs gradio. Install it with `pip install 'gmai-model[web]'`.") from error
    return gradio


def build(assistant: Assistant, *, title: str, examples: list[str]) -> Any:
    """Return the page as a `gradio.Blocks`."""
    gr = _import_gradio()
    with gr.Blocks(title=f"gmai: {title}", analytics_enabled=False) as page:
        page.gmai_theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"])
        gr.Markdown(f"## {escape(title)}\n\n{DISCLAIMER}")
        conversation, shown = gr.State(Conversation()), gr.State(None)
        with gr.Row():
            with gr.Column(scale=1):
                file = gr.File(label="Image / 图像 (PNG, JPEG, DICOM, NIfTI)", file_types=FILE_TYPES, type="filepath")
                with gr.Row():
                    number = gr.Textbox(label="Slice or frame / 层")
                    window = gr.Dropdown(["", *PRESETS], label="Window / 窗", value="", allow_custom_value=True)
                preview = gr.Image(label="What the model sees / 模型所见", interactive=False, type="pil", buttons=[])
                gr.Examples(examples, inputs=file, label="Examples / 示例")
            with gr.Column(scale=2):
                chat = gr.Chatbot(
                    label="Conversation / 对话", sanitize_html=True, render_markdown=False, buttons=["copy"], height=420
                )
                with gr.Row():
                    language = gr.Radio(LANGUAGES, value=LANGUAGES[0], label="Language / 语言")
                    task = gr.Dropdown(list(TASKS), value=next(iter(TASKS)), label="Task / 任务")
                    region = gr.Dropdown(list(REGIONS), value=next(iter(REGIONS)), label="Body region / 部位")
                first = question(next(iter(TASKS)), next(iter(REGIONS)), LANGUAGES[0])
                text = gr.Textbox(first, label="Question / 问题", lines=2, elem_id="question")
                with gr.Row():
                    send = gr.Button("Ask / 提问", variant="primary", elem_id="ask")
                    stop, new = gr.Button("Stop / 停止"), gr.Button("New / 新对话")

        def see(path: str | None, at: str, words: str) -> Any:
            if not path:
                return None
            try:
                if at.strip() and not at.strip().isdigit():
                    raise UserError(f"slice {at}: give a number from 0, or leave it empty for the middle one.")
                return open_picture(Path(path), number=int(at) if at.strip() else None, window=words or None).rgb
            except UserError as error:
                raise gr.Error(escape(str(error).replace(f"{path}: ", ""))) from error

        def ask(said: Conversation, last: Any, path: str | None, at: str, words: str, asked: str) -> Iterator[Any]:
            if not asked.strip():
                raise gr.Error("Write a question first / 请先输入问题")
            image, key = see(path, at, words), (path, at, words)
            try:
                with_question = said.with_question(asked.strip(), [image] if image is not None and key != last else [])
                answer = ""
                for piece in assistant.answer(with_question):
                    answer += piece
                    with_answer = with_question.with_answer(answer)
                    yield _shown(with_answer), with_answer, key
            except UserError as error:
                raise gr.Error(escape(str(error))) from error
            with_answer = with_question.with_answer(answer)
            yield _shown(with_answer, cut=assistant.cut), with_answer, key

        for control in (file, number, window):
            control.change(see, [file, number, window], preview, api_visibility="private")
        for control in (language, task, region):
            control.change(question, [task, region, language], text, api_visibility="private")
        running = send.click(
            ask,
            [conversation, shown, file, number, window, text],
            [chat, conversation, shown],
            api_visibility="private",
        )
        stop.click(None, cancels=[running], api_visibility="private")
        new.click(_nothing, None, [chat, conversation, shown], cancels=[running], api_visibility="private")
    return page


def _nothing() -> tuple[list[Any], Conversation, None]:
    return [], Conversation(), None


def _shown(conversation: Conversation, *, cut: bool = False) -> list[dict[str, str]]:
    """Return the conversation as the page shows it: an image as a word, and markup as the text that it is."""
    rows = [
        {
            "role": message["role"],
            "content": escape("\n".join(part.get("text", "[image]") for part in message["content"])),
        }
        for message in conversation.messages
    ]
    if cut:
        rows[-1]["content"] += " […]"
    return rows
