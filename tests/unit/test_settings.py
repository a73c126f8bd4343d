"""Settings: where they come from, who wins, and what a bad one says."""

import dataclasses
from pathlib import Path

import pytest

from longshore.settings import (
    GIB,
    MIB,
    SettingError,
    Settings,
    environ_of,
    kinds,
    settings_from,
    variable,
)


def test_nothing_set() -> None:
    settings = settings_from({})
    assert settings == Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.workers >= 1
    assert settings.data == Path.cwd() / "data"
    assert settings.part_bytes_max == 4 * GIB
    assert settings.deleted_retention_s == 3 * 24 * 3600


def test_the_command_line_wins() -> None:
    environ = {"LONGSHORE_PORT": "81", "LONGSHORE_HOST": "::1", "UNRELATED": "x"}
    settings = settings_from(environ, {"port": "82"})
    assert (settings.host, settings.port) == ("::1", 82)


def test_they_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("text", "count"),
    [("1048576", MIB), ("1_048_576", MIB), ("1024KiB", MIB), (" 1MiB ", MIB), ("3GiB", 3 * GIB)],
)
def test_sizes(text: str, count: int) -> None:
    assert settings_from({}, {"part_bytes_max": text}).part_bytes_max == count


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "0"),
        ("port", "65536"),
        ("port", "tcp://10.0.0.1:80"),
        ("workers", "1.5"),
        ("workers", ""),
        ("part_bytes_max", "16MB"),
        ("part_bytes_max", "-1"),
        ("part_bytes_max", "99999GiB"),
        ("part_bytes_max", "1"),
        ("sweep_grace_s", "nan"),
        ("sweep_grace_s", "inf"),
        ("sweep_grace_s", "-0.1"),
        ("data", " "),
        ("search_limit_default", "5001"),
        ("duplicates", "keep both"),
        ("accept", "maybe"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", "proxy.example"),
        ("cors_origins", "viewer.example"),
        ("cors_origins", "https://viewer.example/path"),
        ("public_url", "pacs.example"),
        ("public_url", "ftp://pacs.example"),
        ("public_url", "https://"),
        ("public_url", "https://pacs.example/?a=b"),
        ("public_url", "https://pacs.example/a b"),
    ],
)
def test_a_bad_value_names_the_setting_and_not_the_value(name: str, text: str) -> None:
    with pytest.raises(SettingError) as caught:
        settings_from({}, {name: text})
    message = str(caught.value)
    assert message.startswith(f"--{name.replace('_', '-')}: expected ")
    assert "\n" not in message
    if name in ("port", "part_bytes_max", "workers", "sweep_grace_s"):
        assert not text.strip() or f" {text} " not in f"{message} "
        with pytest.raises(SettingError, match=f"^{variable(name)}: expected "):
            settings_from({variable(name): text})


def test_workers_read_the_very_settings(tmp_path: Path) -> None:
    """The parent hands them on through the environment."""
    given = {
        "data": str(tmp_path / "a folder"),
        "database": "postgresql://u:p%20w@h/db?options=-c%20x",
        "blobs": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc==;",
        "part_bytes_max": "1048577",
        "sweep_interval_s": "0.2",
        "statement_timeout_ms": "86400000",
        "deleted_retention_s": "1e-7",
        "duplicates": " Accept-Identical",
        "trusted_proxies": "10.0.0.0/8, 192.0.2.1,2001:db8::/32",
        "cors_origins": "https://Viewer.example, http://localhost:3000",
        "public_url": "https://pacs.example:8443/dicom/",
    }
    settings = settings_from({}, given)
    environ = environ_of(settings)
    assert set(environ) == {variable(name) for name in kinds()}
    assert settings_from(environ) == settings
    assert settings_from(environ_of(Settings())) == Settings()


def test_lists() -> None:
    settings = settings_from({}, {"trusted_proxies": " 10.0.0.0/8,,::1 ", "cors_origins": "*"})
    assert [str(each) for each in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert settings.cors_origins == ("*",)
    assert settings_from({}, {"trusted_proxies": ""}).trusted_proxies == ()
    assert settings_from({}).cors_origins == ()


def test_a_relative_folder_begins_here() -> None:
    assert settings_from({"LONGSHORE_DATA": "x/y"}).data == Path.cwd() / "x/y"
    assert settings_from({"LONGSHORE_DATA": "~/x"}).data == Path.home() / "x"


def test_secrets_are_not_shown() -> None:
    given = {"database": "postgresql://u:hush@h/db", "blobs": "AccountKey=hush"}
    settings = settings_from({}, given)
    assert "hush" not in repr(settings)
