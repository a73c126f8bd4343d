"""Which of an instance's windows and VOI LUTs is applied (PS3.3 C.11.2)."""

from collections.abc import Iterable
from typing import Final

from longshore.codecs.facts import DicomJson, values
from longshore.codecs.wish import Preset, Window
from longshore.errors import InvalidRequest

_CENTER: Final = "00281050"
_WIDTH: Final = "00281051"
_EXPLANATION: Final = "00281055"
_FUNCTION: Final = "00281056"
_VOI_LUTS: Final = "00283010"
_LUT_EXPLANATION: Final = "00283003"
_SHAPES: Final = {"LINEAR": "linear", "LINEAR_EXACT": "linear-exact", "SIGMOID": "sigmoid"}


def chosen(dataset: DicomJson, wanted: Window | Preset | None) -> Window | int | None:
    """Returns a window, or the index of a VOI LUT; None if the instance has neither.

    Args:
        dataset: A frame's attributes.
        wanted: None: the first VOI LUT, or else the first window.

    Raises:
        InvalidRequest: The instance has no such preset.
    """
    if isinstance(wanted, Window):
        return wanted
    if isinstance(wanted, Preset):
        return _preset(dataset, wanted.name)
    return 0 if values(dataset, _VOI_LUTS) else _window(dataset, 0)


def _preset(dataset: DicomJson, name: str) -> Window | int:
    found: Window | int | None = None
    explanations = _folded(values(dataset, _EXPLANATION))
    lut_explanations = _folded(
        next(iter(values(item or {}, _LUT_EXPLANATION)), None)
        for item in values(dataset, _VOI_LUTS)
    )
    if name.casefold() in explanations:
        found = _window(dataset, explanations.index(name.casefold()))
    elif name.casefold() in lut_explanations:
        found = lut_explanations.index(name.casefold())
    elif name.isdecimal():
        found = _window(dataset, int(name) - 1)
    if found is None:
        raise InvalidRequest(
            "The instance has no such window. The names of those that it has are in its metadata,"
            " WindowCenterWidthExplanation (0028,1055) and LUTExplanation (0028,3003); a number"
            " from 1 counts its windows."
        )
    return found


def _folded(names: Iterable[object]) -> list[str]:
    return ["" if name is None else str(name).strip().casefold() for name in names]


def _window(dataset: DicomJson, index: int) -> Window | None:
    """Returns one of a data set's windows, if it is one."""
    if index < 0:
        return None
    try:
        center = float(values(dataset, _CENTER)[index])
        width = float(values(dataset, _WIDTH)[index])
    except (IndexError, TypeError, ValueError):
        return None
    shape = _SHAPES.get(str(next(iter(values(dataset, _FUNCTION)), "LINEAR")), "linear")
    least = 1.0 if shape == "linear" else 0.0
    return Window(center, width, shape) if width >= least and width > 0 else None
