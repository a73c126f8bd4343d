"""Store over a real socket: requests as clients send them, statuses and reasons as the model's.

Numbers in test names are lines of the reference's acceptance checklist.
"""

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.encaps import encapsulate
from pydicom.uid import HEVCMP51, MPEG2MPML, UID, ImplicitVRLittleEndian

from longshore.dicomweb import native_xml_reader
from tests.support import synthetic
from tests.support.service import Service
from tests.support.stow import multipart

DICOM = {"Content-Type": "application/dicom"}
STUDY = f"/studies/{synthetic.uids(1)[0]}"


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client
        left = client.get("/v2/studies", params={"limit": 200})
        for study in left.json() if left.status_code == 200 else []:
            client.delete(f"/v2/studies/{study['0020000D']['Value'][0]}")


def post(client: httpx.Client, parts: list[bytes], path: str = "/v2/studies") -> httpx.Response:
    content_type, body = multipart(parts)
    return client.post(path, content=body, headers={"Content-Type": content_type})


def stored(answer: httpx.Response) -> list[dict[str, Any]]:
    return answer.json().get("00081199", {}).get("Value", [])


def failed(answer: httpx.Response) -> list[dict[str, Any]]:
    return answer.json().get("00081198", {}).get("Value", [])


def reasons(items: list[dict[str, Any]], tag: str = "00081197") -> list[int]:
    return [item[tag]["Value"][0] for item in items]


def comments(item: dict[str, Any]) -> list[str]:
    return [each["00000902"]["Value"][0] for each in item["00741048"].get("Value", [])]


def changed(**values: Any) -> bytes:
    """A CT with other attribute values; None removes the attribute."""
    dataset = pydicom.dcmread(io.BytesIO(synthetic.ct(1)))
    for keyword, value in values.items():
        if value is None:
            del dataset[keyword]
        else:
            element = dataset.get_item(keyword) if keyword in dataset else None
            vr = element.VR if element is not None else dictionary_VR(keyword)
            tag = tag_for_keyword(keyword)
            assert tag is not None
            dataset[tag] = pydicom.DataElement(tag, vr, value, validation_mode=0)
    buffer = io.BytesIO()
    with disable_value_validation():
        dataset.save_as(buffer)
    return buffer.getvalue()


def test_11_single_part(client: httpx.Client) -> None:
    answer = client.post("/v2/studies", content=synthetic.ct(1), headers=DICOM)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert len(stored(answer)) == 1


def test_12_14_two_parts(client: httpx.Client) -> None:
    answer = post(client, [synthetic.ct(1), synthetic.ct(2)])
    assert answer.status_code == 200
    assert len(stored(answer)) == 2
    assert "00081190" not in answer.json()


def test_13_study_in_the_path(client: httpx.Client, service: Service) -> None:
    answer = post(client, [synthetic.ct(1)], f"/v2{STUDY}")
    assert answer.status_code == 200
    assert answer.json()["00081190"]["Value"] == [f"{service.url}/v2{STUDY}"]


def test_15_17_media_types(client: httpx.Client) -> None:
    content = synthetic.ct(1)
    wrong_accept = {**DICOM, "Accept": "application/dicom"}
    assert client.post("/v2/studies", content=content, headers=wrong_accept).status_code == 406
    for wrong in ("application/json", "image/jpeg", "multipart/form-data; boundary=x", ""):
        answer = client.post("/v2/studies", content=content, headers={"Content-Type": wrong})
        assert answer.status_code == 415, wrong
    no_boundary = {"Content-Type": 'multipart/related; type="application/dicom"'}
    assert client.post("/v2/studies", content=content, headers=no_boundary).status_code == 415


def test_16_no_accept_is_the_default(client: httpx.Client, service: Service) -> None:
    """The model answers 406; CONFORMANCE says why not here."""
    with httpx.Client(base_url=service.url) as bare:
        del bare.headers["accept"]
        answer = bare.post("/v2/studies", content=synthetic.ct(1), headers=DICOM)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert client.get(f"/v2{synthetic.path(1)}").status_code == 200


def test_18_19_20_nothing_and_empty_parts(client: httpx.Client) -> None:
    assert post(client, []).status_code == 204
    # .NET writes an opening delimiter even where there is no part.
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    bare = client.post("/v2/studies", content=b"--b\r\n\r\n--b--\r\n", headers=headers)
    assert bare.status_code == 204
    for answer in (post(client, [b""]), client.post("/v2/studies", content=b"", headers=DICOM)):
        assert answer.status_code == 409
        (item,) = failed(answer)
        assert "00081155" not in item


def test_21_one_good_and_one_garbage_part(client: httpx.Client) -> None:
    answer = post(client, [synthetic.ct(1), b"garbage" * 100])
    assert answer.status_code == 202
    assert len(stored(answer)) == len(failed(answer)) == 1


def test_22_first_part_inherits_the_type(client: httpx.Client) -> None:
    body = b"--b\r\n\r\n" + synthetic.ct(1) + b"\r\n--b--"
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    assert client.post("/v2/studies", content=body, headers=headers).status_code == 200


def test_23_24_25_bad_requests(client: httpx.Client) -> None:
    assert post(client, [synthetic.ct(1)], "/v2/studies/not-a-uid").status_code == 400
    content_type, body = multipart([synthetic.ct(1)])
    headers = {"Content-Type": f"{content_type}; start=x"}
    assert client.post("/v2/studies", content=body, headers=headers).status_code == 400
    foreign = body.replace(b"application/dicom", b"image/jpeg")
    headers = {"Content-Type": content_type}
    assert client.post("/v2/studies", content=foreign, headers=headers).status_code == 415


def test_one_foreign_part_beside_a_good_one(client: httpx.Client) -> None:
    content_type, body = multipart([b"\xff\xd8\xff", synthetic.ct(1)])
    mixed = body.replace(b"application/dicom", b"image/jpeg", 1)
    answer = client.post("/v2/studies", content=mixed, headers={"Content-Type": content_type})
    assert answer.status_code == 202
    (item,) = failed(answer)
    assert reasons([item]) == [43264]
    assert "00081155" not in item
    assert comments(item) == ["The content type of the part is not application/dicom."]
    assert len(stored(answer)) == 1


def test_a_body_without_its_closing_delimiter_is_400(client: httpx.Client) -> None:
    content_type, body = multipart([synthetic.ct(1)])
    headers = {"Content-Type": content_type}
    for cut in (0, 1, len(body) // 2, len(body) - 5):
        answer = client.post("/v2/studies", content=body[:cut], headers=headers)
        assert answer.status_code == 400, cut
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert client.get("/v2/studies").status_code == 204


def test_27_28_files_come_back_byte_for_byte(client: httpx.Client) -> None:
    content = synthetic.ct(1)
    content = b"any preamble".ljust(128, b"\xff") + content[128:]
    post(client, [content])
    accept = {"Accept": "application/dicom; transfer-syntax=*"}
    assert client.get(f"/v2{synthetic.path(1)}", headers=accept).content == content


def test_30_31_duplicates(client: httpx.Client) -> None:
    assert post(client, [synthetic.ct(1)]).status_code == 200
    again = post(client, [synthetic.ct(1)])
    assert (again.status_code, reasons(failed(again))) == (409, [45070])
    twice = post(client, [synthetic.ct(2), synthetic.ct(2, note="other bytes")])
    assert (twice.status_code, reasons(failed(twice))) == (202, [45070])
    accept = {"Accept": "application/dicom"}
    kept = client.get(f"/v2{synthetic.path(2)}", headers=accept)
    assert kept.content == synthetic.ct(2)
    (study,) = client.get("/v2/studies").json()
    assert study["00201208"]["Value"] == [2]


def test_32_33_other_study_than_in_the_path(client: httpx.Client) -> None:
    other = post(client, [synthetic.ct(1, study=2)], f"/v2{STUDY}")
    assert (other.status_code, reasons(failed(other))) == (409, [43264])
    mixed = post(client, [synthetic.ct(1, study=2), synthetic.ct(1)], f"/v2{STUDY}")
    assert (mixed.status_code, reasons(failed(mixed))) == (202, [43264])


def test_34_invalid_sop_instance_uid(client: httpx.Client) -> None:
    answer = post(client, [changed(SOPInstanceUID="1.2.not-a-uid")])
    (item,) = failed(answer)
    assert (answer.status_code, reasons([item])) == (409, [43264])
    assert item["00081155"]["Value"] == ["1.2.not-a-uid"]


def test_35_36_invalid_study_date(client: httpx.Client, service: Service) -> None:
    bad = changed(StudyDate="NotADate")
    strict = post(client, [bad], "/v1/studies")
    (item,) = failed(strict)
    assert (strict.status_code, reasons([item])) == (409, [43264])
    assert comments(item)[0].startswith("DICOM100: (0008,0020)")
    lenient = post(client, [bad])
    (item,) = stored(lenient)
    assert (lenient.status_code, reasons([item], "00081196")) == (202, [1])
    assert "does not validate VR DA" in comments(item)[0]
    assert "NotADate" not in lenient.text, "no attribute value in an answer"
    assert "NotADate" not in service.log.read_text(), "nor in the log"
    (metadata,) = client.get(f"/v2{synthetic.path(1)}/metadata").json()
    assert "00080020" not in metadata
    assert metadata["00080060"]["Value"] == ["CT"]
    assert b"NotADate" in client.get(f"/v2{synthetic.path(1)}").content


def test_37_embedded_nul(client: httpx.Client) -> None:
    answer = post(client, [changed(Modality="X\0X")])
    (item,) = stored(answer)
    assert answer.status_code == 202
    assert "does not validate VR CS: value contains invalid character" in comments(item)[0]


def test_38_39_40_padding_with_nul(client: httpx.Client) -> None:
    padded = changed(Modality="CT\0", StudyInstanceUID="1.2.3\0", PatientID="P1\0")
    answer = post(client, [padded])
    assert answer.status_code == 200
    assert comments(stored(answer)[0]) == []
    for query in ("CT", "CT%00"):
        found = client.get(f"/v2/series?Modality={query}")
        assert found.status_code == 200, query
    control = post(client, [changed(PatientID="P\x071", SOPInstanceUID="1.2.9")])
    assert control.status_code == 409


def test_41_42_43_patient_id(client: httpx.Client) -> None:
    empty, missing = changed(PatientID=""), changed(PatientID=None)
    assert post(client, [empty], "/v1/studies").status_code == 409
    assert post(client, [missing]).status_code == 409
    answer = post(client, [empty])
    assert answer.status_code == 202
    expected = "DICOM100: (0010,0020) - The required tag '(0010,0020)' is missing."
    assert comments(stored(answer)[0]) == [expected]


def test_44_patient_id_is_filled_in_by_a_later_instance(client: httpx.Client) -> None:
    post(client, [changed(PatientID="")])
    post(client, [synthetic.ct(2)])
    post(client, [changed(PatientID="", SOPInstanceUID=synthetic.uids(3)[2])])
    (study,) = client.get("/v2/studies").json()
    assert study["00100020"]["Value"] == ["P1"]


def test_45_several_values_of_an_indexed_attribute(client: httpx.Client) -> None:
    answer = post(client, [changed(AccessionNumber=["A", "B"])], "/v1/studies")
    assert answer.status_code == 200
    assert answer.headers["warning"].startswith("299 ")
    assert client.get("/v2/studies?AccessionNumber=A").status_code == 200
    again = post(client, [changed(AccessionNumber=["A", "B"])], "/v1/studies")
    assert again.status_code == 409
    assert again.headers["warning"].startswith("299 ")


def as_stored(client: httpx.Client, number: int) -> bytes:
    accept = {"Accept": "application/dicom; transfer-syntax=*"}
    return client.get(f"/v2{synthetic.path(number)}", headers=accept).content


def implicit(number: int) -> bytes:
    """A CT in Implicit VR Little Endian with a private element."""
    dataset = pydicom.dcmread(io.BytesIO(synthetic.ct(number)))
    dataset.private_block(0x0029, "SOMEONE", create=True).add_new(1, "LO", "private")
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, implicit_vr=True, little_endian=True)
    return buffer.getvalue()


def test_46_48_implicit_vr(client: httpx.Client) -> None:
    """The model leaves the private element out of the metadata; here it stays, as UN."""
    answer = post(client, [implicit(1)])
    (item,) = stored(answer)
    assert (answer.status_code, reasons([item], "00081196")) == (202, [45063])
    assert as_stored(client, 1) == implicit(1)
    (metadata,) = client.get(f"/v2{synthetic.path(1)}/metadata").json()
    assert metadata["00291001"] == {"vr": "UN", "InlineBinary": "cHJpdmF0ZSA="}
    strict = post(client, [implicit(2)], "/v1/studies")
    (item,) = stored(strict)
    assert (strict.status_code, reasons([item], "00081196")) == (200, [45063])


def test_46_implicit_vr_outranks_other_warnings(client: httpx.Client) -> None:
    content = implicit(1).replace(b"20260102", b"NotADate")
    (item,) = stored(post(client, [content]))
    assert reasons([item], "00081196") == [45063]
    assert "does not validate VR DA" in comments(item)[0]


@pytest.mark.parametrize("syntax", [MPEG2MPML, HEVCMP51])
def test_49_video_is_stored(client: httpx.Client, syntax: UID) -> None:
    dataset = pydicom.dcmread(io.BytesIO(synthetic.ct(1)))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([b"not really a video"])
    dataset["PixelData"].VR = "OB"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset)
    answer = post(client, [buffer.getvalue()])
    assert answer.status_code == 200
    assert as_stored(client, 1) == buffer.getvalue()


def test_50_padding_is_no_part_of_a_uid(client: httpx.Client) -> None:
    first, second = changed(StudyInstanceUID="1.2.3  "), changed(StudyInstanceUID="1.2.3     ")
    assert post(client, [first]).status_code == 200
    again = post(client, [second])
    assert (again.status_code, reasons(failed(again))) == (409, [45070])
    for uid in ("1.2.3", "1.2.3%20"):
        assert client.get(f"/v2/studies/{uid}/metadata").status_code == 200


def test_47_failed_attributes_sequence(client: httpx.Client) -> None:
    (v2,) = stored(post(client, [synthetic.ct(1)]))
    (v1,) = stored(post(client, [synthetic.ct(2)], "/v1/studies"))
    assert v2["00741048"] == {"vr": "SQ"}
    assert "00741048" not in v1


def test_the_answer_as_xml(client: httpx.Client) -> None:
    content_type, body = multipart([synthetic.ct(1), b"garbage"])
    headers = {"Content-Type": content_type, "Accept": "application/dicom+xml"}
    answer = client.post("/v2/studies", content=body, headers=headers)
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/dicom+xml"
    dataset = native_xml_reader.read(answer.content)
    (item,) = dataset["00081199"]["Value"]
    assert item["00081155"]["Value"] == [synthetic.uids(1)[2]]
    assert reasons(dataset["00081198"]["Value"]) == [43264]


@pytest.mark.parametrize("missing", ["SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_required_attributes(client: httpx.Client, missing: str) -> None:
    answer = post(client, [changed(**{missing: None})])
    (item,) = failed(answer)
    assert (answer.status_code, reasons([item])) == (409, [43264])
    assert "The required tag" in comments(item)[0]


def test_chunked_and_with_length_and_the_oldest_version(client: httpx.Client) -> None:
    content_type, body = multipart([synthetic.ct(1)])
    chunks = iter([body[:100], body[100:101], body[101:]])
    answer = client.post(
        "/v1.0-prerelease/studies/", content=chunks, headers={"Content-Type": content_type}
    )
    assert answer.status_code == 200
    assert "/v1.0-prerelease/studies/" in stored(answer)[0]["00081190"]["Value"][0]
