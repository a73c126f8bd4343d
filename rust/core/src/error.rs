//! Everything that can be wrong with the bytes, with offsets.
//!
//! `BodyError` ends a request; `PartError` refuses one part. Neither ever holds an attribute value.

use std::fmt;

/// A request body that cannot be split into parts (RFC 2046 5.1.1). Offsets count bytes of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The boundary parameter is empty, longer than 256 characters, or not printable ASCII.
    BadBoundary,
    /// The body has no bytes.
    Empty,
    /// No delimiter within the limit.
    NoDelimiter {
        /// The limit, in bytes.
        bytes_max: u64,
    },
    /// A part's headers are longer than the limit.
    HeadersTooLong {
        /// Where they begin.
        offset: u64,
        /// The limit, in bytes.
        bytes_max: usize,
    },
    /// More parts than the limit.
    TooManyParts {
        /// The limit.
        count_max: u64,
    },
    /// The closing delimiter never came.
    Unclosed {
        /// Bytes of the body that did.
        offset: u64,
    },
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadBoundary => {
                write!(
                    f,
                    "the boundary parameter is not 1 to 256 printable ASCII characters"
                )
            }
            Self::Empty => write!(f, "the body is empty"),
            Self::NoDelimiter { bytes_max } => {
                write!(
                    f,
                    "no delimiter with the declared boundary in the first {bytes_max} bytes"
                )
            }
            Self::HeadersTooLong { offset, bytes_max } => {
                write!(
                    f,
                    "the part headers that begin at byte {offset} are longer than {bytes_max} bytes"
                )
            }
            Self::TooManyParts { count_max } => write!(f, "more than {count_max} parts"),
            Self::Unclosed { offset } => {
                write!(
                    f,
                    "the body ended after {offset} bytes without its closing delimiter"
                )
            }
        }
    }
}

impl std::error::Error for BodyError {}

/// One part that cannot be read as a DICOM file (PS3.10 7, PS3.5 7). Offsets count bytes of the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartError {
    /// No preamble with `DICM` (PS3.10 7.1).
    NotPart10,
    /// The bytes end inside a data element, an item or a sequence.
    Truncated {
        /// Where the last whole thing ended.
        offset: u64,
    },
    /// Neither an explicit nor an implicit VR data element can begin here.
    BadElement {
        /// Where the element begins.
        offset: u64,
    },
    /// An element, item or sequence reaches beyond the item or sequence that holds it.
    Overrun {
        /// Where the offender begins.
        offset: u64,
    },
    /// Sequences are nested deeper than `dataset::DEPTH_MAX`.
    TooDeep {
        /// Where the innermost sequence begins.
        offset: u64,
    },
    /// More data elements than `dataset::ELEMENT_COUNT_MAX`.
    TooManyElements,
    /// More fragments than `dataset::FRAGMENT_COUNT_MAX`.
    TooManyFragments,
    /// The metadata would be longer than `json::METADATA_BYTES_MAX`.
    MetadataTooLarge,
    /// The deflated data set is not a deflate stream (PS3.5 A.5).
    BadDeflate,
    /// The deflated data set inflates to more than the limit.
    InflatedTooLarge {
        /// The limit, in bytes.
        bytes_max: u64,
    },
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPart10 => write!(f, "not a DICOM file: no DICM at byte 128 (PS3.10 7.1)"),
            Self::Truncated { offset } => {
                write!(
                    f,
                    "the file ends inside a data element that begins at or after byte {offset}"
                )
            }
            Self::BadElement { offset } => write!(f, "no data element can begin at byte {offset}"),
            Self::Overrun { offset } => {
                write!(
                    f,
                    "what begins at byte {offset} reaches beyond its item or sequence"
                )
            }
            Self::TooDeep { offset } => {
                write!(f, "sequences are nested too deeply at byte {offset}")
            }
            Self::TooManyElements => write!(f, "the data set has too many data elements"),
            Self::TooManyFragments => write!(f, "the pixel data has too many fragments"),
            Self::MetadataTooLarge => write!(f, "the metadata is too large"),
            Self::BadDeflate => write!(f, "the deflated data set is not a deflate stream"),
            Self::InflatedTooLarge { bytes_max } => {
                write!(
                    f,
                    "the deflated data set inflates to more than {bytes_max} bytes"
                )
            }
        }
    }
}

impl std::error::Error for PartError {}

/// A pack that cannot be laid out, or bytes that are no pack's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackError {
    /// A pack holds at least one instance.
    Empty,
    /// Two entries have the same UIDs; a pack's names are unique.
    SameName,
    /// The first local header does not fit before the payload offset that was asked for.
    HeaderDoesNotFit,
    /// The end of central directory record is not where a pack has it.
    NoDirectory,
    /// The directory contradicts itself or the pack's length.
    BadDirectory {
        /// Where in the directory, in bytes.
        offset: usize,
    },
    /// A metadata segment does not inflate to what it was made of.
    BadSegment,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a pack holds at least one instance"),
            Self::SameName => write!(f, "two entries of a pack have the same UIDs"),
            Self::HeaderDoesNotFit => write!(f, "the first header does not fit before its payload"),
            Self::NoDirectory => write!(f, "no directory at the end of the pack"),
            Self::BadDirectory { offset } => {
                write!(f, "the pack's directory is damaged at byte {offset}")
            }
            Self::BadSegment => write!(f, "a metadata segment of the pack is damaged"),
        }
    }
}

impl std::error::Error for PackError {}
