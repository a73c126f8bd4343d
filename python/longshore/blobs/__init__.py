"""Named bytes in storage. Knows no HTTP, no index, no DICOM."""
