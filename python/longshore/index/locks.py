"""Advisory locks: all of them stand here, so that no two are one."""

from enum import IntEnum, unique


@unique
class Lock(IntEnum):
    """What an advisory lock is for; any numbers that nobody else uses in this database."""

    MIGRATE = 0x10_6E_55_08
    RECLAIM = 0x10_6E_55_09
    EXPIRE = 0x10_6E_55_0A
    WEBHOOK = 0x10_6E_55_0B
    REINDEX = 0x10_6E_55_0C
    STORES = 0x10_6E_55_0D
    """Shared by Stores: `longshore.index.extended_tags` says why."""
