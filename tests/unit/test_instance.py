"""What the extension says of one instance beside another."""

from longshore._native import Instance, StoreReader
from tests.support import synthetic

LIMIT = 1024**2


def read(file: bytes) -> Instance:
    reader = StoreReader(
        boundary=None,
        root_type=None,
        study_uid=None,
        is_strict=False,
        part_bytes_max=LIMIT,
        part_count_max=1,
        part_header_bytes_max=LIMIT,
        inline_bytes_max=LIMIT,
        inflated_bytes_max=LIMIT,
    )
    events = [*reader.feed(file, part_bytes_max_in_memory=LIMIT), *reader.finish()]
    (instance,) = events
    assert isinstance(instance, Instance)
    return instance


def test_instances_describe_their_series_alike_unless_an_attribute_or_a_uid_differs() -> None:
    first = read(synthetic.ct(1))
    assert first.describes_as(first)
    assert first.describes_as(read(synthetic.ct(2, rows=32, note="OTHER")))
    assert not first.describes_as(read(synthetic.ct(1, series=2)))
    assert not first.describes_as(read(synthetic.ct(1, study=2)))
    assert not first.describes_as(read(synthetic.ct(1).replace(b"SYNTHETIC ", b"DIFFERENT ")))
    other_modality = synthetic.ct(1).replace(b"CS\x02\x00CT", b"CS\x02\x00MR")
    assert not first.describes_as(read(other_modality))
