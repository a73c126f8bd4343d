//! Character sets, value rules and media types: the first line is a Specific Character Set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_core::charset::{Charset, Delimiters};
use longshore_core::media_type::essence;
use longshore_core::validate::{is_uid, lenient, strict};
use longshore_core::vr::ALL;

fuzz_target!(|bytes: &[u8]| {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (terms, value) = bytes.split_at(line);
    let charset = Charset::parse(terms);
    for delimiters in [Delimiters::PersonName, Delimiters::Values, Delimiters::Text] {
        let text = charset.decode(value, delimiters);
        assert!(text.len() <= value.len() * 3);
        for (vr, _) in ALL {
            let _ = (lenient(vr, &text), strict(vr, &text, value.len()));
        }
        let _ = (is_uid(&text), essence(&text));
    }
});
