"""A problem and its place, as `gmai data validate` prints and reports it."""

from dataclasses import dataclass

from gmai_formats.rows.rules import Problem, printable


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
        return f"{printable(self.where)}: {self.problem.line()}"

    def entry(self) -> dict[str, str | int | None]:
        """Return the finding as an entry of the report file."""
        return {
            "file": self.file,
            "row": self.row,
            "id": self.id,
            "rule": self.problem.rule,
            "found": self.problem.found,
            "must": self.problem.must,
            "remedy": self.problem.remedy,
        }
