"""What becomes of the instances of a Store request (PS3.18 Table I.2-2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from longshore.dicom import Instance, Refusal

FAILURE_PROCESSING = 0x0110
FAILURE_INVALID = 0xA900
FAILURE_DUPLICATE = 45070


class Stored(NamedTuple):
    """An instance that is stored, durably."""

    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    warnings: Sequence[str]
    is_implicit_vr: bool
    is_multivalued: bool

    @classmethod
    def of(cls, instance: Instance) -> "Stored":
        """Returns what there is to say of an instance once it is stored."""
        return cls(
            instance.study_uid,
            instance.series_uid,
            instance.sop_instance_uid,
            instance.sop_class_uid,
            instance.warnings,
            instance.is_implicit_vr,
            instance.is_multivalued,
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """An instance that is not stored, and why (PS3.18 Table I.2-2)."""

    sop_class_uid: str | None
    sop_instance_uid: str | None
    failure_reason: int
    comments: Sequence[str] = ()
    is_multivalued: bool = False

    @classmethod
    def of(cls, refusal: Refusal) -> "Refused":
        """Returns what there is to say of a part that cannot be stored."""
        return cls(
            refusal.sop_class_uid,
            refusal.sop_instance_uid,
            refusal.failure_reason,
            refusal.comments,
        )

    @classmethod
    def duplicate(cls, instance: Stored) -> "Refused":
        """Returns what there is to say of an instance that is stored already."""
        return cls(
            instance.sop_class_uid,
            instance.sop_instance_uid,
            FAILURE_DUPLICATE,
            is_multivalued=instance.is_multivalued,
        )

    @classmethod
    def failed(cls, instance: Stored) -> "Refused":
        """Returns what there is to say of an instance whose batch could not be written."""
        return cls(instance.sop_class_uid, instance.sop_instance_uid, FAILURE_PROCESSING)


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of each instance of one request, in order of arrival."""

    instances: Sequence[Stored | Refused]

    @property
    def stored(self) -> Sequence[Stored]:
        """Those that are stored."""
        return [instance for instance in self.instances if isinstance(instance, Stored)]

    @property
    def refused(self) -> Sequence[Refused]:
        """Those that are not."""
        return [instance for instance in self.instances if isinstance(instance, Refused)]
