"""Every Search that real clients are known to send, over a real socket."""

import httpx
import pytest

from tests.support import synthetic
from tests.support.searched import JOHN, JOSE, YAMADA

STUDY, SERIES, INSTANCE = synthetic.uids(1)
OF_STUDY = f"/studies/{STUDY}"
OF_SERIES = f"{OF_STUDY}/series/{SERIES}"
WEASIS_STUDY = (
    "00080020,00080030,00080050,00080061,00080090,00081030,00081190,00100010,00100020,00100030"
    ",00100040,0020000D,00200010"
)

# Client, path, results, tags that each of them must have a value of.
LINES = [
    # OHIF: the study list, each of its filters, several studies at once, series, thumbnails.
    (
        "OHIF",
        "/studies?limit=101&offset=0&fuzzymatching=false"
        "&includefield=00081030%2C00080060%2C00080090%2C00100030",
        3,
        "00080060 00080061 00100010 00100020 0020000D 00201208",
    ),
    (
        "OHIF",
        "/studies?limit=101&offset=0&fuzzymatching=false"
        "&includefield=00081030,00080060,00080090,00100030",
        3,
        "00080060 00201208",
    ),
    ("OHIF", "/studies?PatientName=*oh*&limit=101&offset=0&fuzzymatching=false", 1, "00100010"),
    ("OHIF", "/studies?PatientName=*oh*&limit=101&offset=0&fuzzymatching=true", 1, "00100010"),
    ("OHIF", "/studies?PatientName=%2Adoe%2A&00100020=%2Amrn%2A", 1, "00100010 00100020"),
    ("OHIF", "/studies?PatientName=*x*", 0, ""),
    ("OHIF", "/studies?00100020=*MRN*", 2, "00100020"),
    ("OHIF", "/studies?AccessionNumber=*cc*", 1, "00080050"),
    ("OHIF", "/studies?AccessionNumber=Acc+1&StudyDescription=CT+Head", 1, "00081030"),
    ("OHIF", "/studies?StudyDescription=*head*", 1, "00081030"),
    ("OHIF", "/studies?ModalitiesInStudy=CT", 1, "00080061"),
    ("OHIF", "/studies?ModalitiesInStudy=CT,SEG", 2, "00080061"),
    ("OHIF", "/studies?ModalitiesInStudy=CT%2CSEG", 2, "00080061"),
    ("OHIF", "/studies?ModalitiesInStudy=CT%5CSEG", 2, "00080061"),
    ("OHIF", "/studies?StudyDate=20200101-20211231", 2, "00080020"),
    ("OHIF", f"/studies?StudyInstanceUID={JOHN}%5C{YAMADA}", 2, "0020000D"),
    ("OHIF", f"/studies?StudyInstanceUID={JOHN}\\{JOSE}&limit=101", 2, "0020000D"),
    ("OHIF", f"/studies?StudyInstanceUID={JOHN},{JOSE}", 2, "0020000D"),
    (
        "OHIF",
        f"{OF_STUDY}/series?includefield=0008103E%2C00080021",
        2,
        "0008103E 00080021 00080060",
    ),
    ("OHIF", f"/series?SeriesInstanceUID={SERIES}", 1, "0020000D 0020000E"),
    ("OHIF", f"{OF_STUDY}/series?SeriesInstanceUID={SERIES}", 1, "0020000E"),
    ("OHIF thumbnails", f"{OF_SERIES}/instances?limit=1&includefield=00080018", 1, "00080018"),
    ("OHIF on AWS", "/studies?limit=101&accept=application/dicom%2Bjson", 3, "0020000D"),
    # dicomweb-client in Python: pages until one is empty.
    ("dicomweb-client", "/studies?offset=3", 0, ""),
    ("dicomweb-client", "/instances?limit=4&offset=4", 3, "00080018"),
    ("dicomweb-client", "/instances?limit=4&offset=7", 0, ""),
    ("dicomweb-client", "/studies?fuzzymatching=True&PatientName=joh", 1, "00100010"),
    ("MONAI Label", "/series?Modality=SEG", 1, "0020000D 0020000E 00080060"),
    ("MONAI Label", f"/series?SeriesInstanceUID={SERIES}", 1, "0020000D 0020000E"),
    ("3D Slicer", f"{OF_STUDY}/series", 2, "0020000E 00080060 00201209"),
    # Weasis: 13 tags of studies; counts; pages until one is short.
    ("Weasis", f"/studies?PatientID=MRN-1&includefield={WEASIS_STUDY}", 1, "00081190 00100040"),
    (
        "Weasis",
        "/studies?PatientID=MRN-1&"
        + "&".join(f"includefield={each}" for each in WEASIS_STUDY.split(",")),
        1,
        "00081190 00200010",
    ),
    (
        "Weasis",
        f"{OF_STUDY}/series?includefield=0008103E,00080060,0020000E,00200011,00081190",
        2,
        "0008103E 00080060 0020000E 00200011 00081190",
    ),
    (
        "Weasis",
        f"{OF_SERIES}/instances?includefield=00080018,00200013,00081190",
        3,
        "00080018 00200013 00081190",
    ),
    ("Weasis", f"/series?0020000E={SERIES}&includefield=00201209", 1, "00201209"),
    ("Weasis", "/studies?00100010=*&limit=2&offset=2", 1, "0020000D"),
    ("Stone", f"/series?0020000D={STUDY}&includefield=00080016", 2, "00080016"),
    ("Google's DIMSE adapter", "/studies?ModalitiesInStudy=MR&StudyInstanceUID=", 1, "00080061"),
    (
        "EZ-WSI",
        f"{OF_STUDY}/instances?includefield=Rows&includefield=Columns&includefield=NumberOfFrames",
        4,
        "00280010 00280011",
    ),
    (
        "wsidicom",
        f"{OF_SERIES}/instances?includefield=AvailableTransferSyntaxUID",
        3,
        "00083002 00080018",
    ),
    ("dicom-microscopy-viewer", f"{OF_SERIES}/instances", 3, "00080018 00083002"),
    ("VolView", "/studies?PatientID=MRN-1", 1, "0020000D 00100010 00100020 00100030"),
]


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(("client", "path", "count", "tags"), LINES)
def test_lines_of_clients(
    searched_client: httpx.Client, version: str, client: str, path: str, count: int, tags: str
) -> None:
    response = searched_client.get(f"/{version}{path}")
    assert response.status_code == (200 if count else 204), f"{client}: {response.text}"
    if not count:
        assert response.content == b""
        return
    assert response.headers["content-type"] == "application/dicom+json"
    results = response.json()
    assert len(results) == count
    for each in results:
        assert all(each[tag]["Value"] for tag in tags.split())


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*",
        "*/*",
        "application/dicom+json",
        "application/dicom+json, application/json",
        "application/json",
        "application/dicom+json;q=0.9, */*;q=0.1",
    ],
)
def test_accept_as_clients_send_it(searched_client: httpx.Client, accept: str | None) -> None:
    request = searched_client.build_request("GET", "/v2/studies")
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    response = searched_client.send(request)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/dicom+json"
