"""One Store transaction: what is new, what is a duplicate, what is merged."""

from dataclasses import replace
from datetime import date, time

import pytest

from longshore.errors import Conflict
from longshore.index import store as index_store
from longshore.index.packs import claim_for_sweep
from longshore.index.store import store_batch
from tests.index.batches import CHANGES, INCONSISTENT, batch, instance, store

pytestmark = pytest.mark.anyio

FULL = {
    "StudyDate": "20200131",
    "StudyTime": "101530.5",
    "AccessionNumber": "ACC 1 ",
    "ReferringPhysicianName": "Müller^Max",
    "StudyDescription": "Head CT",
    "PatientName": "José^Ana",
    "PatientID": "P-1",
    "PatientBirthDate": "19700131",
    "StudyID": "S1",
    "Modality": "CT",
    "SeriesNumber": "4",
    "PerformedProcedureStepStartDate": "20200131",
    "PerformedProcedureStepStartTime": "1015",
    "ManufacturerModelName": "Model X",
    "InstanceNumber": "7",
    "NumberOfFrames": "3",
    "Rows": "512",
    "Columns": "256",
    "BitsAllocated": "16",
}


async def test_every_column_of_the_three_levels(database, rows):
    new = instance(
        "1.1/1.2/1.3",
        FULL,
        frame_count=3,
        pixel_offset=700,
        frame_bits=4_096,
        has_bulkdata_uri=True,
    )
    assert await store(database, new, partition_key=1) == [True]
    assert rows(
        "SELECT study_uid, study_date, study_time, accession_number, referring_physician_name,"
        " study_description, patient_name, patient_id, patient_birth_date, study_id,"
        " partition_key FROM study"
    ) == [
        (
            "1.1",
            date(2020, 1, 31),
            time(10, 15, 30, 500_000),
            "acc 1",
            "muller^max",
            "head ct",
            "jose^ana",
            "p-1",
            date(1970, 1, 31),
            "s1",
            1,
        )
    ]
    assert rows(
        "SELECT series_uid, modality, series_number, performed_procedure_step_start_date,"
        " performed_procedure_step_start_time, manufacturer_model_name, instance_count FROM series"
    ) == [("1.2", "ct", 4, date(2020, 1, 31), time(10, 15), "model x", 1)]
    assert rows(
        "SELECT sop_instance_uid, instance_number, number_of_frames, image_rows, image_columns,"
        " bits_allocated, frame_count, pixel_offset, frame_bits, has_bulkdata_uri, payload_length,"
        " segment_length, segment_plain_length, segment_crc32 FROM instance"
    ) == [("1.3", 7, 3, 512, 256, 16, 3, 700, 4_096, True, 1_000, 70, 900, 0xFEDCBA98 - 2**32)]
    attributes = rows("SELECT attributes FROM study")[0][0]
    assert attributes["00100010"]["Value"] == ["José^Ana"], "returned as it came, not as it matches"
    assert rows(INCONSISTENT) == []


async def test_values_that_fit_no_column(database, rows):
    odd = {"StudyDate": "yesterday", "InstanceNumber": "9" * 12, "BitsAllocated": "40000"}
    assert await store(database, instance("1.1/1.2/1.3", odd | {"SeriesNumber": "one"})) == [True]
    assert rows("SELECT study_date FROM study") == [(None,)]
    assert rows("SELECT series_number FROM series") == [(None,)]
    assert rows("SELECT instance_number, bits_allocated FROM instance") == [(None, None)]


async def test_one_odd_instance_does_not_fail_its_batch(database, rows):
    nul = instance("1.1/1.2/1.3", {"StudyID": "a\0b", "PatientName": "x\0"})
    long = instance("2.1/2.2/2.3", {"StudyID": "".join(chr(0x4E00 + n) for n in range(9_000))})
    backslash = instance("3.1/3.2/3.3", {"StudyID": "\\u0000"})
    assert await store(database, nul, long, backslash) == [True, True, True]
    found = rows("SELECT attributes->'00200010'->'Value'->>0, study_id FROM study ORDER BY 1")
    assert found[0] == ("\\u0000", "\\u0000")
    assert found[1] == ("ab", "ab")
    assert len(found[2][0]) == 9_000


async def test_duplicates_within_a_batch_and_across(database, rows):
    first = instance("1.1/1.2/1.3", {"PatientID": "first"})
    again = instance("1.1/1.2/1.3", {"PatientID": "again"}, length=5)
    other = instance("1.1/1.2/1.4", length=7)
    assert await store(database, first, again, other) == [True, False, True]
    assert rows("SELECT entry_count, live_count, live_bytes, dead_at IS NULL FROM pack") == [
        (3, 2, 1_007, False)
    ]
    assert await store(database, again) == [False]
    assert rows("SELECT count(*) FROM pack") == [(1,)], "nothing stored, no pack"
    assert await store(database, again, instance("1.1/1.2/1.5"), again) == [False, True, False]
    assert rows("SELECT patient_id FROM study") == [("first",)], "a duplicate changes nothing"
    assert [row[:2] for row in rows(CHANGES)] == [(1, 0), (2, 0), (3, 0)]
    assert rows(INCONSISTENT) == []


async def test_identity_is_the_triple_within_the_partition(database, rows):
    rows("INSERT INTO partition (partition_name) VALUES ('second')")
    same = instance("1.1/1.2/1.3")
    assert await store(database, same, instance("1.1/1.9/1.3"), instance("2.1/1.2/1.3")) == [
        True,
        True,
        True,
    ]
    assert await store(database, same, partition_key=2) == [True]
    pack, entries = batch(*[instance("5/6/7")] * 3)
    mixed = [
        entry._replace(partition_key=key) for entry, key in zip(entries, (2, 1, 2), strict=True)
    ]
    assert (await store_batch(database, pack, mixed)).are_stored == [True, True, False]
    assert rows("SELECT partition_key, count(*) FROM study GROUP BY 1 ORDER BY 1") == [
        (1, 3),
        (2, 2),
    ]
    assert rows(INCONSISTENT) == []


async def test_the_latest_value_wins_and_nothing_is_erased(database, rows):
    await store(database, instance("1.1/1.2/1.3", FULL))
    later = {"PatientID": "", "PatientName": "Roe^Jane", "Modality": "MR"}
    await store(database, instance("1.1/1.2/1.4", later))
    assert rows("SELECT patient_id, patient_name, study_description FROM study") == [
        ("p-1", "roe^jane", "head ct")
    ]
    attributes = rows("SELECT attributes FROM study")[0][0]
    assert attributes["00100020"]["Value"] == ["P-1"]
    assert attributes["00100010"]["Value"] == ["Roe^Jane"]
    assert rows("SELECT modality, manufacturer_model_name FROM series") == [("mr", "model x")]


async def test_a_batch_is_merged_in_its_order_not_in_that_of_the_uids(database, rows):
    said = [
        ("1.1/1.2/1.9", {"PatientID": "a", "StudyID": "kept", "Modality": "CT"}),
        ("1.1/1.2/1.3", {"PatientID": "b", "Modality": "MR"}),
        ("1.1/1.2/1.4", {"PatientID": "a", "Modality": "CT"}),
        ("1.1/1.2/1.1", {"PatientID": "c", "Modality": "PT"}),
        ("1.1/1.2/1.2", {"PatientID": "b"}),
    ]
    await store(database, *[instance(uids, attributes) for uids, attributes in said])
    assert rows("SELECT patient_id, study_id FROM study") == [("b", "kept")]
    assert rows("SELECT attributes->'00100020'->'Value' FROM study") == [(["b"],)]
    assert rows("SELECT modality, instance_count FROM series") == [("pt", 5)]
    in_order = [row[3] for row in rows(CHANGES)]
    assert in_order == ["1.9", "1.3", "1.4", "1.1", "1.2"], "changes likewise"
    assert len(rows("SELECT DISTINCT changed_at FROM change")) == 1


async def test_rows_that_say_the_same_are_left_alone(database, rows):
    await store(database, instance("1.1/1.2/1.3", FULL))
    before = rows("SELECT ctid, xmin, xmax FROM study")
    await store(database, instance("1.1/1.3/1.4", FULL))
    assert rows("SELECT ctid, xmin FROM study") == [before[0][:2]]


async def test_a_pack_that_the_sweep_claimed(database, rows):
    pack, entries = batch(instance("1.1/1.2/1.3"))
    assert await claim_for_sweep(database, pack.pack_id)
    with pytest.raises(Conflict, match=pack.pack_id):
        await store_batch(database, pack, entries)
    assert rows("SELECT count(*) FROM study") == [(0,)]
    again = replace(pack, pack_id="e" * 32)
    assert (await store_batch(database, again, entries)).are_stored == [True]


async def test_entries_that_were_dead_before(database, rows):
    pack, entries = batch(instance("1.1/1.2/1.3"))
    assert (await store_batch(database, replace(pack, dead_count=2), entries)).are_stored == [True]
    assert rows("SELECT entry_count, live_count, dead_at IS NULL FROM pack") == [(3, 1, False)]


async def test_names_use_up_one_key_each(database, rows, dsn, monkeypatch):
    await store(database, instance("1/1/1", sop_class_uid="9.1", transfer_syntax_uid="9.2"))
    for number in range(3):
        monkeypatch.setattr(index_store, "_known_uid_keys", {})
        await store(database, instance(f"1/1/2.{number}", sop_class_uid="9.1"))
    await store(database, instance("1/1/3", sop_class_uid="9.3"))
    keys = [key for (key,) in rows("SELECT uid_key FROM uid_name ORDER BY uid_key")]
    assert keys == [1, 2, 3, 4]


async def test_remembered_names_are_bounded(database, rows, monkeypatch):
    monkeypatch.setattr(index_store, "UID_NAMES_CACHED_MAX", 3)
    for number in range(8):
        assert await store(database, instance(f"1/1/{number}", sop_class_uid=f"9.{number}"))
    assert len(index_store._known_uid_keys[database]) <= 5
    assert rows("SELECT count(*) FROM uid_name") == [(9,)]


async def test_a_thousand_in_one_batch(database, rows):
    many = [instance(f"1.{n % 7}/1.{n % 30}/1.{n}", FULL) for n in range(1_000)]
    assert all(await store(database, *many))
    assert rows("SELECT sum(instance_count) FROM series") == [(1_000,)]
    assert rows(INCONSISTENT) == []
