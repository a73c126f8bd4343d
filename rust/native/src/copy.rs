//! One copy of many buffers into one, while other threads run Python.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::prelude::*;

#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the buffers must stay exported until all is copied"
)]
pub(crate) fn copy_into(
    py: Python<'_>,
    target: PyBuffer<u8>,
    offset: usize,
    pieces: Vec<PyBuffer<u8>>,
) -> PyResult<usize> {
    if target.readonly() || !target.is_c_contiguous() {
        return Err(PyBufferError::new_err("the target cannot be written to"));
    }
    if !pieces.iter().all(|piece| piece.is_c_contiguous()) {
        return Err(PyBufferError::new_err("a piece is not contiguous"));
    }
    let end = pieces.iter().try_fold(offset, |sum, piece| {
        sum.checked_add(piece.len_bytes())
            .filter(|sum| *sum <= target.len_bytes())
    });
    let Some(end) = end else {
        return Err(PyValueError::new_err(
            "the pieces do not fit behind the offset",
        ));
    };
    copy(py, &target, offset, &pieces);
    Ok(end)
}

/// Copies without the GIL.
///
/// Safety: the caller has checked that the pieces fit. Every buffer stays exported, hence where it
/// is, until the `PyBuffer`s are dropped. That nobody else touches the target meanwhile is asked of
/// Python code by the contract in `_native.pyi`; a piece that overlaps the target would only give
/// undefined bytes, since `ptr::copy` allows it.
#[expect(unsafe_code, reason = "see Safety above")]
fn copy(py: Python<'_>, target: &PyBuffer<u8>, offset: usize, pieces: &[PyBuffer<u8>]) {
    let target = target.buf_ptr() as usize;
    let places: Vec<(usize, usize)> = pieces
        .iter()
        .map(|piece| (piece.buf_ptr() as usize, piece.len_bytes()))
        .collect();
    py.detach(|| {
        let mut at = target.saturating_add(offset);
        for (begin, length) in places {
            unsafe { std::ptr::copy(begin as *const u8, at as *mut u8, length) };
            at = at.saturating_add(length);
        }
    });
}
