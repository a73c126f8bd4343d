//! The Store reader, as Python sees it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use longshore_core::instance::Rules;
use longshore_core::multipart::Limits;
use longshore_core::outcome::PartRules;
use longshore_core::store::{self as core, StoreEvent, StoreLimits};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::error::{raise_body, raise_store};
use crate::instance::{Instance, Refusal};

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct Payload {
    held: Vec<u8>,
    #[pyo3(get)]
    start: usize,
    #[pyo3(get)]
    stop: usize,
}

#[pymethods]
impl Payload {
    #[getter]
    fn held<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.held)
    }
}

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct StoreReader {
    // Boxed: Python allocates objects on 16 bytes, the reader's search vectors want 32.
    inner: Box<Mutex<core::StoreReader>>,
}

/// What a body's events become; pyo3 makes the union.
#[derive(IntoPyObject)]
pub(crate) enum Event {
    Payload(Payload),
    Instance(Instance),
    Refusal(Refusal),
}

impl From<StoreEvent> for Event {
    fn from(event: StoreEvent) -> Self {
        match event {
            StoreEvent::Held(held) => Self::Payload(Payload {
                held,
                start: 0,
                stop: 0,
            }),
            StoreEvent::Data(range) => {
                let payload = Payload {
                    held: Vec::new(),
                    start: range.start,
                    stop: range.end,
                };
                Self::Payload(payload)
            }
            StoreEvent::Stored(instance) => Self::Instance(Instance::new(instance)),
            StoreEvent::Refused(refusal) => Self::Refusal(Refusal::new(refusal)),
        }
    }
}

impl StoreReader {
    fn lock(&self) -> MutexGuard<'_, core::StoreReader> {
        // A reader that panicked is only ever asked to end; its request has already failed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn events(out: Vec<StoreEvent>) -> Vec<Event> {
    out.into_iter().map(Event::from).collect()
}

#[pymethods]
impl StoreReader {
    #[new]
    #[pyo3(signature = (*, boundary, root_type, study_uid, is_strict, part_bytes_max, part_count_max, part_header_bytes_max, inline_bytes_max, inflated_bytes_max))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "pyo3 hands over what it converted"
    )]
    fn new(
        boundary: Option<PyBackedBytes>,
        root_type: Option<String>,
        study_uid: Option<String>,
        is_strict: bool,
        part_bytes_max: u64,
        part_count_max: u64,
        part_header_bytes_max: usize,
        inline_bytes_max: u32,
        inflated_bytes_max: u64,
    ) -> PyResult<Self> {
        let rules = PartRules {
            rules: Rules {
                is_strict,
                inline_bytes_max,
            },
            study_uid,
            inflated_bytes_max,
        };
        let framing = Limits {
            part_header_bytes_max,
            part_count_max,
            prologue_bytes_max: part_header_bytes_max as u64,
        };
        let limits = StoreLimits {
            framing,
            part_bytes_max,
        };
        let inner = core::StoreReader::new(boundary.as_deref(), root_type.is_some(), rules, limits)
            .map_err(|error| raise_body(&error))?;
        Ok(Self {
            inner: Box::new(Mutex::new(inner)),
        })
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "the bytes must outlive the detached call"
    )]
    fn feed(&self, py: Python<'_>, chunk: PyBackedBytes) -> PyResult<Vec<Event>> {
        // `chunk` is an immutable `bytes`, so it may be read while other threads run Python.
        let mut out = Vec::new();
        py.detach(|| self.lock().feed(&chunk, &mut out))
            .map_err(raise_store)?;
        Ok(events(out))
    }

    fn finish(&self, py: Python<'_>) -> PyResult<Vec<Event>> {
        let mut out = Vec::new();
        py.detach(|| self.lock().finish(&mut out))
            .map_err(raise_store)?;
        Ok(events(out))
    }
}
