//! A part's payload as pieces of the chunks that brought it: nothing is copied.

use std::ops::Range;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PySlice};

use crate::store::Payload;

/// What a piece costs beyond its bytes: its own place, and the object that it keeps alive. A client
/// that sends byte by byte pays for it.
const PIECE_OVERHEAD_BYTES: usize = 128;

#[derive(Debug)]
struct Piece {
    chunk: Py<PyBytes>,
    range: Range<usize>,
}

/// The pieces of one part, in order.
#[derive(Debug, Default)]
pub(crate) struct Rope {
    pieces: Vec<Piece>,
    byte_count: usize,
    /// The part's earlier pieces were handed out already.
    pub(crate) is_streamed: bool,
}

impl Rope {
    /// Appends a range of a chunk.
    pub(crate) fn push(&mut self, chunk: &Bound<'_, PyBytes>, range: Range<usize>) {
        self.byte_count = self.byte_count.saturating_add(range.len());
        self.pieces.push(Piece {
            chunk: chunk.clone().unbind(),
            range,
        });
    }

    /// Appends bytes that were kept back from earlier chunks.
    pub(crate) fn push_held(&mut self, held: &Bound<'_, PyBytes>) {
        let range = 0..held.as_bytes().len();
        self.push(held, range);
    }

    /// Memory that the pieces keep, in bytes.
    pub(crate) fn cost_bytes(&self) -> usize {
        let overhead = self.pieces.len().saturating_mul(PIECE_OVERHEAD_BYTES);
        self.byte_count.saturating_add(overhead)
    }

    /// Hands the pieces out: `bytes` where a whole chunk is meant, else a memoryview of it.
    pub(crate) fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.byte_count = 0;
        let list = PyList::empty(py);
        for Piece { chunk, range } in self.pieces.drain(..) {
            let chunk = chunk.into_bound(py);
            if range == (0..chunk.as_bytes().len()) {
                list.append(chunk)?;
                continue;
            }
            let slice = PySlice::new(py, signed(range.start), signed(range.end), 1);
            list.append(PyMemoryView::from(&chunk)?.get_item(slice)?)?;
        }
        Ok(list)
    }

    /// Likewise, as the event that tells of a streamed part.
    pub(crate) fn payload(&mut self, py: Python<'_>) -> PyResult<Payload> {
        Ok(Payload::new(self.take(py)?.unbind()))
    }
}

/// Lengths of Python objects fit.
fn signed(number: usize) -> isize {
    isize::try_from(number).unwrap_or(isize::MAX)
}
