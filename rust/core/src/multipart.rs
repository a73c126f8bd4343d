//! Splits a multipart body that is fed in chunks (RFC 2046 5.1.1, PS3.18 8.6.1.2).
//!
//! Payload bytes are told by their place in the chunk; only the few at a chunk's end that may begin a
//! delimiter are copied. Tolerates what real clients write: text before the first delimiter, bare LF,
//! padding behind a boundary, no headers, no final CRLF, anything behind the closing delimiter.

use std::ops::Range;

use memchr::memmem::Finder;

use crate::error::BodyError;

/// Longest boundary (RFC 2046 5.1.1), in bytes.
pub const BOUNDARY_BYTES_MAX: usize = 70;
/// Longest padding between a boundary and its line end, in bytes.
pub const PADDING_BYTES_MAX: usize = 64;
/// What is looked at of a part's headers at a time, in bytes.
const HEADER_STEP_BYTES: usize = 512;

/// Bounds of the framing.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest headers of one part, in bytes.
    pub part_header_bytes_max: usize,
    /// Most parts.
    pub part_count_max: u64,
    /// Longest text before the first delimiter, in bytes.
    pub prologue_bytes_max: u64,
}

/// The headers of one part that mean something here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartHeaders {
    /// As sent.
    pub content_type: Option<String>,
    /// As sent.
    pub content_location: Option<String>,
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
    Payload,
    /// Behind the closing delimiter.
    Epilogue,
}

/// What bytes that may begin a delimiter turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Payload.
    Payload,
    /// More bytes are needed.
    Undecided,
    /// A delimiter of so many bytes, and another part behind it.
    Next(usize),
    /// The closing delimiter, of so many bytes.
    Close(usize),
}

/// The push parser.
#[derive(Debug)]
pub struct Multipart {
    limits: Limits,
    /// `LF -- boundary`; a CR before it belongs to it.
    delimiter: Finder<'static>,
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
        let is_printable = boundary.iter().all(|byte| (0x20..0x7F).contains(byte));
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX || !is_printable {
            return Err(BodyError::BadBoundary);
        }
        let delimiter = Finder::new(&[b"\n--", boundary].concat()).into_owned();
        Ok(Self {
            limits,
            delimiter,
            state: State::Prologue,
            held: vec![b'\n'],
            is_first_virtual: true,
            headers: Vec::new(),
            part_count: 0,
            offset: 0,
        })
    }

    /// Accepts the next chunk; appends what it completes. After an error the reader is of no use.
    pub fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) -> Result<(), BodyError> {
        let mut position = 0;
        while position < chunk.len() {
            let rest = chunk.get(position..).unwrap_or_default();
            let used = match self.state {
                State::Epilogue => rest.len(),
                State::Headers => self.headers(rest, events)?,
                State::Prologue | State::Payload if self.held.is_empty() => {
                    self.payload(rest, position, events)?
                }
                State::Prologue | State::Payload => self.undecided(rest, events)?,
            };
            position = position.saturating_add(used);
            self.offset = self.offset.saturating_add(used as u64);
            let held = self
                .held
                .len()
                .saturating_sub(usize::from(self.is_first_virtual));
            self.check_prologue(self.offset.saturating_sub(held as u64))?;
        }
        Ok(())
    }

    /// Errors where so many bytes before the first delimiter are too many.
    fn check_prologue(&self, length: u64) -> Result<(), BodyError> {
        let bytes_max = self.limits.prologue_bytes_max;
        if self.state == State::Prologue && length > bytes_max {
            return Err(BodyError::NoDelimiter { bytes_max });
        }
        Ok(())
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

    /// Payload that begins `rest`, up to a delimiter or to what may become one.
    fn payload(
        &mut self,
        rest: &[u8],
        position: usize,
        events: &mut Vec<Event>,
    ) -> Result<usize, BodyError> {
        let mut from = 0;
        while let Some(found) = self.delimiter.find(rest.get(from..).unwrap_or_default()) {
            let line_feed = from.saturating_add(found);
            let begin = match line_feed.checked_sub(1).and_then(|before| rest.get(before)) {
                Some(b'\r') => line_feed.saturating_sub(1),
                _ => line_feed,
            };
            match self.judge(rest.get(begin..).unwrap_or_default()) {
                Verdict::Payload => from = line_feed.saturating_add(1),
                Verdict::Undecided => {
                    return Ok(self.hold(rest, begin, position, events));
                }
                verdict => {
                    self.check_prologue(self.offset.saturating_add(begin as u64))?;
                    self.data(0..begin, position, events);
                    return Ok(begin.saturating_add(self.delimited(verdict, events)?));
                }
            }
        }
        let begin = self.partial(rest);
        Ok(self.hold(rest, begin, position, events))
    }

    /// Tells the payload before `begin` and keeps back what is behind it.
    fn hold(
        &mut self,
        rest: &[u8],
        begin: usize,
        position: usize,
        events: &mut Vec<Event>,
    ) -> usize {
        self.data(0..begin, position, events);
        self.held
            .extend_from_slice(rest.get(begin..).unwrap_or_default());
        rest.len()
    }

    /// Where the end of `rest` may begin a delimiter; its length if nowhere.
    fn partial(&self, rest: &[u8]) -> usize {
        let delimiter = self.delimiter.needle();
        let window = rest.len().saturating_sub(delimiter.len());
        let tail = rest.get(window..).unwrap_or_default();
        // A boundary holds no line ends, so only the last one can begin it.
        let Some(line_feed) = memchr::memrchr(b'\n', tail) else {
            let is_return = rest.last() == Some(&b'\r');
            return rest.len().saturating_sub(usize::from(is_return));
        };
        if !delimiter.starts_with(tail.get(line_feed..).unwrap_or_default()) {
            let is_return = rest.last() == Some(&b'\r');
            return rest.len().saturating_sub(usize::from(is_return));
        }
        let line_feed = window.saturating_add(line_feed);
        match line_feed.checked_sub(1).and_then(|before| rest.get(before)) {
            Some(b'\r') => line_feed.saturating_sub(1),
            _ => line_feed,
        }
    }

    /// Goes on with bytes that were kept back.
    fn undecided(&mut self, rest: &[u8], events: &mut Vec<Event>) -> Result<usize, BodyError> {
        let longest = self
            .delimiter
            .needle()
            .len()
            .saturating_add(PADDING_BYTES_MAX + 4);
        let kept = self.held.len();
        let more = rest.len().min(longest.saturating_sub(kept).max(1));
        self.held
            .extend_from_slice(rest.get(..more).unwrap_or_default());
        match self.judge(&self.held) {
            Verdict::Undecided => Ok(more),
            Verdict::Payload => {
                self.held.truncate(kept);
                let mut held = std::mem::take(&mut self.held);
                if std::mem::take(&mut self.is_first_virtual) {
                    held.remove(0);
                }
                if self.state == State::Payload && !held.is_empty() {
                    events.push(Event::Held(held));
                }
                Ok(0)
            }
            verdict => {
                self.held.clear();
                self.is_first_virtual = false;
                Ok(self.delimited(verdict, events)?.saturating_sub(kept))
            }
        }
    }

    /// Judges bytes that begin with a line end.
    fn judge(&self, bytes: &[u8]) -> Verdict {
        let returns = usize::from(bytes.first() == Some(&b'\r'));
        let Some(line) = bytes.get(returns..) else {
            return Verdict::Undecided;
        };
        let delimiter = self.delimiter.needle();
        let Some(behind) = line.strip_prefix(delimiter) else {
            return if delimiter.starts_with(line) {
                Verdict::Undecided
            } else {
                Verdict::Payload
            };
        };
        let length = returns.saturating_add(delimiter.len());
        if behind.starts_with(b"--") {
            return Verdict::Close(length.saturating_add(2));
        }
        let is_padding = |byte: &u8| matches!(byte, b' ' | b'\t');
        let padding = behind.iter().take_while(|byte| is_padding(byte)).count();
        let length = length.saturating_add(padding);
        match behind.get(padding..).unwrap_or_default() {
            _ if padding > PADDING_BYTES_MAX => Verdict::Payload,
            [b'\n', ..] => Verdict::Next(length.saturating_add(1)),
            [b'\r', b'\n', ..] => Verdict::Next(length.saturating_add(2)),
            [] | [b'\r'] => Verdict::Undecided,
            [b'-'] if padding == 0 => Verdict::Undecided,
            _ => Verdict::Payload,
        }
    }

    /// A delimiter: ends the part before it. Returns the delimiter's length.
    fn delimited(&mut self, verdict: Verdict, events: &mut Vec<Event>) -> Result<usize, BodyError> {
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

    fn data(&self, range: Range<usize>, position: usize, events: &mut Vec<Event>) {
        if self.state == State::Payload && !range.is_empty() {
            let start = range.start.saturating_add(position);
            events.push(Event::Data(start..range.end.saturating_add(position)));
        }
    }

    /// Collects a part's headers up to the empty line.
    fn headers(&mut self, rest: &[u8], events: &mut Vec<Event>) -> Result<usize, BodyError> {
        let kept = self.headers.len();
        let step = rest.get(..HEADER_STEP_BYTES).unwrap_or(rest);
        self.headers.extend_from_slice(step);
        let end = headers_end(&self.headers, kept);
        let bytes_max = self.limits.part_header_bytes_max;
        if end.unwrap_or(self.headers.len()) > bytes_max {
            return Err(BodyError::HeadersTooLong {
                offset: self.offset,
                bytes_max,
            });
        }
        let Some(end) = end else {
            return Ok(step.len());
        };
        self.headers.truncate(end);
        events.push(Event::PartBegin(parse_headers(&self.headers)));
        self.headers.clear();
        self.state = State::Payload;
        self.held.push(b'\n');
        self.is_first_virtual = true;
        Ok(end.saturating_sub(kept))
    }
}

/// Where the headers end, the empty line included; looks behind the first `known` bytes only.
fn headers_end(headers: &[u8], known: usize) -> Option<usize> {
    if headers.starts_with(b"\n") {
        return Some(1);
    }
    if headers.starts_with(b"\r\n") {
        return Some(2);
    }
    let from = known.saturating_sub(3);
    let tail = headers.get(from..).unwrap_or_default();
    memchr::memchr_iter(b'\n', tail).find_map(|at| {
        let behind = tail.get(at.saturating_add(1)..).unwrap_or_default();
        let empty_line = match behind {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return None,
        };
        Some(
            from.saturating_add(at)
                .saturating_add(1)
                .saturating_add(empty_line),
        )
    })
}

/// Reads `name: value` lines; a line that begins with a blank goes on (RFC 5322 2.2.3).
fn parse_headers(headers: &[u8]) -> PartHeaders {
    let text = String::from_utf8_lossy(headers);
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n').map(str::trim_end) {
        match lines.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => {
                last.push(' ');
                last.push_str(line.trim_start());
            }
            _ => lines.push(line.to_owned()),
        }
    }
    let value_of = |wanted: &str| {
        lines.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then(|| value.trim().to_owned())
        })
    };
    PartHeaders {
        content_type: value_of("content-type"),
        content_location: value_of("content-location"),
    }
}
