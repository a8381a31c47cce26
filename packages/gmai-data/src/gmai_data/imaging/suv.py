"""PET: stored activity ▶ standardised uptake value by body weight, where the header says enough.

The rule is the vendor-neutral pseudo-code of the Quantitative Imaging Biomarkers Alliance
(http://qibawiki.rsna.org/index.php/Standardized_Uptake_Value_(SUV)). Its point is when the scan began, to which the
activity is corrected: the series' date and time say so, unless the series was saved again later. Then they lie behind
the acquisition, and the time comes from a private field of GE, or is counted back from the frame of the bed position.
"""

import math
import re
from datetime import datetime, timedelta
from typing import Any

import pydicom

_GE = (0x0009, "GEMS_PETD_01", 0x0D)
_PHILIPS = (0x7053, "Philips PET Private Group")
_PHILIPS_SUV, _PHILIPS_ACTIVITY = 0x00, 0x09
_LEAST_DOSE_BQ, _MOST_WEIGHT_KG = 1e5, 700.0
"""A dose below, or a weight above, is in another unit (MBq, g) than the header's (PS3.3 C.8.9.2, C.7.2.2)."""


def suv_factor(dataset: pydicom.Dataset) -> float | None:
    """Return what a unit of a PET slice's values is worth in g/ml of SUVbw, or None where the header does not say.

    Attenuation and decay are to be corrected. Of Bq/ml (BQML) decay is corrected to the start of the scan, and weight
    and injected dose are known; counts (CNTS) need the factor that Philips writes; g/ml (GML) are taken as they are,
    unless the header says that they are not by body weight.
    """
    if dataset.get("Modality") != "PT" or not {"ATTN", "DECY"} <= set(dataset.get("CorrectedImage") or ()):
        return None
    units = dataset.get("Units")
    try:
        if units == "GML":
            return 1.0 if str(dataset.get("SUVType") or "BW") == "BW" else None
        if dataset.get("DecayCorrection") != "START":
            return None
        if units == "CNTS":
            known = _private(dataset, *_PHILIPS, _PHILIPS_SUV)
            if known:
                return float(known)
            activity = float(_private(dataset, *_PHILIPS, _PHILIPS_ACTIVITY) or 0)
            of_activity = _of_activity(dataset) if activity > 0 else None
            return None if of_activity is None else activity * of_activity
        return _of_activity(dataset) if units == "BQML" else None
    except (AttributeError, IndexError, TypeError, ValueError, OverflowError):
        return None


def _of_activity(dataset: pydicom.Dataset) -> float | None:
    """Return what one Bq/ml is worth in g/ml."""
    dose = dataset.RadiopharmaceuticalInformationSequence[0]
    weight_kg = float(dataset.PatientWeight)
    total_bq = float(dose.RadionuclideTotalDose)
    half_life_s = float(dose.RadionuclideHalfLife)
    if min(weight_kg, half_life_s) <= 0 or total_bq < _LEAST_DOSE_BQ or weight_kg > _MOST_WEIGHT_KG:
        return None
    scanned = _scan_began(dataset, half_life_s)
    waited_s = (scanned - _injected(dose, scanned)).total_seconds()
    return weight_kg * 1000 / (total_bq * 2 ** (-waited_s / half_life_s)) if waited_s >= 0 else None


def _scan_began(dataset: pydicom.Dataset, half_life_s: float) -> datetime:
    """Return the moment that the decay is corrected to.

    Raises:
        ValueError: The series was saved again, and nothing says when it was scanned.
    """
    series = _moment(str(dataset.SeriesDate), str(dataset.SeriesTime))
    if not dataset.get("AcquisitionTime"):
        return series  # nothing speaks against it
    acquired = _moment(str(dataset.get("AcquisitionDate") or dataset.SeriesDate), str(dataset.AcquisitionTime))
    if series <= acquired:
        return series
    if of_ge := _private(dataset, *_GE):
        text = str(of_ge)
        return _moment(text[:8], text[8:])
    offset_s, length_s = (
        float(dataset.get(name) or 0) / 1000 for name in ("FrameReferenceTime", "ActualFrameDuration")
    )
    if offset_s <= 0 or length_s <= 0:
        raise ValueError("the series lies behind its acquisition, and the frame has no times")
    # The reference time is when the activity was that of the frame's mean count rate: a little before its middle.
    rate = math.log(2) / half_life_s
    mean_s = math.log(rate * length_s / -math.expm1(-rate * length_s)) / rate
    return acquired + timedelta(seconds=mean_s - offset_s)


def _injected(dose: Any, scanned: datetime) -> datetime:
    if dose.get("RadiopharmaceuticalStartDateTime"):
        text = str(dose.RadiopharmaceuticalStartDateTime)
        return _moment(text[:8], text[8:])
    injected = _moment(f"{scanned:%Y%m%d}", str(dose.RadiopharmaceuticalStartTime))
    # Only the time is stored, so an injection before midnight looks like the future.
    return injected - timedelta(days=1) if injected > scanned else injected


def _private(dataset: pydicom.Dataset, group: int, creator: str, element: int) -> Any:
    try:
        return dataset.private_block(group, creator)[element].value
    except KeyError:
        return None


def _moment(date: str, time: str) -> datetime:
    if not time:
        raise ValueError("an empty time is not midnight")
    found = re.fullmatch(r"(\d{2,6})(\.\d{1,6})?(?:[+-]\d{4})?", time.strip())
    if found is None:
        raise ValueError(f"no time: {time}")
    moment = datetime.strptime(f"{date}{found[1]:0<6}", "%Y%m%d%H%M%S")
    return moment + timedelta(seconds=float(found[2] or 0))
