"""The loss curves of all stages as one PNG, drawn with Pillow; a card shows it on every page that renders Markdown."""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, MARGIN = 520, 300, 52
LINE, DOTS, INK = (31, 92, 170), (190, 80, 20), (70, 70, 70)


def draw_curves(stages: Sequence[dict[str, Any]]) -> bytes | None:
    """Return one panel a stage: the training loss as a line, the validation loss as dots.

    Args:
        stages: Those of `gmai.json`; `loss_curve` and `validation_curve` are lists of `[step, loss]`.
    """
    drawn = [stage for stage in stages if len(stage.get("loss_curve") or []) > 1]
    if not drawn:
        return None
    sheet = Image.new("RGB", (WIDTH * len(drawn), HEIGHT), "white")
    for number, stage in enumerate(drawn):
        panel = _panel(
            f"stage {stage['stage']}: {stage['name']}", stage["loss_curve"], stage.get("validation_curve") or []
        )
        sheet.paste(panel, (WIDTH * number, 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _panel(title: str, curve: Sequence[Sequence[float]], validation: Sequence[Sequence[float]]) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    losses = [loss for _, loss in (*curve, *validation)]
    last, top, bottom = max(curve[-1][0], 1), max(losses), min(0.0, *losses)

    def at(step: float, loss: float) -> tuple[float, float]:
        x = MARGIN + step / last * (WIDTH - MARGIN - 20)
        return x, HEIGHT - 40 - (loss - bottom) / max(top - bottom, 1e-9) * (HEIGHT - 80)

    for part in range(5):
        loss = bottom + (top - bottom) * part / 4
        left, y = at(0, loss)
        pen.line((left, y, WIDTH - 20, y), fill=(225, 225, 225))
        pen.text((left - 8, y), f"{loss:.2f}", fill=INK, font=font, anchor="rm")
    pen.text((MARGIN, 14), title, fill=INK, font=font)
    pen.text((WIDTH - 20, HEIGHT - 18), f"step {last:g}", fill=INK, font=font, anchor="rm")
    pen.text((MARGIN, HEIGHT - 18), "training loss per token; dots: validation", fill=INK, font=font, anchor="lm")
    pen.line([at(*point) for point in curve], fill=LINE, width=2)
    for point in validation:
        x, y = at(*point)
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=DOTS)
    return image
