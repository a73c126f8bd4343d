"""All settings, in one typed class, read from the environment and the command line.

Nobody below the wiring imports this: values are passed on. The setting `part_bytes_max` is
`LONGSHORE_PART_BYTES_MAX` in the environment and `--part-bytes-max` on the command line; the latter
wins.
"""

import ipaddress
import os
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar, cast

ENVIRON_PREFIX = "LONGSHORE_"

KIB = 1024
MIB = 1024**2
GIB = 1024**3

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

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


@dataclass(frozen=True, slots=True)
class Switch:
    """Something that is on or off."""

    meaning: str
    default_text: str = ""
    expected: ClassVar[str] = "on or off"

    def read(self, text: str) -> bool:
        """Returns whether it is on."""
        word = text.strip().lower()
        if word not in ("on", "off"):
            raise ValueError
        return word == "on"

    def write(self, value: object) -> str:
        """Returns `on` or `off`."""
        return "on" if value else "off"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several words."""

    meaning: str
    words: tuple[str, ...]
    default_text: str = ""

    @property
    def expected(self) -> str:
        """The words."""
        return "one of " + ", ".join(self.words)

    def read(self, text: str) -> str:
        """Returns the word."""
        word = text.strip().lower()
        if word not in self.words:
            raise ValueError
        return word

    def write(self, value: object) -> str:
        """Returns the word."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Networks:
    """IP addresses and networks, with commas between them; may be none."""

    meaning: str
    default_text: str = ""
    expected: ClassVar[str] = "IP addresses or networks, as 10.0.0.0/8, with commas between them"

    def read(self, text: str) -> tuple[Network, ...]:
        """Returns the networks; an address is one of its own."""
        return tuple(ipaddress.ip_network(each) for each in _listed(text))

    def write(self, value: object) -> str:
        """Returns the list."""
        networks = cast("tuple[Network, ...]", value)
        return ", ".join(
            str(each.network_address if each.num_addresses == 1 else each) for each in networks
        )


@dataclass(frozen=True, slots=True)
class Root:
    """The beginning of URLs: scheme and host, perhaps a port and a path."""

    meaning: str
    default_text: str = ""
    expected: ClassVar[str] = "a URL as https://pacs.example:8443/dicom, or nothing"

    def read(self, text: str) -> str:
        """Returns the URL without a slash at its end."""
        root = text.strip().rstrip("/")
        if root and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~/-]+)?", root):
            raise ValueError
        return root

    def write(self, value: object) -> str:
        """Returns the URL."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Origins:
    """Origins of web pages (RFC 6454), with commas between them; may be none."""

    meaning: str
    default_text: str = ""
    expected: ClassVar[str] = "* or origins, as https://viewer.example, with commas between them"

    def read(self, text: str) -> tuple[str, ...]:
        """Returns the origins."""
        origins = tuple(each.lower() for each in _listed(text))
        if not all(each == "*" or re.fullmatch(r"https?://[^/?#\s]+", each) for each in origins):
            raise ValueError
        return origins

    def write(self, value: object) -> str:
        """Returns the list."""
        return ", ".join(cast("tuple[str, ...]", value))


Kind = Text | Choice | Folder | Whole | Size | Seconds | Switch | Networks | Root | Origins
"""What a setting means, and how it is read and written."""


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


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

    duplicates: Annotated[
        Literal["refuse", "accept-identical", "replace"],
        Choice(
            "what becomes of an instance that is stored already: `refuse`, `accept-identical` (the "
            "very same file is answered as stored, another one refused), `replace` (as PUT does)",
            ("refuse", "accept-identical", "replace"),
        ),
    ] = "refuse"
    expiry_interval_s: Annotated[
        float, Seconds("time between two rounds that delete studies whose time is over", 0.01)
    ] = 10.0
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
    metadata_store_bytes_max: Annotated[
        int,
        Size(
            "metadata and bulkdata of one Store that come apart, all in memory; at most half of "
            "`in_flight_bytes_max` counts",
            KIB,
            1024 * GIB,
        ),
    ] = 64 * MIB
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

    codec_process_count: Annotated[
        int, Whole("processes of one worker in which images are decoded and rendered", 1, 256)
    ] = 1
    codec_s_max: Annotated[float, Seconds("how long one frame or instance may take there", 0.1)] = (
        20.0
    )
    codec_memory_bytes_max: Annotated[
        int, Size("what one of these processes may allocate", 64 * MIB, 1024 * GIB)
    ] = 1 * GIB
    codec_waiting_count_max: Annotated[
        int, Whole("frames and instances that wait for one of them; above it: 503", 0, 100_000)
    ] = 64
    codec_kept_bytes_max: Annotated[
        int, Size("what was made there is kept for the next one who asks", 0, 64 * GIB)
    ] = 32 * MIB

    partitions: Annotated[
        bool, Switch("whether every path names a partition, as `/v2/partitions/{name}/studies`")
    ] = False

    webhook_url: Annotated[
        str, Text("where CloudEvents of stored and deleted instances are sent; empty: nowhere")
    ] = field(default="", repr=False)  # may hold a password
    webhook_secret: Annotated[
        str, Text("signs them: `X-Hub-Signature-256`, HMAC-SHA256 of the body; empty: unsigned")
    ] = field(default="", repr=False)
    webhook_batch_count_max: Annotated[
        int, Whole("events of one request; above 1 they come in CloudEvents batches", 1, 1_000)
    ] = 1
    webhook_retry_s_max: Annotated[
        float, Seconds("longest pause before a receiver that fails is tried again", 0.1)
    ] = 60.0
    host_name: Annotated[
        str,
        Text("what events call this service, `pacs.example:8080`", default_text="the machine's"),
    ] = ""

    accept: Annotated[
        Literal["lenient", "strict"],
        Choice(
            "`strict`: a request that does not say what it accepts is 406, as in PS3.18 8.7.5 and "
            "the model; `lenient`: it gets the default",
            ("lenient", "strict"),
        ),
    ] = "lenient"
    cors_origins: Annotated[
        tuple[str, ...],
        Origins(
            "origins whose web pages may read answers, `https://viewer.example`, with commas "
            "between them; `*`: all; empty: none"
        ),
    ] = ()
    public_url: Annotated[
        str,
        Root(
            "how URLs that answers give out begin, before `/v2`, whatever requests and proxies "
            "say: `https://pacs.example/dicom`; empty: as they say"
        ),
    ] = ""
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Networks(
            "addresses and networks of proxies whose `Forwarded` and `X-Forwarded-*` count in the "
            "URLs that answers give out, with commas between them"
        ),
    ] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))

    database_connection_count_max: Annotated[
        int,
        Whole(
            "connections of one worker to PostgreSQL, beside at most 4 by which it only reads "
            "where things lie",
            1,
            1_000,
        ),
    ] = 8
    statement_timeout_ms: Annotated[
        int, Whole("longest run of one statement, milliseconds", 1, 86_400_000)
    ] = 30_000

    @property
    def connection_count(self) -> int:
        """Connections of one worker to PostgreSQL: the webhook's turn keeps one more."""
        return self.database_connection_count_max + (1 if self.webhook_url else 0)


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
    if not re.match(r"https?://.|\Z", settings.webhook_url):
        msg = f"{option('webhook_url')}: expected http:// or https:// and a host"
        raise SettingError(msg)
    return settings


def environ_of(settings: Settings) -> dict[str, str]:
    """Returns the environment from which `settings_from` reads these very settings."""
    return {variable(name): kind.write(getattr(settings, name)) for name, kind in kinds().items()}
