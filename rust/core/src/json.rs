//! The DICOM JSON Model (PS3.18 Annex F), written straight to bytes while a data set is walked.
//!
//! Keys come out in ascending order whatever the file's order (F.2.2); of attributes that a broken
//! file holds twice, the last one stays.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::PartError;
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

/// Writes one object, its attributes, and the objects nested in them.
#[derive(Debug, Default)]
pub(crate) struct JsonWriter {
    out: Vec<u8>,
    spans: Vec<Span>,
    objects: Vec<Object>,
    /// Attributes that have begun and not ended, outermost first.
    open: Vec<(u32, usize)>,
}

impl JsonWriter {
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

    /// Ends the outermost object; returns it with the places of its attributes, by ascending tag.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<Span>) {
        if let Some(object) = self.objects.pop() {
            self.sort(object);
        }
        self.out.push(b'}');
        (self.out, self.spans)
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
        self.out.push(b'"');
        for shift in (0..8_u32).rev() {
            self.out.push(hex_digit(tag >> shift.saturating_mul(4)));
        }
        self.out.extend_from_slice(b"\":{\"vr\":\"");
        self.out.extend_from_slice(vr.code().as_bytes());
        self.out.push(b'"');
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
        while let Some(at) = rest
            .iter()
            .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
        {
            let (plain, special) = rest.split_at(at);
            self.out.extend_from_slice(plain);
            if let [byte, after @ ..] = special {
                self.escaped(*byte);
                rest = after;
            }
        }
        self.out.extend_from_slice(rest);
        self.out.push(b'"');
    }

    fn escaped(&mut self, byte: u8) {
        match byte {
            b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
            b'\n' => self.out.extend_from_slice(b"\\n"),
            b'\r' => self.out.extend_from_slice(b"\\r"),
            b'\t' => self.out.extend_from_slice(b"\\t"),
            _ => {
                self.out.extend_from_slice(b"\\u00");
                self.out.push(hex_digit(u32::from(byte >> 4)));
                self.out.push(hex_digit(u32::from(byte)));
            }
        }
    }

    /// The text of a number that JSON has as it is.
    pub(crate) fn raw_number(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
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
        for (key, group) in ["Alphabetic", "Ideographic", "Phonetic"]
            .into_iter()
            .zip(text.split('='))
        {
            let group = trim_end(group);
            if group.is_empty() {
                continue;
            }
            if !is_first {
                self.out.push(b',');
            }
            is_first = false;
            self.string(key);
            self.out.push(b':');
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

/// Without the padding that PS3.5 6.2 allows behind a value.
pub(crate) fn trim_end(text: &str) -> &str {
    text.trim_end_matches([' ', '\0'])
}

/// `text` as a JSON number, if DS or IS means one by it (PS3.5 6.2): no leading `+`, no leading or
/// trailing bare `.`, no leading zeros.
pub(crate) fn number(text: &str) -> Option<String> {
    let (sign, unsigned) = match text.as_bytes() {
        [b'-', ..] => ("-", text.get(1..)?),
        [b'+', ..] => ("", text.get(1..)?),
        _ => ("", text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (
            unsigned.get(..at)?,
            Some(unsigned.get(at.checked_add(1)?..)?),
        ),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let mut out = format!("{sign}{}", if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        // A double has no larger exponent; readers would make it infinite.
        if digits.is_empty() || digits.len() > 3 || !is_digits(digits) {
            return None;
        }
        out.push('e');
        out.push_str(exponent);
    }
    Some(out)
}

fn hex_digit(value: u32) -> u8 {
    let digit = (value & 0xF) as u8;
    if digit < 10 {
        b'0'.wrapping_add(digit)
    } else {
        b'A'.wrapping_add(digit.wrapping_sub(10))
    }
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
        let (bytes, spans) = json.finish();
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
        let (_, spans) = json.finish();
        assert_eq!(spans[0].end - spans[0].start, EMPTY_ATTRIBUTE_BYTES);
    }
}
