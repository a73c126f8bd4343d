"""A Search done by hand: pydicom's reading of files, and one plain loop over them.

Written from the standard and from what the index promises, without any of its code.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

DataSet = Mapping[str, Any]
Test = Callable[["Row"], bool]

LEVELS = {
    "StudyInstanceUID": ("STUDY", "0020000D", "UI"),
    "StudyDate": ("STUDY", "00080020", "DA"),
    "StudyTime": ("STUDY", "00080030", "TM"),
    "AccessionNumber": ("STUDY", "00080050", "SH"),
    "ReferringPhysicianName": ("STUDY", "00080090", "PN"),
    "StudyDescription": ("STUDY", "00081030", "LO"),
    "PatientName": ("STUDY", "00100010", "PN"),
    "PatientID": ("STUDY", "00100020", "LO"),
    "PatientBirthDate": ("STUDY", "00100030", "DA"),
    "StudyID": ("STUDY", "00200010", "SH"),
    "ModalitiesInStudy": ("STUDY", "00080061", "CS"),
    "SeriesInstanceUID": ("SERIES", "0020000E", "UI"),
    "Modality": ("SERIES", "00080060", "CS"),
    "SeriesNumber": ("SERIES", "00200011", "IS"),
    "PerformedProcedureStepStartDate": ("SERIES", "00400244", "DA"),
    "PerformedProcedureStepStartTime": ("SERIES", "00400245", "TM"),
    "ManufacturerModelName": ("SERIES", "00081090", "LO"),
    "SOPInstanceUID": ("IMAGE", "00080018", "UI"),
    "SOPClassUID": ("IMAGE", "00080016", "UI"),
    "InstanceNumber": ("IMAGE", "00200013", "IS"),
}
"""Keyword: level, tag, VR."""
REQUESTS = "00400275"
ITEM_MEMBERS = {"ScheduledProcedureStepID": "00400009", "RequestedProcedureID": "00401001"}


@dataclass
class Row:
    """A study, a series or an instance, with the texts of the levels above it."""

    uid: str
    texts: dict[str, str] = field(default_factory=dict[str, str])
    modalities: list[str] = field(default_factory=list[str])
    requests: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


def _first_text(dataset: DataSet, tag: str) -> str:
    values = dataset.get(tag, {}).get("Value") or [None]
    value = values[0]
    if isinstance(value, dict):
        names = [value.get(each, "") for each in ("Alphabetic", "Ideographic", "Phonetic")]
        value = "=".join(names).rstrip("=")
    return "" if value is None else str(value).rstrip(" \0")


class Archive:
    """What was stored, by level; the last value that is said of a study or series counts."""

    def __init__(self) -> None:
        self._studies: dict[str, Row] = {}
        self._series: dict[tuple[str, str], Row] = {}
        self._instances: list[tuple[str, tuple[str, str], Row]] = []

    def store(self, dataset: DataSet) -> None:
        """Takes one instance."""
        said = {keyword: _first_text(dataset, tag) for keyword, (_, tag, _) in LEVELS.items()}
        study_uid, series_uid = said["StudyInstanceUID"], said["SeriesInstanceUID"]
        series_key = study_uid, series_uid
        study = self._studies.setdefault(study_uid, Row(study_uid))
        series = self._series.setdefault(series_key, Row(series_uid))
        instance = Row(said["SOPInstanceUID"])
        for level, row in (("STUDY", study), ("SERIES", series), ("IMAGE", instance)):
            keywords = [keyword for keyword in LEVELS if LEVELS[keyword][0] == level]
            row.texts |= {keyword: said[keyword] for keyword in keywords if said[keyword]}
        if REQUESTS in dataset:
            series.requests = [
                {name: _first_text(item, tag) for name, tag in ITEM_MEMBERS.items()}
                for item in dataset[REQUESTS].get("Value", [])
            ]
        self._instances.append((study_uid, series_key, instance))

    def rows(self, level: str) -> list[Row]:
        """Returns all of a level, each with what is said above it."""
        studies = {uid: Row(uid, dict(row.texts)) for uid, row in self._studies.items()}
        for (study_uid, _), series in self._series.items():
            if "Modality" in series.texts:
                studies[study_uid].modalities.append(series.texts["Modality"])
        if level == "STUDY":
            return list(studies.values())
        all_series: dict[tuple[str, str], Row] = {}
        for (study_uid, series_uid), row in self._series.items():
            study = studies[study_uid]
            texts = study.texts | row.texts
            all_series[study_uid, series_uid] = Row(
                series_uid, texts, study.modalities, row.requests
            )
        if level == "SERIES":
            return list(all_series.values())
        return [
            Row(
                row.uid,
                all_series[key].texts | row.texts,
                all_series[key].modalities,
                all_series[key].requests,
            )
            for _, key, row in self._instances
        ]


def fold(text: str, vr: str) -> str:
    """Case never counts; accents do not either in names."""
    if vr == "UI":
        return text
    if vr == "PN":
        parts = unicodedata.normalize("NFKD", text)
        text = "".join(each for each in parts if not unicodedata.combining(each))
    return text.casefold().rstrip(" ")


def fold_value(text: str, vr: str) -> str:
    """In a whole name, delimiters at the end of a group say nothing."""
    if vr != "PN":
        return fold(text, vr)
    return "=".join(group.rstrip("^ ") for group in fold(text, vr).split("=")).rstrip("=")


def day(text: str) -> date | None:
    digits = re.fullmatch(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})", text.strip())
    try:
        return date(*map(int, digits.groups())) if digits else None
    except ValueError:
        return None


def time_of_day(text: str) -> time | None:
    digits = re.fullmatch(r"([0-9:]{2,8})(?:\.([0-9]{1,6}))?", text.strip())
    if digits is None:
        return None
    number = digits[1].replace(":", "").ljust(6, "0")
    try:
        return time(
            int(number[:2]), int(number[2:4]), int(number[4:]), int((digits[2] or "").ljust(6, "0"))
        )
    except ValueError:
        return None


def single(text: str, keyword: str, *, is_fuzzy: bool = False) -> Callable[[str], bool]:
    """Returns the test of one value against one text of a filter."""
    vr = "SH" if keyword in ITEM_MEMBERS else LEVELS[keyword][2]
    if vr == "DA":
        return lambda value: day(value) is not None and day(value) == day(text)
    if vr == "TM":
        return lambda value: time_of_day(value) == time_of_day(text) is not None
    if vr == "IS":
        return lambda value: bool(value) and int(value) == int(text)
    wanted = fold(text, vr)
    if vr != "UI" and re.search(r"[*?]", wanted):
        pattern = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in wanted)
        matches: Callable[[str], bool] = lambda value: bool(  # noqa: E731
            re.fullmatch(pattern, value, re.DOTALL)
        )
    elif vr == "PN" and is_fuzzy:
        words = re.split(r"[ ^=]+", wanted)
        phrase = " " + " ".join(word for word in words if word)
        return lambda value: phrase in " " + re.sub(r"[ ^=]+", " ", fold(value, vr))
    else:
        matches = lambda value: value == fold_value(text, vr)  # noqa: E731
    if vr != "PN":
        return lambda value: matches(fold(value, vr))
    return lambda value: any(
        matches(each) for each in (fold_value(value, vr), *fold_value(value, vr).split("="))
    )


def values_of(row: Row, keyword: str) -> list[str]:
    """Returns what a row has; the modalities of its study may be many."""
    if keyword == "ModalitiesInStudy":
        return row.modalities
    return [row.texts[keyword]] if row.texts.get(keyword) else []


def any_of(keyword: str, texts: Sequence[str], *, is_fuzzy: bool = False) -> Test:
    """A row has a value that meets one of the texts."""
    tests = [single(text, keyword, is_fuzzy=is_fuzzy) for text in texts]
    return lambda row: any(test(value) for test in tests for value in values_of(row, keyword))


def all_of(keyword: str, texts: Sequence[str]) -> Test:
    """A row has a value for each of the texts."""
    tests = [single(text, keyword) for text in texts]
    return lambda row: all(any(test(value) for value in values_of(row, keyword)) for test in tests)


def empty(keyword: str) -> Test:
    """A row has no value, or none that is one of the VR."""
    read = {"DA": day, "TM": time_of_day}.get(LEVELS[keyword][2], str)
    return lambda row: not any(read(value) for value in values_of(row, keyword))


def between(keyword: str, first: str, last: str) -> Test:
    """A date or time lies between two, either of which may be missing."""

    def read(text: str) -> str:
        # Written alike, they are ordered alike.
        found = day(text) if LEVELS[keyword][2] == "DA" else time_of_day(text)
        return "" if found is None else f"{found:%Y%m%d%H%M%S%f}"

    def test(row: Row) -> bool:
        found = read(row.texts.get(keyword, ""))
        return (
            found != ""
            and (not first or read(first) <= found)
            and (not last or found <= read(last))
        )

    return test


def moment_between(
    keywords: tuple[str, str], first: tuple[str, str] | None, last: tuple[str, str] | None
) -> Test:
    """A date and its time lie between two moments; the day is enough where it decides."""

    def test(row: Row) -> bool:
        found_day = day(row.texts.get(keywords[0], ""))
        found_time = time_of_day(row.texts.get(keywords[1], ""))
        if found_day is None:
            return False
        for end, is_first in ((first, True), (last, False)):
            if end is None:
                continue
            end_day, end_time = day(end[0]), time_of_day(end[1])
            assert end_day is not None
            assert end_time is not None
            if found_day == end_day:
                if found_time is None:
                    return False
                found = datetime.combine(found_day, found_time)
                end_moment = datetime.combine(end_day, end_time)
                if found < end_moment if is_first else found > end_moment:
                    return False
            elif found_day < end_day if is_first else found_day > end_day:
                return False
        return True

    return test


def item(texts: Mapping[str, str]) -> Test:
    """One request of the series has all of it."""
    tests = {name: single(text, name) for name, text in texts.items()}
    return lambda row: any(
        all(each[name] != "" and test(each[name]) for name, test in tests.items())
        for each in row.requests
    )


def found(rows: Iterable[Row], tests: Sequence[Test]) -> list[str]:
    """Returns the UIDs of the rows that meet all tests, sorted."""
    return sorted(row.uid for row in rows if all(test(row) for test in tests))
