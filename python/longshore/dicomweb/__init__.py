"""HTTP to values and back (PS3.18). Knows no SQL, no storage, no DICOM encoding."""
