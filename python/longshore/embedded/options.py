"""How the embedded PostgreSQL is set, on its command line, so that the code is the one truth."""

from collections.abc import Mapping

PORT = 5432
"""Part of the socket's file name; nothing listens on TCP."""

_OPTIONS: Mapping[str, str] = {
    "cluster_name": "longshore",
    # reachable through its own folder, which only its user may enter
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    # an acknowledged Store is on disk, whatever the configuration file says
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # the upper levels of the busy indexes stay in memory; the kernel caches the rest
    "shared_buffers": "256MB",
    # fewer checkpoints: after each, every page touched is written whole once more
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # made for solid state: a random page costs about what a sequential one does
    "random_page_cost": "1.1",
    # statements here take milliseconds; compiling them takes longer than running them
    "jit": "off",
    # a search must not take every core; and a container's /dev/shm has 64 MB
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    # a folder of indexes is vacuumed within minutes of a large delete
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.02",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # ERROR texts can quote attribute values; the service gets them, the log does not (LOG > ERROR)
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_destination": "stderr",
    "logging_collector": "off",
}


def options(*, connection_count_max: int) -> list[str]:
    """Returns the arguments `-c name=value` of a server."""
    spare = 10  # for psql, pg_dump and the commands beside the service
    every = {**_OPTIONS, "max_connections": str(connection_count_max + spare)}
    return [argument for name, value in every.items() for argument in ("-c", f"{name}={value}")]
