//! Parts kept whole, wherever the body is cut.

use longshore_core::error::BodyError;
use longshore_core::multipart::Limits;
use longshore_core::related::{RelatedError, RelatedPart, RelatedReader};

const BODY: &[u8] = b"--b\r\nContent-Type: application/dicom+json\r\n\r\n[{}]\r\n\
    --b\r\nContent-Location: bulk/1\r\nContent-ID: <a@b>\r\n\r\n\r\nbytes\r\n--b--";

fn read(chunks: &[&[u8]], bytes_max: u64) -> Result<Vec<RelatedPart>, RelatedError> {
    let limits = Limits {
        part_header_bytes_max: 1024,
        part_count_max: 10,
        prologue_bytes_max: 1024,
    };
    let mut reader = RelatedReader::new(b"b", limits, bytes_max)?;
    let mut parts = Vec::new();
    for chunk in chunks {
        reader.feed(chunk, &mut parts)?;
    }
    reader.finish()?;
    Ok(parts)
}

#[test]
fn parts_come_whole_at_every_cut() {
    for cut in 0..=BODY.len() {
        let (left, right) = BODY.split_at(cut);
        let parts = read(&[left, right], 100).unwrap();
        let [metadata, bulkdata] = parts.as_slice() else {
            panic!("cut at byte {cut}: {parts:?}");
        };
        assert_eq!(metadata.content, b"[{}]", "cut at byte {cut}");
        let content_type = metadata.headers.content_type.as_deref();
        assert_eq!(content_type, Some("application/dicom+json"));
        assert_eq!(bulkdata.content, b"\r\nbytes", "cut at byte {cut}");
        assert_eq!(bulkdata.headers.content_id.as_deref(), Some("<a@b>"));
        let location = bulkdata.headers.content_location.as_deref();
        assert_eq!(location, Some("bulk/1"));
    }
}

#[test]
fn the_limit_counts_all_parts() {
    let length = "[{}]\r\nbytes".len() as u64;
    assert!(read(&[BODY], length).is_ok());
    let found = read(&[BODY], length - 1);
    let bytes_max = length - 1;
    assert_eq!(found.err(), Some(RelatedError::TooLarge { bytes_max }));
}

#[test]
fn a_body_that_breaks_off_is_an_error() {
    let cut = BODY.get(..BODY.len() - 2).unwrap();
    let offset = cut.len() as u64;
    let found = read(&[cut], 100);
    let unclosed = RelatedError::Body(BodyError::Unclosed { offset });
    assert_eq!(found.err(), Some(unclosed));
}
