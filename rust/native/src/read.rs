//! Reads of what the page cache has, and nothing else: no wait, no second copy.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::PyBytes;

/// How a read ended that brought no bytes.
enum Miss {
    /// A disk would have to be waited for, or the file is gone or too short.
    Wait,
    /// This file system, or this system, cannot tell.
    Unsupported(i32),
}

#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "pyo3 hands over what it converted"
)]
pub(crate) fn read_cached(
    py: Python<'_>,
    path: PyBackedStr,
    offset: u64,
    length: usize,
    head: PyBackedBytes,
    tail: PyBackedBytes,
) -> PyResult<Option<Bound<'_, PyBytes>>> {
    let Some(end) = head.len().checked_add(length) else {
        return Ok(None);
    };
    let Some(total) = end.checked_add(tail.len()) else {
        return Ok(None);
    };
    let mut miss = None;
    let bytes = PyBytes::new_with(py, total, |buffer| {
        let (before, rest) = buffer.split_at_mut(head.len());
        let (within, behind) = rest.split_at_mut(length);
        before.copy_from_slice(&head);
        behind.copy_from_slice(&tail);
        // A loop that sends one answer after the other would never let the lock go otherwise, and
        // requests come in through a thread that needs it.
        miss = py.detach(|| fill(&path, offset, within)).err();
        Ok(())
    })?;
    match miss {
        None => Ok(Some(bytes)),
        Some(Miss::Wait) => Ok(None),
        Some(Miss::Unsupported(code)) => Err(PyOSError::new_err((code, "not supported"))),
    }
}

#[cfg(target_os = "linux")]
fn fill(path: &str, offset: u64, buffer: &mut [u8]) -> Result<(), Miss> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    use std::io::IoSliceMut;

    let file = std::fs::File::open(path).map_err(|_| Miss::Wait)?;
    let length = buffer.len();
    let mut slices = [IoSliceMut::new(buffer)];
    match preadv2(&file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
        Ok(count) if count == length => Ok(()),
        Err(error @ (Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL)) => {
            Err(Miss::Unsupported(error.raw_os_error()))
        }
        // The file ends early, or its disk is slow or failing: whoever waits for it will tell.
        Ok(_) | Err(_) => Err(Miss::Wait),
    }
}

#[cfg(not(target_os = "linux"))]
fn fill(_path: &str, _offset: u64, _buffer: &mut [u8]) -> Result<(), Miss> {
    Err(Miss::Unsupported(0))
}
