//! The parts of a multipart body, each kept whole, with what its headers say of it (RFC 2387).
//!
//! For bodies whose parts refer to one another, as metadata and bulkdata do (PS3.18 8.6.1.2).

use crate::error::BodyError;
use crate::multipart::{Event, Limits, Multipart, PartHeaders};

/// One part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelatedPart {
    /// What it says of itself.
    pub headers: PartHeaders,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// Why a body ends before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelatedError {
    /// The framing is broken.
    Body(BodyError),
    /// The parts are longer than the limit, all together.
    TooLarge {
        /// The limit, in bytes.
        bytes_max: u64,
    },
}

impl From<BodyError> for RelatedError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

/// Collects the parts of one body while it arrives.
#[derive(Debug)]
pub struct RelatedReader {
    framing: Multipart,
    bytes_max: u64,
    byte_count: u64,
    part: RelatedPart,
    events: Vec<Event>,
}

impl RelatedReader {
    /// Begins a body. Errors: `BadBoundary`.
    pub fn new(boundary: &[u8], limits: Limits, bytes_max: u64) -> Result<Self, BodyError> {
        Ok(Self {
            framing: Multipart::new(boundary, limits)?,
            bytes_max,
            byte_count: 0,
            part: RelatedPart::default(),
            events: Vec::new(),
        })
    }

    /// Accepts the next chunk; appends the parts that it completes. After an error the reader is of
    /// no use.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<RelatedPart>) -> Result<(), RelatedError> {
        let mut events = std::mem::take(&mut self.events);
        let framed = self.framing.feed(chunk, &mut events);
        for event in events.drain(..) {
            match event {
                Event::PartBegin(headers) => self.part.headers = headers,
                Event::Held(bytes) => self.append(&bytes)?,
                Event::Data(range) => self.append(chunk.get(range).unwrap_or_default())?,
                Event::PartEnd => out.push(std::mem::take(&mut self.part)),
            }
        }
        self.events = events;
        Ok(framed?)
    }

    /// Ends the body. Errors: as `Multipart::finish`.
    pub fn finish(&self) -> Result<(), RelatedError> {
        Ok(self.framing.finish()?)
    }

    /// Bytes of all parts so far.
    #[must_use]
    pub fn byte_count(&self) -> u64 {
        self.byte_count
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), RelatedError> {
        self.byte_count = self.byte_count.saturating_add(bytes.len() as u64);
        if self.byte_count > self.bytes_max {
            return Err(RelatedError::TooLarge {
                bytes_max: self.bytes_max,
            });
        }
        self.part.content.extend_from_slice(bytes);
        Ok(())
    }
}
