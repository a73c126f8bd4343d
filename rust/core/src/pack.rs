//! The pack: one batch as one ZIP64 file that any unzip opens.
//!
//! A stored entry `{study}/{series}/{sop}.dcm` for each instance, byte for byte as it arrived; those of
//! partitions other than the default one lie in `partitions/{name}/`. At the end one deflated entry `metadata.json`, an array of every instance's DICOM JSON. Its deflate
//! stream is made of one byte-aligned segment per instance, so that metadata is served as it lies.
//! Each directory entry carries its segment's place in a private extra field: the directory alone
//! tells where everything is.

/// The partition of whatever names none: its entries lie in no folder of their own.
pub const DEFAULT_PARTITION_NAME: &str = "Microsoft.Default";
/// Before the names of other partitions. No UID begins with a letter.
const PARTITION_FOLDER: &str = "partitions/";

mod directory;
mod layout;
mod segment;
mod zip;

pub use directory::{Packed, directory_length, read_directory};
pub use layout::{Entry, Plan, plan};
pub use segment::{Deflater, GZIP_SEPARATOR, Segment, gzip_frame, inflate_segment};
