//! Packs and stitched metadata, as Python sees them.

use longshore_core::pack as core;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::PyBytes;

use crate::error::raise_pack;

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct PackEntry(core::Entry);

impl From<core::Entry> for PackEntry {
    fn from(entry: core::Entry) -> Self {
        Self(entry)
    }
}

impl PackEntry {
    pub(crate) fn inner(&self) -> &core::Entry {
        &self.0
    }
}

#[pymethods]
impl PackEntry {
    #[new]
    #[pyo3(signature = (*, study_uid, series_uid, sop_instance_uid, length, crc32, segment, segment_crc32, segment_plain_length))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "pyo3 hands over what it converted"
    )]
    fn new(
        study_uid: String,
        series_uid: String,
        sop_instance_uid: String,
        length: u64,
        crc32: u32,
        segment: PyBackedBytes,
        segment_crc32: u32,
        segment_plain_length: u32,
    ) -> Self {
        let segment = core::Segment {
            deflated: segment.to_vec(),
            crc32: segment_crc32,
            plain_length: segment_plain_length,
        };
        Self(core::Entry {
            study_uid,
            series_uid,
            sop_instance_uid,
            length,
            crc32,
            segment,
        })
    }

    #[getter]
    fn study_uid(&self) -> &str {
        &self.0.study_uid
    }

    #[getter]
    fn series_uid(&self) -> &str {
        &self.0.series_uid
    }

    #[getter]
    fn sop_instance_uid(&self) -> &str {
        &self.0.sop_instance_uid
    }

    #[getter]
    fn length(&self) -> u64 {
        self.0.length
    }

    #[getter]
    fn crc32(&self) -> u32 {
        self.0.crc32
    }

    #[getter]
    fn segment<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.segment.deflated)
    }

    #[getter]
    fn segment_crc32(&self) -> u32 {
        self.0.segment.crc32
    }

    #[getter]
    fn segment_plain_length(&self) -> u32 {
        self.0.segment.plain_length
    }
}

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct PackPlan(core::Plan);

#[pymethods]
impl PackPlan {
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.0
            .headers
            .iter()
            .map(|header| PyBytes::new(py, header))
            .collect()
    }

    #[getter]
    fn payload_offsets(&self) -> Vec<u64> {
        self.0.payload_offsets.clone()
    }

    #[getter]
    fn segment_offsets(&self) -> Vec<u64> {
        self.0.segment_offsets.clone()
    }

    #[getter]
    fn tail<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.tail)
    }

    #[getter]
    fn length(&self) -> u64 {
        self.0.length
    }
}

#[pyfunction]
#[pyo3(signature = (entries, *, partition_names=Vec::new(), first_payload_offset=None))]
#[expect(
    clippy::needless_pass_by_value,
    reason = "pyo3 hands over what it converted"
)]
pub(crate) fn plan_pack(
    py: Python<'_>,
    entries: Vec<Bound<'_, PackEntry>>,
    partition_names: Vec<PyBackedStr>,
    first_payload_offset: Option<u64>,
) -> PyResult<PackPlan> {
    let entries: Vec<&core::Entry> = entries.iter().map(|entry| &entry.get().0).collect();
    let partition_names: Vec<&str> = partition_names.iter().map(|name| &**name).collect();
    let plan = py.detach(|| core::plan(&entries, &partition_names, first_payload_offset));
    plan.map(PackPlan).map_err(|error| raise_pack(&error))
}

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct PackedInstance(core::Packed);

#[pymethods]
impl PackedInstance {
    #[getter]
    fn partition_name(&self) -> &str {
        &self.0.partition_name
    }

    #[getter]
    fn study_uid(&self) -> &str {
        &self.0.study_uid
    }

    #[getter]
    fn series_uid(&self) -> &str {
        &self.0.series_uid
    }

    #[getter]
    fn sop_instance_uid(&self) -> &str {
        &self.0.sop_instance_uid
    }

    #[getter]
    fn payload_offset(&self) -> u64 {
        self.0.payload_offset
    }

    #[getter]
    fn payload_length(&self) -> u64 {
        self.0.payload_length
    }

    #[getter]
    fn crc32(&self) -> u32 {
        self.0.crc32
    }

    #[getter]
    fn segment_offset(&self) -> u64 {
        self.0.segment_offset
    }

    #[getter]
    fn segment_length(&self) -> u32 {
        self.0.segment_length
    }

    #[getter]
    fn segment_plain_length(&self) -> u32 {
        self.0.segment_plain_length
    }

    #[getter]
    fn segment_crc32(&self) -> u32 {
        self.0.segment_crc32
    }
}

#[pyfunction]
#[pyo3(signature = (end, *, pack_length))]
#[expect(
    clippy::needless_pass_by_value,
    reason = "pyo3 hands over what it converted"
)]
pub(crate) fn pack_directory_length(end: PyBackedBytes, pack_length: u64) -> PyResult<u64> {
    core::directory_length(&end, pack_length).map_err(|error| raise_pack(&error))
}

#[pyfunction]
#[pyo3(signature = (directory, *, pack_length))]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the bytes must outlive the detached call"
)]
pub(crate) fn read_pack_directory(
    py: Python<'_>,
    directory: PyBackedBytes,
    pack_length: u64,
) -> PyResult<Vec<PackedInstance>> {
    let packed = py.detach(|| core::read_directory(&directory, pack_length));
    let packed = packed.map_err(|error| raise_pack(&error))?;
    Ok(packed.into_iter().map(PackedInstance).collect())
}

#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "pyo3 hands over what it converted"
)]
pub(crate) fn gzip_frame(
    py: Python<'_>,
    segments: Vec<(u32, u64)>,
) -> (Bound<'_, PyBytes>, Bound<'_, PyBytes>) {
    let (head, tail) = py.detach(|| core::gzip_frame(&segments));
    (PyBytes::new(py, &head), PyBytes::new(py, &tail))
}
