//! The Store reader, as Python sees it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use longshore_core::instance::Rules;
use longshore_core::multipart::Limits;
use longshore_core::outcome::PartRules;
use longshore_core::store::{self as core, StoreEvent, StoreLimits};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};

use crate::error::{raise_body, raise_store};
use crate::extended::ExtendedTags;
use crate::instance::{Instance, Refusal};
use crate::rope::Rope;

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct Payload {
    #[pyo3(get)]
    pieces: Py<PyList>,
}

impl Payload {
    pub(crate) fn new(pieces: Py<PyList>) -> Self {
        Self { pieces }
    }
}

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct StoreReader {
    // Boxed: Python allocates objects on 16 bytes, the reader's search vectors want 32.
    inner: Box<Mutex<core::StoreReader>>,
    part: Mutex<Rope>,
}

/// What a body's events become; pyo3 makes the union.
#[derive(IntoPyObject)]
pub(crate) enum Event {
    Payload(Payload),
    Instance(Instance),
    Refusal(Refusal),
}

impl StoreReader {
    fn lock(&self) -> MutexGuard<'_, core::StoreReader> {
        // A reader that panicked is only ever asked to end; its request has already failed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn part(&self) -> MutexGuard<'_, Rope> {
        self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns what the core told into objects; payload stays in the chunks that brought it.
    fn events(
        &self,
        out: Vec<StoreEvent>,
        chunk: Option<&Bound<'_, PyBytes>>,
        py: Python<'_>,
    ) -> PyResult<Vec<Event>> {
        let mut part = self.part();
        let mut events = Vec::new();
        for event in out {
            match event {
                StoreEvent::Held(held) => part.push_held(&PyBytes::new(py, &held)),
                StoreEvent::Data(range) => {
                    if let Some(chunk) = chunk {
                        part.push(chunk, range);
                    }
                }
                StoreEvent::Stored(instance) => {
                    if part.is_streamed {
                        events.push(Event::Payload(part.payload(py)?));
                    }
                    let instance = Instance::new(py, instance, std::mem::take(&mut *part))?;
                    events.push(Event::Instance(instance));
                }
                StoreEvent::Refused(refusal) => {
                    *part = Rope::default();
                    events.push(Event::Refusal(Refusal::new(refusal)));
                }
            }
        }
        Ok(events)
    }
}

#[pymethods]
impl StoreReader {
    #[new]
    #[pyo3(signature = (*, boundary, root_type, study_uid, is_strict, part_bytes_max, part_count_max, part_header_bytes_max, inline_bytes_max, inflated_bytes_max, extended_tags=None))]
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
        extended_tags: Option<&ExtendedTags>,
    ) -> PyResult<Self> {
        let rules = PartRules {
            rules: Rules {
                is_strict,
                inline_bytes_max,
            },
            study_uid,
            inflated_bytes_max,
            extended: extended_tags.map(ExtendedTags::inner),
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
            part: Mutex::default(),
        })
    }

    #[pyo3(signature = (chunk, *, part_bytes_max_in_memory))]
    fn feed(
        &self,
        chunk: &Bound<'_, PyBytes>,
        part_bytes_max_in_memory: usize,
    ) -> PyResult<Vec<Event>> {
        let py = chunk.py();
        // `bytes` never change, so they may be read while other threads run Python.
        let bytes = PyBackedBytes::from(chunk.clone());
        let mut out = Vec::new();
        py.detach(|| self.lock().feed(&bytes, &mut out))
            .map_err(raise_store)?;
        let mut events = self.events(out, Some(chunk), py)?;
        let mut part = self.part();
        if part.cost_bytes() > part_bytes_max_in_memory {
            part.is_streamed = true;
            events.push(Event::Payload(part.payload(py)?));
        }
        Ok(events)
    }

    fn finish(&self, py: Python<'_>) -> PyResult<Vec<Event>> {
        let mut out = Vec::new();
        py.detach(|| self.lock().finish(&mut out))
            .map_err(raise_store)?;
        self.events(out, None, py)
    }

    #[getter]
    fn part_bytes(&self) -> usize {
        self.part().cost_bytes()
    }
}
