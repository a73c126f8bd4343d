//! A pack's directory: what it tells lies within the pack.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_core::pack::{directory_length, read_directory};

fuzz_target!(|bytes: &[u8]| {
    let Some((length, directory)) = bytes.split_first_chunk::<8>() else { return };
    for pack_length in [u64::from_le_bytes(*length), directory.len() as u64] {
        if let Ok(length) = directory_length(directory, pack_length) {
            assert!(length <= pack_length);
        }
        for packed in read_directory(directory, pack_length).unwrap_or_default() {
            assert!(packed.payload_offset + packed.payload_length <= pack_length);
            assert!(packed.segment_offset + u64::from(packed.segment_length) <= pack_length);
        }
    }
});
