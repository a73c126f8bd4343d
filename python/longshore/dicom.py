"""DICOM values that every layer may use. The only door to the extension's types."""

from typing import NamedTuple

from longshore._native import (
    DEFAULT_PARTITION_NAME,
    Attribute,
    ExtendedTags,
    Instance,
    PackEntry,
    Refusal,
    attributes,
    strict_fault,
)

__all__ = [
    "ATTRIBUTES",
    "DEFAULT_PARTITION",
    "DEFAULT_PARTITION_KEY",
    "DEFAULT_PARTITION_NAME",
    "Attribute",
    "ExtendedTags",
    "Instance",
    "PackEntry",
    "Partition",
    "Refusal",
    "strict_fault",
]

ATTRIBUTES: tuple[Attribute, ...] = tuple(attributes())
"""THE table of searchable attributes, as `rust/core/src/attributes.rs` declares it."""

DEFAULT_PARTITION_KEY = 1


class Partition(NamedTuple):
    """A part of the service whose instances meet no others, whatever their UIDs."""

    key: int
    name: str


DEFAULT_PARTITION = Partition(DEFAULT_PARTITION_KEY, DEFAULT_PARTITION_NAME)
"""Holds what is stored while the partitions feature is off."""
