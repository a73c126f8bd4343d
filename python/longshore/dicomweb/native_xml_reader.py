"""Native DICOM Model XML becomes DICOM JSON (PS3.19 A.1, PS3.18 F.3). Writing is in `native_xml`.

Bounded: no document type, hence no entities but XML's own five; the caller bounds the length.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from xml.parsers import expat

from longshore.dicomweb.native_xml import NAME_COMPONENTS, NAME_GROUPS, NAMESPACE
from longshore.errors import InvalidRequest

ITEM_DEPTH_MAX = 64
"""Sequences within sequences, as everywhere in this service."""

DataSet = dict[str, dict[str, Any]]

_INTEGERS = ("IS", "SL", "SS", "SV", "UL", "US", "UV")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_FLOATS = ("FD", "FL")
_SEPARATOR = " "
_FIRST_BLOCK = 0x10  # PS3.5 7.8.1


class _RefusedError(Exception):
    """What is not a Native DICOM Model; the text says what and never holds a value."""


def read(document: bytes) -> DataSet:
    """Returns the DICOM JSON object of an XML document.

    Raises:
        InvalidRequest: It is not well-formed, has a document type, or is no Native DICOM Model.
    """
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    model = _Model()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = model.start
    parser.EndElementHandler = model.end
    parser.CharacterDataHandler = model.text
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset}"
        raise InvalidRequest(f"The XML is not well-formed at {place}.") from None
    except _RefusedError as error:
        place = f"line {parser.CurrentLineNumber}"
        raise InvalidRequest(f"The XML is no Native DICOM Model at {place}: {error}.") from None
    return model.dataset


def _refuse_document_type(*_: object) -> None:
    raise _RefusedError("a document type is not accepted")


class _Model:
    """The data set that grows while the document is read."""

    def __init__(self) -> None:
        self.dataset: DataSet = {}
        self._datasets: list[DataSet] = []
        self._path: list[str] = []
        self._elements: list[dict[str, Any]] = []
        self._texts: list[str] = []
        self._number: int | None = None
        self._name: dict[str, dict[str, str]] = {}

    def start(self, qualified: str, attributes: dict[str, str]) -> None:
        """Begins an XML element."""
        name = self._local(qualified)
        above = self._path[-1] if self._path else None
        allowed = _CHILDREN.get(above, ())
        if name not in allowed:
            raise _RefusedError(f"{name} is not expected in {above or 'the document'}")
        self._path.append(name)
        self._texts.clear()
        if begin := _BEGINNINGS.get(name):
            begin(self, attributes)

    def end(self, qualified: str) -> None:
        """Ends an XML element."""
        name = self._local(qualified)
        if end := _ENDS.get(name):
            end(self, "".join(self._texts))
        elif name in NAME_COMPONENTS:
            self._name[self._path[-2]][name] = "".join(self._texts)
        self._texts.clear()
        self._path.pop()

    def text(self, text: str) -> None:
        """Takes characters; white space between elements means nothing."""
        self._texts.append(text)

    def _local(self, qualified: str) -> str:
        namespace, _, name = qualified.rpartition(_SEPARATOR)
        # dcm4che leaves the namespace out.
        if namespace not in ("", NAMESPACE):
            raise _RefusedError("the namespace of an element is another one")
        return name

    def begin_model(self, _: dict[str, str]) -> None:
        self._datasets.append(self.dataset)

    def begin_attribute(self, attributes: dict[str, str]) -> None:
        dataset = self._datasets[-1]
        tag, vr = attributes.get("tag", "").upper(), attributes.get("vr", "")
        if len(tag) != 8 or not set(tag) <= set("0123456789ABCDEF"):
            raise _RefusedError("a tag is not of 8 hexadecimal digits")
        if len(vr) != 2 or not vr.isascii() or not vr.isupper():
            raise _RefusedError(f"the attribute {tag} has no vr of two capitals")
        if creator := attributes.get("privateCreator"):
            tag = _private_tag(dataset, tag, creator)
        if tag in dataset:
            raise _RefusedError(f"the attribute {tag} comes twice")
        dataset[tag] = element = {"vr": vr}
        self._elements.append(element)

    def end_attribute(self, _: str) -> None:
        self._elements.pop()

    def begin_item(self, attributes: dict[str, str]) -> None:
        item: DataSet = {}
        if len(self._datasets) > ITEM_DEPTH_MAX:
            raise _RefusedError(f"more than {ITEM_DEPTH_MAX} sequences within one another")
        if self._elements[-1]["vr"] != "SQ":
            raise _RefusedError("an Item outside of a sequence")
        self._number = _number(attributes)
        self._append(item)
        self._datasets.append(item)

    def end_item(self, _: str) -> None:
        self._datasets.pop()

    def begin_value(self, attributes: dict[str, str]) -> None:
        self._number = _number(attributes)

    def end_value(self, text: str) -> None:
        self._append(_value(self._elements[-1]["vr"], text))

    def begin_name(self, attributes: dict[str, str]) -> None:
        self._number = _number(attributes)
        self._name = {}

    def end_name(self, _: str) -> None:
        groups = {
            group: "^".join(components.get(each, "") for each in NAME_COMPONENTS).rstrip("^")
            for group, components in self._name.items()
        }
        self._append(groups or None)

    def begin_group(self, _: dict[str, str]) -> None:
        self._name[self._path[-1]] = {}

    def begin_bulkdata(self, attributes: dict[str, str]) -> None:
        uri = attributes.get("uri") or attributes.get("uuid")
        if not uri:
            raise _RefusedError("a BulkData has neither uri nor uuid")
        self._elements[-1]["BulkDataURI"] = uri

    def end_binary(self, text: str) -> None:
        self._elements[-1]["InlineBinary"] = "".join(text.split())

    def _append(self, value: object) -> None:
        """Puts a value where its number says; numbers may only ascend, gaps are empty values."""
        values: list[object] = self._elements[-1].setdefault("Value", [])
        missing = 0 if self._number is None else self._number - 1 - len(values)
        if missing < 0 or missing > _GAP_MAX:
            raise _RefusedError("the numbers of values do not ascend from 1")
        values += [None] * missing
        values.append(value)


_GAP_MAX = 100
"""Values that may be left out between two; bounds what a number makes us keep."""


def _number(attributes: dict[str, str]) -> int | None:
    text = attributes.get("number")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise _RefusedError("a number is not a whole one")
    return int(text)


def _value(vr: str, text: str) -> str | float | None:
    """Returns a value as DICOM JSON has it (PS3.18 Table F.2.3-1); what is no number stays text."""
    if not text.strip():
        return None
    if vr in _INTEGERS and _INTEGER.fullmatch(text.strip()):
        return int(text)
    if vr in _FLOATS and "_" not in text:
        with suppress(ValueError):
            return float(text)
    # A DS stays the text it is: a number would lose digits.
    return text


def _private_tag(dataset: DataSet, tag: str, creator: str) -> str:
    """Returns the tag with its block (PS3.5 7.8.1), which XML may leave out: `gggg00ee`.

    The creator's element is added where the document has none.
    """
    group, block, element = tag[:4], tag[4:6], tag[6:]
    if int(group, 16) % 2 == 0:
        raise _RefusedError(f"the attribute {tag} has a creator and is not private")
    reserved = {
        number: dataset.get(f"{group}00{number:02X}", {}).get("Value")
        for number in range(_FIRST_BLOCK, 0x100)
    }
    if block == "00":
        mine = (number for number, values in reserved.items() if values == [creator])
        free = (number for number, values in reserved.items() if values is None)
        number = next(mine, None) or next(free, None)
        if number is None:
            raise _RefusedError(f"no block of group {group} is left for another creator")
    else:
        number = int(block, 16)
    if reserved.get(number) is None:
        dataset[f"{group}00{number:02X}"] = {"vr": "LO", "Value": [creator]}
    return f"{group}{number:02X}{element}"


_VALUES = ("Value", "PersonName", "Item", "BulkData", "InlineBinary")
_CHILDREN: dict[str | None, tuple[str, ...]] = {
    None: ("NativeDicomModel",),
    "NativeDicomModel": ("DicomAttribute",),
    "Item": ("DicomAttribute",),
    "DicomAttribute": _VALUES,
    "PersonName": NAME_GROUPS,
    **dict.fromkeys(NAME_GROUPS, NAME_COMPONENTS),
}
_BEGINNINGS: dict[str, Callable[[_Model, dict[str, str]], None]] = {
    "NativeDicomModel": _Model.begin_model,
    "DicomAttribute": _Model.begin_attribute,
    "Item": _Model.begin_item,
    "Value": _Model.begin_value,
    "PersonName": _Model.begin_name,
    "BulkData": _Model.begin_bulkdata,
    **dict.fromkeys(NAME_GROUPS, _Model.begin_group),
}
_ENDS: dict[str, Callable[[_Model, str], None]] = {
    "DicomAttribute": _Model.end_attribute,
    "Item": _Model.end_item,
    "Value": _Model.end_value,
    "PersonName": _Model.end_name,
    "InlineBinary": _Model.end_binary,
}
