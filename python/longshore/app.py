"""The only place where things are wired together."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from starlette.applications import Starlette

from longshore.blobs.open import open_blob_store
from longshore.codecs.pool import CodecLimits, CodecPool
from longshore.dicomweb.connections import ConnectionRules, Connections
from longshore.dicomweb.origin import Origin
from longshore.dicomweb.routes import build_app
from longshore.dicomweb.webhook import EventSource, open_receiver
from longshore.index.database import Database
from longshore.index.search import SearchLimits
from longshore.index.webhook import begin as webhook_begin
from longshore.services.batch import Batcher, BatchLimits
from longshore.services.expiry import expire_forever
from longshore.services.kept import Kept
from longshore.services.merge import MergeRules
from longshore.services.partitions import Partitions
from longshore.services.reclaim import ReclaimRules, reclaim_forever
from longshore.services.reindex import reindex_forever
from longshore.services.store import StoreLimits, Stores
from longshore.services.webhook import WebhookRules, tell_forever
from longshore.settings import Settings, settings_from


def create_app() -> Starlette:
    """Returns the service as the environment describes it; granian calls this in each worker."""
    settings = settings_from(os.environ)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)
    return build_service(settings)


def build_service(settings: Settings) -> Starlette:
    """Returns the service; it opens its parts when it starts and closes them when it stops."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with open_origin(settings) as origin:
            app.state.origin = origin
            rules = reclaim_rules(settings)
            expiry = expire_forever(
                origin.database, origin.blobs, interval_s=settings.expiry_interval_s
            )
            connections = Connections(settings.port, connection_rules(settings))
            async with (
                _beside(reclaim_forever(origin.database, origin.blobs, rules)),
                _beside(expiry),
                _beside(reindex_forever(origin.database, origin.blobs, origin.reindex_wanted)),
                _beside(connections.watch()),
                _webhook(settings, origin.database),
            ):
                yield

    return build_app(
        lifespan,
        download_idle_s_max=settings.download_idle_s_max,
        cors_origins=settings.cors_origins,
    )


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Runs endless work beside the block, and ends it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def _webhook(settings: Settings, database: Database) -> AsyncGenerator[None]:
    """Tells changes beside the block, if anyone wants them."""
    if not settings.webhook_url:
        yield
        return
    # Before the first request, so that what it stores is told.
    await webhook_begin(database)
    source = EventSource(
        settings.host_name or f"{socket.gethostname()}:{settings.port}",
        is_partitioned=settings.partitions,
    )
    rules = WebhookRules(settings.webhook_batch_count_max, settings.webhook_retry_s_max)
    async with (
        open_receiver(
            settings.webhook_url,
            secret=settings.webhook_secret,
            source=source,
            is_batched=rules.batch_count_max > 1,
        ) as receiver,
        _beside(tell_forever(database, receiver.deliver, rules)),
    ):
        yield


@contextlib.asynccontextmanager
async def open_origin(settings: Settings) -> AsyncGenerator[Origin]:
    """Opens index and storage, and closes them behind the last batch."""
    async with contextlib.AsyncExitStack() as stack:
        blobs = await open_blob_store(settings.blobs, data_folder=settings.data)
        stack.push_async_callback(blobs.close)
        database = await Database.open(
            settings.database,
            connection_count_max=settings.connection_count,
            statement_timeout_ms=settings.statement_timeout_ms,
        )
        stack.push_async_callback(database.close)
        batcher = Batcher(
            database,
            blobs,
            BatchLimits(
                batch_bytes_max=settings.batch_bytes_max,
                batch_count_max=settings.batch_count_max,
            ),
        )
        stack.push_async_callback(batcher.close)
        stores = Stores(
            database, blobs, batcher, store_limits(settings), duplicates=settings.duplicates
        )
        search_limits = SearchLimits(
            results_default=settings.search_limit_default, results_max=settings.search_limit_max
        )
        partitions = Partitions(database if settings.partitions else None)
        codecs = CodecPool(codec_limits(settings))
        stack.push_async_callback(codecs.close)
        yield Origin(
            database,
            blobs,
            stores,
            search_limits,
            partitions,
            codecs,
            Kept(settings.codec_kept_bytes_max, len),
            public_url=settings.public_url,
            trusted_proxies=settings.trusted_proxies,
            is_accept_strict=settings.accept == "strict",
        )


def store_limits(settings: Settings) -> StoreLimits:
    """The bounds of a Store request."""
    return StoreLimits(
        part_bytes_max=settings.part_bytes_max,
        part_bytes_max_in_memory=settings.part_bytes_max_in_memory,
        part_count_max=settings.part_count_max,
        part_header_bytes_max=settings.part_header_bytes_max,
        inline_bytes_max=settings.inline_bytes_max,
        inflated_bytes_max=settings.inflated_bytes_max,
        metadata_store_bytes_max=min(
            settings.metadata_store_bytes_max, settings.in_flight_bytes_max // 2
        ),
        in_flight_bytes_max=settings.in_flight_bytes_max,
        upload_idle_s_max=settings.upload_idle_s_max,
        upload_bytes_per_s_min=settings.upload_bytes_per_s_min,
    )


def codec_limits(settings: Settings) -> CodecLimits:
    """The bounds of the processes in which codecs run."""
    return CodecLimits(
        process_count=settings.codec_process_count,
        seconds_max=settings.codec_s_max,
        memory_bytes_max=settings.codec_memory_bytes_max,
        waiting_count_max=settings.codec_waiting_count_max,
    )


def reclaim_rules(settings: Settings) -> ReclaimRules:
    """When space is given back."""
    return ReclaimRules(
        deleted_retention_s=settings.deleted_retention_s,
        sweep_grace_s=settings.sweep_grace_s,
        sweep_interval_s=settings.sweep_interval_s,
        copy_bytes_per_s_max=settings.copy_bytes_per_s_max,
        merge=MergeRules(
            rest_s=settings.merge_rest_s,
            pack_bytes_max=settings.merge_pack_bytes_max,
            bytes_max=settings.batch_bytes_max,
            count_max=settings.batch_count_max,
        ),
    )


def connection_rules(settings: Settings) -> ConnectionRules:
    """When a connection is cut."""
    return ConnectionRules(
        header_s_max=settings.header_s_max, download_idle_s_max=settings.download_idle_s_max
    )
