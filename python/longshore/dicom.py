"""DICOM values that every layer may use. The only door to the extension's types."""

from longshore._native import (
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
    "DEFAULT_PARTITION_KEY",
    "DEFAULT_PARTITION_NAME",
    "Attribute",
    "ExtendedTags",
    "Instance",
    "PackEntry",
    "Refusal",
    "strict_fault",
]

ATTRIBUTES: tuple[Attribute, ...] = tuple(attributes())
"""THE table of searchable attributes, as `rust/core/src/attributes.rs` declares it."""

DEFAULT_PARTITION_KEY = 1
DEFAULT_PARTITION_NAME = "Microsoft.Default"
