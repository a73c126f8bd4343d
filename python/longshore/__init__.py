"""Longshore: a self-hosted DICOM service (DICOMweb, PS3.18)."""
