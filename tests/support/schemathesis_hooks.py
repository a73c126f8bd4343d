"""What Schemathesis cannot know: DICOM files, and the identifiers of what is stored.

Half of the requests keep the path that was made up. The others name what is stored, so that what
lies behind a path is reached, too.
"""

import io
import random
from typing import Any

import pydicom
import schemathesis
from hypothesis import strategies as st

from tests.support import synthetic
from tests.support.stow import multipart

STUDIES, SERIES, NUMBERS = range(1, 4), range(1, 3), range(1, 4)
BOUNDARY = "a-boundary"
CONTENT_TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
ACCEPTED = (
    "application/dicom",
    "application/dicom; transfer-syntax=*",
    'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    "application/octet-stream",
    "image/*",
    "application/dicom+json",
    "application/dicom+xml",
    "*/*",
)

_chance = random.Random(1)  # noqa: S311 - the same requests in every run


def files() -> list[bytes]:
    """What is stored before."""
    return [
        _with_document(synthetic.ct(number, study=study, series=series))
        for study in STUDIES
        for series in SERIES
        for number in NUMBERS
    ]


def _with_document(file: bytes) -> bytes:
    """Adds a value that is long enough to be bulkdata."""
    dataset = pydicom.dcmread(io.BytesIO(file))
    dataset.EncapsulatedDocument = b"document" * 1_000
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


_FILES = files()
_parts = st.one_of(
    st.sampled_from(_FILES),
    st.binary(max_size=300),
    st.sampled_from(_FILES).flatmap(lambda file: st.integers(0, len(file)).map(lambda n: file[:n])),
)
schemathesis.openapi.media_type("application/dicom", _parts)
schemathesis.openapi.media_type(
    "multipart/related",
    st.one_of(
        st.lists(_parts, max_size=4).map(lambda parts: multipart(parts, boundary=BOUNDARY)[1]),
        st.binary(max_size=300),
    ),
)


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], **_: object
) -> None:
    """Names what is stored, in every other request, and a media type that is served."""
    del context
    if case.media_type == "multipart/related":
        case.headers["Content-Type"] = CONTENT_TYPE
    if "If-None-Match" not in case.headers and _chance.random() < 0.5:
        case.headers["Accept"] = _chance.choice(ACCEPTED)
    if case.path_parameters and _chance.random() < 0.5:
        study, series = _chance.choice(STUDIES), _chance.choice(SERIES)
        uids = synthetic.uids(_chance.choice(NUMBERS), study=study, series=series)
        stored = dict(zip(("study", "series", "instance"), uids, strict=True))
        stored |= {"frames": "1", "partition": "Microsoft.Default", "tag_path": "00420011"}
        case.path_parameters.update(
            {name: stored[name] for name in case.path_parameters if name in stored}
        )
