//! `longshore._native`: the list of what crosses into Python.
//!
//! Converts, detaches, raises; nothing else. What the names mean is written in `_native.pyi`.
#![deny(unsafe_code)]

mod attribute;
mod copy;
mod error;
mod extended;
mod instance;
mod pack;
mod read;
mod related;
mod rope;
mod store;

use pyo3::prelude::*;

/// The extension module.
#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::attribute::{Attribute, attributes};
    #[pymodule_export]
    use super::copy::copy_into;
    #[pymodule_export]
    use super::error::{ForeignPartError, LimitError, MultipartError, PackFormatError};
    #[pymodule_export]
    use super::extended::{ExtendedTags, strict_fault};
    #[pymodule_export]
    use super::instance::{Instance, Refusal, dataset_offset};
    #[pymodule_export]
    use super::pack::{
        PackEntry, PackPlan, PackedInstance, gzip_frame, pack_directory_length, plan_pack,
        read_pack_directory,
    };
    #[pymodule_export]
    use super::read::read_cached;
    #[pymodule_export]
    use super::related::{RelatedPart, RelatedReader};
    #[pymodule_export]
    use super::store::{Payload, StoreReader};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        use pyo3::types::PyBytes;
        let py = module.py();
        let separator = PyBytes::new(py, &longshore_core::pack::GZIP_SEPARATOR);
        module.add("GZIP_SEPARATOR", separator)?;
        module.add(
            "DEFAULT_PARTITION_NAME",
            longshore_core::pack::DEFAULT_PARTITION_NAME,
        )?;
        module.add(
            "FRAME_TABLE_ENTRY_BYTES",
            longshore_core::frames::TABLE_ENTRY_BYTES,
        )
    }
}
