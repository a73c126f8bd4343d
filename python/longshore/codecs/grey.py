"""From stored grey values to what a screen shows (PS3.3 C.11.1, C.11.2; PS3.4 N.2)."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from longshore.codecs.facts import DicomJson, values
from longshore.codecs.windows import chosen
from longshore.codecs.wish import Preset, Window

_WHITE: Final = 255.0

Values = NDArray[Any]


def shown(pixels: Values, dataset: DicomJson, wanted: Window | Preset | None) -> NDArray[np.uint8]:
    """Returns grey values, 0 black to 255 white.

    Args:
        pixels: rows x columns, as stored.
        dataset: The frame's attributes.
        wanted: None: its first VOI LUT, its first window, or from the lowest value to the highest,
            padding left out.

    Raises:
        InvalidRequest: The data set has no such preset.
    """
    described = _described(dataset)
    outputs: Values = apply_modality_lut(pixels, described)
    voi = chosen(dataset, wanted)
    if isinstance(voi, int):
        return _through_lut(outputs, described, voi)
    grey = _windowed(outputs.astype(np.float32), voi or _whole(pixels, outputs, dataset))
    if "".join(map(str, values(dataset, "00280004"))) == "MONOCHROME1":
        grey = _WHITE - grey
    return np.rint(grey).astype(np.uint8)


def _windowed(outputs: Values, window: Window) -> Values:
    """Applies a window; the formulas are those of PS3.3 C.11.2.1.2.1, C.11.2.1.3.1 and .2."""
    center, width = window.center, window.width
    if window.shape == "sigmoid":
        with np.errstate(over="ignore"):
            return _WHITE / (1.0 + np.exp(-4.0 * (outputs - center) / width))
    if window.shape == "linear":
        if width <= 1:
            return np.where(outputs <= center - 0.5, 0.0, _WHITE)
        center, width = center - 0.5, width - 1.0
    return np.clip(((outputs - center) / width + 0.5) * _WHITE, 0.0, _WHITE)


def _whole(pixels: Values, outputs: Values, dataset: DicomJson) -> Window:
    """Returns the window from the lowest value to the highest, padding left out."""
    kept = outputs[~_is_padding(pixels, dataset)]
    kept = kept[np.isfinite(kept)]
    low, high = (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)
    return Window((low + high) / 2, max(high - low, 1e-6), "linear-exact")


def _is_padding(pixels: Values, dataset: DicomJson) -> NDArray[np.bool_]:
    """Tells which pixels are none (PS3.3 C.7.5.1.1.2)."""
    try:
        value = int(values(dataset, "00280120")[0])
    except (IndexError, TypeError, ValueError):
        return np.zeros(pixels.shape, bool)
    try:
        limit = int(values(dataset, "00280121")[0])
    except (IndexError, TypeError, ValueError):
        limit = value
    return (pixels >= min(value, limit)) & (pixels <= max(value, limit))


def _through_lut(outputs: Values, described: Dataset, index: int) -> NDArray[np.uint8]:
    """Applies one of the VOI LUTs (PS3.3 C.11.2.1.1)."""
    looked_up: Values = apply_voi(outputs, described, index)
    bits = int(described.VOILUTSequence[index].LUTDescriptor[2])
    highest = max(float((1 << bits) - 1), float(looked_up.max()))
    grey = looked_up.astype(np.float32) * (_WHITE / highest)
    if described.get("PhotometricInterpretation") == "MONOCHROME1":
        grey = _WHITE - grey
    return np.rint(grey).astype(np.uint8)


def _described(dataset: DicomJson) -> Dataset:
    """Returns what pydicom's processing reads of the data set."""
    wanted = (
        *("00280002", "00280004", "00280100", "00280101", "00280103"),
        *("00281052", "00281053", "00281054", "00283000", "00283010"),
    )
    return Dataset.from_json({tag: dataset[tag] for tag in wanted if dataset.get(tag)})
