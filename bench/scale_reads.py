"""What is asked of a large index: Searches by a value or by parts of one, a page, Retrieves."""

import datetime
import random
from collections.abc import Callable, Mapping, Sequence

from bench import population
from bench.mould import Request, get_request
from bench.population import DAYS, FIRST_DATE, PER_STUDY
from bench.retrieves import JSON, OCTETS

READS = 1_000
BUSY_READS = 300
PAGE = 50
PAGE_DAYS = 90
PAGE_OFFSETS = (0, 50, 100)
PAGE_NAME = f"Search a page of {PAGE} studies within {PAGE_DAYS} days"
SELECTIVE = ("PatientID", "AccessionNumber", "StudyInstanceUID")
_SLOTS = {"PatientID": "patient_id", "AccessionNumber": "accession", "StudyInstanceUID": "study"}
NAME_PARTS = {
    "*x*": f"Search {PAGE} studies by PatientName, a part of it",
    "x*": f"Search {PAGE} studies by PatientName, its beginning",
    "x": f"Search {PAGE} studies by PatientName, fuzzymatching",
}
"""Pattern, `x` being the part: scenario."""
TAG_PARTS = {
    "x": f"Search {PAGE} instances by an extended query tag",
    "x*": f"Search {PAGE} instances by an extended query tag, its beginning",
    "*x*": f"Search {PAGE} instances by an extended query tag, a part of it",
}
"""As above, of a tag at the level of instances, which has as many values as there are instances."""
_SEED = 20_260_102


def searches(root: str, studies: int) -> dict[str, Sequence[Request]]:
    """Returns Searches by values that exist, and pages of the study list, by name."""
    chance = random.Random(_SEED)
    # A small run has few studies in a page's days; an offset beyond them finds nothing.
    within = studies * PAGE_DAYS // DAYS
    offsets = [offset for offset in PAGE_OFFSETS if offset < within // 2]

    def selective(keyword: str) -> Request:
        value = population.values(chance.randrange(studies))[_SLOTS[keyword]].decode()
        return get_request(f"{root}/studies?{keyword}={value}", JSON)

    def page() -> Request:
        first = FIRST_DATE + datetime.timedelta(days=chance.randrange(DAYS - PAGE_DAYS))
        last = first + datetime.timedelta(days=PAGE_DAYS)
        dates = f"StudyDate={first:%Y%m%d}-{last:%Y%m%d}"
        offset = chance.choice(offsets)
        return get_request(f"{root}/studies?{dates}&limit={PAGE}&offset={offset}", JSON)

    def named(pattern: str) -> Request:
        name = population.values(chance.randrange(studies))["patient_name"].decode()
        family, given = name.split("^")
        # As users do: some letters, which many have, or nearly all of the name.
        part = {
            "*x*": chance.choice([given[1:4], given[2:8], given[2:]]),
            "x*": chance.choice([family[:3], f"{family}%5E{given[:2]}", f"{family}%5E{given[:8]}"]),
            "x": chance.choice([given[:3], given[:6], given]),
        }[pattern]
        query = f"PatientName={pattern.replace('x', part)}&limit={PAGE}"
        if pattern == "x":
            query += "&fuzzymatching=true"
        return get_request(f"{root}/studies?{query}", JSON)

    def tagged(pattern: str) -> Request:
        device = population.values(chance.randrange(studies))["device"].decode()
        part = {"x": device, "x*": device[:-1], "*x*": device[-3:]}[pattern]
        query = f"DeviceSerialNumber={pattern.replace('x', part)}&limit={PAGE}"
        return get_request(f"{root}/instances?{query}", JSON)

    kinds: dict[str, Callable[[], Request]] = {
        f"Search studies by {keyword}": lambda keyword=keyword: selective(keyword)
        for keyword in SELECTIVE
    }
    kinds[PAGE_NAME] = page
    for pattern, scenario in NAME_PARTS.items():
        kinds[scenario] = lambda pattern=pattern: named(pattern)
    for pattern, scenario in TAG_PARTS.items():
        kinds[scenario] = lambda pattern=pattern: tagged(pattern)
    return {name: [make() for _ in range(READS)] for name, make in kinds.items()}


def readers(root: str, studies: int) -> Mapping[str, Sequence[Request]]:
    """Returns what readers ask while Store is saturated."""
    chance = random.Random(_SEED)

    def instance() -> str:
        study = chance.randrange(studies)
        uids = {name: value.decode() for name, value in population.values(study).items()}
        number = population.instance_uid(study, chance.randrange(PER_STUDY)).decode()
        return f"{root}/studies/{uids['study']}/series/{uids['series']}/instances/{number}"

    by_patient, page = f"Search studies by {SELECTIVE[0]}", PAGE_NAME
    every = searches(root, studies)
    return {
        by_patient: every[by_patient][:BUSY_READS],
        page: every[page][:BUSY_READS],
        **{name: every[name][:BUSY_READS] for name in [*NAME_PARTS.values(), *TAG_PARTS.values()]},
        "Metadata of an instance": [
            get_request(f"{instance()}/metadata", JSON) for _ in range(BUSY_READS)
        ],
        "Retrieve a frame": [
            get_request(f"{instance()}/frames/1", OCTETS) for _ in range(BUSY_READS)
        ],
    }
