"""What the numbers of an image mean: the card's scale, and whether those of a CT can be Hounsfield units at all."""

import dataclasses

import numpy as np
import pydicom
from gmai_formats.pictures.display import modality_values, states_hounsfield
from gmai_formats.pictures.picture import Values
from gmai_formats.pictures.problems import PictureError
from gmai_formats.pictures.windows import PRESETS, ChooseWindow, ValueWindow, parse_window

from gmai_data.imaging.dicom_pixels import about
from gmai_data.imaging.grids import Volume
from gmai_data.imaging.large import release
from gmai_data.imaging.rules import ValueRule
from gmai_data.ledger import SourceError
from gmai_data.vocabulary import Modality

AIR_HU = -200.0
"""A CT holds air, of about -1000 HU, unless it was cropped to a place without any."""
AIR_SHARE = 1e-4
"""A smaller share of such values is noise, or padding."""
SIGNED_OFFSET = 32768
"""What is added to store signed numbers of 16 bits as unsigned ones."""
_MOST_HU = 4096
_LOOKED_AT = 20_000_000


def raster_window(
    windows: tuple[str, ...], modality: Modality | None, rule: ValueRule, file: str
) -> ChooseWindow | None:
    """Return what chooses the window of a raster by its values, or None where the card asks for none in a unit.

    A raster states no unit. HU are recognised by the air they hold, as stored or 32,768 above (DeepLesion and others
    store signed numbers so); any other scale is the card's to say.

    Raises:
        SourceError: The card asks for several windows; the layouts of rasters show one picture a file.
    """
    if len(windows) > 1:
        raise SourceError("several windows", "this layout shows one picture a file; name one window in the card", file)
    named = windows[0] if windows else "soft_tissue" if modality == Modality.CT and rule.is_given else ""
    bounds = parse_window(named)
    if bounds is None:
        return None

    def choose(values: Values) -> ValueWindow:
        scale, offset = rule.linear
        if not rule.is_given and rule.hounsfield == "checked" and is_in_hounsfield(named, modality):
            offset = _offset_to_hounsfield(values)
        return ValueWindow(named, *bounds, offset, scale)

    return choose


def _offset_to_hounsfield(values: Values) -> float:
    if values.dtype == np.uint16:
        signed = values.astype(np.int32) - SIGNED_OFFSET
        is_likely = np.count_nonzero(np.abs(signed) < _MOST_HU) > values.size / 2
        if is_likely and _holds_air(signed):
            return -SIGNED_OFFSET
    _require_air(values)
    return 0.0


def calibrated(volume: Volume, rule: ValueRule) -> Volume:
    """Return a volume whose values are in the card's unit."""
    if not rule.is_given:
        return volume
    scale, offset = rule.linear
    return dataclasses.replace(volume, slope=volume.slope * scale, intercept=volume.intercept * scale + offset)


def calibrate_header(header: pydicom.Dataset, rule: ValueRule, file: str) -> None:
    """Put the card's scale behind that of a frame's header.

    Raises:
        SourceError: The header has a modality LUT, whose values have a scale of their own.
    """
    if not rule.is_given:
        return
    if header.get("ModalityLUTSequence"):
        raise SourceError("two scales", "the header has a modality LUT; leave values.scale and values.offset out", file)
    scale, offset = rule.linear
    slope, intercept = float(header.get("RescaleSlope") or 1), float(header.get("RescaleIntercept") or 0)
    header.RescaleSlope, header.RescaleIntercept = slope * scale, intercept * scale + offset


def require_hounsfield(volume: Volume, rule: ValueRule, file: str) -> None:
    """Refuse a CT whose values cannot be HU, before a window in HU is applied to them.

    Raises:
        SourceError: It holds no air.
    """
    if rule.hounsfield == "trusted" or rule.is_given or volume.in_hounsfield:
        return
    part = volume.array[:: max(volume.array.size // _LOOKED_AT, 1)]
    with about(file):
        _require_air(part.astype(np.float32) * volume.slope + volume.intercept)
    release(volume.array)


def require_hounsfield_frame(header: pydicom.Dataset, stored: Values, window: str, rule: ValueRule, file: str) -> None:
    """Refuse a CT frame whose values cannot be HU, before the card's window in HU is applied to them.

    Raises:
        SourceError: It holds no air.
    """
    if rule.hounsfield == "trusted" or rule.is_given or states_hounsfield(header):
        return
    if is_in_hounsfield(window, header.get("Modality")):
        with about(file):
            _require_air(modality_values(header, stored))


def _holds_air(values: Values) -> bool:
    return int(np.count_nonzero(values <= AIR_HU)) >= max(AIR_SHARE * values.size, 1)


def _require_air(values: Values) -> None:
    if _holds_air(values):
        return
    lowest = float(np.nanmin(values))
    detail = (
        f"no air (nothing below {AIR_HU:g} HU, lowest value {lowest:g}), and a window in HU was asked for; say "
        "in the card what its values are (values.scale, values.offset), that they are HU all the same "
        "(values.hounsfield: trusted), or show them by windows: [percentile]"
    )
    raise PictureError("CT values are no HU", detail)


def is_in_hounsfield(window: str, modality: Modality | str | None) -> bool:
    """Return whether a window of a card is in HU for this modality."""
    return modality == Modality.CT and (window in PRESETS or parse_window(window) is not None)
