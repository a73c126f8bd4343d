//! The table of searchable attributes, as Python sees it.

use longshore_core::attributes::{self as core, ATTRIBUTES};
use pyo3::prelude::*;

#[pyclass(frozen, module = "longshore._native")]
#[derive(Debug)]
pub(crate) struct Attribute(core::Attribute);

#[pymethods]
impl Attribute {
    #[getter]
    fn tag(&self) -> u32 {
        self.0.tag
    }

    #[getter]
    fn keyword(&self) -> &'static str {
        self.0.keyword()
    }

    #[getter]
    fn vr(&self) -> &'static str {
        self.0.vr().code()
    }

    #[getter]
    fn level(&self) -> &'static str {
        self.0.level.name()
    }

    #[getter]
    fn is_matched(&self) -> bool {
        self.0.is_matched()
    }
}

#[pyfunction]
pub(crate) fn attributes() -> Vec<Attribute> {
    ATTRIBUTES.iter().map(|row| Attribute(*row)).collect()
}
