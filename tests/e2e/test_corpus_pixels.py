"""The whole corpus, file by file, as it is not stored: transcoded, rendered, small.

Pixels of lossless ways equal the manifest's hash or pydicom's reading, pictures equal a rendering
of our own within a grey value or two, and nothing is a 5xx. The suite prints the matrix.
"""

import hashlib
import io
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from pydicom.multival import MultiValue
from pydicom.pixels import processing
from pydicom.uid import UID
from typing_extensions import override

from tests.e2e.test_corpus import as_decoded, store
from tests.support.corpus import CorpusFile, corpus_files
from tests.support.service import running

EXPLICIT = "1.2.840.10008.1.2.1"
NATIVE = {"1.2.840.10008.1.2", EXPLICIT, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"}
LOSSLESS = (
    NATIVE
    | {"1.2.840.10008.1.2.5"}
    | {f"1.2.840.10008.1.2.4.{number}" for number in (57, 70, 80, 90, 201, 202)}
)
ENCODED = {
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
}
GREY_DIFFERENCE_MAX = 2
"""Of 255; roundings differ."""

_BIG_ENDIAN_LUT = (
    "lookup tables in big endian words, which pydicom takes for little endian ones; our picture is "
    "that of the same image in files/pydicom-data/OBXXXX1A.dcm"
)
PICTURE_DEVIATIONS: dict[str, str] = {
    "files/pydicom-data/OBXXXX1A_expb.dcm": _BIG_ENDIAN_LUT,
    "files/pydicom-data/OBXXXX1A_expb_2frame.dcm": _BIG_ENDIAN_LUT,
}
"""Files whose picture differs from our own rendering, with the reason."""
FRAME_DEVIATIONS: dict[str, str] = {}
"""Files whose frame 1 differs from the manifest's pixels when it is transcoded, with the reason."""

Pixels = npt.NDArray[Any]

NO_ELEMENT = pydicom.DataElement(0x60000040, "CS", "")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        running(tmp_path_factory.mktemp("pixels") / "data") as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        yield client


class Matrix:
    """Statuses by what was asked for and the stored transfer syntax."""

    def __init__(self) -> None:
        self.statuses: dict[str, Counter[tuple[str, int]]] = defaultdict(Counter)
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

    def note(self, file: CorpusFile, what: str, response: httpx.Response) -> bool:
        """Notes a status; True if it is 200."""
        syntax = UID(file.facts["transfer_syntax"]).name
        self.statuses[syntax][(what, response.status_code)] += 1
        if response.status_code not in (200, 404, 406):
            self.failures.append(f"{file.name}: {what}: {response.status_code}")
        return response.status_code == 200

    def check(self, is_right: bool, what: str, file: CorpusFile, detail: object = "") -> None:
        self.counts[f"{what} {'right' if is_right else 'WRONG'}"] += 1
        if not is_right:
            self.failures.append(f"{file.name}: {what}: {detail}")

    @override
    def __repr__(self) -> str:
        return "the matrix"

    @override
    def __str__(self) -> str:
        lines = ["\ncorpus, as it is not stored:"]
        for syntax, found in sorted(self.statuses.items()):
            cells = ", ".join(
                f"{what} {status}: {n}" for (what, status), n in sorted(found.items())
            )
            lines.append(f"  {syntax}: {cells}")
        return "\n".join([*lines, *(f"  {n:5}  {what}" for what, n in sorted(self.counts.items()))])


def get(client: httpx.Client, url: str, accept: str) -> httpx.Response:
    return client.get(url, headers={"Accept": accept})


def opened(content: bytes) -> pydicom.FileDataset | None:
    try:
        return pydicom.dcmread(io.BytesIO(content))
    except Exception:
        return None


def pixels_of(dataset: pydicom.Dataset | None) -> Pixels | None:
    """What pydicom reads; None where it cannot."""
    try:
        return None if dataset is None else dataset.pixel_array
    except Exception:
        return None


def rendered(dataset: pydicom.Dataset) -> Pixels | None:
    """The picture below the overlays, and these in white."""
    picture = without_overlays(dataset)
    for group in range(0x6000, 0x6020, 2):
        if picture is None or dataset.get((group, 0x40), NO_ELEMENT).value != "G":
            continue
        if dataset[group, 0x100].value == 1:
            mask = dataset.overlay_array(group)
        else:
            raw = np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns)
            mask = raw >> dataset[group, 0x102].value & 1
        assert list(dataset[group, 0x50].value) == [1, 1]
        picture = np.where(mask.astype(bool), 255, picture)
    return picture


def without_overlays(dataset: pydicom.Dataset) -> Pixels | None:
    """Frame 1 as a screen shows it, by pydicom's functions; None where they do not say.

    Its `pixel_array` makes RGB of YBR.
    """
    count = int(dataset.get("NumberOfFrames") or 1)
    pixels = dataset.pixel_array[0] if count > 1 else dataset.pixel_array
    photometric = dataset.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        colours = processing.apply_color_lut(pixels, dataset)
        return as_bytes(colours, 8 * colours.dtype.itemsize)
    if dataset.SamplesPerPixel == 3:
        return as_bytes(pixels, dataset.BitsStored)
    groups = dataset.get("SharedFunctionalGroupsSequence") or dataset.get("VOILUTSequence")
    if groups or dataset.get("VOILUTFunction", "LINEAR") != "LINEAR":
        return None
    outputs = processing.apply_modality_lut(pixels, dataset).astype(float)
    center, width = dataset.get("WindowCenter"), dataset.get("WindowWidth")
    if center in (None, "") or width in (None, ""):
        return None
    first = [each[0] if isinstance(each, MultiValue) else each
             for each in (center, width)]  # fmt: skip
    low = float(first[0]) - 0.5 - (float(first[1]) - 1) / 2
    high = float(first[0]) - 0.5 + (float(first[1]) - 1) / 2
    if high <= low:
        return None
    grey = np.interp(outputs, [low, high], [0.0, 255.0])
    return np.rint(255 - grey if photometric == "MONOCHROME1" else grey).astype(np.uint8)


def as_bytes(colours: Pixels, bits: int) -> Pixels:
    return np.rint(colours.astype(float) * 255 / ((1 << bits) - 1)).astype(np.uint8)


def check_frame(matrix: Matrix, client: httpx.Client, url: str, file: CorpusFile) -> None:
    octets = f"application/octet-stream; transfer-syntax={EXPLICIT}"
    response = get(client, f"{url}/frames/1", octets)
    wanted = file.facts["frame1_raw_sha256"]
    if matrix.note(file, "frame", response) and wanted:
        content = response.content
        if file.facts["transfer_syntax"] in NATIVE:
            content = as_decoded(content, file, is_big_endian=False)
        is_right = hashlib.sha256(content).hexdigest() == wanted
        if file.facts["transfer_syntax"] in LOSSLESS and file.name not in FRAME_DEVIATIONS:
            matrix.check(is_right, "frame's pixels", file)
    for media_type, syntax in ENCODED.items():
        response = get(client, f"{url}/frames/1", media_type)
        if matrix.note(file, media_type, response):
            stated = response.headers["content-type"].partition("transfer-syntax=")[2]
            matrix.check(stated.startswith(syntax[:20]), f"{media_type}'s syntax", file, stated)


def check_instance(matrix: Matrix, client: httpx.Client, url: str, file: CorpusFile) -> None:
    response = get(client, url, f"application/dicom; transfer-syntax={EXPLICIT}")
    if not matrix.note(file, "instance", response):
        return
    answered = pydicom.dcmread(io.BytesIO(response.content))
    matrix.check(answered.file_meta.TransferSyntaxUID == EXPLICIT, "instance's syntax", file)
    ours, theirs = pixels_of(answered), pixels_of(opened(file.read()))
    if ours is not None and theirs is not None:
        is_right = ours.shape == theirs.shape and bool(np.array_equal(ours, theirs))
        matrix.check(is_right, "instance's pixels", file)


def check_picture(matrix: Matrix, client: httpx.Client, url: str, file: CorpusFile) -> None:
    response = get(client, f"{url}/rendered", "image/png")
    if matrix.note(file, "rendered", response) and file.name not in PICTURE_DEVIATIONS:
        dataset = opened(file.read())
        own = rendered(dataset) if dataset is not None and pixels_of(dataset) is not None else None
        if own is not None:
            picture = np.asarray(Image.open(io.BytesIO(response.content))).astype(int)
            differs = np.abs(picture - own).max() if picture.shape == own.shape else picture.shape
            matrix.check(
                isinstance(differs, np.integer) and bool(differs <= GREY_DIFFERENCE_MAX),
                "picture", file, differs,
            )  # fmt: skip
    response = get(client, f"{url}/thumbnail", "image/jpeg")
    if matrix.note(file, "thumbnail", response):
        small = Image.open(io.BytesIO(response.content))
        matrix.check(max(small.size) == 200, "thumbnail's size", file, small.size)


@pytest.mark.timeout(900)
def test_every_file_in_every_representation(
    client: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    matrix = Matrix()
    for file in corpus_files():
        answer = store(client, file.read())
        if not answer.is_stored:
            continue
        url = str(httpx.URL(str(answer.item["00081190"]["Value"][0])).path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's, of files that are broken on purpose
            check_frame(matrix, client, url, file)
            check_instance(matrix, client, url, file)
            check_picture(matrix, client, url, file)
        assert client.delete(url).status_code == 204
    with capsys.disabled():
        print(matrix)  # noqa: T201
    assert not matrix.failures, "\n".join(matrix.failures)
    assert matrix.counts["frame's pixels right"] > 100
    assert matrix.counts["instance's pixels right"] > 200
    assert matrix.counts["picture right"] > 100
