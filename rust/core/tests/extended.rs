//! Extended query tags in files: what is found, and what v1 refuses because of them.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test shall panic"
)]

mod support;

use std::sync::Arc;

use longshore_core::error::PackError;
use longshore_core::extended::{ExtendedTag, ExtendedTags};
use longshore_core::instance::Rules;
use longshore_core::outcome::{Instance, PartRules};
use longshore_core::pack::inflate_segment;
use longshore_core::vr::Vr;
use support::{Builder, EXPLICIT, IMPLICIT, read, rules};

const AGE: u32 = 0x0010_1010;
const SERIAL: u32 = 0x0018_1000;
const EXPOSURE: u32 = 0x0018_1152;
const PRIVATE: u32 = 0x0009_1001;

fn tag(tag: u32, vr: Vr, creator: Option<&str>) -> ExtendedTag {
    ExtendedTag {
        tag,
        vr,
        private_creator: creator.map(str::to_owned),
    }
}

fn with(tags: Vec<ExtendedTag>, is_strict: bool) -> PartRules {
    let rules = rules();
    PartRules {
        extended: Some(Arc::new(ExtendedTags::new(7, tags))),
        rules: Rules {
            is_strict,
            ..rules.rules
        },
        ..rules
    }
}

/// An instance's identifiers, before which nothing of these tests stands.
fn minimal(transfer_syntax: &str) -> Builder {
    let mut builder = Builder::new(transfer_syntax);
    builder.identified(1);
    builder
}

fn found(instance: &Instance) -> String {
    String::from_utf8(instance.extended_json.clone().unwrap_or_default()).unwrap()
}

#[test]
fn an_instance_brings_the_elements_and_the_version() {
    let mut builder = minimal(EXPLICIT);
    builder.element(AGE, "AS", b"043Y");
    builder.element(EXPOSURE, "IS", b" 12\\13");
    let tags = vec![
        tag(SERIAL, Vr::Lo, None),
        tag(EXPOSURE, Vr::Is, None),
        tag(AGE, Vr::As, None),
    ];
    for is_strict in [false, true] {
        let (instance, json) =
            read(&builder.file(EXPLICIT), with(tags.clone(), is_strict)).unwrap();
        let wanted = r#"[null,{"vr":"IS","Value":[12,13]},{"vr":"AS","Value":["043Y"]}]"#;
        assert_eq!(found(&instance), wanted);
        assert_eq!(instance.extended_version, 7);
        let list = ExtendedTags::new(7, tags.clone());
        assert_eq!(list.read(json.as_bytes()), instance.extended_json);
        let segment = &instance.entry.segment;
        let plain = inflate_segment(&segment.deflated, segment.plain_length, segment.crc32);
        assert_eq!(plain, Ok(json.into_bytes()));
        for damaged in [
            inflate_segment(&segment.deflated, segment.plain_length - 1, segment.crc32),
            inflate_segment(&segment.deflated, segment.plain_length, !segment.crc32),
            inflate_segment(b"\xFF", segment.plain_length, segment.crc32),
            inflate_segment(&segment.deflated, u32::MAX, segment.crc32),
        ] {
            assert_eq!(damaged, Err(PackError::BadSegment));
        }
        assert_eq!(instance.is_multivalued, is_strict);
    }
    let (instance, _) = read(&builder.file(EXPLICIT), rules()).unwrap();
    assert_eq!(
        (instance.extended_version, instance.extended_json),
        (0, None)
    );
}

#[test]
fn line_51_v1_refuses_what_v2_drops() {
    let mut builder = minimal(EXPLICIT);
    builder.element(EXPOSURE, "IS", b"InvalidISValue");
    let file = builder.file(EXPLICIT);
    let tags = vec![tag(EXPOSURE, Vr::Is, None)];
    let refusal = read(&file, with(tags.clone(), true)).unwrap_err();
    assert_eq!(refusal.failure_reason, 43264);
    let [comment] = refusal.comments.as_slice() else {
        panic!("{:?}", refusal.comments)
    };
    assert!(comment.starts_with("DICOM100: (0018,1152) - "), "{comment}");
    assert!(!comment.contains("InvalidISValue"));
    let (instance, _) = read(&file, with(tags, false)).unwrap();
    assert_eq!(instance.extended_json, None);
    assert_eq!(instance.warnings.len(), 1);
}

#[test]
fn v1_refuses_another_vr() {
    let mut builder = minimal(EXPLICIT);
    builder.element(0x0009_0010, "LO", b"ACME");
    builder.element(PRIVATE, "UN", b"1234");
    let file = builder.file(EXPLICIT);
    let tags = vec![tag(0x0009_FF01, Vr::Fd, Some("ACME"))];
    let refusal = read(&file, with(tags.clone(), true)).unwrap_err();
    assert!(refusal.comments[0].ends_with("'FD' but has 'UN' in file."));
    let (instance, _) = read(&file, with(tags, false)).unwrap();
    assert!(found(&instance).contains("UN"));
    let others = vec![tag(0x0009_FF01, Vr::Fd, Some("OTHER"))];
    assert!(read(&file, with(others, true)).is_ok());
}

#[test]
fn v1_refuses_a_sequence_in_the_place_of_a_value() {
    let mut builder = minimal(EXPLICIT);
    builder.sequence(0x0018_1000, &[Builder::new(EXPLICIT)], true);
    let tags = vec![tag(SERIAL, Vr::Lo, None)];
    assert!(read(&builder.file(EXPLICIT), with(tags, true)).is_err());
}

#[test]
fn v1_looks_at_numbers_and_their_length() {
    for (length, is_good) in [(8, true), (16, true), (0, true), (6, false)] {
        let mut builder = minimal(EXPLICIT);
        builder.element(0x0018_605A, "FD", &vec![0; length]);
        let tags = vec![tag(0x0018_605A, Vr::Fd, None)];
        let outcome = read(&builder.file(EXPLICIT), with(tags, true));
        assert_eq!(outcome.is_ok(), is_good, "{length} bytes");
    }
}

#[test]
fn nested_elements_are_not_meant() {
    let mut item = Builder::new(IMPLICIT);
    item.element(EXPOSURE, "IS", b"bad");
    let mut builder = minimal(IMPLICIT);
    builder.sequence(0x0040_0275, &[item], true);
    let tags = vec![tag(EXPOSURE, Vr::Is, None)];
    let (instance, _) = read(&builder.file(IMPLICIT), with(tags, true)).unwrap();
    assert_eq!(instance.extended_json, None);
}
