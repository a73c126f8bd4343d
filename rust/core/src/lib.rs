//! Longshore's core: DICOM bytes in, values out.
//!
//! No Python, no I/O, no clock. Every reader here is fed bytes that may come from anybody, so every
//! length, depth and count is bounded and no input may panic.
#![forbid(unsafe_code)]

pub mod charset;
pub mod error;
pub mod multipart;
pub mod pack;
pub mod validate;
pub mod vr;
