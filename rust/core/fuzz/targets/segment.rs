//! Deflated metadata: what was put in comes out, whatever was deflated before.
#![no_main]

use flate2::{Decompress, FlushDecompress};
use libfuzzer_sys::fuzz_target;
use longshore_core::pack::Deflater;

fuzz_target!(|bytes: &[u8]| {
    let mut deflater = Deflater::default();
    let before = deflater.segment(b"{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 192\"]}}");
    // Control characters are left to zlib; without them the other way is taken.
    let printable: Vec<u8> = bytes.iter().map(|byte| (*byte).max(b' ')).collect();
    for input in [bytes, &printable] {
        let segment = deflater.segment(input);
        assert!(segment.deflated.ends_with(&[0, 0, 0xFF, 0xFF]));
        let mut out = Vec::with_capacity(input.len() + 1);
        let mut stream = Decompress::new(false);
        let done = stream.decompress_vec(&segment.deflated, &mut out, FlushDecompress::Sync);
        assert!(done.is_ok());
        assert_eq!(stream.total_in(), segment.deflated.len() as u64);
        assert_eq!(out, input);
    }
    assert_eq!(deflater.segment(b"{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 192\"]}}"), before);
});
