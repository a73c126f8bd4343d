"""A few studies to search, as files: with names in three scripts, requests, private attributes."""

import io
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from tests.support import synthetic

JOHN, YAMADA, JOSE = (synthetic.uids(1, study=study)[0] for study in (1, 2, 3))
"""The studies, in the order of storing."""


def request(step: str, procedure: str) -> Dataset:
    item = Dataset()
    item.ScheduledProcedureStepID = step
    item.RequestedProcedureID = procedure
    return item


def changed(content: bytes, **values: Any) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(content))
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    block = dataset.private_block(0x0009, "LONGSHORE TESTS", create=True)
    block.add_new(0x01, "LO", f"private of {dataset.SOPInstanceUID}")
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def files() -> list[bytes]:
    """Returns 7 instances of 4 series of the 3 studies; `JOSE` is stored last."""
    john = {
        "PatientName": "John^Doe",
        "PatientID": "MRN-1",
        "AccessionNumber": "Acc 1",
        "StudyDescription": "CT Head",
        "StudyDate": "20200131",
        "StudyTime": "101530",
        "StudyID": "S1",
        "PatientBirthDate": "19700131",
        "PatientSex": "M",
        "ReferringPhysicianName": "Johnson^Ann",
        "ManufacturerModelName": "Scanner 9",
        "SeriesDescription": "Axial",
        "SeriesDate": "20200131",
        "PerformedProcedureStepStartDate": "20200131",
        "PerformedProcedureStepStartTime": "1016",
        "RequestAttributesSequence": DicomSequence([request("SPS1", "RP1")]),
    }
    yamada = {
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientID": "MRN-2",
        "StudyDate": "20210507",
        "Modality": "PT",
    }
    jose = {
        "PatientName": "José^Ana",
        "SpecificCharacterSet": "ISO_IR 100",
        "PatientID": "X 3",
        "StudyDate": "20220101",
        "Modality": "SEG",
    }
    return [
        *(changed(synthetic.ct(number), **john) for number in (1, 2, 3)),
        changed(synthetic.ct(1, series=2), **john | {"Modality": "MR"}),
        *(changed(synthetic.ct(number, study=2), **yamada) for number in (1, 2)),
        changed(synthetic.ct(1, study=3), **jose),
    ]
