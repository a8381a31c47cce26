"""Label tables: what separates their columns."""

from gmai_formats import separated


def delimiter_of(header: str, column: str) -> str:
    """Return the delimiter (comma, tab or semicolon) under which a header line has a column, or a comma."""
    for delimiter in ",\t;":
        if column in [name.strip() for name in next(separated.reader([header], delimiter=delimiter), [])]:
            return delimiter
    return ","
