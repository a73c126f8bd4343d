"""What `longshore serve` prints when it serves: all that helps, nothing secret."""

import pytest

from longshore.cli.address import url
from longshore.cli.serve import greeting
from longshore.settings import settings_from


def test_a_database_elsewhere_is_not_shown() -> None:
    text = greeting(settings_from({}, {"database": "postgresql://me:hush@db/x", "workers": "1"}))
    assert "with 1 worker;" in text
    assert "PostgreSQL as set" in text
    assert "hush" not in text


@pytest.mark.parametrize(
    ("blobs", "shown"),
    [
        (
            "https://acc.blob.core.windows.net/box?sig=hush",
            "https://acc.blob.core.windows.net/box\n",
        ),
        ("https://u:hush@host/box", "https://host/box\n"),
        ("file:///srv/packs", "file:///srv/packs\n"),
        ("AccountName=acc;AccountKey=hush==;", "Azure Blob Storage, account acc\n"),
        ("SharedAccessSignature=hush", "Azure Blob Storage\n"),
    ],
)
def test_no_key_is_shown(blobs: str, shown: str) -> None:
    text = greeting(settings_from({}, {"blobs": blobs}))
    assert f"  blobs     {shown}" in text
    assert "hush" not in text


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("pacs.example", "http://pacs.example:80"),
    ],
)
def test_the_url_works_on_this_machine(host: str, expected: str) -> None:
    assert url(host, 80) == expected
