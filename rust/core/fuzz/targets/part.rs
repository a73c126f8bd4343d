//! One Part 10 file: whole, and in two chunks. Both must tell the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_core::instance::Rules;
use longshore_core::multipart::Limits;
use longshore_core::outcome::PartRules;
use longshore_core::part10::dataset_offset;
use longshore_core::store::{StoreEvent, StoreLimits, StoreReader};

fn told(chunks: &[&[u8]]) -> Vec<String> {
    let rules = PartRules {
        extended: None,
        rules: Rules { is_strict: false, inline_bytes_max: 64 },
        study_uid: None,
        inflated_bytes_max: 1 << 20,
    };
    let framing = Limits { part_header_bytes_max: 64, part_count_max: 1, prologue_bytes_max: 64 };
    let limits = StoreLimits { framing, part_bytes_max: 1 << 20 };
    let Ok(mut reader) = StoreReader::new(None, true, rules, limits) else { return Vec::new() };
    let mut events = Vec::new();
    for chunk in chunks {
        if reader.feed(chunk, &mut events).is_err() {
            return Vec::new();
        }
    }
    let _ = reader.finish(&mut events);
    events
        .iter()
        .filter(|event| matches!(event, StoreEvent::Stored(_) | StoreEvent::Refused(_)))
        .map(|event| format!("{event:?}"))
        .collect()
}

fuzz_target!(|bytes: &[u8]| {
    let whole = told(&[bytes]);
    let cut = bytes.first().map_or(0, |first| usize::from(*first) * 7).min(bytes.len());
    let (left, right) = bytes.split_at(cut);
    assert_eq!(told(&[left, right]), whole);
    if let Some(offset) = dataset_offset(bytes) {
        assert!(offset <= bytes.len());
    }
});
