//! Values by VR: how they are told apart, decoded, and written as DICOM JSON (PS3.18 F.2.3).

use crate::dataset::Element;
use crate::json::JsonWriter;
use crate::tag;
use crate::text::{self, trim_end};
use crate::vr::Vr;

/// What a VR's value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text of the default repertoire, values split by `\`.
    Ascii,
    /// Text in Specific Character Set, values split by `\`.
    Text,
    /// Text in Specific Character Set, one value.
    LongText,
    /// Person names.
    Person,
    /// Numbers as text: DS, IS.
    NumberText,
    /// Binary numbers, and AT.
    Number,
    /// Bytes.
    Binary,
}

pub(crate) fn kind(vr: Vr) -> Kind {
    match vr {
        Vr::Ae | Vr::As | Vr::Cs | Vr::Da | Vr::Dt | Vr::Tm | Vr::Ui | Vr::Ur => Kind::Ascii,
        Vr::Lo | Vr::Sh | Vr::Uc => Kind::Text,
        Vr::Lt | Vr::St | Vr::Ut => Kind::LongText,
        Vr::Pn => Kind::Person,
        Vr::Ds | Vr::Is => Kind::NumberText,
        Vr::At | Vr::Fd | Vr::Fl | Vr::Sl | Vr::Ss | Vr::Sv | Vr::Ul | Vr::Us | Vr::Uv => {
            Kind::Number
        }
        Vr::Ob | Vr::Od | Vr::Of | Vr::Ol | Vr::Ov | Vr::Ow | Vr::Sq | Vr::Un => Kind::Binary,
    }
}

/// The five attributes that every version insists on.
pub(crate) fn is_core(tag: u32) -> bool {
    tag == tag::PATIENT_ID || is_required_uid(tag)
}

/// The three UIDs that identify an instance, and its class.
pub(crate) fn is_required_uid(tag: u32) -> bool {
    matches!(
        tag,
        tag::STUDY_INSTANCE_UID
            | tag::SERIES_INSTANCE_UID
            | tag::SOP_INSTANCE_UID
            | tag::SOP_CLASS_UID
    )
}

/// True for VRs of one value, in which `\` is a character (PS3.5 6.2).
fn is_single(vr: Vr) -> bool {
    matches!(vr, Vr::Lt | Vr::St | Vr::Ut | Vr::Ur)
}

pub(crate) fn first(vr: Vr, text: &str) -> &str {
    if is_single(vr) {
        text
    } else {
        text::split(text, b'\\').next().unwrap_or_default()
    }
}

pub(crate) fn is_multiple(vr: Vr, text: &str) -> bool {
    !is_single(vr) && text::find(text, b'\\').is_some()
}

pub(crate) fn first_u16(value: &[u8], is_big_endian: bool) -> Option<u16> {
    let bytes = *value.first_chunk::<2>()?;
    Some(if is_big_endian {
        u16::from_be_bytes(bytes)
    } else {
        u16::from_le_bytes(bytes)
    })
}

pub(crate) fn all_u32(value: &[u8]) -> Vec<u64> {
    value
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| u64::from(u32::from_le_bytes(*bytes)))
        .collect()
}

pub(crate) fn all_u64(value: &[u8]) -> Vec<u64> {
    value
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes))
        .collect()
}

/// Writes a text element's values; nothing if all are empty (F.2.5).
pub(crate) fn write_text(json: &mut JsonWriter, vr: Vr, text: &str) {
    let text = trim_end(text);
    if text.is_empty() {
        return;
    }
    json.begin_values();
    if is_single(vr) {
        json.string(text);
    } else {
        for (at, value) in text::split(text, b'\\').enumerate() {
            if at > 0 {
                json.comma();
            }
            write_one(json, vr, value);
        }
    }
    json.end_values();
}

fn write_one(json: &mut JsonWriter, vr: Vr, value: &str) {
    let value = trim_end(value);
    // Leading spaces mean nothing in these (PS3.5 6.2).
    let value = match vr {
        Vr::Ae | Vr::Cs | Vr::Ds | Vr::Is => value.trim_start_matches(' '),
        _ => value,
    };
    if value.is_empty() {
        json.null();
        return;
    }
    match vr {
        Vr::Pn => json.person_name(value),
        Vr::Ds | Vr::Is if json.number(value) => {}
        _ => json.string(value),
    }
}

/// Writes a binary value inline, little endian as the model wants it (F.2.7); nothing if empty.
pub(crate) fn write_binary(json: &mut JsonWriter, element: &Element, value: &[u8]) {
    if value.is_empty() {
        return;
    }
    let width = match element.vr {
        Vr::Ow => 2,
        Vr::Of | Vr::Ol => 4,
        Vr::Od | Vr::Ov => 8,
        _ => 1,
    };
    if element.is_big_endian && width > 1 {
        let mut swapped = value.to_vec();
        swapped.chunks_mut(width).for_each(<[u8]>::reverse);
        json.inline_binary(&swapped);
    } else {
        json.inline_binary(value);
    }
}

/// One number of a binary VR.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Tag(u32),
}

fn numbers(element: &Element, value: &[u8]) -> impl Iterator<Item = Number> {
    let vr = element.vr;
    let is_big_endian = element.is_big_endian;
    let width = match vr {
        Vr::Ss | Vr::Us => 2,
        Vr::At | Vr::Fl | Vr::Sl | Vr::Ul => 4,
        _ => 8,
    };
    value.chunks_exact(width).map(move |bytes| {
        let mut little = [0; 8];
        for (at, to) in little.iter_mut().take(width).enumerate() {
            let from = if is_big_endian {
                width.wrapping_sub(at).wrapping_sub(1)
            } else {
                at
            };
            *to = bytes.get(from).copied().unwrap_or_default();
        }
        let [a, b, c, d, ..] = little;
        match vr {
            Vr::Ss => Number::Signed(i64::from(i16::from_le_bytes([a, b]))),
            Vr::Sl => Number::Signed(i64::from(i32::from_le_bytes([a, b, c, d]))),
            Vr::Sv => Number::Signed(i64::from_le_bytes(little)),
            Vr::Fl => Number::Float(f64::from(f32::from_le_bytes([a, b, c, d]))),
            Vr::Fd => Number::Float(f64::from_le_bytes(little)),
            // A tag is two shorts, group first, each in the data set's byte order.
            Vr::At if is_big_endian => Number::Tag(u32::from_le_bytes([a, b, c, d])),
            Vr::At => Number::Tag(u32::from_le_bytes([c, d, a, b])),
            _ => Number::Unsigned(u64::from_le_bytes(little)),
        }
    })
}

/// Writes binary numbers; nothing if there are none.
pub(crate) fn write_numbers(json: &mut JsonWriter, element: &Element, value: &[u8]) {
    for (at, number) in numbers(element, value).enumerate() {
        if at == 0 {
            json.begin_values();
        } else {
            json.comma();
        }
        match number {
            Number::Unsigned(number) => json.integer(false, number),
            Number::Signed(number) => json.integer(number < 0, number.unsigned_abs()),
            Number::Float(number) => json.float(number),
            Number::Tag(tag) => json.string(&format!("{tag:08X}")),
        }
    }
    if numbers(element, value).next().is_some() {
        json.end_values();
    }
}

/// The first number as text, for the index.
pub(crate) fn first_number(element: &Element, value: &[u8]) -> Option<String> {
    numbers(element, value).next().map(|number| match number {
        Number::Unsigned(number) => number.to_string(),
        Number::Signed(number) => number.to_string(),
        Number::Float(number) => number.to_string(),
        Number::Tag(tag) => format!("{tag:08X}"),
    })
}
