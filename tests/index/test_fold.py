"""Match keys (the model's 5.4) and typed values (PS3.5 6.2)."""

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.index.fold import (
    KEY_CHARACTERS_MAX,
    fold,
    fold_date,
    fold_integer,
    fold_name,
    fold_name_part,
    fold_time,
)


def test_texts_match_without_case_and_padding():
    assert fold("Head CT  ") == fold("HEAD ct") == fold("head ct\0")
    assert fold(" head ct") != fold("head ct"), "leading spaces count"
    assert fold("Straße") == fold("STRASSE")


def test_texts_match_with_accents_and_names_without():
    assert fold("José") != fold("Jose")
    assert fold_name("José^Ana ") == fold_name("JOSE^ANA")
    assert fold_name("Müller") == fold_name("Mu\u0308ller") == "muller"
    assert fold_name("Buc^Jérôme") == "buc^jerome"
    assert fold_name("Yamada^Tarou=山田^太郎") == "yamada^tarou=山田^太郎"


def test_delimiters_behind_a_name_say_nothing():
    assert fold_name("Doe^John^^^ ") == fold_name("Doe^John") == "doe^john"
    assert fold_name("Yamada^=山田^^=^") == "yamada=山田"
    assert fold_name("^Doe^^Dr") == "^doe^^dr", "those before a component do"
    assert fold_name("^^=") == ""
    assert fold_name_part("Doe^*^") == "doe^*^"


@given(st.text())
def test_keys_can_be_stored_and_indexed(text: str):
    for key in (fold(text), fold_name(text)):
        assert "\0" not in key
        assert len(key) <= KEY_CHARACTERS_MAX


def test_long_texts_have_keys_that_an_index_entry_can_hold():
    assert fold("\U0001f600" * 5_000) == "\U0001f600" * KEY_CHARACTERS_MAX
    assert len(fold_name("\ufdfa" * 5_000)) == KEY_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20200229", date(2020, 2, 29)),
        ("2020.02.29", date(2020, 2, 29)),
        ("20200229 ", date(2020, 2, 29)),
        ("20210229", None),
        ("2020.0229", None),
        ("202002", None),
        ("00000101", None),
        ("٢٠٢٠٠١٠١", None),
        ("", None),
    ],
)
def test_dates(text: str, value: date | None):
    assert fold_date(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", time(10)),
        ("1015", time(10, 15)),
        ("101530", time(10, 15, 30)),
        ("101530.5", time(10, 15, 30, 500_000)),
        ("101530.000001 ", time(10, 15, 30, 1)),
        ("10:15:30", time(10, 15, 30)),
        ("235960", time(23, 59, 59, 999_999)),
        ("235961", None),
        ("240000", None),
        ("1", None),
        ("101530.", None),
        ("101530.1234567", None),
        ("", None),
    ],
)
def test_times(text: str, value: time | None):
    assert fold_time(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        (" 0003 ", 3),
        ("-3", -3),
        ("+3", 3),
        ("2147483647", 2147483647),
        ("-2147483648", -2147483648),
        ("2147483648", None),
        ("1_000", None),
        ("٣", None),
        ("3.0", None),
        ("9" * 5_000, None),
        ("", None),
    ],
)
def test_integers(text: str, value: int | None):
    assert fold_integer(text) == value


@given(st.text())
def test_anything_is_a_value_or_none(text: str):
    assert isinstance(fold_date(text), date | None)
    assert isinstance(fold_time(text), time | None)
    assert isinstance(fold_integer(text), int | None)
