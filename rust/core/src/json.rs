//! The DICOM JSON Model (PS3.18 Annex F), written straight to bytes while a data set is walked.
//!
//! Keys come out in ascending order whatever the file's order (F.2.2); of attributes that a broken
//! file holds twice, the last one stays.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::PartError;
use crate::text::{self, Decimal, trim_end, unsigned_of};
use crate::vr::Vr;

/// Longest metadata of one instance, in bytes of plain JSON. An Enhanced CT of 20,000 frames has
/// about 60 MB.
pub const METADATA_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Where one attribute of an object stands: `"ggggeeee":{…}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) tag: u32,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Object {
    first_span: usize,
    start: usize,
    is_sorted: bool,
}

/// Bytes of `"ggggeeee":{"vr":"XX"}`: an attribute without a value is no longer than this.
pub(crate) const EMPTY_ATTRIBUTE_BYTES: usize = 22;

/// What most instances need, so that the buffers need not grow.
const JSON_CAPACITY_BYTES: usize = 8 * 1024;
const SPAN_CAPACITY: usize = 128;

/// Writes one object, its attributes, and the objects nested in them.
#[derive(Debug, Default)]
pub(crate) struct JsonWriter {
    out: Vec<u8>,
    spans: Vec<Span>,
    objects: Vec<Object>,
    /// Attributes that have begun and not ended, outermost first.
    open: Vec<(u32, usize)>,
    may_hold_nul: bool,
}

/// What was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// The outermost object.
    pub(crate) json: Vec<u8>,
    /// The places of its attributes, by ascending tag.
    pub(crate) spans: Vec<Span>,
    /// The letters `\u0000` may stand in it; false if they do not.
    pub(crate) may_hold_nul: bool,
}

impl JsonWriter {
    pub(crate) fn new() -> Self {
        Self {
            out: Vec::with_capacity(JSON_CAPACITY_BYTES),
            spans: Vec::with_capacity(SPAN_CAPACITY),
            ..Self::default()
        }
    }

    pub(crate) fn begin_object(&mut self) {
        self.out.push(b'{');
        let object = Object {
            first_span: self.spans.len(),
            start: self.out.len(),
            is_sorted: true,
        };
        self.objects.push(object);
    }

    /// Ends the innermost object. For the outermost one use `finish`.
    pub(crate) fn end_object(&mut self) {
        if let Some(object) = self.objects.pop() {
            self.sort(object);
            self.spans.truncate(object.first_span);
        }
        self.out.push(b'}');
    }

    /// Ends the outermost object.
    pub(crate) fn finish(mut self) -> Written {
        if let Some(object) = self.objects.pop() {
            self.sort(object);
        }
        self.out.push(b'}');
        Written {
            json: self.out,
            spans: self.spans,
            may_hold_nul: self.may_hold_nul,
        }
    }

    pub(crate) fn begin_attribute(&mut self, tag: u32, vr: Vr) -> Result<(), PartError> {
        if self.out.len() > METADATA_BYTES_MAX {
            return Err(PartError::MetadataTooLarge);
        }
        if let Some(object) = self.objects.last_mut() {
            if self.spans.len() > object.first_span {
                self.out.push(b',');
            }
            let last = self.spans.get(object.first_span..).and_then(<[Span]>::last);
            object.is_sorted &= last.is_none_or(|last| last.tag < tag);
        }
        self.open.push((tag, self.out.len()));
        let [[g0, g1], [g2, g3], [e0, e1], [e2, e3]] = tag.to_be_bytes().map(hex);
        let [v0, v1] = vr.code_bytes();
        // One piece: pushing byte by byte would ask for room each time.
        self.out.extend_from_slice(&[
            b'"', g0, g1, g2, g3, e0, e1, e2, e3, b'"', b':', b'{', b'"', b'v', b'r', b'"', b':',
            b'"', v0, v1, b'"',
        ]);
        Ok(())
    }

    pub(crate) fn end_attribute(&mut self) {
        self.out.push(b'}');
        if let Some((tag, start)) = self.open.pop() {
            self.spans.push(Span {
                tag,
                start,
                end: self.out.len(),
            });
        }
    }

    pub(crate) fn begin_values(&mut self) {
        self.out.extend_from_slice(b",\"Value\":[");
    }

    pub(crate) fn end_values(&mut self) {
        self.out.push(b']');
    }

    pub(crate) fn comma(&mut self) {
        self.out.push(b',');
    }

    pub(crate) fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    /// A JSON string (RFC 8259 7).
    pub(crate) fn string(&mut self, text: &str) {
        self.out.push(b'"');
        let mut rest = text.as_bytes();
        loop {
            let (plain, special) = rest.split_at(plain_length(rest));
            self.out.extend_from_slice(plain);
            let [byte, after @ ..] = special else { break };
            self.escaped(*byte);
            rest = after;
        }
        self.out.push(b'"');
    }

    fn escaped(&mut self, byte: u8) {
        // A text may also hold the letters of the escape, behind a backslash of its own.
        self.may_hold_nul |= matches!(byte, 0 | b'\\');
        match byte {
            b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
            b'\n' => self.out.extend_from_slice(b"\\n"),
            b'\r' => self.out.extend_from_slice(b"\\r"),
            b'\t' => self.out.extend_from_slice(b"\\t"),
            _ => {
                self.out.extend_from_slice(b"\\u00");
                self.out.extend_from_slice(&hex(byte));
            }
        }
    }

    /// The text of a number that JSON has as it is.
    pub(crate) fn raw_number(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// An integer in decimal.
    pub(crate) fn integer(&mut self, is_negative: bool, mut magnitude: u64) {
        let mut digits = [b'0'; 20];
        let mut begin = digits.len();
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            begin = at;
            *digit = b'0'.wrapping_add((magnitude % 10) as u8);
            magnitude /= 10;
            if magnitude == 0 {
                break;
            }
        }
        if is_negative {
            self.out.push(b'-');
        }
        self.out
            .extend_from_slice(digits.get(begin..).unwrap_or_default());
    }

    /// A text as a JSON number, if DS or IS means one by it (PS3.5 6.2): no leading `+`, no leading
    /// or trailing bare `.`, no leading zeros. Else false, and nothing is written.
    pub(crate) fn number(&mut self, text: &str) -> bool {
        let Some(decimal) = Decimal::parse(text) else {
            return false;
        };
        // A double has no larger exponent; readers would make it infinite.
        if decimal.exponent.is_some_and(|e| unsigned_of(e).len() > 3) {
            return false;
        }
        if decimal.is_negative {
            self.out.push(b'-');
        }
        let zeros = decimal.whole.iter().take_while(|digit| **digit == b'0');
        match decimal.whole.get(zeros.count()..).unwrap_or_default() {
            [] => self.out.push(b'0'),
            whole => self.out.extend_from_slice(whole),
        }
        if let Some(fraction @ [_, ..]) = decimal.fraction {
            self.out.push(b'.');
            self.out.extend_from_slice(fraction);
        }
        if let Some(exponent) = decimal.exponent {
            self.out.push(b'e');
            self.out.extend_from_slice(exponent);
        }
        true
    }

    /// A finite number; NaN and infinities, which JSON lacks, as strings (PS3.18 F.2.3).
    pub(crate) fn float(&mut self, value: f64) {
        if value.is_nan() {
            self.string("NaN");
        } else if value.is_infinite() {
            self.string(if value > 0.0 { "Infinity" } else { "-Infinity" });
        } else if value == 0.0 || (1e-5..1e16).contains(&value.abs()) {
            self.raw_number(&value.to_string());
        } else {
            self.raw_number(&format!("{value:e}"));
        }
    }

    /// A person name by component groups (PS3.18 F.2.2).
    pub(crate) fn person_name(&mut self, text: &str) {
        self.out.push(b'{');
        let mut is_first = true;
        for (key, group) in ["\"Alphabetic\":", "\"Ideographic\":", "\"Phonetic\":"]
            .into_iter()
            .zip(text::split(text, b'='))
        {
            let group = trim_end(group);
            if group.is_empty() {
                continue;
            }
            if !is_first {
                self.out.push(b',');
            }
            is_first = false;
            self.out.extend_from_slice(key.as_bytes());
            self.string(group);
        }
        self.out.push(b'}');
    }

    pub(crate) fn inline_binary(&mut self, value: &[u8]) {
        self.out.extend_from_slice(b",\"InlineBinary\":\"");
        self.out
            .extend_from_slice(STANDARD.encode(value).as_bytes());
        self.out.push(b'"');
    }

    /// A `BulkDataURI` as it lies in a pack: relative to the instance, with the value's place in the
    /// file. The service makes it absolute and takes the place away.
    pub(crate) fn bulkdata_uri(&mut self, offset: u64, length: u32) {
        self.out.extend_from_slice(b",\"BulkDataURI\":\"bulkdata");
        for (tag, _) in &self.open {
            self.out.extend_from_slice(format!("/{tag:08X}").as_bytes());
        }
        self.out
            .extend_from_slice(format!("?offset={offset}&length={length}\"").as_bytes());
    }

    /// Brings an object's attributes into ascending order, keeping the last of equals.
    fn sort(&mut self, object: Object) {
        if object.is_sorted {
            return;
        }
        let mut spans = self.spans.split_off(object.first_span);
        spans.reverse();
        spans.sort_by_key(|span| span.tag);
        spans.dedup_by_key(|span| span.tag);
        let old = self.out.split_off(object.start);
        for span in spans {
            if self.spans.len() > object.first_span {
                self.out.push(b',');
            }
            let start = self.out.len();
            let from = span.start.saturating_sub(object.start);
            let to = span.end.saturating_sub(object.start);
            self.out
                .extend_from_slice(old.get(from..to).unwrap_or_default());
            self.spans.push(Span {
                tag: span.tag,
                start,
                end: self.out.len(),
            });
        }
    }
}

/// How many bytes from the first on stand in a JSON string as they are.
fn plain_length(bytes: &[u8]) -> usize {
    let is_special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let mut length = 0_usize;
    // Sixteen at a time and without a way out in between, which the compiler does in one go.
    for chunk in bytes.as_chunks::<16>().0 {
        if chunk.iter().fold(false, |any, byte| any | is_special(byte)) {
            break;
        }
        length = length.saturating_add(chunk.len());
    }
    let rest = bytes.get(length..).unwrap_or_default();
    length.saturating_add(rest.iter().position(is_special).unwrap_or(rest.len()))
}

/// A byte in hexadecimal, as the model writes tags.
fn hex(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 0xF].map(|digit| match digit {
        0..=9 => b'0'.wrapping_add(digit),
        _ => b'A'.wrapping_add(digit).wrapping_sub(10),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(tags: &[u32]) -> String {
        let mut json = JsonWriter::default();
        json.begin_object();
        for (at, tag) in tags.iter().enumerate() {
            json.begin_attribute(*tag, Vr::Us).unwrap();
            json.begin_values();
            json.raw_number(&at.to_string());
            json.end_values();
            json.end_attribute();
        }
        let Written {
            json: bytes, spans, ..
        } = json.finish();
        for span in &spans {
            let text = std::str::from_utf8(&bytes[span.start..span.end]).unwrap();
            assert!(text.starts_with(&format!("\"{:08X}\"", span.tag)), "{text}");
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn keys_ascend_and_the_last_of_equals_stays() {
        assert_eq!(
            written(&[0x0028_0010, 0x0008_0010, 0x0028_0010]),
            r#"{"00080010":{"vr":"US","Value":[1]},"00280010":{"vr":"US","Value":[2]}}"#
        );
        assert_eq!(written(&[]), "{}");
    }

    fn number(text: &str) -> Option<String> {
        let mut json = JsonWriter::default();
        let is_number = json.number(text);
        assert!(is_number || json.out.is_empty());
        is_number.then(|| String::from_utf8(json.out).unwrap())
    }

    #[test]
    fn integers_are_decimal() {
        for value in [0, 7, 10, 512, -1, -32_768, i64::MAX, i64::MIN] {
            let mut json = JsonWriter::default();
            json.integer(value < 0, value.unsigned_abs());
            assert_eq!(String::from_utf8(json.out).unwrap(), value.to_string());
        }
        let mut json = JsonWriter::default();
        json.integer(false, u64::MAX);
        assert_eq!(String::from_utf8(json.out).unwrap(), u64::MAX.to_string());
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (text, expected) in [
            ("1", "1"),
            ("+1.50", "1.50"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("007", "7"),
            ("-0", "-0"),
            ("1E5", "1e5"),
            ("1.2e-07", "1.2e-07"),
            (".0", "0.0"),
        ] {
            assert_eq!(number(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "", ".", "-", "1A", "1.9.10.0", "1e", "e5", "1e9999", "0x1", "1 2", "NaN",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn a_special_character_is_found_wherever_it_stands() {
        for length in 0..40 {
            let plain = "x".repeat(length);
            for special in ["", "\"", "\\", "\u{1f}"] {
                let text = [&plain, special, "é"].concat();
                let expected = if special.is_empty() {
                    text.len()
                } else {
                    length
                };
                assert_eq!(plain_length(text.as_bytes()), expected, "{text}");
            }
        }
    }

    #[test]
    fn strings_are_escaped() {
        let mut json = JsonWriter::default();
        json.string("a\"b\\c\n\u{1b}é");
        assert_eq!(
            String::from_utf8(json.out).unwrap(),
            "\"a\\\"b\\\\c\\n\\u001Bé\""
        );
    }

    #[test]
    fn floats_are_json() {
        for value in [
            0.0,
            -0.0,
            0.1,
            1e300,
            -1e-300,
            12_345.678,
            1e16,
            f64::MAX,
            f64::MIN_POSITIVE,
        ] {
            let mut json = JsonWriter::default();
            json.float(value);
            let text = String::from_utf8(json.out).unwrap();
            assert_eq!(
                text.parse::<f64>().unwrap().to_bits(),
                value.to_bits(),
                "{text}"
            );
            assert!(text.len() < 30, "{text}");
        }
    }

    #[test]
    fn an_empty_attribute_has_the_length_that_is_relied_on() {
        let mut json = JsonWriter::default();
        json.begin_object();
        json.begin_attribute(0x0010_0010, Vr::Pn).unwrap();
        json.end_attribute();
        let spans = json.finish().spans;
        assert_eq!(spans[0].end - spans[0].start, EMPTY_ATTRIBUTE_BYTES);
    }
}
