//! The reader of bodies whose parts refer to one another, as Python sees it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use longshore_core::multipart::Limits;
use longshore_core::related::{self as core, RelatedError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::error::{LimitError, raise_body};

#[pyclass(frozen, get_all, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct RelatedPart {
    content_type: Option<String>,
    content_location: Option<String>,
    content_id: Option<String>,
    content: Py<PyBytes>,
}

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct RelatedReader {
    // Boxed: Python allocates objects on 16 bytes, the reader's search vectors want 32.
    inner: Box<Mutex<core::RelatedReader>>,
}

impl RelatedReader {
    fn lock(&self) -> MutexGuard<'_, core::RelatedReader> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn raise(error: RelatedError) -> PyErr {
    match error {
        RelatedError::Body(error) => raise_body(&error),
        RelatedError::TooLarge { bytes_max } => LimitError::new_err(format!(
            "The request exceeded the allowed limit of {bytes_max} bytes of metadata and bulkdata."
        )),
    }
}

#[pymethods]
impl RelatedReader {
    #[new]
    #[pyo3(signature = (*, boundary, bytes_max, part_count_max, part_header_bytes_max))]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "pyo3 hands over what it converted"
    )]
    fn new(
        boundary: PyBackedBytes,
        bytes_max: u64,
        part_count_max: u64,
        part_header_bytes_max: usize,
    ) -> PyResult<Self> {
        let limits = Limits {
            part_header_bytes_max,
            part_count_max,
            prologue_bytes_max: part_header_bytes_max as u64,
        };
        let inner = core::RelatedReader::new(&boundary, limits, bytes_max)
            .map_err(|error| raise_body(&error))?;
        Ok(Self {
            inner: Box::new(Mutex::new(inner)),
        })
    }

    fn feed(&self, chunk: &Bound<'_, PyBytes>) -> PyResult<Vec<RelatedPart>> {
        let py = chunk.py();
        let bytes = PyBackedBytes::from(chunk.clone());
        let mut out = Vec::new();
        py.detach(|| self.lock().feed(&bytes, &mut out))
            .map_err(raise)?;
        let parts = out.into_iter().map(|part| RelatedPart {
            content_type: part.headers.content_type,
            content_location: part.headers.content_location,
            content_id: part.headers.content_id,
            content: PyBytes::new(py, &part.content).unbind(),
        });
        Ok(parts.collect())
    }

    fn finish(&self) -> PyResult<()> {
        self.lock().finish().map_err(raise)
    }

    #[getter]
    fn byte_count(&self) -> u64 {
        self.lock().byte_count()
    }
}
