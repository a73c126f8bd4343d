//! Metadata as one byte-aligned piece of a deflate stream per instance (RFC 1951, RFC 1952).
//!
//! A segment ends with a full flush and refers to nothing before it, so segments can be put one behind
//! the other with stored blocks between them, and nothing is inflated to serve them.

use std::sync::{Mutex, PoisonError};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::error::PackError;
use crate::json::METADATA_BYTES_MAX;

/// On the few kilobytes of a data set's JSON, level 1 takes 40 % of the time of level 3 and gives a
/// third more bytes, which is little beside the instance.
const LEVEL: u32 = 1;

/// `,` as a stored block that is not the last: between two segments.
pub const GZIP_SEPARATOR: [u8; 6] = stored(b',', false);
/// `[` before the first segment.
pub(super) const OPEN: [u8; 6] = stored(b'[', false);
/// `]`, the last block.
pub(super) const CLOSE: [u8; 6] = stored(b']', true);

/// No name, no time, unknown system (RFC 1952 2.3).
const GZIP_HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

/// A block of one stored byte (RFC 1951 3.2.4).
const fn stored(byte: u8, is_last: bool) -> [u8; 6] {
    [is_last as u8, 1, 0, 0xFE, 0xFF, byte]
}

/// One instance's DICOM JSON, deflated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Raw deflate, ended by a full flush.
    pub deflated: Vec<u8>,
    /// Of the plain JSON.
    pub crc32: u32,
    /// Bytes of the plain JSON.
    pub plain_length: u32,
}

/// Working memory of deflaters that are done: 300 KB each, which take longer to make than to use for
/// one short instance.
static IDLE: Mutex<Vec<Compress>> = Mutex::new(Vec::new());
/// More are let go of.
const IDLE_COUNT_MAX: usize = 8;

/// Deflates segments; keeps its working memory from one to the next, and leaves it to the next one.
#[derive(Debug)]
pub struct Deflater {
    /// None only while it is dropped.
    stream: Option<Compress>,
}

impl Default for Deflater {
    fn default() -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self {
            stream: Some(idle.unwrap_or_else(new_stream)),
        }
    }
}

impl Drop for Deflater {
    fn drop(&mut self) {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_COUNT_MAX {
            idle.extend(self.stream.take());
        }
    }
}

impl Deflater {
    /// Deflates one instance's JSON, of less than 4 GiB.
    pub fn segment(&mut self, json: &[u8]) -> Segment {
        let stream = self.stream.get_or_insert_with(new_stream);
        stream.reset();
        let mut deflated = Vec::with_capacity((json.len() / 3).saturating_add(64));
        loop {
            let used = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
            let rest = json.get(used..).unwrap_or_default();
            let spare = deflated.capacity().saturating_sub(deflated.len());
            // Into memory, deflating cannot fail; the loop ends when all is in and room is left.
            let status = stream.compress_vec(rest, &mut deflated, FlushCompress::Full);
            let is_all_in = stream.total_in() == json.len() as u64;
            if status.is_err() || (is_all_in && deflated.len() < deflated.capacity()) {
                break;
            }
            deflated.reserve(spare.max(4096));
        }
        Segment {
            deflated,
            crc32: crc32fast::hash(json),
            plain_length: u32::try_from(json.len()).unwrap_or(u32::MAX),
        }
    }
}

/// One instance's JSON again, of so many bytes.
///
/// Errors: `BadSegment` when it is none of that length and CRC-32.
pub fn inflate_segment(
    deflated: &[u8],
    plain_length: u32,
    crc32: u32,
) -> Result<Vec<u8>, PackError> {
    let length = usize::try_from(plain_length).unwrap_or(usize::MAX);
    if length > METADATA_BYTES_MAX.saturating_mul(2) {
        return Err(PackError::BadSegment);
    }
    // The vector never grows: a segment that inflates to more ends there.
    let mut plain = Vec::with_capacity(length.saturating_add(1));
    let status = Decompress::new(false).decompress_vec(deflated, &mut plain, FlushDecompress::Sync);
    if status.is_err() || plain.len() != length || crc32fast::hash(&plain) != crc32 {
        return Err(PackError::BadSegment);
    }
    Ok(plain)
}

fn new_stream() -> Compress {
    Compress::new(Compression::new(LEVEL), false)
}

/// CRC-32 and length of `[`, the segments with `,` between them, `]`.
pub(super) fn array_checksum(segments: impl Iterator<Item = (u32, u64)>) -> (u32, u64) {
    let mut whole = crc32fast::Hasher::new();
    let mut length = 2_u64;
    whole.update(b"[");
    for (at, (crc32, plain_length)) in segments.enumerate() {
        if at > 0 {
            whole.update(b",");
            length = length.saturating_add(1);
        }
        whole.combine(&crc32fast::Hasher::new_with_initial_len(
            crc32,
            plain_length,
        ));
        length = length.saturating_add(plain_length);
    }
    whole.update(b"]");
    (whole.finalize(), length)
}

/// What goes before and behind n stitched segments (CRC-32 and plain length of each) to make one gzip
/// member that holds a JSON array. Between the segments goes `GZIP_SEPARATOR`.
#[must_use]
pub fn gzip_frame(segments: &[(u32, u64)]) -> (Vec<u8>, Vec<u8>) {
    let (crc32, length) = array_checksum(segments.iter().copied());
    let head = [&GZIP_HEADER[..], &OPEN].concat();
    let mut tail = CLOSE.to_vec();
    tail.extend_from_slice(&crc32.to_le_bytes());
    // The length modulo 2^32 (RFC 1952 2.3.1).
    tail.extend_from_slice(length.to_le_bytes().first_chunk::<4>().unwrap_or(&[0; 4]));
    (head, tail)
}
