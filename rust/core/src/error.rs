//! Everything that can be wrong with the bytes, with offsets.
//!
//! `BodyError` ends a request; `PartError` refuses one part. Neither ever holds an attribute value.

use std::fmt;

/// A request body that cannot be split into parts (RFC 2046 5.1.1). Offsets count bytes of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The boundary parameter is empty, longer than 70 characters, or not printable ASCII.
    BadBoundary,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadBoundary => write!(
                f,
                "the boundary parameter is not 1 to 70 printable ASCII characters"
            ),
        }
    }
}

impl std::error::Error for BodyError {}
