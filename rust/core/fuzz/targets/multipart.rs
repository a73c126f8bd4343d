//! Multipart framing: whole, and byte by byte. Both must give the same parts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_core::error::BodyError;
use longshore_core::multipart::{Event, Limits, Multipart};

fn parts(chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, BodyError> {
    let limits =
        Limits { part_header_bytes_max: 256, part_count_max: 20, prologue_bytes_max: 256 };
    let mut reader = Multipart::new(b"bound", limits)?;
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for chunk in chunks {
        let mut events = Vec::new();
        reader.feed(chunk, &mut events)?;
        for event in events {
            match event {
                Event::PartBegin(_) => parts.push(Vec::new()),
                Event::Held(bytes) => parts.last_mut().expect("a part is open").extend(bytes),
                Event::Data(range) => {
                    parts.last_mut().expect("a part is open").extend(&chunk[range]);
                }
                Event::PartEnd => {}
            }
        }
    }
    reader.finish()?;
    Ok(parts)
}

fuzz_target!(|bytes: &[u8]| {
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    // Where reading stops an error may carry another offset; that it stops may not differ.
    assert_eq!(parts(&[bytes]).ok(), parts(&single).ok());
});
