//! A data set becomes an instance: identifiers, searchable attributes, metadata, frame extents.

use std::sync::Arc;

use crate::attributes::{self, Level};
use crate::charset::{Charset, Delimiters};
use crate::dataset::{Element, Visitor};
use crate::error::PartError;
use crate::extended::ExtendedTags;
use crate::findings::Findings;
use crate::frames::{Frames, PixelData};
use crate::json::{EMPTY_ATTRIBUTE_BYTES, JsonWriter, Written};
use crate::part10::{self, FileVisitor};
use crate::tag;
use crate::text::trim_end;
use crate::value::{self, Kind};

/// Longest value that is not binary and still stands in the metadata, in bytes; a longer one becomes
/// a `BulkDataURI` (PS3.18 F.2.6). No viewer reads a text of this length from metadata.
pub const VALUE_BYTES_MAX: u32 = 1024 * 1024;
/// Longest Extended Offset Table that is read, in bytes: eight a frame (PS3.3 C.7.6.3.1.8).
pub const EXTENDED_OFFSET_TABLE_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// What a level's attributes mostly need, so that the buffer need not grow.
const LEVEL_CAPACITY_BYTES: usize = 1024;

/// What is asked of a data set.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Refuse invalid values of indexed attributes (v1); else drop invalid elements and warn (v2).
    pub is_strict: bool,
    /// Longer binary values become a `BulkDataURI`, in bytes.
    pub inline_bytes_max: u32,
}

/// What was found in a data set.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The DICOM JSON object.
    pub(crate) written: Written,
    pub(crate) findings: Findings,
    pub(crate) has_bulkdata_uri: bool,
    pub(crate) frames: Option<Frames>,
}

impl Facts {
    /// The first value of a matched attribute; None if absent or empty.
    pub(crate) fn value_of(&self, tag: u32) -> Option<&str> {
        let (at, _) = attributes::matched(tag)?;
        self.findings.values.get(at)?.as_deref()
    }

    /// The DICOM JSON object of a level's attributes that have a value.
    pub(crate) fn level_json(&self, level: Level) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEVEL_CAPACITY_BYTES);
        out.push(b'{');
        // Both ascend.
        let mut wanted = attributes::tags_of(level).peekable();
        for span in &self.written.spans {
            while wanted.next_if(|tag| *tag < span.tag).is_some() {}
            if wanted.peek() != Some(&span.tag) {
                continue;
            }
            let fragment = self.written.json.get(span.start..span.end);
            let fragment = fragment.unwrap_or_default();
            if fragment.len() > EMPTY_ATTRIBUTE_BYTES && !self.has_nul(fragment) {
                if out.len() > 1 {
                    out.push(b',');
                }
                out.extend_from_slice(fragment);
            }
        }
        out.push(b'}');
        out
    }

    /// The index's JSON holds no NUL; a value with one can be neither matched nor returned.
    fn has_nul(&self, fragment: &[u8]) -> bool {
        self.written.may_hold_nul && memchr::memmem::find(fragment, b"\\u0000").is_some()
    }
}

/// The visitor that collects an instance.
#[derive(Debug)]
pub(crate) struct Extractor {
    rules: Rules,
    json: JsonWriter,
    /// Of the data set and of each open item.
    charsets: Vec<Charset>,
    /// Items written so far in each open sequence.
    item_counts: Vec<usize>,
    findings: Findings,
    has_bulkdata_uri: bool,
    pixel_data: PixelData,
}

impl Extractor {
    pub(crate) fn new(rules: Rules, extended: Option<Arc<ExtendedTags>>) -> Self {
        let mut json = JsonWriter::new();
        json.begin_object();
        Self {
            rules,
            json,
            charsets: Vec::new(),
            item_counts: Vec::new(),
            findings: Findings::new(rules, extended),
            has_bulkdata_uri: false,
            pixel_data: PixelData::default(),
        }
    }

    pub(crate) fn finish(self) -> Facts {
        // An unfinished file leaves objects open; what was read of it still names the instance.
        Facts {
            written: self.json.finish(),
            findings: self.findings,
            has_bulkdata_uri: self.has_bulkdata_uri,
            frames: self.pixel_data.frames(),
        }
    }

    fn charset(&self) -> Charset {
        self.charsets.last().copied().unwrap_or_default()
    }

    fn set_charset(&mut self, charset: Charset) {
        match self.charsets.last_mut() {
            Some(current) => *current = charset,
            None => self.charsets.push(charset),
        }
    }

    fn text(&mut self, element: &Element, value: &[u8]) -> Result<(), PartError> {
        let charset = match value::kind(element.vr) {
            Kind::Person | Kind::LongText | Kind::Text => self.charset(),
            _ => Charset::default(),
        };
        let delimiters = match value::kind(element.vr) {
            Kind::Person => Delimiters::PersonName,
            Kind::LongText => Delimiters::Text,
            _ => Delimiters::Values,
        };
        let text = charset.decode(value, delimiters);
        if !self.findings.text(element, &text, value.len()) {
            return Ok(());
        }
        self.json.begin_attribute(element.tag, element.vr)?;
        if element.tag != tag::SPECIFIC_CHARACTER_SET {
            value::write_text(&mut self.json, element.vr, &text);
        } else if !trim_end(&text).is_empty() {
            // The JSON is UTF-8 whatever the file was.
            value::write_text(&mut self.json, element.vr, "ISO_IR 192");
        }
        self.json.end_attribute();
        Ok(())
    }

    fn bulkdata(&mut self, element: &Element) -> Result<(), PartError> {
        self.json.begin_attribute(element.tag, element.vr)?;
        self.json.bulkdata_uri(element.value_offset, element.length);
        self.json.end_attribute();
        self.has_bulkdata_uri = true;
        Ok(())
    }
}

fn is_pixel_data(element: &Element) -> bool {
    element.depth == 0
        && matches!(
            element.tag,
            tag::PIXEL_DATA | tag::FLOAT_PIXEL_DATA | tag::DOUBLE_FLOAT_PIXEL_DATA
        )
}

/// What the DICOM JSON Model never carries: group lengths, which are retired, and padding
/// (PS3.5 7.2, PS3.10 7.2).
fn is_left_out(tag: u32) -> bool {
    tag::is_group_length(tag) || tag == tag::DATA_SET_TRAILING_PADDING
}

impl FileVisitor for Extractor {
    fn transfer_syntax(&mut self, uid: &str) {
        self.pixel_data.is_video = part10::is_video(uid);
    }
}

impl Visitor for Extractor {
    fn wants(&mut self, element: &Element) -> bool {
        if is_pixel_data(element) || is_left_out(element.tag) {
            return false;
        }
        if element.tag == tag::EXTENDED_OFFSET_TABLE && element.depth == 0 {
            return element.length <= EXTENDED_OFFSET_TABLE_BYTES_MAX;
        }
        let bytes_max = match value::kind(element.vr) {
            Kind::Binary => self.rules.inline_bytes_max,
            _ => VALUE_BYTES_MAX,
        };
        element.length <= bytes_max
    }

    fn value(&mut self, element: &Element, value: &[u8]) -> Result<(), PartError> {
        if element.depth == 0 {
            self.pixel_data.note(element, value);
        }
        if element.tag == tag::SPECIFIC_CHARACTER_SET {
            self.set_charset(Charset::parse(value));
        }
        match value::kind(element.vr) {
            Kind::Binary if element.length > self.rules.inline_bytes_max => {
                self.findings.unread(element);
                self.bulkdata(element)
            }
            Kind::Binary => {
                self.findings.unread(element);
                self.json.begin_attribute(element.tag, element.vr)?;
                value::write_binary(&mut self.json, element, value);
                self.json.end_attribute();
                Ok(())
            }
            Kind::Number => {
                self.findings.number(element, value);
                self.json.begin_attribute(element.tag, element.vr)?;
                value::write_numbers(&mut self.json, element, value);
                self.json.end_attribute();
                Ok(())
            }
            _ => self.text(element, value),
        }
    }

    fn passed_over(&mut self, element: &Element) -> Result<(), PartError> {
        if is_pixel_data(element) {
            self.pixel_data.begin_native(element);
            return Ok(());
        }
        if is_left_out(element.tag) {
            return Ok(());
        }
        self.findings.unread(element);
        self.bulkdata(element)
    }

    fn begin_sequence(&mut self, element: &Element) -> Result<(), PartError> {
        self.findings.unread(element);
        self.item_counts.push(0);
        self.json.begin_attribute(element.tag, element.vr)
    }

    fn end_sequence(&mut self) -> Result<(), PartError> {
        if self.item_counts.pop().is_some_and(|count| count > 0) {
            self.json.end_values();
        }
        self.json.end_attribute();
        Ok(())
    }

    fn begin_item(&mut self) -> Result<(), PartError> {
        if let Some(count) = self.item_counts.last_mut() {
            if *count == 0 {
                self.json.begin_values();
            } else {
                self.json.comma();
            }
            *count = count.saturating_add(1);
        }
        if self.charsets.is_empty() {
            self.charsets.push(Charset::default());
        }
        self.charsets.push(self.charset());
        self.json.begin_object();
        Ok(())
    }

    fn end_item(&mut self) -> Result<(), PartError> {
        self.charsets.pop();
        self.json.end_object();
        Ok(())
    }

    fn begin_fragments(&mut self, element: &Element) -> Result<(), PartError> {
        self.pixel_data.begin_fragments(is_pixel_data(element));
        Ok(())
    }

    fn offset_table(&mut self, table: &[u8]) {
        self.pixel_data.offset_table(table);
    }

    fn fragment(&mut self, item_offset: u64, length: u32, first: [u8; 2]) -> Result<(), PartError> {
        self.pixel_data.fragment(item_offset, length, first);
        Ok(())
    }

    fn end_fragments(&mut self) -> Result<(), PartError> {
        self.pixel_data.begin_fragments(false);
        Ok(())
    }
}
