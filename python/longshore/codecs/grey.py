"""From stored grey values to what a screen shows (PS3.3 C.11.1, C.11.2; PS3.4 N.2)."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from longshore.codecs.facts import DicomJson, values
from longshore.codecs.wish import Window

_SHAPES: Final = {"LINEAR": "linear", "LINEAR_EXACT": "linear-exact", "SIGMOID": "sigmoid"}
_WHITE: Final = 255.0

Values = NDArray[Any]


def shown(pixels: Values, dataset: DicomJson, window: Window | None) -> NDArray[np.uint8]:
    """Returns grey values, 0 black to 255 white.

    Args:
        pixels: rows x columns, as stored.
        dataset: The frame's attributes.
        window: Instead of those of the data set. Without any: its VOI LUT, its first window, or
            from the lowest value to the highest, padding left out.
    """
    described = _described(dataset)
    outputs: Values = apply_modality_lut(pixels, described)
    if window is None and "VOILUTSequence" in described:
        return _through_lut(outputs, described)
    window = window or first_window(dataset) or _whole(pixels, outputs, dataset)
    grey = _windowed(outputs.astype(np.float32), window)
    if "".join(map(str, values(dataset, "00280004"))) == "MONOCHROME1":
        grey = _WHITE - grey
    return np.rint(grey).astype(np.uint8)


def first_window(dataset: DicomJson) -> Window | None:
    """Returns the first window that a data set has, if that is one."""
    try:
        center = float(values(dataset, "00281050")[0])
        width = float(values(dataset, "00281051")[0])
    except (IndexError, TypeError, ValueError):
        return None
    shape = _SHAPES.get(str(next(iter(values(dataset, "00281056")), "LINEAR")), "linear")
    least = 1.0 if shape == "linear" else 0.0
    return Window(center, width, shape) if width >= least and width > 0 else None


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


def _through_lut(outputs: Values, described: Dataset) -> NDArray[np.uint8]:
    """Applies the first VOI LUT (PS3.3 C.11.2.1.1)."""
    looked_up: Values = apply_voi(outputs, described)
    bits = int(described.VOILUTSequence[0].LUTDescriptor[2])
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
