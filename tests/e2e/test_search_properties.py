"""Any Search equals a loop over pydicom's reading of the corpus: all attributes, all kinds."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.test_corpus import JSON_DEVIATIONS
from tests.e2e.test_corpus import store as store_file
from tests.support import naive_search as naive
from tests.support.corpus import corpus_files
from tests.support.dicom_json import pydicom_model
from tests.support.naive_search import ITEM_MEMBERS, LEVELS, Archive, Row, Test
from tests.support.service import running

EXAMPLES = 400
PATHS = {"STUDY": "/v2/studies", "SERIES": "/v2/series", "IMAGE": "/v2/instances"}
UID_TAGS = {"STUDY": "0020000D", "SERIES": "0020000E", "IMAGE": "00080018"}
DEPTHS = {"STUDY": 0, "SERIES": 1, "IMAGE": 2}
MOMENTS = [
    ("StudyDate", "StudyTime"),
    ("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
]
TEXT_VRS = {"SH", "LO", "PN", "CS"}


@dataclass(frozen=True)
class Stored:
    """The service that holds the corpus, and the same by hand."""

    client: httpx.Client
    rows: dict[str, list[Row]]
    texts: dict[str, list[str]]
    items: list[dict[str, str]]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    archive = Archive()
    data = tmp_path_factory.mktemp("searched") / "data"
    with running(data) as service, httpx.Client(base_url=service.url, timeout=60) as client:
        for file in corpus_files():
            try:
                dataset = dict(pydicom_model(file.read()))
            except Exception:  # noqa: S112 - who cannot read it cannot say what it holds
                continue
            if file.name in JSON_DEVIATIONS:
                continue
            answer = store_file(client, file.read())
            if not answer.is_stored:
                continue
            if answer.comments:
                # What v2 leaves out of the metadata it leaves out of the index.
                url = str(answer.item["00081190"]["Value"][0])
                (kept,) = client.get(f"{url}/metadata").json()
                said = re.findall(r"\((\w{4}),(\w{4})\)", str(answer.comments))
                for tag in {"".join(each).upper() for each in said} - kept.keys():
                    dataset.pop(tag, None)
            archive.store(dataset)
        rows = {level: archive.rows(level) for level in PATHS}
        texts = {
            keyword: sorted(
                {value for row in rows["IMAGE"] for value in naive.values_of(row, keyword)}
            )
            for keyword in LEVELS
        }
        items = [item for row in rows["SERIES"] for item in row.requests]
        yield Stored(client, rows, texts, items)


Asked = tuple[list[tuple[str, str]], Test]


def plain(text: str, vr: str) -> str:
    """A text that a parameter can carry: without what separates lists, and ends of ranges."""
    return re.sub(r"[\\,]" if vr in ("CS", "UI") else r"\\", "", text).strip()


@st.composite
def texts_of(draw: st.DrawFn, stored: Stored, keyword: str) -> str:
    """A value of the corpus, perhaps in another case, or one that is nowhere."""
    vr = LEVELS[keyword][2]
    known = [plain(each, vr) for each in stored.texts[keyword]]
    text = draw(st.sampled_from([each for each in known if each] or ["1"]))
    if vr in TEXT_VRS:
        text = draw(st.sampled_from([text, text.lower(), text.upper(), text.swapcase()]))
    if vr in ("DA", "TM"):
        read = {"DA": naive.day, "TM": naive.time_of_day}[vr](text)
        text = read.strftime("%Y%m%d" if vr == "DA" else "%H%M%S.%f") if read else "20000101"[:8]
        return text if vr == "DA" or read else "10"
    return text


@st.composite
def wildcards_of(draw: st.DrawFn, stored: Stored, keyword: str) -> str:
    """A value with a part of it replaced by `*`, or characters by `?`."""
    text = draw(texts_of(stored, keyword))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=4)))
    made = list(text)
    for first, last in list(pairwise(cuts))[::2]:
        wild = draw(st.sampled_from(["*", "?", "**", "*?"]))
        made[first:last] = [""] * (last - first)
        made.insert(first, wild)
    if draw(st.booleans()):
        made.append("*")
    return "".join(made).strip() or "*"


@st.composite
def filters(draw: st.DrawFn, stored: Stored, keyword: str) -> Asked:
    """One filter as parameters, and by hand."""
    vr = LEVELS[keyword][2]
    kinds = ["exact", "universal", "empty"]
    kinds += ["range"] if vr in ("DA", "TM") else []
    kinds += ["list"] if vr in TEXT_VRS | {"UI"} else []
    kinds += ["wildcard", "wildcard"] if vr in TEXT_VRS else []
    kinds += ["fuzzy", "fuzzy"] if vr == "PN" else []
    kinds += ["all"] if keyword == "ModalitiesInStudy" else []
    kind = draw(st.sampled_from(kinds))
    name = draw(st.sampled_from([keyword, LEVELS[keyword][1]]))
    match kind:
        case "universal":
            return [(name, draw(st.sampled_from(["", "*"])))], lambda _: True
        case "empty":
            return [(name, '""'), ("emptyvaluematching", "true")], naive.empty(keyword)
        case "range":
            ends = sorted(draw(texts_of(stored, keyword)) for _ in range(2))
            first, last = draw(st.sampled_from([ends, [ends[0], ""], ["", ends[1]]]))
            return [(name, f"{first}-{last}")], naive.between(keyword, first, last)
        case "list" | "all":
            texts = draw(st.lists(texts_of(stored, keyword), min_size=2, max_size=4))
            # A comma is in texts, but in no code.
            joint = draw(st.sampled_from(["\\", ","])) if vr in ("UI", "CS") else "\\"
            parameters = [(name, joint.join(texts))]
            if kind == "list":
                return parameters, naive.any_of(keyword, texts)
            return [*parameters, ("multiplevaluematching", "true")], naive.all_of(keyword, texts)
        case "fuzzy":
            words = [word for word in re.split(r"[ ^=]+", draw(texts_of(stored, keyword))) if word]
            start = draw(st.integers(0, max(len(words) - 1, 0)))
            some = words[start : start + draw(st.integers(1, 3))] or ["x"]
            some[-1] = some[-1][: draw(st.integers(1, 5))]
            text = draw(st.sampled_from([" ", "^"])).join(some).replace('"', "")
            text = text.strip(" ^") or "x"
            parameters = [(name, text), ("fuzzymatching", "true")]
            return parameters, naive.any_of(keyword, [text], is_fuzzy=True)
        case "wildcard":
            text = draw(wildcards_of(stored, keyword))
        case _:
            text = draw(texts_of(stored, keyword))
    if not text.strip("*"):
        return [(name, text)], lambda _: True
    return [(name, text)], naive.any_of(keyword, [text])


@st.composite
def moments(draw: st.DrawFn, stored: Stored, keywords: tuple[str, str]) -> Asked:
    """The ranges of a date and of its time."""
    ends = sorted(tuple(draw(texts_of(stored, keyword)) for keyword in keywords) for _ in range(2))
    first, last = ((str(day), str(time)) for day, time in ends)
    if first[0] == last[0]:
        first, last = sorted([first, last])
    some = draw(st.sampled_from([(first, last), (first, None), (None, last)]))
    parameters = [
        (keyword, "-".join(end[at] if end else "" for end in some))
        for at, keyword in enumerate(keywords)
    ]
    return parameters, naive.moment_between(keywords, *some)


@st.composite
def items(draw: st.DrawFn, stored: Stored) -> Asked:
    """One or two members of a request."""
    known = draw(st.sampled_from([each for each in stored.items if any(each.values())]))
    members = {name: text for name, text in known.items() if text}
    names = draw(st.lists(st.sampled_from(sorted(members)), min_size=1, unique=True))
    texts: dict[str, str] = {}
    for name in names:
        text = plain(members[name], "SH")
        texts[name] = draw(st.sampled_from([text, text.lower(), f"{text[:2]}*", f"*{text[1:]}"]))
    path = draw(st.sampled_from(["RequestAttributesSequence", "00400275"]))
    parameters = [
        (f"{path}.{draw(st.sampled_from([name, ITEM_MEMBERS[name]]))}", text)
        for name, text in texts.items()
    ]
    wanted = {name: text for name, text in texts.items() if text.strip("*")}
    return parameters, naive.item(wanted) if wanted else lambda _: True


@st.composite
def queries(draw: st.DrawFn, stored: Stored) -> tuple[str, list[tuple[str, str]], list[Test]]:
    """A level, its parameters, and the tests that every result meets."""
    level = draw(st.sampled_from(sorted(PATHS)))
    keywords = [each for each in LEVELS if DEPTHS[LEVELS[each][0]] <= DEPTHS[level]]
    chosen = draw(st.lists(st.sampled_from(keywords), min_size=0, max_size=3, unique=True))
    asked: list[Asked] = []
    pair = draw(st.sampled_from([None, None, None, *MOMENTS]))
    if pair is not None and pair[0] in keywords:
        chosen = [each for each in chosen if each not in pair]
        asked.append(draw(moments(stored, pair)))
    for day, time in MOMENTS:
        # Alone, each is a filter of its own; together they may be one moment.
        if day in chosen and time in chosen:
            chosen.remove(time)
    asked += [draw(filters(stored, keyword)) for keyword in chosen]
    if level != "STUDY" and any(any(each.values()) for each in stored.items):
        asked += draw(st.lists(items(stored), max_size=1))
    parameters = [each for some, _ in asked for each in some]
    if any(key == "fuzzymatching" for key, _ in parameters):
        # It is one parameter for all names.
        names = [key for key, _ in parameters if key in NAME_KEYS]
        if len(names) > 1:
            return level, [], []
    options = {key: value for key, value in parameters if key in OPTIONS}
    given_once = [(key, value) for key, value in parameters if key not in OPTIONS]
    return level, [*given_once, *options.items()], [test for _, test in asked]


OPTIONS = {"fuzzymatching", "emptyvaluematching", "multiplevaluematching"}
NAME_KEYS = {"PatientName", "00100010", "ReferringPhysicianName", "00080090"}


def answered(client: httpx.Client, level: str, parameters: list[tuple[str, str]]) -> list[str]:
    """Returns the UIDs of all pages, in their order."""
    found: list[str] = []
    url = str(httpx.URL(PATHS[level], params=parameters))
    while url:
        response = client.get(url)
        assert response.status_code in (200, 204), response.text
        results = response.json() if response.content else []
        found += [each[UID_TAGS[level]]["Value"][0] for each in results]
        url = response.links.get("next", {}).get("url", "")
    return found


@pytest.mark.timeout(600)
def test_every_search_equals_a_loop_over_the_files(stored: Stored) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def check(data: st.DataObject) -> None:
        level, parameters, tests = data.draw(queries(stored))
        limit = data.draw(st.sampled_from([1_000, 1_000, 100, 7]))
        order = data.draw(st.sampled_from(["", "StudyDate", "-PatientName,StudyTime"]))
        paging = [("limit", str(limit))] + ([("orderby", order)] if order else [])
        found = answered(stored.client, level, [*parameters, *paging])
        assert sorted(found) == naive.found(stored.rows[level], tests)

    check()


def test_the_corpus_has_something_of_everything(stored: Stored) -> None:
    assert len(stored.rows["IMAGE"]) > 200
    assert all(stored.texts.values())
    assert any("=" in name for name in stored.texts["PatientName"])
    assert any(any(each.values()) for each in stored.items)
