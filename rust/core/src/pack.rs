//! The pack: one batch as one ZIP64 file that any unzip opens.
//!
//! A stored entry `{study}/{series}/{sop}.dcm` for each instance, byte for byte as it arrived, and at
//! the end one deflated entry `metadata.json`, an array of every instance's DICOM JSON. Its deflate
//! stream is made of one byte-aligned segment per instance, so that metadata is served as it lies.
//! Each directory entry carries its segment's place in a private extra field: the directory alone
//! tells where everything is.

mod directory;
mod layout;
mod segment;
mod zip;

pub use directory::{Packed, directory_length, read_directory};
pub use layout::{Entry, Plan, plan};
pub use segment::{Deflater, GZIP_SEPARATOR, Segment, gzip_frame, inflate_segment};
