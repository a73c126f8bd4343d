"""A service in this process, what was stored in it, and everything that must hold of its store."""

import contextlib
import io
import zipfile
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, LiteralString

import httpx
import psycopg
from psycopg import sql

from longshore.app import open_origin, store_limits
from longshore.blobs.store import BlobStore
from longshore.dicomweb.origin import Origin
from longshore.dicomweb.routes import build_app
from longshore.extent import Extent, pack_blob
from longshore.index.database import Database
from longshore.index.migrate import migrate
from longshore.services.merge import MergeRules
from longshore.services.packs import PACK_PREFIX, read_directory
from longshore.services.rebuild import rebuild
from longshore.services.reclaim import Reclaimed, ReclaimRules, reclaim
from longshore.settings import Settings
from tests.index.batches import INCONSISTENT
from tests.support import synthetic
from tests.support.stow import multipart

AT_ONCE = ReclaimRules(
    deleted_retention_s=0.0,
    sweep_grace_s=0.0,
    copy_bytes_per_s_max=1024**3,
    merge=MergeRules(rest_s=0.0),
)
"""Nothing waits: what a round can do, it does."""

Row = tuple[Any, ...]

LIVE = """
    SELECT study_uid, series_uid, sop_instance_uid, pack_id, payload_offset, payload_length,
        segment_offset, segment_length
    FROM instance JOIN pack USING (pack_key) JOIN series USING (series_key)
    JOIN study USING (study_key)
    ORDER BY pack_id, payload_offset
"""


@dataclass
class Shop:
    """A running service and what is stored in it, by the path of the instance."""

    settings: Settings
    origin: Origin
    client: httpx.AsyncClient
    stored: dict[str, bytes] = field(default_factory=dict[str, bytes])

    @property
    def database(self) -> Database:
        return self.origin.database

    @property
    def blobs(self) -> BlobStore:
        return self.origin.blobs

    async def store(self, numbers: Iterable[int], *, series: int = 1, rows: int = 16) -> None:
        """Stores instances one by one, as some modalities do."""
        for number in numbers:
            file = synthetic.ct(number, series=series, rows=rows)
            headers = {"Content-Type": "application/dicom"}
            answer = await self.client.post("/v2/studies", content=file, headers=headers)
            assert answer.status_code == 200, answer.text
            self.stored[synthetic.path(number, series=series)] = file

    async def store_together(self, *names: tuple[int, int]) -> None:
        """Stores instances in one request, and so in one pack; `names` are series and number."""
        files = {name: synthetic.ct(name[1], series=name[0]) for name in names}
        content_type, body = multipart(list(files.values()))
        answer = await self.client.post(
            "/v2/studies", content=body, headers={"Content-Type": content_type}
        )
        assert answer.status_code == 200, answer.text
        for (series, number), file in files.items():
            self.stored[synthetic.path(number, series=series)] = file

    async def delete(self, path: str) -> None:
        answer = await self.client.delete(f"/v2{path}")
        assert answer.status_code == 204, answer.text
        del self.stored[path]

    async def reclaim(self, rules: ReclaimRules = AT_ONCE) -> Reclaimed:
        return await reclaim(self.database, self.blobs, rules)

    def query(self, statement: LiteralString) -> list[Row]:
        return query(self.settings.database, statement)

    async def packs(self) -> set[str]:
        """The packs that lie in the storage."""
        return {
            facts.name.rsplit("/", 1)[1].removesuffix(".zip")
            async for facts in self.blobs.list(PACK_PREFIX)
        }

    async def check(self, spare_dsn: str) -> None:
        """Checks all that must hold of a store, whatever came before.

        Args:
            spare_dsn: A database that is emptied, for an index from the packs alone.
        """
        await self.check_answers()
        assert self.query(INCONSISTENT) == []
        await self.check_packs()
        found = await rebuilt(self, spare_dsn)
        assert found.keys() == self.stored.keys()
        assert found == self.stored

    async def check_answers(self) -> None:
        """Every instance is there, byte-equal, and its metadata; nothing else is."""
        live = self.query(LIVE)
        assert {path_of(row) for row in live} == self.stored.keys()
        for path, file in self.stored.items():
            answer = await self.client.get(f"/v2{path}", headers={"Accept": "application/dicom"})
            assert answer.status_code == 200, (path, answer.text)
            assert answer.content == file, path
        for series in {path.rsplit("/instances/", 1)[0] for path in self.stored}:
            answer = await self.client.get(f"/v2{series}/metadata")
            uids = {each["00080018"]["Value"][0] for each in answer.json()}
            assert uids == {p.rsplit("/", 1)[1] for p in self.stored if p.startswith(f"{series}/")}

    async def check_packs(self) -> None:
        """Rows name entries of packs as these have them; each pack is a whole ZIP without holes."""
        lengths = dict(self.query("SELECT pack_id, pack_length FROM pack"))
        rows: dict[str, list[Row]] = {}
        for row in self.query(LIVE):
            rows.setdefault(row[3], []).append(row)
        for pack_id, its_rows in rows.items():
            length = lengths[pack_id]
            whole = await self.blobs.read(Extent(pack_blob(pack_id), 0, length))
            check_zip(whole)
            places = {
                (
                    each.sop_instance_uid,
                    each.payload_offset,
                    each.payload_length,
                    each.segment_offset,
                    each.segment_length,
                )
                for each in await read_directory(self.blobs, pack_id, length)
            }
            assert {(row[2], *row[4:]) for row in its_rows} <= places, pack_id


def check_zip(whole: bytes) -> None:
    """Entries lie one behind the other, with nothing between, and are what their CRC-32 says."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        end = 0
        for entry in sorted(archive.infolist(), key=lambda each: each.header_offset):
            assert entry.header_offset == end, entry.filename
            name_length, extra_length = whole[end + 26 : end + 28], whole[end + 28 : end + 30]
            end += 30 + int.from_bytes(name_length, "little")
            end += int.from_bytes(extra_length, "little") + entry.compress_size
        assert archive.start_dir == end


def path_of(row: Row) -> str:
    return f"/studies/{row[0]}/series/{row[1]}/instances/{row[2]}"


def query(dsn: str, statement: LiteralString) -> list[Row]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(statement).fetchall()


async def rebuilt(shop: Shop, spare_dsn: str) -> dict[str, bytes]:
    """What an index has that is made from the packs alone, read through it."""
    if not migrate(spare_dsn):
        empty(spare_dsn)
    settings = replace(shop.settings, database=spare_dsn)
    async with opened(settings) as other:
        done = await rebuild(other.database, other.blobs, store_limits(settings))
        assert done.damaged == []
        assert query(spare_dsn, INCONSISTENT) == []
        return {
            path_of(row): await other.blobs.read(Extent(pack_blob(row[3]), row[4], row[5]))
            for row in query(spare_dsn, LIVE)
        }


def empty(dsn: str) -> None:
    """Empties an index: faster than another migration."""
    names = query(
        dsn,
        "SELECT relname FROM pg_stat_user_tables"
        " WHERE relname NOT IN"
        " ('schema_migration', 'partition', 'change_head', 'extended_query_tag_head')",
    )
    with psycopg.connect(dsn) as connection:
        tables = sql.SQL(", ").join(sql.Identifier(name) for (name,) in names)
        connection.execute(sql.SQL("TRUNCATE ") + tables)
        connection.execute("UPDATE change_head SET watermark = 0")


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[Shop]:
    """Opens a service's parts, and a client that talks to its routes without a socket."""
    async with open_origin(settings) as origin:
        app = build_app()
        app.state.origin = origin
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://longshore") as client:
            yield Shop(settings, origin, client)
