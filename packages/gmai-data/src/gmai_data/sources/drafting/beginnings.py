"""Pictures that begin alike: they may be of one patient, slide or video, though no word of their names says so."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from gmai_data.sources.drafting.class_tree import says_no_class
from gmai_data.sources.drafting.pairing import split_of_name
from gmai_data.sources.files.volume_files import volume_stem

_FEW_WORDS = 3
"""So many folders without a number are at least patients' and not two parts of a set."""
_DEEP = 4


def beginnings(files: Sequence[str], known: frozenset[str]) -> str | None:
    """Return a note on pictures that begin alike, with the pattern that keeps them together; None where none do.

    Args:
        files: Paths below the root, one for each picture that is an item.
        known: Names of folders that are classes.
    """
    for pattern, key_of in _candidates(files, known):
        keys = Counter(key for file in files if (key := key_of(file)) is not None)
        several = sum(count for count in keys.values() if count > 1)
        if 1 < len(keys) < len(files) and several * 2 >= len(files):
            shown = ", ".join(f"{key} ({count} pictures)" for key, count in keys.most_common(3))
            return (
                f"split: pictures begin alike, such as {shown}: where that is a patient, a slide or a video, add "
                f"`group_pattern: '{pattern}'` to `split`, or both sides of the split have some of it."
            )
    return None


def _candidates(files: Sequence[str], known: frozenset[str]) -> Iterator[tuple[str, Callable[[str], str | None]]]:
    """Yield (pattern of a group, what it finds in a path): folders from above, then beginnings of names."""
    depth = min((len(PurePosixPath(file).parts) - 1 for file in files), default=0)
    for level in range(depth):
        names = {PurePosixPath(file).parts[level] for file in files}
        if len(names) > 1 and _may_be_cases(names, known):
            above = f"(?:[^/]+/){{{level}}}" if level else ""
            yield f"^{above}([^/]+)/", lambda file, at=level: PurePosixPath(file).parts[at]
    for words in range(1, _DEEP + 1):
        more = f"(?:[_-][^/_-]+){{{words - 1}}}" if words > 1 else ""
        pattern = rf"(?:^|/)([^/_-]+{more})[_-][^/]*$"
        yield pattern, lambda file, found=re.compile(pattern): _numbered(found, file)


def _may_be_cases(names: set[str], known: frozenset[str]) -> bool:
    if names & known or all(split_of_name(name) is not None or says_no_class(name) for name in names):
        return False
    return all(re.search(r"\d", name) for name in names) or len(names) >= _FEW_WORDS


def _numbered(pattern: re.Pattern[str], file: str) -> str | None:
    """Return the beginning of a name that has a number, which a word shared by all names has not."""
    path = PurePosixPath(file)
    found = pattern.search(f"{path.parent}/{volume_stem(path.name)}")
    return found[1] if found and re.search(r"\d", found[1]) else None
