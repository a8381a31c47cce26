"""The rules for a sample, each with its remedy: `gmai data validate` reports by them, `gmai train` leaves rows out."""

from dataclasses import dataclass

RULES = {
    "file": ("A file can be read to its end.", "Copy or write it again."),
    "json": (
        "Each entry is valid JSON in UTF-8, and an object has each key once.",
        "Write the file with a JSON library, or leave the row out.",
    ),
    "columns": (
        "A row is a conversation in `messages` or `conversations`, or a question and its answer in one of the pairs of "
        "columns that the documentation lists.",
        "Rename the columns, or leave the file out.",
    ),
    "fields": (
        "A field that changes what a row means is read, or the row is left out by the field's name.",
        "Take the field out where the row is right without it, or leave the row out.",
    ),
    "messages": (
        "Each message has a speaker and text that is not empty, without marks of a chat template.",
        "Mend the message, or leave the row out.",
    ),
    "roles": (
        "Roles are an optional system, then user and assistant in turn; an answer comes last.",
        "Mend the order, or leave the row out.",
    ),
    "placeholders": (
        "Each `<image>` stands in a question, for one image of the row, and each image has one; a row without any "
        "`<image>` has its images before the first question.",
        "Fix the row.",
    ),
    "images": ("An image is the bytes of a picture or a relative path.", "Write it again, or leave the row out."),
    "path": (
        "A path is relative, stays inside the image folder, and its file is there.",
        "Name the image folder (`--images` of `gmai data validate`, `images` in a mixture), or mend the path.",
    ),
    "decode": ("Every image decodes to its last line.", "Copy or encode the picture again, or leave the row out."),
    "size": ("`width` and `height` are those of the image.", "Write the size that the image has."),
    "boxes": (
        "A box is [x1, y1, x2, y2] in pixels of the image, x1 < x2 and y1 < y2.",
        "Clip the box to the image, or leave it out.",
    ),
    "box_text": (
        "A box in the text is <box>[[x1, y1, x2, y2]]</box> in 0–1000, x1 < x2 and y1 < y2.",
        "Write it so, or leave the row out.",
    ),
    "objects": (
        "`objects` has one `ref` for each <ref-object> and one `bbox` for each <bbox> of the text; a `bbox` is "
        "[x1, y1, x2, y2] inside its image.",
        "Fill the missing ones in, or leave the row out.",
    ),
    "vocabulary": (
        "kind, language, modality and department are of the closed lists; modality is null in texts only.",
        "Use a name of the list.",
    ),
    "ids": ("An id stands for one row only.", "Number the rows anew, or leave the repeated one out."),
    "mixture": (
        'A mixing list is {"NAME": {"image_dir", "annotations", "sample_ratio", "length", "data_augment"}}; a mixture '
        "is the YAML that the documentation describes.",
        "Mend the entry.",
    ),
}  # fmt: skip
"""Rule ▶ (what must hold, what to do about it)."""

PLACED = "images had no `<image>`; they were placed before the first question"
CAPTIONED = "a caption without a question; the image alone stands for the question"
BARE_BOXES = "four numbers in brackets, in a row with images, are text; this checkpoint's boxes are <box>[[…]]</box>"
NOTES = (PLACED, CAPTIONED, BARE_BOXES)
"""What was read into a row by a rule of this page: counted, and reported beside the numbers."""


@dataclass(frozen=True)
class Problem:
    """A rule of `RULES` that does not hold, and what was found instead.

    Attributes:
        rule: The key in `RULES`.
        found: What was found, in words; the place is the row's number, which comes beside the problem.
        ends: Whether nothing after it could be read.
    """

    rule: str
    found: str
    ends: bool = False

    @property
    def must(self) -> str:
        """What must hold."""
        return RULES[self.rule][0]

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return RULES[self.rule][1]

    def line(self) -> str:
        """Return what was found, the rule and the remedy as one printable line."""
        return printable(f"{self.found}. {self.must} {self.remedy}")


def printable(text: str) -> str:
    """Return a text of the data as it may stand in a line and a file: nothing that moves the cursor or is no text."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def shortened(text: str, longest: int = 100) -> str:
    """Return a text of the data without line breaks and not long."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
