//! The one place where errors become exceptions.

use longshore_core::error::{BodyError, PackError};
use longshore_core::store::StoreError;
use pyo3::PyErr;
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;

create_exception!(
    longshore._native,
    MultipartError,
    PyValueError,
    "The body is not a readable multipart message (RFC 2046 5.1.1), or ends too early. -> 400."
);
create_exception!(
    longshore._native,
    LimitError,
    PyValueError,
    "A limit of `StoreReader` was passed; the text names it with its unit. -> 413."
);
create_exception!(
    longshore._native,
    ForeignPartError,
    PyValueError,
    "There are parts, and not one of them is application/dicom. -> 415."
);
create_exception!(
    longshore._native,
    PackFormatError,
    PyValueError,
    "The bytes are not a pack's directory, or a pack cannot be laid out as asked."
);

pub(crate) fn raise_store(error: StoreError) -> PyErr {
    match error {
        StoreError::Body(error) => raise_body(&error),
        StoreError::PartTooLarge { bytes_max } => LimitError::new_err(format!(
            "The request exceeded the allowed limit of {bytes_max} bytes per instance."
        )),
        StoreError::ForeignParts { part_count } => ForeignPartError::new_err(format!(
            "The content type of none of the {part_count} parts is application/dicom."
        )),
    }
}

pub(crate) fn raise_body(error: &BodyError) -> PyErr {
    MultipartError::new_err(error.to_string())
}

pub(crate) fn raise_pack(error: &PackError) -> PyErr {
    PackFormatError::new_err(error.to_string())
}
