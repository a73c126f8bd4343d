//! The header of one data element: tag, VR and length (PS3.5 7.1.2, 7.1.3, 7.5).

use crate::dictionary;
use crate::tag;
use crate::vr::Vr;

const SHORT_BYTES: usize = 8;
const LONG_BYTES: usize = 12;

/// How data elements are encoded (PS3.5 7.1, A.1 to A.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Implicit VR.
    pub is_implicit: bool,
    /// Big endian byte order.
    pub is_big_endian: bool,
}

/// Implicit VR Little Endian, which also encodes what lies inside an `UN` (PS3.5 6.2.2).
pub(crate) const IMPLICIT: Encoding = Encoding {
    is_implicit: true,
    is_big_endian: false,
};

/// A header that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) tag: u32,
    pub(crate) vr: Vr,
    /// As encoded; `FFFFFFFF` is an undefined length.
    pub(crate) length: u32,
    /// Bytes of the header itself.
    pub(crate) bytes: usize,
    /// The VR is the dictionary's, since the encoding does not say.
    pub(crate) is_implicit: bool,
}

/// What stands at a place where a header is expected.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    Header(Header),
    /// At least so many bytes must be shown.
    Need(usize),
    /// No data element can begin so.
    Nothing,
}

impl Encoding {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.is_big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    /// Reads the header that begins `bytes`; `is_signed` is the data set's Pixel Representation.
    pub(crate) fn header(self, bytes: &[u8], is_signed: bool) -> Found {
        let Some([g0, g1, e0, e1, v0, v1, l0, l1]) = bytes.first_chunk::<SHORT_BYTES>().copied()
        else {
            return Found::Need(SHORT_BYTES);
        };
        let tag = (u32::from(self.u16([g0, g1])) << 16) | u32::from(self.u16([e0, e1]));
        let (long, short) = (self.u32([v0, v1, l0, l1]), u32::from(self.u16([l0, l1])));
        let unstated = |length| {
            let vr = dictionary::vr_of(tag, is_signed);
            short_header(tag, vr, length, true)
        };
        if tag::group(tag) == 0xFFFE {
            // Items and delimiters have no VR in any encoding.
            return short_header(tag, Vr::Un, long, true);
        }
        if self.is_implicit {
            return unstated(long);
        }
        let vr = match Vr::from_code([v0, v1]) {
            Some(vr) => vr,
            // A VR of a later standard has the long form (PS3.5 6.2 Note).
            None if v0.is_ascii_uppercase() && v1.is_ascii_uppercase() => Vr::Un,
            None if self.is_big_endian => return Found::Nothing,
            // Writers exist that leave the VR blank.
            None if [v0, v1] == *b"  " => return unstated(short),
            // Others fall into Implicit VR for single elements.
            None => return unstated(long),
        };
        if !vr.has_long_header() {
            return short_header(tag, vr, short, false);
        }
        let Some([.., a, b, c, d]) = bytes.first_chunk::<LONG_BYTES>().copied() else {
            return Found::Need(LONG_BYTES);
        };
        Found::Header(Header {
            tag,
            vr,
            length: self.u32([a, b, c, d]),
            bytes: LONG_BYTES,
            is_implicit: false,
        })
    }
}

fn short_header(tag: u32, vr: Vr, length: u32, is_implicit: bool) -> Found {
    Found::Header(Header {
        tag,
        vr,
        length,
        bytes: SHORT_BYTES,
        is_implicit,
    })
}
