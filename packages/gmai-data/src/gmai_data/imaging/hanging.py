"""What the header of a projection radiograph says against showing it as it is stored: flags for the provenance."""

import pydicom

_PROJECTIONS = ("CR", "DX", "RG", "PX", "RF", "XA")


def flags_of(dataset: pydicom.Dataset) -> list[str]:
    r"""Return that a picture is stored mirrored, upside down or turned, or is not made to be looked at.

    Patient Orientation names where rows and columns lead (PS3.3 C.7.6.1.1.1): a frontal radiograph as it is hung has
    L\F, a lateral one A\F or P\F. The pixels are left as they are, for which the source's boxes are made. Pictures
    for processing come from the detector unprocessed (Presentation Intent Type, PS3.3 C.8.11.1).
    """
    found: list[str] = []
    letters = [str(value)[:1] for value in (dataset.get("PatientOrientation") or ())]
    if len(letters) == 2 and str(dataset.get("Modality") or "") in _PROJECTIONS:
        row, column = letters
        turned = [
            *(["mirrored"] if row == "R" and column in "FH" else []),
            *(["upside down"] if column == "H" else []),
            *(["turned by a quarter"] if row in "FH" else []),
        ]
        if row and column and turned:
            stated = "\\".join(str(value) for value in dataset.PatientOrientation)
            found.append(f"stored {' and '.join(turned)} by its header (PatientOrientation {stated})")
    if str(dataset.get("PresentationIntentType") or "").strip().upper() == "FOR PROCESSING":
        found.append("made for processing, not for presentation")
    return found
