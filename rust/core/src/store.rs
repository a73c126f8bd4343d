//! One Store body (PS3.18 10.5): multipart framing and one reader per part.

use std::ops::Range;

use crate::error::BodyError;
use crate::media_type;
use crate::multipart::{Event, Limits, Multipart, PartHeaders};
use crate::outcome::{Instance, PartReader, PartRules, Refusal};
use crate::pack::Deflater;

/// Bounds of one Store body.
#[derive(Clone, Debug)]
pub struct StoreLimits {
    /// Of the framing.
    pub framing: Limits,
    /// Longest part, in bytes.
    pub part_bytes_max: u64,
}

/// What came of feeding a chunk, in order.
#[derive(Debug)]
pub enum StoreEvent {
    /// Bytes of the current part that were kept back from earlier chunks.
    Held(Vec<u8>),
    /// Bytes of the current part, by their place in the chunk just fed.
    Data(Range<usize>),
    /// The current part ends, and can be stored.
    Stored(Box<Instance>),
    /// The current part ends, and cannot be stored; its bytes are of no use.
    Refused(Refusal),
}

/// Why a body ends before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The framing is broken.
    Body(BodyError),
    /// A part is longer than the limit.
    PartTooLarge {
        /// The limit, in bytes.
        bytes_max: u64,
    },
    /// There are parts, and not one of them is `application/dicom`.
    ForeignParts {
        /// How many.
        part_count: u64,
    },
}

impl From<BodyError> for StoreError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

/// Reads one Store body while it arrives.
#[derive(Debug)]
pub struct StoreReader {
    framing: Option<Multipart>,
    has_root_type: bool,
    rules: PartRules,
    part_bytes_max: u64,
    part: Option<PartReader>,
    part_count: u64,
    foreign_count: u64,
    deflater: Deflater,
    events: Vec<Event>,
}

impl StoreReader {
    /// Begins a body; without a boundary it is one part.
    pub fn new(
        boundary: Option<&[u8]>,
        has_root_type: bool,
        rules: PartRules,
        limits: StoreLimits,
    ) -> Result<Self, BodyError> {
        let framing = match boundary {
            Some(boundary) => Some(Multipart::new(boundary, limits.framing)?),
            None => None,
        };
        let part = framing.is_none().then(|| PartReader::new(&rules));
        Ok(Self {
            framing,
            has_root_type,
            rules,
            part_bytes_max: limits.part_bytes_max,
            part,
            part_count: 0,
            foreign_count: 0,
            deflater: Deflater::default(),
            events: Vec::new(),
        })
    }

    /// Accepts the next chunk. After an error the reader is of no use.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<StoreEvent>) -> Result<(), StoreError> {
        let Some(framing) = &mut self.framing else {
            return self.data(chunk, 0..chunk.len(), out);
        };
        let mut events = std::mem::take(&mut self.events);
        // What came before an error still counts: it may already be refused or stored.
        let framed = framing.feed(chunk, &mut events);
        for event in events.drain(..) {
            match event {
                Event::PartBegin(headers) => self.begin(&headers, out),
                Event::Held(bytes) => self.held(bytes, out)?,
                Event::Data(range) => self.data(chunk, range, out)?,
                Event::PartEnd => self.end(out),
            }
        }
        self.events = events;
        Ok(framed?)
    }

    /// Ends the body.
    pub fn finish(&mut self, out: &mut Vec<StoreEvent>) -> Result<(), StoreError> {
        if let Some(framing) = &self.framing {
            framing.finish()?;
            if self.part_count > 0 && self.foreign_count == self.part_count {
                return Err(StoreError::ForeignParts {
                    part_count: self.part_count,
                });
            }
        } else {
            self.end(out);
        }
        Ok(())
    }

    /// Begins a part, or refuses it for what it says that it is; then its bytes are passed over.
    fn begin(&mut self, headers: &PartHeaders, out: &mut Vec<StoreEvent>) {
        self.part_count = self.part_count.saturating_add(1);
        let is_dicom = match &headers.content_type {
            Some(content_type) => media_type::essence(content_type) == "application/dicom",
            // The first part inherits the request's type; so do we let the others.
            None => self.has_root_type || self.part_count == 1,
        };
        if is_dicom {
            self.part = Some(PartReader::new(&self.rules));
        } else {
            self.foreign_count = self.foreign_count.saturating_add(1);
            out.push(StoreEvent::Refused(Refusal::foreign(self.part_count)));
        }
    }

    fn held(&mut self, bytes: Vec<u8>, out: &mut Vec<StoreEvent>) -> Result<(), StoreError> {
        if self.accept(&bytes)? {
            out.push(StoreEvent::Held(bytes));
        }
        Ok(())
    }

    fn data(
        &mut self,
        chunk: &[u8],
        range: Range<usize>,
        out: &mut Vec<StoreEvent>,
    ) -> Result<(), StoreError> {
        if self.accept(chunk.get(range.clone()).unwrap_or_default())? {
            out.push(StoreEvent::Data(range));
        }
        Ok(())
    }

    /// Reads bytes of the current part; true if they are worth keeping.
    fn accept(&mut self, bytes: &[u8]) -> Result<bool, StoreError> {
        let Some(part) = &mut self.part else {
            return Ok(false);
        };
        part.feed(bytes);
        if part.length() > self.part_bytes_max {
            return Err(StoreError::PartTooLarge {
                bytes_max: self.part_bytes_max,
            });
        }
        Ok(!part.is_refused())
    }

    fn end(&mut self, out: &mut Vec<StoreEvent>) {
        if let Some(part) = self.part.take() {
            out.push(match part.finish(&self.rules, &mut self.deflater) {
                Ok(instance) => StoreEvent::Stored(instance),
                Err(refusal) => StoreEvent::Refused(refusal),
            });
        }
    }
}
