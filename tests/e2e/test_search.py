"""Search over a real socket, on what was really stored: the lines of the model's checklist.

Numbers in test names are lines of the reference's acceptance checklist.
"""

from typing import Any

import httpx
import pytest

from longshore.dicomweb import native_xml_reader
from tests.support import synthetic
from tests.support.related import parts
from tests.support.searched import JOHN, JOSE, YAMADA

SERIES = synthetic.uids(1)[1]
INSTANCE = synthetic.uids(2)[2]


def found(client: httpx.Client, path: str, **headers: str) -> list[dict[str, Any]]:
    response = client.get(path, headers=headers)
    assert response.status_code in (200, 204), response.text
    return response.json() if response.status_code == 200 else []


def uids(client: httpx.Client, path: str, tag: str = "0020000D") -> list[str]:
    return [each[tag]["Value"][0] for each in found(client, path)]


def refused(client: httpx.Client, *paths: str) -> bool:
    return [client.get(path).status_code for path in paths] == [400] * len(paths)


def test_line_91_no_match_is_204(searched_client: httpx.Client) -> None:
    response = searched_client.get("/v2/studies?StudyInstanceUID=9.9")
    assert (response.status_code, response.content) == (204, b"")


def test_line_92_other_levels_and_attributes_are_refused(searched_client: httpx.Client) -> None:
    assert refused(searched_client, "/v2/studies?Modality=CT", "/v2/studies?TransferSyntaxUID=1")


def test_line_93_a_range_has_its_ends(searched_client: httpx.Client) -> None:
    assert uids(searched_client, "/v2/studies?StudyDate=20200131-20210507") == [YAMADA, JOHN]


@pytest.mark.parametrize("name", ["jose%5Eana", "JOS%C3%89%5EANA", "Jos%C3%A9%5EAna"])
def test_line_94_names_have_no_case_and_no_accents(
    searched_client: httpx.Client, name: str
) -> None:
    assert uids(searched_client, f"/v2/studies?PatientName={name}") == [JOSE]


def test_line_95_fuzzy_names(searched_client: httpx.Client) -> None:
    for keyword in ("PatientName", "ReferringPhysicianName"):
        path = f"/v2/studies?fuzzymatching=true&{keyword}=joh"
        assert uids(searched_client, path) == [JOHN]


def test_line_96_computed_attributes_of_studies(searched_client: httpx.Client) -> None:
    path = "/v2/studies?ModalitiesInStudy=CT&includefield=NumberOfStudyRelatedInstances"
    (study,) = found(searched_client, path)
    assert study["00201208"]["Value"] == [4]
    assert study["00201206"]["Value"] == [2]
    assert study["00080061"]["Value"] == ["CT", "MR"]


def test_line_97_computed_attributes_of_series(searched_client: httpx.Client) -> None:
    path = "/v2/series?includefield=NumberOfSeriesRelatedInstances"
    assert [each["00201209"]["Value"] for each in found(searched_client, path)] == [
        [1],
        [2],
        [1],
        [3],
    ]


def test_line_98_searches_within_a_study(searched_client: httpx.Client) -> None:
    study = f"/v2/studies/{JOHN}"
    assert len(found(searched_client, f"{study}/series?Modality=MR")) == 1
    assert len(found(searched_client, f"{study}/instances")) == 4
    path = f"{study}/series/{SERIES}/instances?SOPInstanceUID={INSTANCE}"
    assert uids(searched_client, path, "00080018") == [INSTANCE]


def test_line_99_a_query_of_ohif(searched_client: httpx.Client) -> None:
    path = (
        "/v2/studies?limit=25&offset=0&includefield=00081030%2C00080060&StudyDate=19521125-20210507"
    )
    assert len(found(searched_client, path)) == 2


def test_line_100_default_attributes(searched_client: httpx.Client) -> None:
    for version, has_time in (("v1", True), ("v2", False)):
        (study,) = found(searched_client, f"/{version}/studies?PatientID=MRN-1")
        assert ("00080030" in study) is has_time


def test_line_101_impossible_options_and_a_limit_that_is_served(
    searched_client: httpx.Client,
) -> None:
    paths = ["/v2/studies?limit=0", "/v2/studies?offset=-1", "/v2/studies?fuzzymatching=maybe"]
    assert refused(searched_client, *paths)
    # Deviation: the model refuses more than 200.
    assert len(found(searched_client, "/v2/studies?limit=201")) == 3


def test_line_102_includefield(searched_client: httpx.Client) -> None:
    paths = ["/v2/studies?includefield=all,PatientSex", "/v2/studies?includefield=NotATag"]
    assert refused(searched_client, *paths)


def test_line_103_an_attribute_twice_and_empty_values(searched_client: httpx.Client) -> None:
    paths = ["/v2/studies?PatientID=1&00100020=1", "/v2/studies?PatientID=1&PatientID=1"]
    assert refused(searched_client, *paths)
    # Deviation: an empty value is universal matching (PS3.4 C.2.2.2.3).
    assert len(found(searched_client, "/v2/studies?PatientID=")) == 3


def test_line_104_keywords_have_a_case(searched_client: httpx.Client) -> None:
    assert refused(searched_client, "/v2/studies?patientid=x")


def test_line_105_wildcards(searched_client: httpx.Client) -> None:
    # Deviation: the model finds the literal only.
    assert uids(searched_client, "/v2/studies?PatientID=mrn-*") == [YAMADA, JOHN]
    assert uids(searched_client, "/v2/studies?PatientID=MRN-?") == [YAMADA, JOHN]
    assert uids(searched_client, "/v2/studies?PatientID=A*") == []


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "application/dicom+json",
        "application/dicom+json, multipart/related; type=application/octet-stream",
    ],
)
def test_line_106_json(searched_client: httpx.Client, accept: str) -> None:
    response = searched_client.get("/v2/studies", headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/dicom+json"


@pytest.mark.parametrize(
    "accept",
    [
        "application/dicom+xml",
        'multipart/related; type="application/dicom+xml"',
        "multipart/related; type=application/dicom+xml",
        "multipart/related;type=Application/DICOM+XML, application/dicom+json;q=0.8",
        "application/dicom+xml, application/json;q=0.5",
    ],
)
def test_line_106_xml_on_request(searched_client: httpx.Client, accept: str) -> None:
    # Deviation: the model answers 406.
    path = "/v2/instances?includefield=RequestAttributesSequence&limit=4"
    response = searched_client.get(path, headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("multipart/related; boundary=")
    assert response.headers["content-type"].endswith('; type="application/dicom+xml"')
    assert response.links["next"]["url"]
    documents = parts(response)
    assert [each.content_type for each in documents] == ["application/dicom+xml"] * 4
    read = [native_xml_reader.read(each.content) for each in documents]
    assert read == found(searched_client, path)


def test_nothing_is_204_in_xml_as_well(searched_client: httpx.Client) -> None:
    headers = {"Accept": "application/dicom+xml"}
    response = searched_client.get("/v2/studies?PatientID=nobody", headers=headers)
    assert (response.status_code, response.content) == (204, b"")


def test_links_lead_over_the_wire(searched_client: httpx.Client) -> None:
    seen: list[str] = []
    url = "/v2/instances?limit=3&orderby=PatientName,-InstanceNumber&totalcount=true"
    while url:
        response = searched_client.get(url)
        seen += [each["00080018"]["Value"][0] for each in response.json()]
        assert response.headers["x-total-count"] == "7"
        url = response.links.get("next", {}).get("url", "")
        assert ("warning" in response.headers) is bool(url)
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("PatientName=%E5%B1%B1%E7%94%B0%5E%E5%A4%AA%E9%83%8E", [YAMADA]),
        ("PatientName=*%E5%A4%AA*", [YAMADA]),
        ("PatientName=%E3%82%84&fuzzymatching=true", [YAMADA]),
        ("PatientName=yamada%5Etarou", [YAMADA]),
        ("StudyDate=20200131-20210507&StudyTime=101531-040000", [YAMADA]),
        ("StudyDate=20200131-20210507&StudyTime=101530-040000", [YAMADA, JOHN]),
        ("ModalitiesInStudy=CT%5CSEG", [JOSE, JOHN]),
        ("ModalitiesInStudy=CT%5CMR&multiplevaluematching=true", [JOHN]),
        ("StudyID=%22%22&emptyvaluematching=true", [JOSE, YAMADA]),
        ("StudyDescription=*head", [JOHN]),
    ],
)
def test_kinds_of_matching(searched_client: httpx.Client, query: str, expected: list[str]) -> None:
    assert uids(searched_client, f"/v2/studies?{query}") == expected


def test_requests_of_a_series(searched_client: httpx.Client) -> None:
    query = (
        "RequestAttributesSequence.ScheduledProcedureStepID=sps1&00400275.RequestedProcedureID=RP*"
    )
    results = found(searched_client, f"/v2/series?{query}")
    assert len(results) == 2
    for each in results:
        assert each["00400275"]["Value"][0]["00400009"]["Value"] == ["SPS1"]


def test_private_and_nested_fields(searched_client: httpx.Client) -> None:
    path = "/v2/instances?includefield=00091001,RequestAttributesSequence.RequestedProcedureID"
    results = found(searched_client, path)
    assert len(results) == 7
    for each in results:
        assert each["00091001"]["Value"] == [f"private of {each['00080018']['Value'][0]}"]
        assert each["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]
    assert sum("00400275" in each for each in results) == 4
