//! Specific Character Set to UTF-8 (PS3.3 C.12.1.1.2, PS3.5 6.1).
//!
//! Decoding never fails: bytes that mean nothing become U+FFFD. Misspelt terms are understood, unknown
//! ones leave the default repertoire. With code extensions every escape sequence of the standard is
//! followed, declared or not.

use std::borrow::Cow;

use encoding_rs::{
    EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5,
    ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_15, WINDOWS_874, WINDOWS_1254,
};

const ESCAPE: u8 = 0x1B;

/// What brings the initial sets back (PS3.5 6.1.2.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiters {
    /// PN: `\`, `^`, `=` and line ends.
    PersonName,
    /// LO, SH, UC: `\` and line ends.
    Values,
    /// LT, ST, UT: line ends.
    Text,
}

impl Delimiters {
    fn contain(self, byte: u8) -> bool {
        match byte {
            b'\t' | b'\n' | 0x0C | b'\r' => true,
            b'\\' => self != Self::Text,
            b'^' | b'=' => self == Self::PersonName,
            _ => false,
        }
    }
}

/// The characters of bytes below 0x80.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// ISO 646, and the romaji of JIS X 0201, whose `\` and `~` stay what they are.
    Ascii,
    JisX0208,
    JisX0212,
}

/// The characters of bytes from 0x80 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    /// No set is designated.
    None,
    Latin1,
    Katakana,
    /// A single-byte set.
    Table(&'static Encoding),
    /// A set of pairs.
    Pairs(&'static Encoding),
}

/// A decoded Specific Character Set (0008,0005).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One encoding for all bytes.
    Whole(&'static Encoding),
    /// Left and right halves, with or without code extensions (ISO 2022).
    Halves { right: Right, has_extensions: bool },
}

impl Default for Charset {
    /// ISO 646, the default repertoire.
    fn default() -> Self {
        Self {
            kind: Kind::Halves {
                right: Right::None,
                has_extensions: false,
            },
        }
    }
}

impl Charset {
    /// Reads the value of (0008,0005), as it stands in the file.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let terms: Vec<String> = value.split(|byte| *byte == b'\\').map(normal).collect();
        let has_extensions = terms.len() > 1 || terms.iter().any(|term| term.contains("2022"));
        for term in &terms {
            // These three never go with others; where they do, they are what is meant.
            let whole = match term.as_str() {
                "ISOIR192" | "UTF8" => encoding_rs::UTF_8,
                "GB18030" => GB18030,
                "GBK" => GBK,
                _ => continue,
            };
            return Self {
                kind: Kind::Whole(whole),
            };
        }
        let right = terms.first().map_or(Right::None, |term| right_of(term));
        Self {
            kind: Kind::Halves {
                right,
                has_extensions,
            },
        }
    }

    /// Decodes a value; borrows where it is plain ASCII.
    #[must_use]
    pub fn decode<'a>(&self, bytes: &'a [u8], delimiters: Delimiters) -> Cow<'a, str> {
        if is_plain(bytes)
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return Cow::Borrowed(text);
        }
        match self.kind {
            Kind::Whole(encoding) => encoding.decode_without_bom_handling(bytes).0,
            Kind::Halves {
                right,
                has_extensions,
            } => {
                let mut decoder = Decoder {
                    initial: right,
                    left: Left::Ascii,
                    right,
                    has_extensions,
                    out: String::with_capacity(bytes.len()),
                };
                decoder.run(bytes, delimiters);
                Cow::Owned(decoder.out)
            }
        }
    }
}

/// True for what every set has in the same place: ASCII, without an ESC.
fn is_plain(bytes: &[u8]) -> bool {
    // Without a way out in between, which the compiler does in one go.
    let is_special = |byte: &u8| *byte >= 0x80 || *byte == ESCAPE;
    !bytes.iter().fold(false, |any, byte| any | is_special(byte))
}

/// A term without what writers get wrong: case, spaces, `-` and `_`.
fn normal(term: &[u8]) -> String {
    term.iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(|byte| char::from(byte.to_ascii_uppercase()))
        .collect()
}

/// The set that a term designates for bytes from 0x80 on (PS3.3 Tables C.12-2 to C.12-4).
fn right_of(term: &str) -> Right {
    let number = term
        .strip_prefix("ISO")
        .map(|rest| rest.strip_prefix("2022").unwrap_or(rest));
    match number.and_then(|rest| rest.strip_prefix("IR")) {
        Some("13") => Right::Katakana,
        Some("100") => Right::Latin1,
        Some("101") => Right::Table(ISO_8859_2),
        Some("109") => Right::Table(ISO_8859_3),
        Some("110") => Right::Table(ISO_8859_4),
        Some("144") => Right::Table(ISO_8859_5),
        Some("127") => Right::Table(ISO_8859_6),
        Some("126") => Right::Table(ISO_8859_7),
        Some("138") => Right::Table(ISO_8859_8),
        Some("148") => Right::Table(WINDOWS_1254),
        Some("203") => Right::Table(ISO_8859_15),
        Some("166") => Right::Table(WINDOWS_874),
        Some("149") => Right::Pairs(EUC_KR),
        Some("58") => Right::Pairs(GBK),
        _ => Right::None,
    }
}

struct Decoder {
    initial: Right,
    left: Left,
    right: Right,
    has_extensions: bool,
    out: String,
}

impl Decoder {
    fn run(&mut self, mut bytes: &[u8], delimiters: Delimiters) {
        while let [byte, rest @ ..] = bytes {
            let used = match *byte {
                ESCAPE if self.has_extensions => self.escape(rest).saturating_add(1),
                0x21..=0x7E if self.left != Left::Ascii => self.left_pair(bytes),
                byte @ 0..=0x7F => {
                    if delimiters.contain(byte) {
                        self.left = Left::Ascii;
                        self.right = self.initial;
                    }
                    self.out.push(char::from(byte));
                    1
                }
                _ => self.right_run(bytes),
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// Follows an escape sequence; returns how many bytes it has behind the ESC.
    fn escape(&mut self, rest: &[u8]) -> usize {
        match rest {
            [b'$', b'B', ..] => self.left = Left::JisX0208,
            [b'(', b'B' | b'J', ..] => self.left = Left::Ascii,
            [b')', b'I', ..] => self.right = Right::Katakana,
            [b'-', b'A', ..] => self.right = Right::Latin1,
            [b'-', b'B', ..] => self.right = Right::Table(ISO_8859_2),
            [b'-', b'C', ..] => self.right = Right::Table(ISO_8859_3),
            [b'-', b'D', ..] => self.right = Right::Table(ISO_8859_4),
            [b'-', b'L', ..] => self.right = Right::Table(ISO_8859_5),
            [b'-', b'G', ..] => self.right = Right::Table(ISO_8859_6),
            [b'-', b'F', ..] => self.right = Right::Table(ISO_8859_7),
            [b'-', b'H', ..] => self.right = Right::Table(ISO_8859_8),
            [b'-', b'M', ..] => self.right = Right::Table(WINDOWS_1254),
            [b'-', b'b', ..] => self.right = Right::Table(ISO_8859_15),
            [b'-', b'T', ..] => self.right = Right::Table(WINDOWS_874),
            [b'$', b'(', b'D', ..] => {
                self.left = Left::JisX0212;
                return 3;
            }
            [b'$', b')', b'C', ..] => {
                self.right = Right::Pairs(EUC_KR);
                return 3;
            }
            [b'$', b')', b'A', ..] => {
                self.right = Right::Pairs(GBK);
                return 3;
            }
            _ => {
                self.out.push(char::REPLACEMENT_CHARACTER);
                return 0;
            }
        }
        2
    }

    /// A character of two bytes below 0x80; EUC-JP has the same sets in its upper half.
    fn left_pair(&mut self, bytes: &[u8]) -> usize {
        let [first, second @ 0x21..=0x7E, ..] = *bytes else {
            self.out.push(char::REPLACEMENT_CHARACTER);
            return 1;
        };
        let upper = [first | 0x80, second | 0x80];
        match self.left {
            Left::JisX0212 => self.push(EUC_JP, &[0x8F, upper[0], upper[1]]),
            _ => self.push(EUC_JP, &upper),
        }
        2
    }

    /// Bytes from 0x80 on, as far as they go.
    fn right_run(&mut self, bytes: &[u8]) -> usize {
        let length = bytes.iter().take_while(|byte| **byte >= 0x80).count();
        let run = bytes.get(..length).unwrap_or_default();
        match self.right {
            Right::None => self
                .out
                .extend(run.iter().map(|_| char::REPLACEMENT_CHARACTER)),
            Right::Latin1 => self.out.extend(run.iter().copied().map(char::from)),
            Right::Katakana => self.out.extend(run.iter().copied().map(katakana)),
            Right::Pairs(encoding) => self.push(encoding, run),
            Right::Table(encoding) => {
                for byte in run {
                    // The control characters that code pages put letters in.
                    if *byte < 0xA0 {
                        self.out.push(char::from(*byte));
                    } else {
                        self.push(encoding, &[*byte]);
                    }
                }
            }
        }
        length
    }

    fn push(&mut self, encoding: &'static Encoding, bytes: &[u8]) {
        self.out
            .push_str(&encoding.decode_without_bom_handling(bytes).0);
    }
}

/// JIS X 0201 katakana, which Unicode has as halfwidth forms.
fn katakana(byte: u8) -> char {
    match byte {
        0xA1..=0xDF => char::from_u32(u32::from(byte).saturating_add(0xFF61 - 0xA1)),
        _ => None,
    }
    .unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TERMS: [&str; 24] = [
        "",
        "ISO_IR 6",
        "ISO_IR 13",
        "ISO_IR 100",
        "ISO_IR 101",
        "ISO_IR 109",
        "ISO_IR 110",
        "ISO_IR 126",
        "ISO_IR 127",
        "ISO_IR 138",
        "ISO_IR 144",
        "ISO_IR 148",
        "ISO_IR 166",
        "ISO_IR 192",
        "ISO_IR 203",
        "GB18030",
        "GBK",
        "ISO 2022 IR 6\\ISO 2022 IR 87",
        "\\ISO 2022 IR 149",
        "\\ISO 2022 IR 58",
        "ISO 2022 IR 13\\ISO 2022 IR 159",
        "ISO 2022 IR 100\\ISO 2022 IR 144",
        "nonsense",
        "ISO 2022 IR 166",
    ];

    fn decoded(terms: &str, bytes: &[u8]) -> String {
        Charset::parse(terms.as_bytes())
            .decode(bytes, Delimiters::PersonName)
            .into_owned()
    }

    #[test]
    fn single_byte_sets() {
        for (terms, bytes, expected) in [
            ("ISO_IR 100", &b"Buc^J\xe9r\xf4me"[..], "Buc^Jérôme"),
            ("ISO_IR 100", b"\x93\xc4neas", "\u{93}Äneas"),
            ("ISO_IR 101", b"Wa\xb3\xeasa", "Wałęsa"),
            ("ISO_IR 109", b"\xa1\xc6", "ĦĈ"),
            ("ISO_IR 110", b"\xa2\xba", "ĸē"),
            ("ISO_IR 144", b"\xbb\xee", "Лю"),
            ("ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea", "قباني"),
            ("ISO_IR 126", b"\xc4\xe9\xef", "Διο"),
            ("ISO_IR 138", b"\xf9\xf8\xe5\xef", "שרון"),
            ("ISO_IR 148", b"\xc7avu\xfeo\xf0lu", "Çavuşoğlu"),
            ("ISO_IR 203", b"\xa4", "€"),
            ("ISO_IR 166", b"\xb9\xd2\xc2", "นาย"),
            ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
            (
                "ISO_IR 192",
                "Wang^XiaoDong=王^小東".as_bytes(),
                "Wang^XiaoDong=王^小東",
            ),
            (
                "GB18030",
                b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab",
                "Wang^XiaoDong=王^小东",
            ),
            ("GBK", b"\xcd\xf5", "王"),
        ] {
            assert_eq!(decoded(terms, bytes), expected, "{terms}");
        }
    }

    /// The examples of PS3.5 Annexes H, I, J and K.
    #[test]
    fn code_extensions() {
        let yamada =
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        assert_eq!(
            decoded("\\ISO 2022 IR 87", yamada),
            "Yamada^Tarou=山田^太郎=やまだ^たろう"
        );
        let katakana = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J";
        assert_eq!(
            decoded("ISO 2022 IR 13\\ISO 2022 IR 87", katakana),
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"
        );
        let hong = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        assert_eq!(
            decoded("\\ISO 2022 IR 149", hong),
            "Hong^Gildong=洪^吉洞=홍^길동"
        );
        let wang = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=";
        assert_eq!(decoded("\\ISO 2022 IR 58", wang), "Zhang^XiaoDong=张^小东=");
        let both = b"\xe4\x1b-L\xbb\xee^\xe4";
        assert_eq!(decoded("ISO 2022 IR 100\\ISO 2022 IR 144", both), "äЛю^ä");
        assert_eq!(decoded("\\ISO 2022 IR 159", b"\x1b$(D\x30\x21\x1b(B"), "丂");
    }

    #[test]
    fn bytes_of_a_pair_are_no_delimiters() {
        // The second byte of this character is a backslash.
        assert_eq!(
            decoded("\\ISO 2022 IR 87", b"\x1b$B\x30\x5c\x1b(B\\x"),
            "移\\x"
        );
        assert_eq!(decoded("GB18030", b"\x81\x5c"), "乗");
    }

    #[test]
    fn misspelt_terms_are_understood() {
        for terms in [
            "ISO-IR 100",
            "iso_ir_100",
            " ISO IR100 ",
            "ISO2022IR100\\ISO 2022 IR 87",
        ] {
            assert_eq!(decoded(terms, b"\xe9"), "é", "{terms}");
        }
        for terms in ["", "nonsense", "ISO_IR 999"] {
            assert_eq!(decoded(terms, b"a\xe9"), "a\u{fffd}", "{terms}");
        }
    }

    proptest! {
        #[test]
        fn ascii_is_itself_in_every_set(text in "[ -~\r\n\t]{0,40}", which in 0..TERMS.len()) {
            prop_assert_eq!(decoded(TERMS[which], text.as_bytes()), text);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), which in 0..TERMS.len()) {
            let charset = Charset::parse(TERMS[which].as_bytes());
            for delimiters in [Delimiters::PersonName, Delimiters::Values, Delimiters::Text] {
                let text = charset.decode(&bytes, delimiters);
                prop_assert!(text.len() <= bytes.len().saturating_mul(3));
            }
            let _ = Charset::parse(&bytes);
        }
    }
}
