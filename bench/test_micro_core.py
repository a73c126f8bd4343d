"""What the core costs for each instance, and what pydicom costs for the same bytes.

    python -m pytest bench/test_micro_core.py

One call is one instance, but for the framing (a body of 16 MiB) and the plan (a pack of 100).
`file` is the whole instance, whose pixel data the core must look through and checksum; `header` is
what stands before the pixel data, which is all that pydicom reads of it.
"""

import io
from collections.abc import Callable, Iterator
from typing import ParamSpec, Protocol, TypeVar

import pydicom
import pytest

from bench.instances import CT, SMALL, Kind, template
from longshore._native import (
    Instance,
    PackEntry,
    Payload,
    Refusal,
    StoreReader,
    plan_pack,
)

MIB = 1024**2
BOUNDARY = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"
PIXEL_DATA = b"\xe0\x7f\x10\x00OW"
# What the server hands over at a time once a connection is warm, and a smaller one.
CHUNK_BYTES = (417_792, 65_536)
KINDS = pytest.mark.parametrize("kind", [CT, SMALL], ids=lambda kind: kind.name)
CHUNKS = pytest.mark.parametrize("chunk_bytes", CHUNK_BYTES)

Event = Payload | Instance | Refusal
P = ParamSpec("P")
T = TypeVar("T")


class Benchmark(Protocol):
    """The fixture of pytest-benchmark, which has no types."""

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Times calls; returns what the last one returned."""
        ...


def header(kind: Kind) -> bytes:
    """Returns the instance without its pixel data, which is its last element."""
    content = template(kind)
    return content[: content.index(PIXEL_DATA)]


def body(parts: list[bytes]) -> bytes:
    head = b"\r\n--" + BOUNDARY + b"\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(head + part for part in parts) + b"\r\n--" + BOUNDARY + b"--\r\n"


def chunks(content: bytes, chunk_bytes: int) -> list[bytes]:
    return [content[at : at + chunk_bytes] for at in range(0, len(content), chunk_bytes)]


def read(pieces: list[bytes], boundary: bytes | None) -> Event:
    """Reads a body and returns its last event."""
    reader = StoreReader(
        boundary=boundary,
        root_type="application/dicom",
        study_uid=None,
        is_strict=False,
        part_bytes_max=1024 * MIB,
        part_count_max=1000,
        part_header_bytes_max=16 * 1024,
        inline_bytes_max=16 * 1024,
        inflated_bytes_max=1024 * MIB,
    )
    events: list[Event] = []
    for piece in pieces:
        events += reader.feed(piece, part_bytes_max_in_memory=64 * MIB)
    events += reader.finish()
    return events[-1]


def instance(content: bytes) -> Instance:
    event = read([content], None)
    assert isinstance(event, Instance)
    return event


@CHUNKS
def test_framing_of_16_mib(benchmark: Benchmark, chunk_bytes: int) -> None:
    """What is no DICOM file is looked through for delimiters, and for nothing else."""
    pieces = chunks(body([bytes(16 * MIB)]), chunk_bytes)
    assert isinstance(benchmark(read, pieces, BOUNDARY), Refusal)


@KINDS
@CHUNKS
def test_store(benchmark: Benchmark, kind: Kind, chunk_bytes: int) -> None:
    """One body of one instance, as `services` reads it."""
    pieces = chunks(body([template(kind)]), chunk_bytes)
    assert isinstance(benchmark(read, pieces, BOUNDARY), Instance)


@KINDS
def test_file(benchmark: Benchmark, kind: Kind) -> None:
    assert benchmark(instance, template(kind)).pack_entry.length == len(template(kind))


@KINDS
def test_header(benchmark: Benchmark, kind: Kind) -> None:
    assert benchmark(instance, header(kind)).pack_entry.length == len(header(kind))


@KINDS
def test_header_by_pydicom(benchmark: Benchmark, kind: Kind) -> None:
    """Without checks, without compression, without what the index needs."""

    def read_json(content: bytes) -> dict[str, object]:
        # pydicom's own types are partial
        dataset = pydicom.dcmread(  # pyright: ignore[reportUnknownMemberType]
            io.BytesIO(content), stop_before_pixels=True
        )
        return dataset.to_json_dict()

    assert "00080018" in benchmark(read_json, template(kind))


def entries(kind: Kind) -> Iterator[PackEntry]:
    entry = instance(template(kind)).pack_entry
    for number in range(100):
        yield PackEntry(
            study_uid=entry.study_uid,
            series_uid=entry.series_uid,
            sop_instance_uid=f"{entry.sop_instance_uid}.{number}",
            length=entry.length,
            crc32=entry.crc32,
            segment=entry.segment,
            segment_crc32=entry.segment_crc32,
            segment_plain_length=entry.segment_plain_length,
        )


@KINDS
def test_plan_of_100(benchmark: Benchmark, kind: Kind) -> None:
    batch = list(entries(kind))
    assert len(benchmark(plan_pack, batch).headers) == len(batch)
