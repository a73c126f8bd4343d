"""Synthetic instances, deterministic: the same number gives the same bytes."""

import io
import struct

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.10.1999"


def ct(number: int, *, study: int = 1, series: int = 1, rows: int = 16, note: str = "") -> bytes:
    """Returns a small CT instance as a file.

    Args:
        number: Makes the instance's UID and its pixels.
        rows: Rows and columns; 2 bytes a pixel.
        note: Goes into a text attribute, so that two files of one UID can differ.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = f"{ROOT}.{study}.{series}.{number}"
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
    dataset.StudyInstanceUID = f"{ROOT}.{study}"
    dataset.SeriesInstanceUID = f"{ROOT}.{study}.{series}"
    dataset.StudyDate = "20260102"
    dataset.StudyTime = "030405"
    dataset.Modality = "CT"
    dataset.PatientName = f"Synthetic^{study}"
    dataset.PatientID = f"P{study}"
    dataset.AccessionNumber = f"A{study}"
    dataset.StudyDescription = "SYNTHETIC"
    dataset.SeriesNumber = series
    dataset.InstanceNumber = number
    dataset.ImageComments = note
    dataset.Rows = dataset.Columns = rows
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    pixels = struct.pack("<I", number) * (rows * rows // 2)
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def uids(number: int, *, study: int = 1, series: int = 1) -> tuple[str, str, str]:
    """Returns the study, series and instance UID of such an instance."""
    return f"{ROOT}.{study}", f"{ROOT}.{study}.{series}", f"{ROOT}.{study}.{series}.{number}"


def path(number: int, *, study: int = 1, series: int = 1) -> str:
    """Returns the instance's path below the version."""
    study_uid, series_uid, sop_uid = uids(number, study=study, series=series)
    return f"/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}"


def large(number: int, byte_count: int) -> tuple[bytes, int]:
    """Returns the head of an instance whose native pixel data have `byte_count` bytes.

    Returns:
        All bytes before the pixel data's value, and how many bytes of it must follow.
    """
    whole = ct(number, rows=2)
    head = whole[: -2 * 2 * 2]
    return head[:-4] + struct.pack("<I", byte_count), byte_count
