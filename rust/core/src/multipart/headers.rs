//! The headers of one part (RFC 2046 5.1, RFC 5322 2.2).

use std::borrow::Cow;

/// The headers of one part that mean something here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartHeaders {
    /// As sent.
    pub content_type: Option<String>,
    /// As sent.
    pub content_location: Option<String>,
    /// As sent, angle brackets included.
    pub content_id: Option<String>,
    /// In bytes. Only the delimiter ends a part: some clients declare what they do not send.
    pub content_length: Option<u64>,
}

/// Where the headers end, the empty line included; looks behind the first `known` bytes only.
pub(super) fn end(headers: &[u8], known: usize) -> Option<usize> {
    if headers.starts_with(b"\n") {
        return Some(1);
    }
    if headers.starts_with(b"\r\n") {
        return Some(2);
    }
    // The end is told by `LF CR LF` at most, of which two bytes may be known.
    let from = known.saturating_sub(2);
    let tail = headers.get(from..).unwrap_or_default();
    memchr::memchr_iter(b'\n', tail).find_map(|at| {
        let behind = at.saturating_add(1);
        let empty_line = match tail.get(behind..).unwrap_or_default() {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return None,
        };
        Some(from.saturating_add(behind).saturating_add(empty_line))
    })
}

/// Reads `name: value` lines; a line that begins with a blank goes on (RFC 5322 2.2.3).
///
/// Names in any case; of a name that comes twice, the first; what is no such line means nothing.
pub(super) fn parse(headers: &[u8]) -> PartHeaders {
    let text = String::from_utf8_lossy(headers);
    let mut lines: Vec<Cow<'_, str>> = Vec::new();
    for line in text.split('\n') {
        match lines.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => {
                let last = last.to_mut();
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => lines.push(Cow::Borrowed(line.trim_end())),
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
        content_id: value_of("content-id"),
        content_length: value_of("content-length").and_then(|value| byte_count(&value)),
    }
}

/// Digits only: `parse` alone would take a sign.
fn byte_count(value: &str) -> Option<u64> {
    let is_digits = value.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| value.parse().ok()).flatten()
}
