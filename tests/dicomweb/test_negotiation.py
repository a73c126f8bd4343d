"""What every line of every known client's Accept gets."""

from dataclasses import replace

import pytest

from longshore.dicomweb.media_types import parse_accept
from longshore.dicomweb.negotiation import Form, bulkdata_form, frames_form, instances_form
from longshore.errors import InvalidRequest, NotAcceptable
from tests.dicomweb.packs import EXPLICIT, HTJ2K, JPEG, JPEG_2000, JPEG_LS

VIDEO = "1.2.840.10008.1.2.4.102"
PARTS = Form("application/dicom", is_multipart=True)
ONE = Form("application/dicom", is_multipart=False)
OCTETS = Form("application/octet-stream", is_multipart=True)
ONE_OCTETS = Form("application/octet-stream", is_multipart=False)


@pytest.mark.parametrize(
    ("client", "accept"),
    [
        ("Orthanc", 'multipart/related; type="application/dicom"; transfer-syntax=*'),
        ("Weasis", 'multipart/related;type="application/dicom";transfer-syntax=*'),
        ("dcm4che wadors", "*"),
        ("curl", "*/*"),
        ("no header", ""),
        ("EZ-WSI", f'multipart/related; transfer-syntax={EXPLICIT}; type="application/dicom"'),
        ("dicomweb-client JS", 'multipart/related; type="application/dicom"'),
        ("unquoted", "multipart/related; type=application/dicom"),
        ("requests", "multipart/related"),
        ("doubled", f'multipart/related; type="application/dicom"; transfer-syntax="{JPEG}";'
                    ' transfer-syntax="*"'),
        ("Java", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_one_instance", [True, False])
def test_instances_go_out_as_parts(client: str, accept: str, is_one_instance: bool) -> None:
    form = instances_form(
        parse_accept(accept), transfer_syntax_uids={EXPLICIT}, is_one_instance=is_one_instance
    )
    assert form == PARTS, client


@pytest.mark.parametrize(
    "accept",
    [
        "application/dicom; transfer-syntax=*",  # Google's DIMSE adapter
        "application/dicom",
        "application/*",
        f"application/dicom; transfer-syntax={EXPLICIT}",
        f'application/dicom; transfer-syntax="{EXPLICIT}"',
        "application/dicom, */*;q=0.1",
    ],
)
def test_one_instance_goes_out_alone_if_asked(accept: str) -> None:
    ranges = parse_accept(accept)
    form = instances_form(ranges, transfer_syntax_uids={EXPLICIT}, is_one_instance=True)
    assert form == ONE


@pytest.mark.parametrize(
    ("accept", "is_one_instance"),
    [
        ("application/dicom", False),
        ('multipart/related; type="application/octet-stream"', True),
        ('multipart/related; type="application/dicom+xml"', True),
        ("application/dicom; transfer-syntax=1.2.840.10008.1.2.4.100", True),
        ("image/jpeg", True),
    ],
)
def test_instances_are_not_made_into_something_else(accept: str, is_one_instance: bool) -> None:
    with pytest.raises(
        NotAcceptable, match=r"Possible: .*application/dicom.*1\.2\.840\.10008"
    ) as e:
        instances_form(
            parse_accept(accept), transfer_syntax_uids={EXPLICIT}, is_one_instance=is_one_instance
        )
    assert EXPLICIT in str(e.value)


def test_mixed_syntaxes_need_a_range_that_admits_them_all() -> None:
    stored = {EXPLICIT, JPEG}
    head = 'multipart/related; type="application/dicom"; transfer-syntax='
    for good in (f"{head}*", f"{head}{EXPLICIT}; transfer-syntax={JPEG}", head[:-17]):
        ranges = parse_accept(good)
        assert instances_form(ranges, transfer_syntax_uids=stored, is_one_instance=False) == PARTS
    ranges = parse_accept(f"{head}{EXPLICIT}")
    form = instances_form(ranges, transfer_syntax_uids=stored, is_one_instance=False)
    assert form == replace(PARTS, target=EXPLICIT)
    with pytest.raises(NotAcceptable):
        instances_form(ranges, transfer_syntax_uids={EXPLICIT, VIDEO}, is_one_instance=False)


@pytest.mark.parametrize(
    ("accept", "stored", "target"),
    [
        ("application/dicom", JPEG_2000, EXPLICIT),  # as the model, and Table 8.7.3-2
        ("application/dicom", VIDEO, None),
        ("application/dicom", EXPLICIT, None),
        ("application/dicom; transfer-syntax=*", JPEG_2000, None),
        ("*/*", JPEG_2000, None),
        ("", JPEG_2000, None),
        (f"application/dicom; transfer-syntax={JPEG_2000}", EXPLICIT, JPEG_2000),
        (f"application/dicom; transfer-syntax={JPEG_LS}", JPEG, JPEG_LS),
        (f'application/dicom; transfer-syntax="{JPEG}"; transfer-syntax="{JPEG_LS}"', EXPLICIT,
         JPEG_LS),
        # What need not be changed is better than what must, unless it is wanted less.
        (f"application/dicom; transfer-syntax={JPEG_LS}, application/dicom; transfer-syntax=*",
         EXPLICIT, None),
        (f"application/dicom; transfer-syntax={JPEG_LS}, application/dicom;q=0.9", EXPLICIT,
         JPEG_LS),
    ],
)  # fmt: skip
def test_an_instance_is_transcoded_to(accept: str, stored: str, target: str | None) -> None:
    ranges = parse_accept(accept)
    form = instances_form(ranges, transfer_syntax_uids={stored}, is_one_instance=True)
    assert form.target == target


OHIF_DEFAULT = 'multipart/related; type="application/octet-stream"; transfer-syntax="*"'
OHIF_JPEG_LS = (
    f'multipart/related; type="image/jls"; transfer-syntax="{JPEG_LS}"; transfer-syntax="*"'
)


@pytest.mark.parametrize(
    ("client", "accept", "stored", "expected"),
    [
        ("OHIF", OHIF_DEFAULT, EXPLICIT, OCTETS),
        ("OHIF", OHIF_DEFAULT, HTJ2K, OCTETS),
        ("OHIF, no quotes", OHIF_DEFAULT.replace('"', ""), JPEG, OCTETS),
        ("OHIF, chosen", OHIF_JPEG_LS, JPEG_LS, Form("image/jls", is_multipart=True)),
        ("cornerstone", "multipart/related; type=application/octet-stream; transfer-syntax=*",
         JPEG_LS, OCTETS),
        ("cornerstone, old", 'multipart/related; type=image/x-jls; transfer-syntax="image/x-jls"',
         JPEG_LS, Form("image/jls", is_multipart=True)),
        ("dicomweb-client JS",
         f'multipart/related; type="image/jp2"; transfer-syntax={JPEG_2000}, '
         f'multipart/related; type="image/jls"; transfer-syntax={JPEG_LS}',
         JPEG_LS, Form("image/jls", is_multipart=True)),
        ("Google viewer",
         f"multipart/related; type=application/octet-stream; transfer-syntax={EXPLICIT}",
         EXPLICIT, OCTETS),
        ("implicit asked", 'multipart/related; type="application/octet-stream"; '
         'transfer-syntax=1.2.840.10008.1.2', EXPLICIT, OCTETS),
        ("EZ-WSI", 'multipart/related; type="application/octet-stream"; transfer-syntax=*',
         JPEG, OCTETS),
        ("AWS adapter", "image/jphc", HTJ2K, Form("image/jphc", is_multipart=False)),
        ("browser", "image/*", JPEG, Form("image/jpeg", is_multipart=False)),
        ("single", "application/octet-stream; transfer-syntax=*", JPEG, ONE_OCTETS),
        ("any", "*/*", JPEG_2000, OCTETS),
        ("star", "*", JPEG_2000, OCTETS),
        ("none", "", JPEG_2000, OCTETS),
        ("model", 'multipart/related; type="image/jp2"', JPEG_2000,
         Form("image/jp2", is_multipart=True)),
    ],
)  # fmt: skip
def test_one_frame_goes_out_as(client: str, accept: str, stored: str, expected: Form) -> None:
    form = frames_form(parse_accept(accept), transfer_syntax_uid=stored, frame_count=1)
    assert form == expected, client


@pytest.mark.parametrize(
    ("accept", "stored"),
    [
        ('multipart/related; type="image/jp2"', VIDEO),
        ('multipart/related; type="application/dicom"', EXPLICIT),
        (f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}', VIDEO),
        ('multipart/related; type="image/jpeg"', EXPLICIT),
        (f"application/octet-stream; transfer-syntax={JPEG}", EXPLICIT),
        ("image/png", JPEG),
        ("video/mp4", JPEG),
    ],
)
def test_frames_are_not_made_into_what_loses_or_cannot_be_decoded(accept: str, stored: str) -> None:
    with pytest.raises(NotAcceptable, match=r"Possible: .*octet-stream") as caught:
        frames_form(parse_accept(accept), transfer_syntax_uid=stored, frame_count=1)
    assert stored in str(caught.value)


@pytest.mark.parametrize(
    ("accept", "stored", "expected"),
    [
        ('multipart/related; type="image/jp2"', EXPLICIT,
         Form("image/jp2", is_multipart=True, target=JPEG_2000)),
        (OHIF_JPEG_LS, EXPLICIT, Form("image/jls", is_multipart=True, target=JPEG_LS)),
        (f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}', JPEG,
         replace(OCTETS, target=EXPLICIT)),
        ('multipart/related; type="application/octet-stream"', JPEG,
         replace(OCTETS, target=EXPLICIT)),
        ("application/octet-stream", HTJ2K, replace(ONE_OCTETS, target=EXPLICIT)),
        ("application/octet-stream", VIDEO, ONE_OCTETS),
        ("application/octet-stream", EXPLICIT, ONE_OCTETS),
        ("application/octet-stream; transfer-syntax=*", HTJ2K, ONE_OCTETS),
        (f"application/octet-stream; transfer-syntax={JPEG_2000}", JPEG_LS,
         replace(ONE_OCTETS, target=JPEG_2000)),
        ('multipart/related; type="image/jphc"', EXPLICIT,
         Form("image/jphc", is_multipart=True, target="1.2.840.10008.1.2.4.201")),
    ],
)  # fmt: skip
def test_a_frame_is_transcoded_to(accept: str, stored: str, expected: Form) -> None:
    form = frames_form(parse_accept(accept), transfer_syntax_uid=stored, frame_count=1)
    assert form == expected


def test_several_frames_do_not_fit_a_single_part() -> None:
    only_single = parse_accept("application/octet-stream; transfer-syntax=*")
    with pytest.raises(InvalidRequest, match="supported for single frame retrieval"):
        frames_form(only_single, transfer_syntax_uid=JPEG, frame_count=2)
    either = parse_accept("application/octet-stream, */*;q=0.1")
    assert frames_form(either, transfer_syntax_uid=JPEG, frame_count=2) == OCTETS


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", ONE_OCTETS),
        ("*/*", ONE_OCTETS),
        ("application/octet-stream; transfer-syntax=*", ONE_OCTETS),  # EZ-WSI
        ('multipart/related; type="application/octet-stream"', OCTETS),
        ("application/pdf", Form("application/pdf", is_multipart=False)),  # OHIF
        ("application/pdf, application/octet-stream", Form("application/pdf", is_multipart=False)),
    ],
)
def test_bulkdata_goes_out_as(accept: str, expected: Form) -> None:
    assert bulkdata_form(parse_accept(accept), media_type="application/pdf") == expected


def test_bulkdata_is_not_called_what_it_is_not() -> None:
    with pytest.raises(NotAcceptable, match="application/octet-stream"):
        bulkdata_form(parse_accept("application/pdf"), media_type=None)
