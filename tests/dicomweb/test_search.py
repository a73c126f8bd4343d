"""Search over HTTP, on a real index: routes, versions, statuses, bodies, real clients' lines."""

from types import SimpleNamespace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from longshore.dicomweb.errors import EXCEPTION_HANDLERS
from longshore.dicomweb.openapi.capabilities import capabilities
from longshore.dicomweb.proxies import LOOPBACK
from longshore.dicomweb.search import search_routes
from longshore.dicomweb.versions import VersionedRoutes
from longshore.index.search import SearchLimits
from longshore.services.partitions import Partitions
from tests.index.test_search_sample import CT_IMAGE, EXPLICIT, Segments, opened, searched_index

pytestmark = pytest.mark.anyio

SERVICE = "https://pacs.example"
PATHS = {
    "/studies": 2,
    "/series": 3,
    "/instances": 4,
    "/studies/1.1/series": 2,
    "/studies/1.1/instances": 3,
    "/studies/1.1/series/1.1.1/instances": 2,
}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def search_sample():
    with searched_index() as sample:
        yield sample


@pytest.fixture
async def search(search_sample):
    """Returns the response to a GET, as it is."""
    mount = Mount("/v{version:api_version}", app=VersionedRoutes(search_routes, capabilities))
    app = Starlette(routes=[mount], exception_handlers=EXCEPTION_HANDLERS)
    async with opened(search_sample) as database:
        app.state.origin = SimpleNamespace(
            database=database,
            blobs=Segments(dict(search_sample.packs)),
            search_limits=SearchLimits(),
            public_url="",
            trusted_proxies=LOOPBACK,
            is_accept_strict=False,
            partitions=Partitions(),
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=SERVICE) as client:
            yield client.get


def value(result, tag):
    return result[tag]["Value"][0]


@pytest.mark.parametrize("version", ["v1", "v2", "v1.0-prerelease"])
@pytest.mark.parametrize("path", PATHS)
async def test_all_resources_in_all_versions(search, path, version):
    response = await search(f"/{version}{path}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/dicom+json"
    results = response.json()
    assert len(results) == PATHS[path]
    for result in results:
        assert list(result) == sorted(result)
        assert all(len(tag) == 8 and tag == tag.upper() for tag in result)
        assert result["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}
        assert result["00081190"]["vr"] == "UR"
        assert value(result, "00081190").startswith(f"{SERVICE}/{version}/studies/")
        assert ("00080005" in result) is (version != "v2")


async def test_a_study_in_v1_and_v2(search):
    (v1,) = (await search("/v1/studies?StudyInstanceUID=1.1")).json()
    (v2,) = (await search("/v2/studies?StudyInstanceUID=1.1")).json()
    assert "00080030" in v1
    assert "00080030" not in v2
    assert v1["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert v2 == {
        "00080020": {"vr": "DA", "Value": ["20200131"]},
        "00080050": {"vr": "SH", "Value": ["Acc 1"]},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00080060": {"vr": "CS", "Value": ["MR"]},
        "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
        "00080090": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Max"}]},
        "00081030": {"vr": "LO", "Value": ["Head CT"]},
        "00081190": {"vr": "UR", "Value": [f"{SERVICE}/v2/studies/1.1"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "José^Ana"}]},
        "00100020": {"vr": "LO", "Value": ["P1"]},
        "00100030": {"vr": "DA", "Value": ["19700131"]},
        "0020000D": {"vr": "UI", "Value": ["1.1"]},
        "00201206": {"vr": "IS", "Value": [2]},
        "00201208": {"vr": "IS", "Value": [3]},
    }


async def test_a_series_of_a_study_in_v2(search):
    (found,) = (await search("/v2/studies/1.1/series?SeriesInstanceUID=1.1.1")).json()
    assert found == {
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00080060": {"vr": "CS", "Value": ["CT"]},
        "00081090": {"vr": "LO", "Value": ["Scanner 9"]},
        "00081190": {"vr": "UR", "Value": [f"{SERVICE}/v2/studies/1.1/series/1.1.1"]},
        "0020000D": {"vr": "UI", "Value": ["1.1"]},
        "0020000E": {"vr": "UI", "Value": ["1.1.1"]},
        "00201209": {"vr": "IS", "Value": [2]},
        "00400244": {"vr": "DA", "Value": ["20200131"]},
    }


async def test_an_instance_in_v1_and_v2(search):
    path = "/studies/1.1/series/1.1.1/instances?SOPInstanceUID=1.1.1.2"
    (v1,) = (await search(f"/v1{path}")).json()
    (v2,) = (await search(f"/v2{path}")).json()
    url = "/studies/1.1/series/1.1.1/instances/1.1.1.2"
    assert v2 == {
        "00080018": {"vr": "UI", "Value": ["1.1.1.2"]},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00083002": {"vr": "UI", "Value": [EXPLICIT]},
        "00081190": {"vr": "UR", "Value": [f"{SERVICE}/v2{url}"]},
        "0020000D": {"vr": "UI", "Value": ["1.1"]},
        "0020000E": {"vr": "UI", "Value": ["1.1.1"]},
    }
    assert v1 == {
        **v2,
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080016": {"vr": "UI", "Value": [CT_IMAGE]},
        "00080201": {"vr": "SH", "Value": ["+0100"]},
        "00081190": {"vr": "UR", "Value": [f"{SERVICE}/v1{url}"]},
        "00200013": {"vr": "IS", "Value": [2]},
        "00280010": {"vr": "US", "Value": [512]},
        "00280011": {"vr": "US", "Value": [256]},
        "00280100": {"vr": "US", "Value": [16]},
    }


async def test_all_levels_are_in_the_widest_search(search):
    (found,) = (await search("/v2/instances?SOPInstanceUID=1.1.1.2")).json()
    wanted = {"00100010", "0020000D", "0020000E", "00080018", "00201206", "00201208", "00201209"}
    assert wanted <= found.keys()


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_includefield_all(search, version):
    (found,) = (await search(f"/{version}/series?SeriesInstanceUID=1.1.1&includefield=all")).json()
    assert value(found, "00200011") == 3
    assert found["00081032"]["vr"] == "SQ"
    assert "00081090" not in found  # the model's `all` is not all


async def test_includefield_reaches_every_level_and_the_metadata(search):
    fields = "PatientSex,00091001,00400555,00189073,Modality,InstanceNumber,00104000"
    (found,) = (await search(f"/v2/studies/1.1/series?Modality=MR&includefield={fields}")).json()
    assert value(found, "00100040") == "F"
    assert value(found, "00091001") == "private of 1.1.2.1"
    assert found["00400555"]["Value"] == [{"0040A040": {"vr": "CS", "Value": ["TEXT"]}}]
    assert found["00189073"] == {"vr": "FD", "Value": [1.5]}
    assert value(found, "00200013") == 1
    assert "00104000" not in found
    assert list(found) == sorted(found)


async def test_filters_are_returned(search):
    (found,) = (await search("/v2/studies?StudyTime=101530.5&StudyID=s1")).json()
    assert value(found, "00080030") == "101530.5"
    assert value(found, "00200010") == "S1"


@pytest.mark.parametrize(
    "path",
    [
        "/studies?StudyInstanceUID=9",
        "/studies?PatientID=Q*",
        "/studies/9/series",
        "/studies/9/instances",
        "/studies/1.1/series/9/instances",
        "/studies/1.2/series/1.1.1/instances",
        "/studies?offset=2",
        "/instances?limit=1&offset=4",
    ],
)
async def test_nothing_found_is_204_without_a_body(search, path):
    for version in ("v1", "v2"):
        response = await search(f"/{version}{path}")
        assert response.status_code == 204
        assert response.content == b""
        assert "content-type" not in response.headers


@pytest.mark.parametrize(
    "path",
    [
        "/studies?Modality=CT",
        "/studies?TransferSyntaxUID=1",
        "/studies?patientid=x",
        "/studies?limit=0",
        "/studies?limit=x",
        "/studies?offset=-1",
        "/studies?fuzzymatching=maybe",
        "/studies?includefield=all,PatientSex",
        "/studies?includefield=NotATag",
        "/studies?PatientID=1&00100020=1",
        "/studies?PatientID=1&PatientID=1",
        "/studies?PatientID=%00",
        "/studies?PatientID=a%00b",
        "/studies/1.1/series?PatientID=P1",
        "/studies/1.1/series?StudyInstanceUID=1.1",
        "/studies/1.1/series/1.1.1/instances?Modality=CT",
        "/studies/1.a/series",
        "/studies/1.1/series/x/instances",
        f"/studies/{'1' * 65}/series",
    ],
)
async def test_refused_as_plain_text(search, path):
    response = await search(f"/v2{path}")
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/plain")
    assert response.text
    assert "P1" not in response.text


@pytest.mark.parametrize(
    ("accept", "http_status"),
    [
        ("application/json", 200),
        ("application/dicom+json", 200),
        ("*/*", 200),
        ("*", 200),
        ("", 200),
        ("application/dicom+json, application/json", 200),
        ("application/dicom+json, multipart/related; type=application/octet-stream", 200),
        ("application/dicom+json, application/dicom+xml", 200),
        ("application/dicom+xml;q=0.5, */*", 200),
        ('multipart/related; type="application/dicom"', 406),
        ("multipart/related", 406),
        ("text/html", 406),
        ("application/dicom+json;q=0, application/dicom+xml;q=0", 406),
    ],
)
async def test_accept(search, accept, http_status):
    response = await search("/v2/studies", headers={"accept": accept})
    assert response.status_code == http_status
    if http_status == 200:
        assert response.headers["content-type"] == "application/dicom+json"


async def test_the_dicomweb_client_pages_until_nothing_comes(search):
    uids: list[str] = []
    while (response := await search(f"/v2/instances?limit=3&offset={len(uids)}")).content:
        uids += [value(each, "00080018") for each in response.json()]
    assert uids == ["1.2.1.1", "1.1.1.2", "1.1.2.1", "1.1.1.1"]


@pytest.mark.parametrize(
    ("path", "count", "tags"),
    [
        # OHIF
        (
            "/studies?limit=101&offset=0&fuzzymatching=false"
            "&includefield=00081030%2C00080060%2C00080090%2C00100030",
            2,
            "00080060 00080061 00201208",
        ),
        (
            "/studies?limit=25&offset=0&includefield=00081030%2C00080060"
            "&StudyDate=19521125-20210507",
            2,
            "00080020",
        ),
        ("/studies?PatientName=*x*&00100020=*x*", 0, ""),
        (
            "/studies?AccessionNumber=Acc+1&StudyDescription=Head+CT&ModalitiesInStudy=CT",
            1,
            "00080061",
        ),
        ("/studies/1.1/series?includefield=0008103E,00080021", 2, "0020000E"),
        ("/studies/1.1/series?SeriesInstanceUID=1.1.1", 1, "00080060"),
        ("/studies/1.1/series/1.1.1/instances?limit=1&includefield=00080018", 1, "00080018"),
        # MONAI Label
        ("/series?Modality=SEG", 1, "0020000D 0020000E 00080060"),
        ("/series?SeriesInstanceUID=1.1.1", 1, "0020000D 0020000E"),
        # Weasis
        (
            "/studies?includefield=00080020,00080030,00080050,00080061,00080090,00081030,00081190"
            ",00100010,00100020,00100030,00100040,0020000D,00200010",
            2,
            "00081190 00100010",
        ),
        (
            "/studies/1.1/series?includefield=0008103E,00080060,0020000E,00200011,00081190",
            2,
            "00081190 0020000E 00080060",
        ),
        (
            "/studies/1.1/series/1.1.1/instances?includefield=00080018&includefield=00200013"
            "&includefield=00081190",
            2,
            "00080018 00200013 00081190",
        ),
        ("/series?0020000E=1.1.1&includefield=00201209", 1, "00201209"),
        # Stone
        ("/series?0020000D=1.1&includefield=00080016", 2, "00080016"),
        # Google's DIMSE adapter
        ("/studies?ModalitiesInStudy=MR", 1, "00080061"),
        # EZ-WSI
        ("/studies/1.1/instances?includefield=Rows&includefield=Columns", 3, "00280010 00280011"),
        # wsidicom
        (
            "/studies/1.1/series/1.1.1/instances?includefield=AvailableTransferSyntaxUID",
            2,
            "00083002",
        ),
    ],
)
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_lines_of_real_clients(search, version, path, count, tags):
    response = await search(f"/{version}{path}")
    assert response.status_code == (200 if count else 204), response.text
    results = response.json() if count else []
    assert len(results) == count
    for result in results:
        assert all(result[tag]["Value"] for tag in tags.split())


async def test_the_stored_transfer_syntax_is_told(search):
    path = "/v2/studies/1.2/instances?includefield=AvailableTransferSyntaxUID"
    (found,) = (await search(path)).json()
    assert found["00083002"] == {"vr": "UI", "Value": [EXPLICIT]}


async def test_fuzzymatching(search):
    for text in ("jo", "DO", "Doe%20jo"):
        response = await search(f"/v2/studies?fuzzymatching=true&PatientName={text}")
        assert "1.2" in [value(each, "0020000D") for each in response.json()]
    response = await search("/v2/studies?fuzzymatching=true&PatientName=ohn")
    assert response.status_code == 204
