//! Extended query tags, as Python sees them.

use std::sync::Arc;

use longshore_core::extended as core;
use longshore_core::validate;
use longshore_core::vr::Vr;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::error::raise_pack;

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct ExtendedTags(Arc<core::ExtendedTags>);

impl ExtendedTags {
    pub(crate) fn inner(&self) -> Arc<core::ExtendedTags> {
        Arc::clone(&self.0)
    }
}

fn vr_of(code: &str) -> PyResult<Vr> {
    let bytes = code.as_bytes().first_chunk::<2>().copied();
    bytes
        .filter(|_| code.len() == 2)
        .and_then(Vr::from_code)
        .ok_or_else(|| PyValueError::new_err("no such VR"))
}

#[pymethods]
impl ExtendedTags {
    #[new]
    fn new(version: i64, tags: Vec<(u32, String, Option<String>)>) -> PyResult<Self> {
        let tags = tags
            .into_iter()
            .map(|(tag, vr, private_creator)| {
                Ok(core::ExtendedTag {
                    tag,
                    vr: vr_of(&vr)?,
                    private_creator,
                })
            })
            .collect::<PyResult<Vec<_>>>()?;
        Ok(Self(Arc::new(core::ExtendedTags::new(version, tags))))
    }

    #[getter]
    fn version(&self) -> i64 {
        self.0.version()
    }

    #[pyo3(signature = (segment, *, plain_length, crc32))]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the bytes must outlive the detached call"
    )]
    fn read<'py>(
        &self,
        py: Python<'py>,
        segment: PyBackedBytes,
        plain_length: u32,
        crc32: u32,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let found = py.detach(|| {
            let json = longshore_core::pack::inflate_segment(&segment, plain_length, crc32)?;
            Ok(self.0.read(&json))
        });
        let found = found.map_err(|error| raise_pack(&error))?;
        Ok(found.map(|json| PyBytes::new(py, &json)))
    }
}

#[pyfunction]
pub(crate) fn strict_fault(vr: &str, value: &str) -> PyResult<Option<&'static str>> {
    Ok(validate::strict(vr_of(vr)?, value, value.len()).err())
}
