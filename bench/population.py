"""The studies of the scale run: patients, dates, accession numbers and modalities that vary.

The same number gives the same study. UIDs and identifiers are scattered as those of many devices
are: a bench that counts upwards shows an index that is only ever appended to.
"""

import datetime
from collections.abc import Iterator, Mapping
from functools import cache

from bench import instances
from bench.instances import SMALL
from bench.mould import Mould, Request, cut, store_request

PER_STUDY = 50
PER_PATIENT = 4
DEVICES = 200
FIRST_DATE = datetime.date(2019, 1, 1)
DAYS = 2_190
MODALITIES = ("CT", "MR", "US", "DX", "CR", "OT")
_FAMILIES = ("Abelin", "Brandt", "Cermak", "Dorfer", "Eklund", "Farkas", "Gruber", "Hansen")
_GIVEN = ("Agnes", "Bruno", "Clara", "David", "Elena", "Felix", "Greta", "Hugos")
_DESCRIPTIONS = ("CHEST ROUTINE ", "ABDOMEN W CONT", "HEAD FOLLOW UP", "KNEE LEFT SIDE")
_PRIME = 2_654_435_761
_WORD = 10_000_000_000

_INSTANCE_NUMBER = b"\x20\x00\x13\x00IS\x02\x00"

# What each slot has in the template; a value has the same length.
_SLOTS: Mapping[str, bytes] = {
    "study": instances.uid("1", 0).encode(),
    "series": instances.uid("2", 0).encode(),
    "instance": instances.uid("3", 0).encode(),
    "patient_name": b"Bench^Synthetic ",
    "patient_id": b"BENCH-0001",
    "birth_date": b"19700101",
    "date": b"20260102",
    "accession": b"ACC0001 ",
    "modality": b"CS\x02\x00OT",
    "description": b"SYNTHETIC STUDY ",
    "device": b"SN-00001",
    "instance_number": _INSTANCE_NUMBER + b"1 ",
}


@cache
def mould() -> Mould:
    """Returns the small instance with slots for all that varies."""
    shared = SMALL.rows * SMALL.rows * 2
    return cut(instances.template(SMALL), _SLOTS, shared_bytes=shared)


def values(study: int) -> dict[str, bytes]:
    """Returns what the instances of a study have in common, by slot."""
    patient = study // PER_PATIENT
    seed = scattered(study)
    born = FIRST_DATE - datetime.timedelta(days=scattered(patient) % 30_000)
    date = FIRST_DATE + datetime.timedelta(days=seed % DAYS)
    modality = MODALITIES[seed // 7 % len(MODALITIES)].encode()
    return {
        "study": _uid("1", seed),
        "series": _uid("2", seed),
        "patient_name": _patient_name(patient),
        "patient_id": b"P%09d" % (scattered(patient) % 1_000_000_000),
        "birth_date": f"{born:%Y%m%d}".encode(),
        "date": f"{date:%Y%m%d}".encode(),
        "accession": b"A%07d" % (seed % 10_000_000),
        "modality": b"CS\x02\x00" + modality,
        "device": b"SN-%05d" % (seed // 11 % DEVICES),
        "description": _DESCRIPTIONS[seed // 3 % len(_DESCRIPTIONS)].encode() + b"  ",
    }


def stores(root: str, *, count: int, per_request: int, first_study: int = 0) -> Iterator[Request]:
    """Yields Stores of so many instances in all, made when they are asked for."""
    parts: list[tuple[bytes, bytes]] = []
    common = mould()
    for number in range(count):
        study, place = divmod(number, PER_STUDY)
        study += first_study
        if place == 0:
            common = mould().bound(values(study))
        own = {
            "instance": instance_uid(study, place),
            "instance_number": _INSTANCE_NUMBER + b"%-2d" % (place + 1),
        }
        parts.append(common.pour(own))
        if len(parts) == per_request or number == count - 1:
            yield store_request(root, parts)
            parts = []


def instance_uid(study: int, place: int) -> bytes:
    """Returns a UID that lies beside those of its study and far from others."""
    return _uid("3", (scattered(study) * PER_STUDY + place) % _WORD)


def scattered(number: int) -> int:
    """Returns another number for each below 10^10, in no visible order."""
    return number * _PRIME % _WORD


def _uid(level: str, number: int) -> bytes:
    return instances.uid(level, number).encode()


def _patient_name(patient: int) -> bytes:
    family = _FAMILIES[patient % 8]
    given = _GIVEN[patient // 8 % 8]
    return f"{family}^{given}{patient % 10_000:04d}".encode()
