"""Which of an instance's windows and VOI LUTs is applied."""

from typing import Any

import pytest

from longshore.codecs.windows import chosen
from longshore.codecs.wish import Preset, Window
from longshore.errors import InvalidRequest

WINDOWS: dict[str, Any] = {
    "00281050": {"vr": "DS", "Value": [40, 700, None]},
    "00281051": {"vr": "DS", "Value": [80, 3200]},
    "00281055": {"vr": "LO", "Value": ["BRAIN ", "Bone", "SOFT"]},
}
LUTS: dict[str, Any] = {
    "00283010": {
        "vr": "SQ",
        "Value": [
            {"00283003": {"vr": "LO", "Value": ["NORMAL"]}},
            None,
            {"00283003": {"vr": "LO"}},
        ],
    }
}
NO_LUTS: dict[str, Any] = {"00283010": {"vr": "SQ"}}


@pytest.mark.parametrize(
    ("dataset", "wanted", "found"),
    [
        (WINDOWS, None, Window(40, 80)),
        (WINDOWS, Window(1, 2), Window(1, 2)),
        (WINDOWS, Preset("brain"), Window(40, 80)),
        (WINDOWS, Preset("BONE"), Window(700, 3200)),
        (WINDOWS, Preset("2"), Window(700, 3200)),
        (WINDOWS | {"00281056": {"Value": ["SIGMOID"]}}, None, Window(40, 80, "sigmoid")),
        (WINDOWS | LUTS, None, 0),
        (WINDOWS | LUTS, Preset("normal"), 0),
        (WINDOWS | LUTS, Preset("Bone"), Window(700, 3200)),
        (WINDOWS | NO_LUTS, None, Window(40, 80)),
        ({}, None, None),
    ],
)
def test_what_is_applied(dataset: dict[str, Any], wanted: Any, found: Any) -> None:
    assert chosen(dataset, wanted) == found


@pytest.mark.parametrize("name", ["LUNG", "0", "3", "9" * 64, "SOFT"])
def test_what_is_not_there(name: str) -> None:
    with pytest.raises(InvalidRequest, match="no such window"):
        chosen(WINDOWS | LUTS, Preset(name))
