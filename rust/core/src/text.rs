//! Plain work on texts of a few bytes.
//!
//! What is looked for is ASCII, which no other character of UTF-8 holds a byte of; `str` would look
//! for characters, which takes several times as long on the many short values of a data set.

/// The pieces between separators, as `str::split` gives them; `separator` is ASCII.
pub(crate) fn split(text: &str, separator: u8) -> Split<'_> {
    Split {
        rest: Some(text),
        separator,
    }
}

/// See `split`.
#[derive(Clone, Debug)]
pub(crate) struct Split<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.take()?;
        match find(rest, self.separator) {
            Some(at) => {
                self.rest = rest.get(at.saturating_add(1)..);
                rest.get(..at)
            }
            None => Some(rest),
        }
    }
}

/// Texts of fewer bytes are looked through here; calling out for them takes longer.
const SHORT_BYTES: usize = 32;

/// Where a byte of ASCII first stands in a text.
pub(crate) fn find(text: &str, wanted: u8) -> Option<usize> {
    if text.len() < SHORT_BYTES {
        text.bytes().position(|byte| byte == wanted)
    } else {
        memchr::memchr(wanted, text.as_bytes())
    }
}

/// How often a byte of ASCII stands in a text.
pub(crate) fn count(text: &str, wanted: u8) -> usize {
    text.bytes().filter(|byte| *byte == wanted).count()
}

/// Without the padding that PS3.5 6.2 allows behind a value.
pub(crate) fn trim_end(text: &str) -> &str {
    let is_value = |byte: &u8| !matches!(byte, b' ' | 0);
    let last = text.as_bytes().iter().rposition(is_value);
    let length = last.map_or(0, |last| last.saturating_add(1));
    text.get(..length).unwrap_or(text)
}

/// Without the spaces around it.
pub(crate) fn trim_spaces(text: &str) -> &str {
    let is_value = |byte: u8| byte != b' ';
    let first = text.bytes().position(is_value).unwrap_or(text.len());
    let last = text.bytes().rposition(is_value);
    let end = last.map_or(first, |last| last.saturating_add(1));
    text.get(first..end).unwrap_or(text)
}

/// The digits that begin `bytes`, and what is behind them.
pub(crate) fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit());
    bytes.split_at(end.unwrap_or(bytes.len()))
}

/// The parts of a decimal number: `[+-]whole[.fraction][(e|E)exponent]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal<'a> {
    pub(crate) is_negative: bool,
    /// Digits, perhaps none.
    pub(crate) whole: &'a [u8],
    /// Digits, perhaps none; None without a `.`.
    pub(crate) fraction: Option<&'a [u8]>,
    /// At least one digit, its sign before it.
    pub(crate) exponent: Option<&'a [u8]>,
}

impl<'a> Decimal<'a> {
    /// None where a text has another shape, or no digit before its exponent.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (is_negative, unsigned) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, bytes),
        };
        let (whole, rest) = digits(unsigned);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => {
                let (fraction, rest) = digits(rest);
                (Some(fraction), rest)
            }
            _ => (None, rest),
        };
        if whole.is_empty() && fraction.is_none_or(<[u8]>::is_empty) {
            return None;
        }
        let exponent = match rest {
            [] => None,
            [b'e' | b'E', exponent @ ..] => match digits(unsigned_of(exponent)) {
                ([], _) | (_, [_, ..]) => return None,
                _ => Some(exponent),
            },
            _ => return None,
        };
        Some(Self {
            is_negative,
            whole,
            fraction,
            exponent,
        })
    }
}

/// Without a sign before it.
pub(crate) fn unsigned_of(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b'+' | b'-', rest @ ..] => rest,
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_those_of_str(text in "[a\\\\é=]{0,40}") {
            for separator in [b'\\', b'='] {
                let pieces: Vec<&str> = split(&text, separator).collect();
                let expected: Vec<&str> = text.split(char::from(separator)).collect();
                prop_assert_eq!(pieces, expected);
                prop_assert_eq!(
                    count(&text, separator),
                    text.matches(char::from(separator)).count()
                );
            }
        }

        #[test]
        fn padding_is_trimmed_as_str_does(text in "[ \0aé]{0,6}") {
            prop_assert_eq!(trim_end(&text), text.trim_end_matches([' ', '\0']));
            prop_assert_eq!(trim_spaces(&text), text.trim_matches(' '));
        }

        #[test]
        fn what_has_parts_is_a_number(text in "[-+]?[0-9]{0,3}[.]?[0-9]{0,2}[eE]?[-+]?[0-9]{0,2}") {
            prop_assert_eq!(Decimal::parse(&text).is_some(), text.parse::<f64>().is_ok());
        }
    }
}
