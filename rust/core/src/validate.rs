//! Value rules by VR (PS3.5 6.2), as the model applies them: strictly to indexed attributes in v1,
//! leniently to every element in v2.
//!
//! Reasons never hold the value. Lengths count characters.

use crate::text::{self, Decimal, split};
use crate::vr::Vr;

/// What a rule says of a value; the error is the reason.
pub type Verdict = Result<(), &'static str>;

const TOO_LONG_16: &str = "value exceeds maximum length of 16 characters";
const TOO_LONG_64: &str = "value exceeds maximum length of 64 characters";
const INVALID_CHARACTER: &str = "value contains invalid character";
const CONTROL_CHARACTER: &str = "value contains invalid control character";
const NO_TIME: &str = "value does not match pattern HH or HHMM or HHMMSS or HHMMSS.F{1-6}";
const NO_DATE_TIME: &str = "value does not match pattern YYYY[MM[DD[HH[MM[SS[.F{1-6}]]]]]]";

/// v2: every value of an element, without the padding behind it.
pub fn lenient(vr: Vr, text: &str) -> Verdict {
    let text = text.trim_end_matches('\0');
    match vr {
        Vr::Lt => at_most(
            text,
            10_240,
            "value exceeds maximum length of 10240 characters",
        ),
        Vr::St => at_most(
            text,
            1024,
            "value exceeds maximum length of 1024 characters",
        ),
        Vr::Ae
        | Vr::As
        | Vr::Cs
        | Vr::Da
        | Vr::Ds
        | Vr::Dt
        | Vr::Is
        | Vr::Lo
        | Vr::Pn
        | Vr::Sh
        | Vr::Tm
        | Vr::Ui => split(text, b'\\').try_for_each(|value| lenient_value(vr, value)),
        // UC, UR, UT and everything binary: no rule on content.
        _ => Ok(()),
    }
}

fn lenient_value(vr: Vr, value: &str) -> Verdict {
    match vr {
        Vr::Ae => application_entity(value),
        Vr::As => age(value),
        Vr::Cs => code_string(value),
        Vr::Da => ranged(value, "value contains too many range separators '-'", date),
        Vr::Ds => decimal_string(value),
        Vr::Dt => date_time(value),
        Vr::Is => integer_string(value),
        Vr::Lo => text_value(value, 64, TOO_LONG_64),
        Vr::Pn => person_name(value),
        Vr::Sh => text_value(value, 16, TOO_LONG_16),
        Vr::Tm => ranged(value, NO_TIME, time),
        Vr::Ui => unique_identifier(value),
        _ => Ok(()),
    }
}

fn application_entity(value: &str) -> Verdict {
    at_most(value, 16, TOO_LONG_16)?;
    if !value.is_empty() && value.bytes().all(|byte| byte == b' ') {
        return Err("value may not consist only of spaces");
    }
    unless(value.chars().any(char::is_control), CONTROL_CHARACTER)
}

fn age(value: &str) -> Verdict {
    let is_age = matches!(
        value.as_bytes(),
        [] | [
            b'0'..=b'9',
            b'0'..=b'9',
            b'0'..=b'9',
            b'D' | b'W' | b'M' | b'Y'
        ]
    );
    unless(!is_age, "value does not have pattern 000[DWMY]")
}

fn code_string(value: &str) -> Verdict {
    at_most(value, 16, TOO_LONG_16)?;
    let is_allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_code = value.bytes().all(|byte| is_allowed(byte) || byte == b' ');
    unless(
        !is_code,
        "value contains invalid character. Only uppercase characters, digits, space and \
         underscore are allowed",
    )
}

/// One part, or two around a `-`; each may be empty.
fn ranged(value: &str, too_many: &'static str, rule: fn(&str) -> Verdict) -> Verdict {
    let mut parts = split(value, b'-');
    let (first, second) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    unless(parts.next().is_some(), too_many)?;
    rule(first.trim_end_matches(' '))?;
    rule(second.trim_end_matches(' '))
}

fn date(value: &str) -> Verdict {
    if value.is_empty() {
        return Ok(());
    }
    unless(
        value.len() != 8 || !is_digits(value),
        "one of the date values does not match the pattern YYYYMMDD",
    )?;
    unless(
        number(value, 4, 2) > 12,
        "month component exceeds the value 12",
    )?;
    unless(
        number(value, 6, 2) > 31,
        "day component exceeds the value 31",
    )
}

fn time(value: &str) -> Verdict {
    if value.is_empty() {
        return Ok(());
    }
    let (whole, fraction) = value
        .split_once('.')
        .map_or((value, None), |(w, f)| (w, Some(f)));
    let has_fraction_well = fraction.is_none_or(|fraction| {
        whole.len() == 6 && (1..=6).contains(&fraction.len()) && is_digits(fraction)
    });
    let is_time = matches!(whole.len(), 2 | 4 | 6) && is_digits(whole) && has_fraction_well;
    unless(!is_time, NO_TIME)?;
    unless(number(whole, 0, 2) > 23, "hour component exceeds 23")?;
    unless(number(whole, 2, 2) > 59, "minute component exceeds 59")?;
    unless(number(whole, 4, 2) > 60, "second component exceeds 60")
}

/// DS: at most 16 characters of a decimal number without leading zeros.
fn decimal_string(value: &str) -> Verdict {
    at_most(value, 16, TOO_LONG_16)?;
    let value = text::trim_spaces(value);
    unless(
        !value.is_empty() && !is_decimal(value),
        "value is no decimal string",
    )
}

fn is_decimal(value: &str) -> bool {
    Decimal::parse(value)
        .is_some_and(|decimal| decimal.whole.len() < 2 || !decimal.whole.starts_with(b"0"))
}

fn integer_string(value: &str) -> Verdict {
    let value = text::trim_spaces(value);
    if value.is_empty() {
        return Ok(());
    }
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    unless(
        digits.is_empty() || !is_digits(digits),
        "value is not an integer string",
    )?;
    unless(
        value.parse::<i32>().is_err(),
        "value too large to fit 32 bit integer",
    )
}

/// DT, or a range of two; `-` may also begin an offset from UTC.
fn date_time(value: &str) -> Verdict {
    let value = value.trim_end_matches(' ');
    if value.is_empty() {
        return Ok(());
    }
    if one_date_time(value).is_ok() {
        return Ok(());
    }
    let is_range = value.match_indices('-').any(|(at, _)| {
        let (from, to) = (value.get(..at), value.get(at.saturating_add(1)..));
        let is_open = |part: Option<&str>| {
            part.is_some_and(|part| part.is_empty() || one_date_time(part).is_ok())
        };
        // Four digits behind a time of day are an offset, not a year.
        let is_offset = at > 8 && to.is_some_and(|part| part.len() == 4);
        value.len() > 1 && !is_offset && is_open(from) && is_open(to)
    });
    if is_range {
        Ok(())
    } else {
        one_date_time(value)
    }
}

fn one_date_time(value: &str) -> Verdict {
    let (value, offset) = value
        .find(['+', '-'])
        .and_then(|at| Some((value.get(..at)?, Some(value.get(at..)?))))
        .unwrap_or((value, None));
    if let Some(offset) = offset {
        utc_offset(offset)?;
    }
    let (whole, fraction) = value
        .split_once('.')
        .map_or((value, None), |(w, f)| (w, Some(f)));
    let has_fraction_well = fraction.is_none_or(|fraction| {
        whole.len() == 14 && (1..=6).contains(&fraction.len()) && is_digits(fraction)
    });
    let is_shaped = matches!(whole.len(), 4 | 6 | 8 | 10 | 12 | 14) && is_digits(whole);
    unless(!is_shaped || !has_fraction_well, NO_DATE_TIME)?;
    unless(number(whole, 4, 2) > 12, "month component exceeds 12")?;
    unless(
        whole.len() > 4 && number(whole, 4, 2) == 0,
        "month component cannot be 0",
    )?;
    unless(number(whole, 6, 2) > 31, "day component exceeds 31")?;
    unless(
        whole.len() > 6 && number(whole, 6, 2) == 0,
        "day component cannot be 0",
    )?;
    unless(number(whole, 8, 2) > 23, "hour component exceeds 23")?;
    unless(number(whole, 10, 2) > 59, "minute component exceeds 59")?;
    unless(number(whole, 12, 2) > 60, "second component exceeds 60")
}

/// `+ZZXX` or `-ZZXX`, from -1200 to +1400, never -0000 (PS3.5 6.2).
fn utc_offset(offset: &str) -> Verdict {
    let digits = offset.get(1..).unwrap_or_default();
    unless(digits.len() != 4 || !is_digits(digits), NO_DATE_TIME)?;
    let (hhmm, minutes) = (number(digits, 0, 4), number(digits, 2, 2));
    let is_wrong = if offset.starts_with('-') {
        hhmm == 0 || hhmm > 1200
    } else {
        hhmm > 1400
    };
    unless(
        is_wrong || minutes > 59,
        "offset from UTC is not between -1200 and +1400",
    )
}

fn text_value(value: &str, count_max: usize, too_long: &'static str) -> Verdict {
    at_most(value, count_max, too_long)?;
    unless(has_forbidden(value), INVALID_CHARACTER)
}

fn person_name(value: &str) -> Verdict {
    unless(
        text::count(value, b'=') > 2,
        "value contains too many groups",
    )?;
    split(value, b'=').try_for_each(|group| {
        at_most(group, 64, TOO_LONG_64)?;
        unless(has_forbidden(group), CONTROL_CHARACTER)?;
        unless(
            text::count(group, b'^') > 4,
            "value contains too many components",
        )
    })
}

fn unique_identifier(value: &str) -> Verdict {
    let value = text::trim_end(value);
    at_most(value, 64, TOO_LONG_64)?;
    if value.is_empty() {
        return Ok(());
    }
    let is_allowed = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    unless(
        !value.bytes().all(is_allowed),
        "value contains invalid characters other than '0'-'9' and '.'",
    )?;
    split(value, b'.').try_for_each(|component| {
        unless(component.is_empty(), "a component can not be empty")?;
        let has_leading_zero = component.len() > 1 && component.starts_with('0');
        unless(has_leading_zero, "components must not have leading zeros")
    })
}

/// v1, and v2 for the attributes that every instance must have: the first value of an element.
pub fn strict(vr: Vr, value: &str, raw_length: usize) -> Verdict {
    const TOO_LONG: &str = "Value length exceeds maximum length of 16.";
    const INVALID: &str = "Value contains invalid character.";
    if value.is_empty() {
        return Ok(());
    }
    match vr {
        Vr::Ae | Vr::Cs | Vr::Sh => at_most(value, 16, TOO_LONG),
        Vr::As => unless(value.chars().count() != 4, "Value length is not 4."),
        Vr::Da => unless(
            !is_calendar_date(value),
            "Value cannot be parsed as a valid date.",
        ),
        Vr::Dt => one_date_time(value).map_err(|_| "Value cannot be parsed as a valid DateTime."),
        Vr::Tm => time(value).map_err(|_| "Value cannot be parsed as a valid Time."),
        Vr::Is => {
            integer_string(value).map_err(|_| "Value cannot be parsed as a valid integer string.")
        }
        Vr::Lo => {
            at_most(value, 64, "Value length exceeds maximum length of 64.")?;
            unless(has_forbidden(value) || value.contains('\\'), INVALID)
        }
        Vr::Pn => {
            unless(
                text::count(value, b'=') > 2,
                "Value contains more than 3 groups.",
            )?;
            split(value, b'=').try_for_each(|group| {
                at_most(
                    group,
                    64,
                    "One or more group of person name exceeds maximum length of 64.",
                )?;
                unless(has_forbidden(group), INVALID)?;
                unless(
                    text::count(group, b'^') > 4,
                    "Value contains more than 5 components.",
                )
            })
        }
        Vr::Ui => unless(
            !is_uid(value),
            "DICOM Identifier is invalid. Value length should not exceed the maximum length of 64 \
             characters. Value should contain characters in '0'-'9' and '.'. Each component must \
             start with non-zero number.",
        ),
        // Of several values the first counts, as for texts.
        Vr::Fd => unless(!raw_length.is_multiple_of(8), "Value length is not 8."),
        Vr::Fl | Vr::Sl | Vr::Ul => unless(!raw_length.is_multiple_of(4), "Value length is not 4."),
        Vr::Ss | Vr::Us => unless(!raw_length.is_multiple_of(2), "Value length is not 2."),
        _ => Ok(()),
    }
}

/// True for what the model takes for a UID: 1 to 64 digits and dots, a digit last; leading zeros and
/// empty components pass.
#[must_use]
pub fn is_uid(text: &str) -> bool {
    let text = text::trim_end(text);
    text.len() <= 64
        && text.ends_with(|last: char| last.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Where the tag ends that each comment begins with, in bytes.
pub(crate) const COMMENT_TAG_END: usize = "DICOM100: (gggg,eeee)".len();

/// The comment on an element that v2 leaves out of the metadata.
#[must_use]
pub fn lenient_comment(tag: u32, vr: Vr, reason: &str) -> String {
    format!(
        "DICOM100: {} - Content does not validate VR {}: {reason}",
        name(tag),
        vr.code()
    )
}

/// The comment on an indexed element that makes v1 refuse its instance.
#[must_use]
pub fn strict_comment(tag: u32, keyword: &str, vr: Vr, reason: &str) -> String {
    let (tag, vr) = (name(tag), vr.code());
    format!("DICOM100: {tag} - Dicom element '{keyword}' failed validation for VR '{vr}': {reason}")
}

/// The comment on an indexed element that has another VR than its attribute (PS3.6).
#[must_use]
pub fn wrong_vr_comment(tag: u32, expected: Vr, found: Vr) -> String {
    let (tag, expected, found) = (name(tag), expected.code(), found.code());
    format!("DICOM100: {tag} - The tag is expected to have VR '{expected}' but has '{found}'.")
}

/// The comment on an extended query tag whose element is of another VR than the tag's.
#[must_use]
pub fn vr_comment(tag: u32, wanted: Vr, found: Vr) -> String {
    let (wanted, found) = (wanted.code(), found.code());
    format!(
        "DICOM100: {} - The extended query tag '{tag:08X}' is expected to have VR '{wanted}' but \
         has '{found}' in file.",
        name(tag)
    )
}

/// The comment on a required element that is missing or empty.
#[must_use]
pub fn missing_comment(tag: u32) -> String {
    let tag = name(tag);
    format!("DICOM100: {tag} - The required tag '{tag}' is missing.")
}

fn name(tag: u32) -> String {
    format!("({:04x},{:04x})", tag >> 16, tag & 0xFFFF)
}

fn is_calendar_date(value: &str) -> bool {
    if value.len() != 8 || !is_digits(value) {
        return false;
    }
    let (year, month, day) = (
        number(value, 0, 4),
        number(value, 4, 2),
        number(value, 6, 2),
    );
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    };
    year > 0 && (1..=days).contains(&day)
}

/// Control characters, but for the ESC that code extensions leave behind.
fn has_forbidden(value: &str) -> bool {
    if value.is_ascii() {
        return value
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != 0x1B);
    }
    value.chars().any(|c| c.is_control() && c != '\u{1b}')
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number in `count` digits from `start` on; 0 where there are none.
fn number(digits: &str, start: usize, count: usize) -> u32 {
    digits
        .get(start..start.saturating_add(count))
        .and_then(|part| part.parse().ok())
        .unwrap_or_default()
}

fn at_most(value: &str, count_max: usize, reason: &'static str) -> Verdict {
    // A character has at least one byte: most values need no counting.
    unless(
        value.len() > count_max && value.chars().count() > count_max,
        reason,
    )
}

fn unless(is_wrong: bool, reason: &'static str) -> Verdict {
    if is_wrong { Err(reason) } else { Ok(()) }
}
