//! `longshore._native`: the list of what crosses into Python.
#![deny(unsafe_code)]

use pyo3::prelude::*;

/// The extension module.
#[pymodule(gil_used = false)]
mod _native {}
