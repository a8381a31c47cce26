"""The rules for a sample, each with its remedy: the closed list that `gmai data validate` reports by."""

from dataclasses import dataclass

RULES = {
    "file": ("A file can be read to its end.", "Copy or write it again."),
    "json": ("Each entry is valid JSON in UTF-8.", "Write the file with a JSON library, or leave the row out."),
    "columns": ("A row has `messages` or `conversations`.", "Rename the column, or leave the file out."),
    "messages": ("Each message has a speaker and text that is not empty.", "Fill it in, or leave the row out."),
    "roles": (
        "Roles are an optional system, then user and assistant in turn; an answer comes last.",
        "Mend the order, or leave the row out.",
    ),
    "placeholders": ("Each `<image>` stands for one image of the row, and each image has one.", "Fix the row."),
    "images": ("An image is the bytes of a picture or a relative path.", "Write it again, or leave the row out."),
    "path": (
        "A path is relative, stays inside the image folder, and its file is there.",
        "Name the image folder with --images, or mend the path.",
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
        "`objects` has one `ref` for each <ref-object> and one `bbox` for each <bbox> of the text.",
        "Fill the missing ones in.",
    ),
    "vocabulary": (
        "kind, language, modality and department are of the closed lists; modality is null in texts only.",
        "Use a name of the list.",
    ),
    "ids": ("An id stands for one row only.", "Number the rows anew, or leave the repeated one out."),
    "mixture": (
        'A mixing list is {"NAME": {"image_dir", "annotations", "sample_ratio", "length", "data_augment"}}.',
        "Mend the entry.",
    ),
}
"""Rule ▶ (what must hold, what to do about it)."""


@dataclass(frozen=True)
class Problem:
    """A rule of `RULES` that does not hold, and what was found instead."""

    rule: str
    found: str


@dataclass(frozen=True)
class Finding:
    """A problem and its place: `row` counts from 0 in Parquet and JSON lists, from 1 (lines) in JSON Lines."""

    file: str
    row: int | None
    id: str | None
    problem: Problem

    @property
    def where(self) -> str:
        """Return file and row in words."""
        return self.file if self.row is None else f"{self.file} row {self.row}"

    def line(self) -> str:
        """Return the finding as one line: where, what, the rule, the remedy."""
        rule, remedy = RULES[self.problem.rule]
        line = f"{self.where}: {self.problem.found}. {rule} {remedy}"
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)

    def entry(self) -> dict[str, str | int | None]:
        """Return the finding as an entry of the report file."""
        rule, remedy = RULES[self.problem.rule]
        return {
            "file": self.file,
            "row": self.row,
            "id": self.id,
            "rule": self.problem.rule,
            "found": self.problem.found,
            "must": rule,
            "remedy": remedy,
        }
