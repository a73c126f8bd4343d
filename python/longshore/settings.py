"""All settings, in one typed class, read from the environment and the command line.

Nobody below the wiring imports this: values are passed on. The setting `part_bytes_max` is
`LONGSHORE_PART_BYTES_MAX` in the environment and `--part-bytes-max` on the command line; the latter
wins.
"""

import os
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

ENVIRON_PREFIX = "LONGSHORE_"

KIB = 1024
MIB = 1024**2
GIB = 1024**3

_Number = TypeVar("_Number", int, float)


class SettingError(ValueError):
    """A setting has a value that it cannot have; the text is one line and names the setting."""


@dataclass(frozen=True, slots=True)
class Text:
    """Any text."""

    meaning: str
    default_text: str = ""
    expected: ClassVar[str] = "a text"

    def read(self, text: str) -> str:
        """Returns the text without space around it."""
        return text.strip()

    def write(self, value: object) -> str:
        """Returns the text."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, which need not exist. A relative path begins at the working directory."""

    meaning: str
    default_text: str = ""
    expected: ClassVar[str] = "a folder"

    def read(self, text: str) -> Path:
        """Returns the absolute path."""
        if not text.strip():
            raise ValueError
        return Path(text).expanduser().absolute()

    def write(self, value: object) -> str:
        """Returns the path."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two, both included."""

    meaning: str
    least: int
    most: int
    default_text: str = ""

    @property
    def expected(self) -> str:
        """The bounds."""
        return f"a whole number from {self.least:_} to {self.most:_}"

    def read(self, text: str) -> int:
        """Returns the number."""
        return _within(int(text), self.least, self.most)

    def write(self, value: object) -> str:
        """Returns the digits."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes between two, both included. `16MB` is not read: it has two meanings."""

    meaning: str
    least: int
    most: int
    default_text: str = ""
    _units: ClassVar[Mapping[str, int]] = {"GiB": GIB, "MiB": MIB, "KiB": KIB, "": 1}

    @property
    def expected(self) -> str:
        """The bounds."""
        return f"bytes, as 16MiB, from {self.write(self.least)} to {self.write(self.most)}"

    def read(self, text: str) -> int:
        """Returns the bytes."""
        match = re.fullmatch(r"([0-9][0-9_]*)(|KiB|MiB|GiB)", text.strip())
        if match is None:
            raise ValueError
        return _within(int(match[1]) * self._units[match[2]], self.least, self.most)

    def write(self, value: object) -> str:
        """Returns a multiple of the largest unit that fits."""
        count = int(str(value))
        name, unit = next(each for each in self._units.items() if count % each[1] == 0)
        return f"{count // unit}{name}"


@dataclass(frozen=True, slots=True)
class Seconds:
    """A time span; fractions are read."""

    meaning: str
    least: float
    default_text: str = ""
    most: ClassVar[float] = 10 * 366 * 86_400.0

    @property
    def expected(self) -> str:
        """The bounds."""
        return f"seconds, from {self.write(self.least)} to {self.write(self.most)}"

    def read(self, text: str) -> float:
        """Returns the seconds."""
        return _within(float(text), self.least, self.most)

    def write(self, value: object) -> str:
        """Returns the shortest digits."""
        return repr(float(str(value))).removesuffix(".0")


Kind = Text | Folder | Whole | Size | Seconds
"""What a setting means, and how it is read and written."""


def _within(value: _Number, least: _Number, most: _Number) -> _Number:
    if not least <= value <= most:  # so put that NaN is refused
        raise ValueError
    return value


def _core_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one service is set."""

    host: Annotated[str, Text("address to listen on; `0.0.0.0`: on every network")] = "127.0.0.1"
    port: Annotated[int, Whole("TCP port to listen on", 1, 65_535)] = 8080
    workers: Annotated[
        int, Whole("processes that serve", 1, 1_024, default_text="one per core")
    ] = field(default_factory=_core_count)
    data: Annotated[
        Path, Folder("folder of the embedded database and of local blobs", default_text="./data")
    ] = field(default_factory=lambda: Path("data").absolute())
    database: Annotated[
        str, Text("PostgreSQL's DSN; empty: an embedded server in the data folder")
    ] = field(default="", repr=False)  # may hold a password
    blobs: Annotated[
        str,
        Text(
            "where packs lie: `local` (in the data folder), `file:///…`, `https://…` (an Azure "
            "container), or an Azure connection string"
        ),
    ] = field(default="local", repr=False)  # may hold a key

    part_bytes_max: Annotated[int, Size("largest instance that is stored", KIB, 1024 * GIB)] = (
        4 * GIB
    )
    part_bytes_max_in_memory: Annotated[
        int, Size("a larger instance gets a pack of its own while it arrives", KIB, 2 * GIB)
    ] = 16 * MIB
    part_count_max: Annotated[int, Whole("parts in one Store request", 1, 10_000_000)] = 100_000
    part_header_bytes_max: Annotated[
        int, Size("headers of one part of a Store request", 128, 16 * MIB)
    ] = 16 * KIB
    inline_bytes_max: Annotated[
        int, Size("longest binary value inside the metadata; a longer one gets a URI", 0, 16 * MIB)
    ] = 1 * KIB
    inflated_bytes_max: Annotated[int, Size("a deflated data set, inflated", KIB, 1024 * GIB)] = (
        2 * GIB
    )
    in_flight_bytes_max: Annotated[
        int, Size("bytes of Stores in the memory of one worker; above it: 503", MIB, 1024 * GIB)
    ] = 128 * MIB
    upload_idle_s_max: Annotated[
        float, Seconds("a Store that sends too little for so long is ended", 0.1)
    ] = 60.0
    upload_bytes_per_s_min: Annotated[
        int, Size("what a Store must send meanwhile, per second, on average", 0, GIB)
    ] = KIB
    download_idle_s_max: Annotated[
        float, Seconds("a client that takes nothing of its answer for so long is cut off", 0.1)
    ] = 60.0
    header_s_max: Annotated[
        float,
        Seconds("a request's header that takes longer, or is not begun, ends the connection", 0.1),
    ] = 30.0

    batch_bytes_max: Annotated[int, Size("payloads of one pack", MIB, 4 * GIB)] = 64 * MIB
    batch_count_max: Annotated[int, Whole("instances of one pack", 1, 100_000)] = 1_000

    search_limit_default: Annotated[
        int, Whole("results of a Search without `limit`", 1, 10_000)
    ] = 100
    search_limit_max: Annotated[
        int, Whole("results of a Search, whatever it asks for", 1, 10_000)
    ] = 5_000

    deleted_retention_s: Annotated[
        float, Seconds("how long the bytes of a deleted instance stay", 0.0)
    ] = 259_200.0
    sweep_grace_s: Annotated[
        float, Seconds("how long a pack may stay without a row in the index", 0.0)
    ] = 3_600.0
    sweep_interval_s: Annotated[
        float, Seconds("time between two rounds that give space back", 0.01)
    ] = 60.0
    merge_rest_s: Annotated[
        float, Seconds("packs are merged when nothing came to their series for so long", 0.0)
    ] = 900.0
    merge_pack_bytes_max: Annotated[
        int, Size("only smaller packs are merged; `0`: none", 0, 4 * GIB)
    ] = 16 * MIB
    copy_bytes_per_s_max: Annotated[
        int, Size("what merging and rewriting packs copy in a second", MIB, 1024 * GIB)
    ] = 32 * MIB

    database_connection_count_max: Annotated[
        int, Whole("connections of one worker to PostgreSQL", 1, 1_000)
    ] = 8
    statement_timeout_ms: Annotated[
        int, Whole("longest run of one statement, milliseconds", 1, 86_400_000)
    ] = 30_000


def kinds() -> dict[str, Kind]:
    """Returns the kind of every setting by its name, in the order of the documents."""
    hints = typing.get_type_hints(Settings, include_extras=True)
    return {each.name: typing.get_args(hints[each.name])[1] for each in fields(Settings)}


def option(name: str) -> str:
    """Returns a setting's name on the command line."""
    return f"--{name.replace('_', '-')}"


def variable(name: str) -> str:
    """Returns a setting's name in the environment."""
    return f"{ENVIRON_PREFIX}{name.upper()}"


def settings_from(
    environ: Mapping[str, str], arguments: Mapping[str, str] | None = None
) -> Settings:
    """Reads the settings.

    Args:
        environ: The environment; names that are no setting's are left alone.
        arguments: Texts of the command line by setting name; they win.

    Raises:
        SettingError: A value is not what is expected. Its text is not repeated: it may be a secret.
    """
    arguments = arguments or {}
    values: dict[str, object] = {}
    for name, kind in kinds().items():
        place, text = variable(name), environ.get(variable(name))
        if name in arguments:
            place, text = option(name), arguments[name]
        if text is None:
            continue
        try:
            values[name] = kind.read(text)
        except ValueError:
            msg = f"{place}: expected {kind.expected}"
            raise SettingError(msg) from None
    settings = Settings(**values)  # pyright: ignore[reportArgumentType]  # read by their own kinds
    if settings.search_limit_default > settings.search_limit_max:
        msg = f"{option('search_limit_default')}: expected at most {option('search_limit_max')}"
        raise SettingError(msg)
    return settings


def environ_of(settings: Settings) -> dict[str, str]:
    """Returns the environment from which `settings_from` reads these very settings."""
    return {variable(name): kind.write(getattr(settings, name)) for name, kind in kinds().items()}
