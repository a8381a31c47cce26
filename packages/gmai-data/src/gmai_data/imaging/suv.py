"""PET: stored activity ▶ standardised uptake value by body weight, where the header says enough."""

from datetime import datetime, timedelta
from typing import Any

import pydicom


def suv_factor(dataset: pydicom.Dataset) -> float | None:
    """Return what one Bq/ml of a PET slice is worth in g/ml of SUVbw, or None where the header does not say.

    As in the vendor-neutral rule of the Quantitative Imaging Biomarkers Alliance: units BQML, attenuation and decay
    corrected to the series' start, weight and injected dose known.
    """
    if dataset.get("Modality") != "PT" or dataset.get("Units") != "BQML" or dataset.get("DecayCorrection") != "START":
        return None
    if not {"ATTN", "DECY"} <= set(dataset.get("CorrectedImage") or ()):
        return None
    try:
        dose = dataset.RadiopharmaceuticalInformationSequence[0]
        weight_g = float(dataset.PatientWeight) * 1000
        total_bq = float(dose.RadionuclideTotalDose)
        half_life_s = float(dose.RadionuclideHalfLife)
        waited_s = _waited_s(dataset, dose)
    except (AttributeError, IndexError, TypeError, ValueError):
        return None
    if min(weight_g, total_bq, half_life_s) <= 0 or waited_s < 0:
        return None
    return weight_g / (total_bq * 2 ** (-waited_s / half_life_s))


def _waited_s(dataset: pydicom.Dataset, dose: Any) -> float:
    scanned = _moment(str(dataset.SeriesDate), str(dataset.SeriesTime))
    if dose.get("RadiopharmaceuticalStartDateTime"):
        text = str(dose.RadiopharmaceuticalStartDateTime)
        injected = _moment(text[:8], text[8:])
    else:
        injected = _moment(str(dataset.SeriesDate), str(dose.RadiopharmaceuticalStartTime))
        if injected > scanned:  # only the time is stored, so an injection before midnight looks like the future
            injected -= timedelta(days=1)
    return (scanned - injected).total_seconds()


def _moment(date: str, time: str) -> datetime:
    if not time:
        raise ValueError("an empty time is not midnight")
    return datetime.strptime(f"{date}{time.split('.')[0][:6]:0<6}", "%Y%m%d%H%M%S")
