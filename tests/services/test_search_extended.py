"""Search by extended query tags: each VR, each level, ranges, names, and what cannot be asked."""

from typing import Any

import pytest

from tests.services.shop import Shop
from tests.services.test_reindex import KINDS, add, ct, done, element, of_all_kinds, send
from tests.services.test_reindex import tags_of_all_kinds as tags_of
from tests.support import synthetic

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

STUDY, SERIES, _ = synthetic.uids(1)


async def found(shop: Shop, path: str, filters: dict[str, str]) -> list[str]:
    """Returns the SOP Instance UIDs of a Search, sorted."""
    answer = await shop.client.get(f"/v2{path}", params=filters)
    if answer.status_code == 204:
        return []
    assert answer.status_code == 200, answer.text
    return sorted(each["00080018"]["Value"][0] for each in answer.json())


async def numbers(shop: Shop, **filters: str) -> list[int]:
    """Returns the numbers of the instances that match."""
    return [int(uid.rsplit(".", 1)[1]) for uid in await found(shop, "/instances", filters)]


@pytest.fixture
async def kinds(local_shop: Shop) -> Shop:
    """One instance with a value of each VR, one with none, all tags at instance level."""
    await add(local_shop, *tags_of("instance"))
    await send(local_shop, of_all_kinds(1), ct(2))
    await done(local_shop)
    return local_shop


# what is asked -> whether it is found
ASKED: list[tuple[int, str, bool]] = [
    (0x00080054, "STORE_1", True),
    (0x00080054, "store_1", True),
    (0x00101010, "043Y", True),
    (0x00180015, "HEAD", True),
    (0x00180015, "NECK", False),
    (0x00180015, "LEG,HEAD", True),
    (0x00080022, "20260102", True),
    (0x00080022, "20260103", False),
    (0x00080022, "20251231-20260102", True),
    (0x00080022, "-20260101", False),
    (0x00080022, "20260102-", True),
    (0x0008002A, "20260102030405.06", True),
    (0x0008002A, "2026", False),
    (0x0008002A, "2026-2027", True),
    (0x0008002A, "2027-", False),
    (0x00186060, "0.1", True),
    (0x00186060, "1e-1", True),
    (0x00186060, "0.2", False),
    (0x00189073, "0.1", True),
    (0x00189073, "7", False),
    (0x00181152, "7", True),
    (0x00181152, "0007", True),
    (0x00181152, "8", False),
    (0x00181000, "GRÖSSE", True),
    (0x00181000, "gr*", True),
    (0x00181000, "Grosse", False),
    (0x00081070, "unal^arz", True),
    (0x00081070, "ÜNAL*", True),
    (0x00081070, "unal", False),
    (0x00120040, "x" * 64, True),
    (0x00120040, "x" * 63, False),
    (0x00080094, "12 34", True),
    (0x00080032, "0304", True),
    (0x00080032, "0303-0305", True),
    (0x00080032, "-03", False),
    (0x00081155, "1.2.3", True),
    (0x00081155, "1.2.4\\1.2.3", True),
    (0x00186020, "-5", True),
    (0x00186020, "5", False),
    (0x00280120, "65535", True),
    (0x00186018, "4294967295", True),
    (0x12051003, "2.5", True),
    (0x12051004, "-2", True),
]


async def test_118_each_vr_is_matched(kinds: Shop) -> None:
    assert {tag for tag, _, _, _, text in KINDS if text} - {tag for tag, _, _ in ASKED} == {
        0x00181010,
        0x00180020,
    }
    for tag, value, is_found in ASKED:
        assert await numbers(kinds, **{f"{tag:08X}": value}) == [1] * is_found, (tag, value)


REFUSED: list[tuple[str, str]] = [
    ("FrameReferenceTime", "fast"),
    ("00186060", "NaN"),
    ("00189073", "x"),
    ("00181152", "1.5"),
    ("ReferencePixelX0", "left"),
    ("12051003", "two"),
    ("00080022", "2026"),
    ("00080022", "20260102-20260101"),
    ("0008002A", "20260102030405-0500"),
    ("0008002A", "20260102030405+0100"),
    ("0008002A", "2027-2026"),
    ("0008002A", "-"),
    ("00080032", "25"),
]


async def test_what_is_no_value_of_the_vr_is_400(kinds: Shop) -> None:
    for name, value in REFUSED:
        answer = await kinds.client.get("/v2/instances", params={name: value})
        assert answer.status_code == 400, (name, value)
        assert "Invalid query" in answer.text


async def test_fuzzy_names(kinds: Shop) -> None:
    for words, is_found in {"una": True, "ar": True, "Ünal Ar": True, "nal": False}.items():
        filters = {"OperatorsName": words, "fuzzymatching": "true"}
        assert await numbers(kinds, **filters) == [1] * is_found, words


async def test_a_keyword_is_as_good_and_both_are_too_many(kinds: Shop) -> None:
    assert await numbers(kinds, DeviceSerialNumber="Größe") == [1]
    both = {"DeviceSerialNumber": "Größe", "00181000": "Größe"}
    answer = await kinds.client.get("/v2/instances", params=both)
    assert answer.status_code == 400


async def test_filters_are_anded_and_values_returned(kinds: Shop) -> None:
    filters = {"00181152": "7", "00181000": "größe", "Modality": "CT"}
    answer = await kinds.client.get("/v2/instances", params=filters)
    (result,) = answer.json()
    assert result["00181152"] == {"vr": "IS", "Value": [7, 8]}
    assert result["00181000"] == {"vr": "LO", "Value": ["Größe"]}
    assert await numbers(kinds, **{**filters, "00101010": "044Y"}) == []
    answer = await kinds.client.get("/v2/instances", params={**filters, "totalcount": "true"})
    assert len(answer.json()) == 1


@pytest.mark.parametrize("level", ["study", "series", "instance"])
async def test_118_a_tag_is_matched_at_its_level(local_shop: Shop, level: str) -> None:
    shop = local_shop
    await add(shop, {"path": "00181000", "level": level})
    first, second = element(0x00181000, "LO", "first"), element(0x00181000, "LO", "second")
    await send(shop, ct(1, [first]), ct(2, [second]), ct(1, [first], series=2))
    await done(shop)
    allowed = {
        "/studies": {"study"},
        "/series": {"study", "series"},
        "/instances": {"study", "series", "instance"},
        f"/studies/{STUDY}/series": {"series"},
        f"/studies/{STUDY}/instances": {"series", "instance"},
        f"/studies/{STUDY}/series/{SERIES}/instances": {"instance"},
    }
    for path, levels in allowed.items():
        answer = await shop.client.get(f"/v2{path}", params={"00181000": "second"})
        if level not in levels:
            assert answer.status_code == 400, path
    for value in ("first", "second"):
        counts: dict[str, int] = {}
        for path, levels in allowed.items():
            if level in levels:
                answer = await shop.client.get(f"/v2{path}", params={"00181000": value})
                counts[path] = len(answer.json()) if answer.status_code == 200 else 0
        wanted: dict[str, list[int]] = {
            # the last one stored speaks for its study, the last of its series for that
            "study": [1, 2, 3] if value == "first" else [0, 0, 0],
            "series": [1, 1, 1, 1] if value == "first" else [1, 2, 1, 2],
            "instance": [2, 2, 1] if value == "first" else [1, 1, 1],
        }
        assert list(counts.values()) == wanted[level], (value, counts)


async def test_119_disabled_and_enabled_again_with_errors(local_shop: Shop) -> None:
    shop = local_shop
    bad = ct(1, [element(0x00181152, "IS", "bad")])
    await send(shop, bad, version="v1")
    await send(shop, ct(2, [element(0x00181152, "IS", "5")]))
    await add(shop, {"path": "Exposure", "level": "Instance"})
    url = "/v2/extendedquerytags/Exposure"
    adding = await shop.client.get("/v2/instances", params={"Exposure": "5"})
    assert adding.status_code == 400
    await done(shop)
    assert (await shop.client.get(url)).json()["queryStatus"] == "disabled"
    disabled = await shop.client.get("/v2/instances", params={"Exposure": "5"})
    assert (disabled.status_code, "cannot be matched" in disabled.text) == (400, True)
    await shop.client.patch(url, json={"queryStatus": "enabled"})
    for name in ("Exposure", "00181152"):
        answer = await shop.client.get("/v2/instances", params={name: "5", "Modality": "CT"})
        assert answer.status_code == 200
        assert answer.headers["erroneous-dicom-attributes"] == name
        assert len(answer.json()) == 1
    nothing = await shop.client.get("/v2/instances", params={"Exposure": "6"})
    assert nothing.status_code == 204
    assert nothing.headers["erroneous-dicom-attributes"] == "Exposure"
    others = await shop.client.get("/v2/instances", params={"Modality": "CT"})
    assert "erroneous-dicom-attributes" not in others.headers
    await shop.client.delete(url)
    gone = await shop.client.get("/v2/instances", params={"Exposure": "5"})
    assert gone.status_code == 400


async def test_the_tables_attributes_stay_what_they_are_at_their_level(local_shop: Shop) -> None:
    """StudyID is ours at study level; a tag may have it at another level besides."""
    shop = local_shop
    await add(shop, {"path": "StudyID", "level": "Instance"})
    await send(
        shop, ct(1, [element(0x00200010, "SH", "a")]), ct(2, [element(0x00200010, "SH", "b")])
    )
    await done(shop)
    studies = await shop.client.get("/v2/studies", params={"StudyID": "b"})
    assert studies.status_code == 200
    of_study = await found(shop, f"/studies/{STUDY}/instances", {"StudyID": "a"})
    assert of_study == [synthetic.uids(1)[2]]
    await shop.client.patch("/v2/extendedquerytags/StudyID", json={"queryStatus": "disabled"})
    studies = await shop.client.get("/v2/studies", params={"StudyID": "b"})
    assert studies.status_code == 200


async def test_private_values_come_back_from_their_block(local_shop: Shop) -> None:
    shop = local_shop
    tag: dict[str, Any] = {"path": "12051003", "vr": "LO", "level": "Instance"}
    await add(shop, {**tag, "privateCreator": "ACME"})
    ours = [element(0x12050010, "LO", "ACME"), element(0x12051003, "LO", "text")]
    theirs = [element(0x12050010, "LO", "OTHER"), element(0x12051003, "LO", "text")]
    elsewhere = [
        element(0x12050010, "LO", "OTHER"),
        element(0x12050011, "LO", "ACME"),
        element(0x12051003, "LO", "not this"),
        element(0x12051103, "LO", "text"),
    ]
    await send(shop, ct(1, ours), ct(2, theirs), ct(3, elsewhere))
    await done(shop)
    answer = await shop.client.get("/v2/instances", params={"12051003": "TEXT"})
    found = {each["00080018"]["Value"][0]: each for each in answer.json()}
    assert found.keys() == {synthetic.uids(1)[2], synthetic.uids(3)[2]}
    private = {
        uid: {tag: each["Value"] for tag, each in result.items() if tag.startswith("1205")}
        for uid, result in found.items()
    }
    assert private[synthetic.uids(1)[2]] == {"12050010": ["ACME"], "12051003": ["text"]}
    assert private[synthetic.uids(3)[2]] == {"12050011": ["ACME"], "12051103": ["text"]}
