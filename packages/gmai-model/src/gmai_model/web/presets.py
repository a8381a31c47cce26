"""What the page offers: questions by task, body regions, and drawn example images."""

from pathlib import Path

from gmai_formats.errors import UserError
from PIL import Image, ImageDraw, ImageFilter

TASKS = {
    "Describe / 描述": ("Describe this {region}image.", "请描述这张{region}图像。"),
    "Modality / 成像方式": ("Which imaging modality is this {region}image?", "这张{region}图像是哪种成像方式？"),
    "Organs / 器官": ("Which organs are shown in this {region}image?", "这张{region}图像显示了哪些器官？"),
    "Findings / 异常发现": (
        "Is anything abnormal in this {region}image? Explain.",
        "这张{region}图像有异常吗？请说明。",
    ),
    "Location / 定位": ("Where is the abnormality in this {region}image?", "这张{region}图像中的异常在哪里？"),
    "Report / 报告": ("Write a short report on this {region}image.", "请为这张{region}图像写一份简短报告。"),
}
"""Task ▶ (question in English, in Chinese)."""

REGIONS = {
    "any / 不限": ("", ""),
    "head / 头部": ("head ", "头部"),
    "chest / 胸部": ("chest ", "胸部"),
    "abdomen / 腹部": ("abdominal ", "腹部"),
    "pelvis / 盆腔": ("pelvic ", "盆腔"),
    "limbs / 四肢": ("limb ", "四肢"),
    "skin / 皮肤": ("skin ", "皮肤"),
    "eye / 眼部": ("eye ", "眼部"),
}
"""Body region ▶ (its word in the English question, in the Chinese one)."""

LANGUAGES = ("English", "中文")


def question(task: str, region: str, language: str) -> str:
    """Return the question of a task about a body region."""
    chosen = LANGUAGES.index(language)
    return TASKS[task][chosen].format(region=REGIONS[region][chosen])


def example_images(folder: Path | None, scratch: Path) -> list[str]:
    """Return the paths of the page's examples: those of a folder, or three drawn ones, which show no patient.

    Raises:
        UserError: The folder holds no PNG or JPEG.
    """
    if folder is not None:
        found = sorted(path for path in folder.glob("*") if path.suffix.lower() in {".png", ".jpg", ".jpeg"})
        if not found:
            raise UserError(f"{folder}: no PNG or JPEG file. --examples takes a folder that holds some.")
        return [str(path) for path in found]
    paths: list[str] = []
    for name, image in (("drawn-ct.png", _slice()), ("drawn-x-ray.png", _chest()), ("drawn-fundus.png", _fundus())):
        image.filter(ImageFilter.GaussianBlur(2)).save(scratch / name)
        paths.append(str(scratch / name))
    return paths


def _slice() -> Image.Image:
    image = Image.new("RGB", (336, 336))
    pen = ImageDraw.Draw(image)
    pen.ellipse((30, 60, 306, 276), fill=(110, 110, 110), outline=(150, 150, 150), width=6)
    pen.ellipse((52, 92, 180, 210), fill=(150, 150, 150))
    pen.ellipse((210, 100, 280, 170), fill=(135, 135, 135))
    pen.ellipse((148, 196, 190, 240), fill=(245, 245, 245))
    return image


def _chest() -> Image.Image:
    image = Image.new("RGB", (336, 336), (150, 150, 150))
    pen = ImageDraw.Draw(image)
    pen.ellipse((60, 60, 150, 270), fill=(40, 40, 40))
    pen.ellipse((186, 60, 276, 270), fill=(40, 40, 40))
    pen.ellipse((130, 170, 240, 280), fill=(190, 190, 190))
    for y in range(70, 260, 32):
        pen.arc((50, y, 286, y + 60), 200, 340, fill=(170, 170, 170), width=5)
    return image


def _fundus() -> Image.Image:
    image = Image.new("RGB", (336, 336))
    pen = ImageDraw.Draw(image)
    pen.ellipse((18, 18, 318, 318), fill=(190, 84, 40))
    pen.ellipse((222, 140, 270, 188), fill=(250, 210, 120))
    for bend in (-60, -20, 20, 60):
        pen.line((246, 164, 160, 164 + bend, 60, 164 + 2 * bend), fill=(120, 30, 20), width=5, joint="curve")
    return image
