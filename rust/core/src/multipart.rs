//! Splits a multipart body that is fed in chunks (RFC 2046 5.1.1, PS3.18 8.6.1.2).
//!
//! Payload bytes are told by their place in the chunk; only the few at a chunk's end that may begin a
//! delimiter are copied. Tolerates what real clients write: text before the first delimiter, bare LF,
//! padding behind a boundary, no headers, no final CRLF, anything behind the closing delimiter.

mod delimiter;
mod headers;

use std::ops::Range;

use self::delimiter::{Delimiter, Verdict};
use crate::error::BodyError;

pub use self::delimiter::{BOUNDARY_BYTES_MAX, PADDING_BYTES_MAX};
pub use self::headers::PartHeaders;

/// What is looked at of a part's headers at a time, in bytes.
const HEADER_STEP_BYTES: usize = 512;

/// Bounds of the framing.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest headers of one part, their empty line included, in bytes.
    pub part_header_bytes_max: usize,
    /// Most parts.
    pub part_count_max: u64,
    /// Longest text before the first delimiter, in bytes.
    pub prologue_bytes_max: u64,
}

/// What came of feeding a chunk, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    PartBegin(PartHeaders),
    /// Payload that was kept back from earlier chunks.
    Held(Vec<u8>),
    /// Payload, by its place in the chunk just fed.
    Data(Range<usize>),
    /// The part ends.
    PartEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Prologue,
    Headers,
    /// Behind the empty line of a first part without headers. It is none if the closing delimiter
    /// follows: that is how .NET's `MultipartContent` writes a body without parts.
    Bare,
    Payload,
    /// Behind the closing delimiter.
    Epilogue,
}

/// The push parser.
#[derive(Debug)]
pub struct Multipart {
    limits: Limits,
    delimiter: Delimiter,
    state: State,
    /// Bytes that may begin a delimiter.
    held: Vec<u8>,
    /// The first of them is a line end that the body does not have: a delimiter may stand at the
    /// very beginning, or share the empty line behind a part's headers.
    is_first_virtual: bool,
    headers: Vec<u8>,
    part_count: u64,
    offset: u64,
}

impl Multipart {
    /// A reader for this boundary parameter, without quotes. Errors: `BadBoundary`.
    pub fn new(boundary: &[u8], limits: Limits) -> Result<Self, BodyError> {
        Ok(Self {
            limits,
            delimiter: Delimiter::new(boundary)?,
            state: State::Prologue,
            held: vec![b'\n'],
            is_first_virtual: true,
            headers: Vec::new(),
            part_count: 0,
            offset: 0,
        })
    }

    /// Accepts the next chunk; appends what it completes.
    ///
    /// Errors: `NoDelimiter`, `HeadersTooLong`, `TooManyParts`, wherever the chunks' borders are;
    /// afterwards the reader is of no use.
    pub fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) -> Result<(), BodyError> {
        let mut position = 0;
        while position < chunk.len() {
            let rest = chunk.get(position..).unwrap_or_default();
            let used = match self.state {
                State::Epilogue => rest.len(),
                State::Headers => self.headers(rest, events)?,
                State::Prologue | State::Bare | State::Payload if self.held.is_empty() => {
                    self.payload(rest, position, events)?
                }
                State::Prologue | State::Bare | State::Payload => self.undecided(rest, events)?,
            };
            position = position.saturating_add(used);
            self.offset = self.offset.saturating_add(used as u64);
        }
        let held = self
            .held
            .len()
            .saturating_sub(usize::from(self.is_first_virtual));
        self.check_prologue(self.offset.saturating_sub(held as u64))
    }

    /// Ends the body. Errors: `Empty` and `Unclosed`, where the closing delimiter never came.
    pub fn finish(&self) -> Result<(), BodyError> {
        match self.state {
            State::Epilogue => Ok(()),
            _ if self.offset == 0 => Err(BodyError::Empty),
            _ => Err(BodyError::Unclosed {
                offset: self.offset,
            }),
        }
    }

    /// True once the closing delimiter has come: whatever is fed from now on means nothing.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Epilogue
    }

    /// Errors where so many bytes before the first delimiter are too many.
    fn check_prologue(&self, length: u64) -> Result<(), BodyError> {
        let bytes_max = self.limits.prologue_bytes_max;
        if self.state == State::Prologue && length > bytes_max {
            return Err(BodyError::NoDelimiter { bytes_max });
        }
        Ok(())
    }

    /// Payload that begins `rest`, up to a delimiter or to what may become one. Returns the bytes
    /// used.
    fn payload(
        &mut self,
        rest: &[u8],
        position: usize,
        events: &mut Vec<Event>,
    ) -> Result<usize, BodyError> {
        let (begin, verdict) = self.delimiter.scan(rest);
        self.check_prologue(self.offset.saturating_add(begin as u64))?;
        if self.state == State::Payload && begin > 0 {
            events.push(Event::Data(position..position.saturating_add(begin)));
        }
        if verdict == Verdict::Undecided {
            let behind = rest.get(begin..).unwrap_or_default();
            self.held.extend_from_slice(behind);
            return Ok(rest.len());
        }
        let length = self.delimited(verdict, events)?;
        Ok(begin.saturating_add(length))
    }

    /// Goes on with bytes that were kept back. Returns the bytes of `rest` used.
    fn undecided(&mut self, rest: &[u8], events: &mut Vec<Event>) -> Result<usize, BodyError> {
        let kept = self.held.len();
        let wanted = self.delimiter.undecided_bytes_max().saturating_sub(kept);
        let more = rest.get(..wanted.max(1)).unwrap_or(rest);
        self.held.extend_from_slice(more);
        match self.delimiter.judge(&self.held) {
            Verdict::Undecided => Ok(more.len()),
            Verdict::Payload => {
                self.held.truncate(kept);
                self.release(events);
                Ok(0)
            }
            verdict => {
                self.held.clear();
                self.is_first_virtual = false;
                let length = self.delimited(verdict, events)?;
                Ok(length.saturating_sub(kept))
            }
        }
    }

    /// What was kept back is payload.
    fn release(&mut self, events: &mut Vec<Event>) {
        let mut held = std::mem::take(&mut self.held);
        if std::mem::take(&mut self.is_first_virtual) {
            held.remove(0);
        }
        if self.state == State::Bare {
            events.push(Event::PartBegin(PartHeaders::default()));
            self.state = State::Payload;
        }
        if self.state == State::Payload && !held.is_empty() {
            events.push(Event::Held(held));
        }
    }

    /// A delimiter: ends the part before it. Returns the delimiter's length.
    fn delimited(&mut self, verdict: Verdict, events: &mut Vec<Event>) -> Result<usize, BodyError> {
        if self.state == State::Bare && matches!(verdict, Verdict::Next(_)) {
            events.push(Event::PartBegin(PartHeaders::default()));
            self.state = State::Payload;
        }
        if self.state == State::Payload {
            events.push(Event::PartEnd);
        }
        match verdict {
            Verdict::Next(length) => {
                self.part_count = self.part_count.saturating_add(1);
                if self.part_count > self.limits.part_count_max {
                    return Err(BodyError::TooManyParts {
                        count_max: self.limits.part_count_max,
                    });
                }
                self.state = State::Headers;
                Ok(length)
            }
            Verdict::Close(length) => {
                self.state = State::Epilogue;
                Ok(length)
            }
            Verdict::Payload | Verdict::Undecided => Ok(0),
        }
    }

    /// Collects a part's headers up to the empty line. Returns the bytes of `rest` used.
    fn headers(&mut self, rest: &[u8], events: &mut Vec<Event>) -> Result<usize, BodyError> {
        let kept = self.headers.len();
        let step = rest.get(..HEADER_STEP_BYTES).unwrap_or(rest);
        self.headers.extend_from_slice(step);
        let end = headers::end(&self.headers, kept);
        let length = end.unwrap_or(self.headers.len());
        if length > self.limits.part_header_bytes_max {
            return Err(BodyError::HeadersTooLong {
                offset: self.offset.saturating_sub(kept as u64),
                bytes_max: self.limits.part_header_bytes_max,
            });
        }
        if end.is_none() {
            return Ok(step.len());
        }
        self.headers.truncate(length);
        let is_bare = self.headers == b"\n" || self.headers == b"\r\n";
        if is_bare && self.part_count == 1 {
            self.state = State::Bare;
        } else {
            events.push(Event::PartBegin(headers::parse(&self.headers)));
            self.state = State::Payload;
        }
        self.headers.clear();
        self.held.push(b'\n');
        self.is_first_virtual = true;
        Ok(length.saturating_sub(kept))
    }
}
