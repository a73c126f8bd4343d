//! A multipart Store body in chunks whose length the first byte gives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_core::instance::Rules;
use longshore_core::multipart::Limits;
use longshore_core::outcome::PartRules;
use longshore_core::store::{StoreLimits, StoreReader};

fuzz_target!(|bytes: &[u8]| {
    let Some((step, body)) = bytes.split_first() else { return };
    let rules = PartRules {
        extended: None,
        rules: Rules { is_strict: step % 2 == 1, inline_bytes_max: 64 },
        study_uid: None,
        inflated_bytes_max: 1 << 20,
    };
    let framing =
        Limits { part_header_bytes_max: 1024, part_count_max: 100, prologue_bytes_max: 1024 };
    let limits = StoreLimits { framing, part_bytes_max: 1 << 20 };
    let Ok(mut reader) = StoreReader::new(Some(b"b"), true, rules, limits) else { return };
    let mut events = Vec::new();
    for chunk in body.chunks(usize::from(*step).max(1)) {
        if reader.feed(chunk, &mut events).is_err() {
            return;
        }
    }
    let _ = reader.finish(&mut events);
});
