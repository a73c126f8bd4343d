//! Longshore's core: DICOM bytes in, values out.
//!
//! No Python, no I/O, no clock. Every reader here is fed bytes that may come from anybody, so every
//! length, depth and count is bounded and no input may panic.
//!
//! `store::StoreReader` is the way in: it splits a body (`multipart`), reads each part (`part10`,
//! `dataset`), and turns it into an `outcome::Instance` with its searchable attributes
//! (`attributes`), its metadata (`json`) and its frame extents (`frames`). `pack` lays instances out
//! in a pack and reads a pack's directory back. `related` keeps the parts of other bodies whole,
//! `extended` finds what else is searched for.
#![forbid(unsafe_code)]

pub mod attributes;
pub mod charset;
pub mod dataset;
pub mod dictionary;
pub mod error;
pub mod extended;
mod feed;
mod findings;
pub mod frames;
mod header;
pub mod instance;
pub mod json;
pub mod media_type;
pub mod multipart;
pub mod outcome;
pub mod pack;
pub mod part10;
pub mod related;
pub mod store;
pub mod tag;
mod text;
pub mod validate;
mod value;
pub mod vr;
