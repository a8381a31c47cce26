"""Whether the folders of DICOM files are those of patients, as archives write them, or of classes."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from gmai_data.imaging.source_files import header_patient
from gmai_data.sources.files.folder import Folder

_MOST_FOLDERS, _FILES_OF_EACH = 24, 4


def are_patients(folder: Folder, names: Sequence[str], files: Sequence[Path]) -> bool:
    """Return whether each folder of these names holds one patient of its own, by the headers of a few of its files.

    A class has several patients, or shares one with another class.
    """
    of_name: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        name = next((part for part in PurePosixPath(folder.below(path)).parts[:-1] if part in names), None)
        if name is not None:
            of_name[name].append(path)
    found = [
        {header_patient(path) for path in some[:: max(1, len(some) // _FILES_OF_EACH)]}
        for some in list(of_name.values())[:_MOST_FOLDERS]
    ]
    alone = [patients for patients in found if len(patients) == 1 and "" not in patients]
    return len(found) > 1 and len(alone) == len(found) == len(set[str]().union(*alone))
