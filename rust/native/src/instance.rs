//! Instances and refusals, as Python sees them.

use std::sync::{Mutex, PoisonError};

use longshore_core::attributes::Level;
use longshore_core::frames::Layout;
use longshore_core::outcome as core;
use longshore_core::pack::Entry;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::pack::PackEntry;
use crate::rope::Rope;

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct Instance {
    inner: Box<core::Instance>,
    /// Taken out of `inner`, since the pack is planned from these alone.
    entry: Py<PackEntry>,
    pieces: Mutex<Rope>,
}

impl Instance {
    pub(crate) fn new(
        py: Python<'_>,
        mut inner: Box<core::Instance>,
        pieces: Rope,
    ) -> PyResult<Self> {
        let entry = Py::new(py, PackEntry::from(std::mem::take(&mut inner.entry)))?;
        Ok(Self {
            inner,
            entry,
            pieces: Mutex::new(pieces),
        })
    }

    fn entry(&self) -> &Entry {
        self.entry.get().inner()
    }

    fn values<'py>(&self, py: Python<'py>, level: Level) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.inner.level_values(level).collect::<Vec<_>>())
    }
}

#[pymethods]
impl Instance {
    #[getter]
    fn study_uid(&self) -> &str {
        &self.entry().study_uid
    }

    #[getter]
    fn series_uid(&self) -> &str {
        &self.entry().series_uid
    }

    #[getter]
    fn sop_instance_uid(&self) -> &str {
        &self.entry().sop_instance_uid
    }

    #[getter]
    fn sop_class_uid(&self) -> &str {
        &self.inner.sop_class_uid
    }

    #[getter]
    fn transfer_syntax_uid(&self) -> &str {
        &self.inner.transfer_syntax_uid
    }

    #[getter]
    fn pack_entry<'py>(&self, py: Python<'py>) -> Bound<'py, PackEntry> {
        self.entry.bind(py).clone()
    }

    #[getter]
    fn length(&self) -> u64 {
        self.entry().length
    }

    #[getter]
    fn segment_length(&self) -> usize {
        self.entry().segment.deflated.len()
    }

    #[getter]
    fn segment_plain_length(&self) -> u32 {
        self.entry().segment.plain_length
    }

    #[getter]
    fn segment_crc32(&self) -> u32 {
        self.entry().segment.crc32
    }

    fn describes_as(&self, other: &Self) -> bool {
        let (entry, others) = (self.entry(), other.entry());
        let is_series =
            entry.series_uid == others.series_uid && entry.study_uid == others.study_uid;
        is_series
            && self.inner.level_json == other.inner.level_json
            && [Level::Study, Level::Series].iter().all(|level| {
                self.inner
                    .level_values(*level)
                    .eq(other.inner.level_values(*level))
            })
    }

    fn take_pieces<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.take(py)
    }

    #[getter]
    fn study_values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.values(py, Level::Study)
    }

    #[getter]
    fn series_values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.values(py, Level::Series)
    }

    #[getter]
    fn instance_values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.values(py, Level::Instance)
    }

    #[getter]
    fn study_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let [study, _] = &self.inner.level_json;
        PyBytes::new(py, study)
    }

    #[getter]
    fn series_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let [_, series] = &self.inner.level_json;
        PyBytes::new(py, series)
    }

    #[getter]
    fn extended_version(&self) -> i64 {
        self.inner.extended_version
    }

    #[getter]
    fn extended_json<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let json = self.inner.extended_json.as_ref()?;
        Some(PyBytes::new(py, json))
    }

    #[getter]
    fn has_bulkdata_uri(&self) -> bool {
        self.inner.has_bulkdata_uri
    }

    #[getter]
    fn frame_count(&self) -> Option<u32> {
        self.inner.frames.as_ref().map(|frames| frames.count)
    }

    #[getter]
    fn pixel_offset(&self) -> Option<u64> {
        match self.inner.frames.as_ref()?.layout {
            Layout::Native { pixel_offset, .. } => Some(pixel_offset),
            Layout::Encapsulated { .. } => None,
        }
    }

    #[getter]
    fn frame_bits(&self) -> Option<u64> {
        match self.inner.frames.as_ref()?.layout {
            Layout::Native { frame_bits, .. } => Some(frame_bits),
            Layout::Encapsulated { .. } => None,
        }
    }

    #[getter]
    fn frame_table<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        match &self.inner.frames.as_ref()?.layout {
            Layout::Native { .. } => None,
            Layout::Encapsulated { table } => Some(PyBytes::new(py, table)),
        }
    }

    #[getter]
    fn is_implicit_vr(&self) -> bool {
        self.inner.is_implicit_vr
    }

    #[getter]
    fn is_multivalued(&self) -> bool {
        self.inner.is_multivalued
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.inner.warnings.clone()
    }

    fn __repr__(&self) -> String {
        format!("<Instance {}>", self.entry().sop_instance_uid)
    }
}

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct Refusal(core::Refusal);

impl Refusal {
    pub(crate) fn new(refusal: core::Refusal) -> Self {
        Self(refusal)
    }
}

#[pymethods]
impl Refusal {
    #[getter]
    fn sop_class_uid(&self) -> Option<&str> {
        self.0.sop_class_uid.as_deref()
    }

    #[getter]
    fn sop_instance_uid(&self) -> Option<&str> {
        self.0.sop_instance_uid.as_deref()
    }

    #[getter]
    fn failure_reason(&self) -> u16 {
        self.0.failure_reason
    }

    #[getter]
    fn comments(&self) -> Vec<String> {
        self.0.comments.clone()
    }

    #[getter]
    fn detail(&self) -> &str {
        &self.0.detail
    }
}

#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "pyo3 hands over what it converted"
)]
pub(crate) fn dataset_offset(head: PyBackedBytes) -> Option<usize> {
    longshore_core::part10::dataset_offset(&head)
}
