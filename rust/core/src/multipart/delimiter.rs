//! The delimiter between parts: a line end, `--`, the boundary (RFC 2046 5.1.1).

use memchr::memmem::Finder;

use crate::error::BodyError;

/// Longest boundary, in bytes. RFC 2046 5.1.1 allows 70; Orthanc sends two UUIDs, which are 73.
pub const BOUNDARY_BYTES_MAX: usize = 256;
/// Longest padding between a boundary and its line end, in bytes; bounds what is held.
pub const PADDING_BYTES_MAX: usize = 64;

/// What bytes that may begin a delimiter turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Payload.
    Payload,
    /// More bytes are needed.
    Undecided,
    /// A delimiter of so many bytes, and another part behind it.
    Next(usize),
    /// The closing delimiter, of so many bytes.
    Close(usize),
}

/// Finds one boundary's delimiters.
#[derive(Debug)]
pub(super) struct Delimiter {
    /// `LF -- boundary`; a CR before it belongs to it.
    finder: Finder<'static>,
}

impl Delimiter {
    /// Errors: `BadBoundary`.
    pub(super) fn new(boundary: &[u8]) -> Result<Self, BodyError> {
        let is_printable = boundary.iter().all(|byte| (0x20..0x7F).contains(byte));
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX || !is_printable {
            return Err(BodyError::BadBoundary);
        }
        let finder = Finder::new(&[b"\n--", boundary].concat()).into_owned();
        Ok(Self { finder })
    }

    /// More bytes than this are never undecided: both line ends, padding, and one byte to tell.
    pub(super) fn undecided_bytes_max(&self) -> usize {
        let line_ends = b"\r\r\n".len();
        self.finder
            .needle()
            .len()
            .saturating_add(PADDING_BYTES_MAX)
            .saturating_add(line_ends)
            .saturating_add(1)
    }

    /// Where the first delimiter begins, with its line end, and what it is; or where the end of
    /// `bytes` may begin one, `Undecided`, which is `bytes.len()` where nothing there does.
    pub(super) fn scan(&self, bytes: &[u8]) -> (usize, Verdict) {
        let mut from = 0;
        while let Some(found) = self.finder.find(bytes.get(from..).unwrap_or_default()) {
            let line_feed = from.saturating_add(found);
            let begin = with_return(bytes, line_feed);
            match self.judge(bytes.get(begin..).unwrap_or_default()) {
                Verdict::Payload => from = line_feed.saturating_add(1),
                verdict => return (begin, verdict),
            }
        }
        (self.partial(bytes), Verdict::Undecided)
    }

    /// Judges bytes that begin with a line end.
    ///
    /// What follows a closing delimiter is not looked at: a comparison of the beginning is enough
    /// (RFC 2046 5.1.1), and half of the clients end the body there.
    pub(super) fn judge(&self, bytes: &[u8]) -> Verdict {
        let returns = usize::from(bytes.first() == Some(&b'\r'));
        let line = bytes.get(returns..).unwrap_or_default();
        let delimiter = self.finder.needle();
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

    /// Where the end of `bytes`, which hold no whole delimiter, may begin one.
    fn partial(&self, bytes: &[u8]) -> usize {
        let delimiter = self.finder.needle();
        let window = bytes.len().saturating_sub(delimiter.len());
        let tail = bytes.get(window..).unwrap_or_default();
        // A boundary holds no line ends, so only the last one can begin a delimiter.
        let line_feed = memchr::memrchr(b'\n', tail)
            .filter(|at| delimiter.starts_with(tail.get(*at..).unwrap_or_default()));
        match line_feed {
            Some(at) => with_return(bytes, window.saturating_add(at)),
            None => bytes
                .len()
                .saturating_sub(usize::from(bytes.ends_with(b"\r"))),
        }
    }
}

/// Where the line end begins whose LF is at `line_feed`.
fn with_return(bytes: &[u8], line_feed: usize) -> usize {
    match line_feed.checked_sub(1) {
        Some(before) if bytes.get(before) == Some(&b'\r') => before,
        _ => line_feed,
    }
}
