"""The `cursor` parameter: what is written is read, and nothing else is."""

import base64
import json
from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.dicomweb.search_cursor import read_cursor, write_cursor
from longshore.errors import InvalidRequest
from longshore.index.search_columns import MATCHED
from longshore.index.search_order import OrderBy, Position

BY_KEYWORD = {each.keyword: each for each in MATCHED.values()}
ORDER = [
    OrderBy(BY_KEYWORD[keyword])
    for keyword in ("PatientName", "StudyDate", "StudyTime", "SeriesNumber")
]
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=600)
numbers = st.integers(-(2**31), 2**31 - 1)
values = st.tuples(
    *[st.none() | each for each in (texts, st.dates(), st.times(), numbers)],
)


def encoded(*found):
    return base64.urlsafe_b64encode(json.dumps(found).encode()).decode().rstrip("=")


@given(values, st.integers(0, 2**63 - 1))
def test_what_is_written_is_read(found, row_key):
    position = Position(found, row_key)
    text = write_cursor(position)
    assert text.isascii()
    assert read_cursor(text, ORDER) == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ä",
        "WzFd!",
        "a" * 100_000,
        encoded(),
        encoded("1"),
        encoded(True),
        encoded(2**63),
        encoded(1, "a"),
        base64.urlsafe_b64encode(b'{"1":1}').decode(),
        base64.urlsafe_b64encode(b"\xff").decode(),
    ],
)
def test_what_is_no_cursor(text):
    with pytest.raises(InvalidRequest, match="cursor"):
        read_cursor(text, [])


@pytest.mark.parametrize(
    "found",
    [
        (1, "a", None, None),
        (1, "a", None, None, None, None),
        (1, 5, None, None, None),
        (1, "a\0", None, None, None),
        (1, "a", 20200101, None, None),
        (1, "a", "someday", None, None),
        (1, "a", None, "25:00", None),
        (1, "a", None, None, "3"),
        (1, "a", None, None, 1.5),
        (1, "a", None, None, True),
        (1, "a", None, None, 2**63),
        (1, "a", None, None, 10**30),
        (1, [], None, None, None),
    ],
)
def test_a_cursor_of_another_order(found):
    with pytest.raises(InvalidRequest) as caught:
        read_cursor(encoded(*found), ORDER)
    assert "someday" not in str(caught.value)


def test_it_shows_nothing():
    assert "secret" not in repr(Position(("secret", date(2020, 1, 1), time(1)), 7))
