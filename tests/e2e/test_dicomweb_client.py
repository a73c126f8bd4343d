"""Python's dicomweb-client, as it is, over a real socket."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID

from tests.support.corpus import CORPUS, CorpusFile, corpus_files
from tests.support.ports import free_port
from tests.support.service import Service, running

CT_STUDY = "1.2.826.0.1.3680043.8.498.64108189007039777171766333999874882472"


@pytest.fixture
def client(service: Service) -> DICOMwebClient:
    return DICOMwebClient(f"{service.url}/v2")


@pytest.fixture
def ct_files() -> list[CorpusFile]:
    """A CT series of 50 instances."""
    files = [file for file in corpus_files() if file.facts["study_uid"] == CT_STUDY]
    assert len(files) == 50
    return files


@pytest.fixture
def stored(client: DICOMwebClient, ct_files: list[CorpusFile]) -> Iterator[list[CorpusFile]]:
    datasets = [pydicom.dcmread(file.path) for file in ct_files]
    answer = client.store_instances(datasets)
    assert len(answer.ReferencedSOPSequence) == 50
    assert "FailedSOPSequence" not in answer
    yield ct_files
    client.delete_study(CT_STUDY)
    assert client.search_for_studies(search_filters={"StudyInstanceUID": CT_STUDY}) == []


def written(dataset: pydicom.Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def test_searches_page_to_the_end(client: DICOMwebClient, stored: list[CorpusFile]) -> None:
    studies = client.search_for_studies(search_filters={"StudyInstanceUID": CT_STUDY})
    assert [study["0020000D"]["Value"] for study in studies] == [[CT_STUDY]]
    assert len(client.search_for_series(CT_STUDY)) == 1
    # The paging loop asks until a page is empty.
    found = client.search_for_instances(CT_STUDY, limit=7, get_remaining=True)
    uids = {instance["00080018"]["Value"][0] for instance in found}
    assert len(found) == 50
    assert uids == {file.facts["sop_uid"] for file in stored}
    everything = client.search_for_instances(
        fields=["all"], search_filters={"PatientID": stored[0].facts["patient_id"]}
    )
    assert uids <= {instance["00080018"]["Value"][0] for instance in everything}


def test_retrieves_study_series_and_instance(
    client: DICOMwebClient, stored: list[CorpusFile]
) -> None:
    series_uid = stored[0].facts["series_uid"]
    expected = {file.facts["sop_uid"]: written(pydicom.dcmread(file.path)) for file in stored}
    study = client.retrieve_study(CT_STUDY)
    assert {dataset.SOPInstanceUID: written(dataset) for dataset in study} == expected
    series = list(client.iter_series(CT_STUDY, series_uid))
    assert {dataset.SOPInstanceUID: written(dataset) for dataset in series} == expected
    for file in stored[:5]:
        uid = file.facts["sop_uid"]
        instance = client.retrieve_instance(CT_STUDY, series_uid, uid)
        assert written(instance) == expected[uid]


def test_retrieves_metadata(client: DICOMwebClient, stored: list[CorpusFile]) -> None:
    series_uid = stored[0].facts["series_uid"]
    study = client.retrieve_study_metadata(CT_STUDY)
    series = client.retrieve_series_metadata(CT_STUDY, series_uid)
    assert len(study) == len(series) == 50
    for file in stored[:5]:
        uid = file.facts["sop_uid"]
        metadata = client.retrieve_instance_metadata(CT_STUDY, series_uid, uid)
        assert metadata in series
        dataset = pydicom.Dataset.from_json(metadata)
        assert dataset.PatientName == pydicom.dcmread(file.path).PatientName


CT = "files/pydicom/CT_small.dcm"
PDF = "files/orthanc-setup-samples/OT000000.dcm"
MULTIFRAME = "files/pydicom/examples_ybr_color.dcm"
"""Thirty frames of JPEG Baseline."""


def test_retrieves_frames(client: DICOMwebClient) -> None:
    (file,) = (file for file in corpus_files() if file.name == MULTIFRAME)
    client.store_instances([pydicom.dcmread(file.path)])
    study_uid, series_uid, sop_uid = (
        file.facts[f"{level}_uid"] for level in ("study", "series", "sop")
    )
    wanted = [30, 1, 17]
    frames = client.retrieve_instance_frames(
        study_uid, series_uid, sop_uid, wanted, media_types=(("application/octet-stream", "*"),)
    )
    pixel_data = pydicom.dcmread(file.path).PixelData
    everything = list(generate_frames(pixel_data, number_of_frames=30))
    assert frames == [everything[number - 1] for number in wanted]
    client.delete_study(study_uid)


TRANSCODED = {
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "application/octet-stream": "1.2.840.10008.1.2.1",
}
"""Media types of frames with the transfer syntax that the client asks for."""


@pytest.fixture
def ct(client: DICOMwebClient) -> Iterator[tuple[str, str, str]]:
    """The UIDs of a CT that is stored."""
    dataset = pydicom.dcmread(CORPUS / CT)
    client.store_instances([dataset])
    uids = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    yield uids
    client.delete_study(uids[0])


@pytest.mark.parametrize("media_type", TRANSCODED)
def test_retrieves_frames_transcoded(
    client: DICOMwebClient, ct: tuple[str, str, str], media_type: str
) -> None:
    syntax = TRANSCODED[media_type]
    (frame,) = client.retrieve_instance_frames(*ct, [1], media_types=((media_type, syntax),))
    dataset = pydicom.dcmread(CORPUS / CT)
    expected = dataset.pixel_array
    if media_type == "application/octet-stream":
        assert frame == expected.tobytes()
        return
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    assert np.array_equal(dataset.pixel_array, expected)


def test_retrieves_an_instance_transcoded(client: DICOMwebClient, ct: tuple[str, str, str]) -> None:
    syntax = TRANSCODED["image/jp2"]
    found = client.retrieve_instance(*ct, media_types=(("application/dicom", syntax),))
    assert found.file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(found.pixel_array, pydicom.dcmread(CORPUS / CT).pixel_array)


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/gif"])
def test_retrieves_rendered(
    client: DICOMwebClient, ct: tuple[str, str, str], media_type: str
) -> None:
    types, params = (media_type,), {"viewport": "64,64", "window": "40,400"}
    for octets in (
        client.retrieve_instance_rendered(*ct, media_types=types, params=params),
        client.retrieve_instance_frames_rendered(*ct, [1], media_types=types, params=params),
    ):
        image = Image.open(io.BytesIO(octets))
        assert image.get_format_mimetype() == media_type
        assert image.size == (64, 64)


def test_retrieves_bulkdata(tmp_path: Path) -> None:
    """This client leaves the port out of `Host`, so that only the setting can say it."""
    port = free_port()
    with running(
        tmp_path / "data", "--public-url", f"http://127.0.0.1:{port}", port=port
    ) as service:
        bulkdata_of(DICOMwebClient(f"{service.url}/v2"))


def bulkdata_of(client: DICOMwebClient) -> None:
    dataset = pydicom.dcmread(CORPUS / PDF)
    client.store_instances([dataset])
    uids = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    url = client.retrieve_instance_metadata(*uids)["00420011"]["BulkDataURI"]
    assert client.retrieve_bulkdata(url) == [dataset.EncapsulatedDocument]
    pdf = client.retrieve_instance_rendered(*uids, media_types=("application/pdf",))
    assert pdf.startswith(b"%PDF-")


def test_deletes(client: DICOMwebClient, ct_files: list[CorpusFile]) -> None:
    series_uid = ct_files[0].facts["series_uid"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client.store_instances([pydicom.dcmread(file.path) for file in ct_files[:4]])
    client.delete_instance(CT_STUDY, series_uid, ct_files[0].facts["sop_uid"])
    assert len(client.search_for_instances(CT_STUDY)) == 3
    client.delete_series(CT_STUDY, series_uid)
    assert client.search_for_studies(search_filters={"StudyInstanceUID": CT_STUDY}) == []
