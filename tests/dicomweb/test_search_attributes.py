"""The sets of returned attributes, tag by tag as the model lists them."""

import pytest

from longshore.dicomweb.search_attributes import RESOURCES, returned_tags, tag_of
from longshore.index.search_match import Level

STUDY, SERIES, IMAGE = Level.STUDY, Level.SERIES, Level.IMAGE
V1 = {
    STUDY: "00080005 00080020 00080030 00080050 00080056 00080090 00080201 00100010 00100020"
    " 00100030 00100040 0020000D 00200010",
    SERIES: "00080005 00080060 00080201 0008103E 0020000E 00400244 00400245 00400275",
    IMAGE: "00080005 00080016 00080018 00080056 00080201 00200013 00280010 00280011 00280100"
    " 00280008",
}
V2 = {
    STUDY: "0020000D 00080020 00081030 00080050 00080090 00100010 00100020 00100030",
    SERIES: "0020000E 00080060 00400244 00081090",
    IMAGE: "00080018",
}
ALL = {
    STUDY: "00081030 00080063 00081032 00081060 00081080 00081110 00101010 00101020 00101030"
    " 00102180 001021B0",
    SERIES: "00200011 00200060 00080021 00080031",
    IMAGE: "",
}
ALWAYS = {
    STUDY: "00080056 00080060 00081190 00080061 00201206 00201208",
    SERIES: "00080056 00081190 00201209",
    IMAGE: "00080056 00081190 00083002",
}
RETURNED = {
    "/studies": (STUDY,),
    "/series": (STUDY, SERIES),
    "/instances": (STUDY, SERIES, IMAGE),
    "/studies/{study}/series": (SERIES,),
    "/studies/{study}/instances": (SERIES, IMAGE),
    "/studies/{study}/series/{series}/instances": (IMAGE,),
}


def tags(*lists):
    return {int(tag, 16) for each in lists for tag in each.split()}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path)
@pytest.mark.parametrize("is_all", [False, True])
@pytest.mark.parametrize(("api_version", "sets"), [(1, V1), (2, V2)])
def test_sets_by_resource_and_version(resource, is_all, api_version, sets):
    expected = set()
    for level in RETURNED[resource.path]:
        own = (V1[level], ALL[level]) if is_all else (sets[level],)
        expected |= tags(ALWAYS[level], *own)
    found = returned_tags(resource, api_version=api_version, is_all=is_all, asked=())
    assert found == expected


def test_what_is_asked_is_added():
    for is_all in (False, True):
        found = returned_tags(RESOURCES[0], api_version=2, is_all=is_all, asked=[0x00091001])
        assert 0x00091001 in found


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("PatientName", 0x00100010),
        ("patientname", None),
        ("00100010", 0x00100010),
        ("0008103e", 0x0008103E),
        ("00091001", 0x00091001),
        ("0010001", None),
        ("001000100", None),
        ("00100010 ", None),
        ("\u0660" * 8, None),
        ("", None),
        ("Patient's Name", None),
        ("AvailableTransferSyntaxUID", 0x00083002),
        ("NumberOfStudyRelatedInstances", 0x00201208),
    ],
)
def test_names_of_attributes(name, tag):
    assert tag_of(name) == tag
