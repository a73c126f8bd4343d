"""DICOM JSON becomes Native DICOM Model XML, `application/dicom+xml` (PS3.19 A.1, PS3.18 F.3).

Reading is in `native_xml_reader`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
NAME_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")

Element = Mapping[str, Any]
DataSet = Mapping[str, Element]

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
)
_TAIL = "</NativeDicomModel>"
_LINE_END = {"\r": "&#13;"}
"""Readers take a bare one for a line feed (XML 1.0 2.11)."""
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document holds (XML 1.0 2.2), such as form feed and ESC."""
_REPLACEMENT = "\ufffd"
KEYWORD_COUNT_CACHED = 8_192
"""The dictionary has some 5,000."""


def write(dataset: DataSet) -> bytes:
    """Returns the XML document of one data set.

    Args:
        dataset: A DICOM JSON object as this service makes it.
    """
    return "".join([_HEAD, *_attributes(dataset), _TAIL]).encode()


def _attributes(dataset: DataSet) -> Iterator[str]:
    for tag, element in dataset.items():
        vr = element["vr"]
        yield f'<DicomAttribute tag="{tag}" vr="{vr}"{_keyword(tag)}{_creator(tag, dataset)}>'
        yield from _content(vr, element)
        yield "</DicomAttribute>"


@lru_cache(maxsize=KEYWORD_COUNT_CACHED)
def _keyword(tag: str) -> str:
    keyword = keyword_for_tag(int(tag, 16))
    return f' keyword="{keyword}"' if keyword else ""


def _creator(tag: str, dataset: DataSet) -> str:
    """Names who owns a private element's block (PS3.5 7.8.1)."""
    is_private = int(tag[3], 16) % 2 == 1 and tag[4:6] != "00"
    if not is_private:
        return ""
    values = dataset.get(f"{tag[:4]}00{tag[4:6]}", {}).get("Value", [])
    creator = values[0] if values else None
    return f" privateCreator={quoteattr(_legal(creator))}" if isinstance(creator, str) else ""


def _content(vr: str, element: Element) -> Iterator[str]:
    if "BulkDataURI" in element:
        yield f"<BulkData uri={quoteattr(_legal(element['BulkDataURI']))}/>"
    elif "InlineBinary" in element:
        yield f"<InlineBinary>{element['InlineBinary']}</InlineBinary>"
    elif vr == "SQ":
        for number, item in enumerate(element.get("Value", []), 1):
            yield f'<Item number="{number}">'
            yield from _attributes(item or {})
            yield "</Item>"
    elif vr == "PN":
        for number, name in enumerate(element.get("Value", []), 1):
            yield f'<PersonName number="{number}">'
            yield from _name(name or {})
            yield "</PersonName>"
    else:
        yield from _values(element.get("Value", []))


def _values(values: Iterable[str | float | None]) -> Iterator[str]:
    for number, value in enumerate(values, 1):
        if value is None:
            yield f'<Value number="{number}"/>'
        else:
            text = _text(value) if isinstance(value, str) else str(value)
            yield f'<Value number="{number}">{text}</Value>'


def _name(name: Mapping[str, str]) -> Iterator[str]:
    for group in NAME_GROUPS:
        if group not in name:
            continue
        yield f"<{group}>"
        components = name[group].split("^", len(NAME_COMPONENTS) - 1)
        for component, text in zip(NAME_COMPONENTS, components, strict=False):
            if text:
                yield f"<{component}>{_text(text)}</{component}>"
        yield f"</{group}>"


def _text(text: str) -> str:
    return escape(_legal(text), _LINE_END)


def _legal(text: str) -> str:
    return _NO_XML.sub(_REPLACEMENT, text)
