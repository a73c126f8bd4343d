//! Whole Store bodies: every cut, every encoding, what is refused and why.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that goes wrong shall panic"
)]

mod support;

use longshore_core::frames::{Frames, Layout};
use longshore_core::instance::Rules;
use longshore_core::outcome::{FAILURE_INVALID, FAILURE_PROCESSING, Refusal};
use longshore_core::store::StoreError;
use support::{
    BIG_ENDIAN, Builder, DEFLATED, EXPLICIT, IMPLICIT, JPEG, inflated, multipart, outcomes, read,
    reader, rules,
};

/// A file with something of everything.
fn rich(transfer_syntax: &str, number: u32) -> Vec<u8> {
    let mut inner = Builder::new(transfer_syntax);
    inner.element(0x0008_0100, "SH", b"INNER");
    let mut item = Builder::new(transfer_syntax);
    item.element(0x0008_0100, "SH", b"CODE").sequence(
        0x0040_A168,
        &[inner],
        number.is_multiple_of(2),
    );
    let mut builder = Builder::new(transfer_syntax);
    builder
        .element(0x0008_0005, "CS", b"ISO_IR 100")
        .identified(number)
        .element(0x0010_0010, "PN", b"M\xfcller^J=\\=b")
        .element(0x0018_0050, "DS", b"+1.50\\.5")
        .sequence(0x0008_1032, &[item.clone(), item], number % 2 == 1)
        .us(0x0028_0010, 2)
        .us(0x0028_0011, 3)
        .us(0x0028_0100, 8);
    if transfer_syntax == JPEG {
        builder.fragments(&[b"", b"\xFF\xD8one!", b"\xFF\xD8two"]);
    } else {
        builder.element(0x7FE0_0010, "OW", b"\r\n--b\r");
    }
    builder.file(transfer_syntax)
}

/// UID, metadata, frames and payload of a stored instance.
type Told = (String, String, Option<Frames>, Vec<u8>);

fn told(found: &Result<support::Outcomes, StoreError>) -> Vec<Result<Told, Refusal>> {
    found
        .as_ref()
        .unwrap()
        .iter()
        .map(|outcome| match outcome {
            Ok((instance, payload)) => Ok((
                instance.entry.sop_instance_uid.clone(),
                inflated(instance),
                instance.frames.clone(),
                payload.clone(),
            )),
            Err(refusal) => Err(refusal.clone()),
        })
        .collect()
}

#[test]
fn every_cut_of_every_body_gives_the_same() {
    let syntaxes = [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED, JPEG];
    let mut bodies: Vec<Vec<u8>> = syntaxes
        .iter()
        .map(|syntax| multipart(&[rich(syntax, 1), rich(syntax, 2)]))
        .collect();
    bodies.push(multipart(&[
        b"garbage".to_vec(),
        rich(EXPLICIT, 3),
        Vec::new(),
    ]));
    for body in bodies {
        let whole = told(&outcomes(reader(Some(b"b"), rules()), &[&body]));
        for cut in 0..=body.len() {
            let (left, right) = body.split_at(cut);
            let found = told(&outcomes(reader(Some(b"b"), rules()), &[left, right]));
            assert_eq!(found, whole, "cut at byte {cut}");
        }
        for step in [1, 2, 3, 7] {
            let chunks: Vec<&[u8]> = body.chunks(step).collect();
            let found = told(&outcomes(reader(Some(b"b"), rules()), &chunks));
            assert_eq!(found, whole, "in steps of {step}");
        }
    }
}

/// Between two elements a cut leaves a shorter data set that is whole; anywhere else it is noticed.
#[test]
fn a_file_cut_within_an_element_is_refused() {
    for syntax in [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED, JPEG] {
        let file = rich(syntax, 1);
        let (_, whole) = read(&file, rules()).unwrap();
        let mut taken = 0;
        for end in 0..file.len() {
            if let Ok((_, json)) = read(&file[..end], rules()) {
                assert!(
                    json.len() <= whole.len(),
                    "{syntax} ended at byte {end}: {json}"
                );
                taken += 1;
            }
        }
        // Seven elements stand behind what is required; a deflate stream has one end only.
        assert_eq!(taken, if syntax == DEFLATED { 0 } else { 7 }, "{syntax}");
    }
}

fn json_of(build: impl Fn(&mut Builder)) -> String {
    let mut builder = Builder::new(EXPLICIT);
    builder.identified(1);
    build(&mut builder);
    let (_, json) = read(&builder.file(EXPLICIT), rules()).unwrap();
    json
}

/// PS3.18 Annex F, attribute by attribute.
#[test]
fn dicom_json() {
    for (vr, value, expected) in [
        ("LO", &b""[..], r#"{"vr":"LO"}"#),
        ("LO", b"  ", r#"{"vr":"LO"}"#),
        ("LO", b"a\\\\b ", r#"{"vr":"LO","Value":["a",null,"b"]}"#),
        (
            "LT",
            b"a\\b\r\n",
            "{\"vr\":\"LT\",\"Value\":[\"a\\\\b\\r\\n\"]}",
        ),
        ("IS", b"007\\-1 ", r#"{"vr":"IS","Value":[7,-1]}"#),
        (
            "DS",
            b"1.50\\\\+.5",
            r#"{"vr":"DS","Value":[1.50,null,0.5]}"#,
        ),
        (
            "PN",
            b"A^B=\xE5=C",
            r#"{"vr":"PN","Value":[{"Alphabetic":"A^B","Ideographic":"å","Phonetic":"C"}]}"#,
        ),
        (
            "PN",
            b"A\\\\B",
            r#"{"vr":"PN","Value":[{"Alphabetic":"A"},null,{"Alphabetic":"B"}]}"#,
        ),
        (
            "AT",
            &[0x10, 0, 0x20, 0],
            r#"{"vr":"AT","Value":["00100020"]}"#,
        ),
        ("US", &[1, 0, 255, 255], r#"{"vr":"US","Value":[1,65535]}"#),
        ("SS", &[255, 255], r#"{"vr":"SS","Value":[-1]}"#),
        ("UL", &[0, 0, 0, 128], r#"{"vr":"UL","Value":[2147483648]}"#),
        (
            "SL",
            &[0, 0, 0, 128],
            r#"{"vr":"SL","Value":[-2147483648]}"#,
        ),
        (
            "UV",
            &[255; 8],
            r#"{"vr":"UV","Value":[18446744073709551615]}"#,
        ),
        ("SV", &[255; 8], r#"{"vr":"SV","Value":[-1]}"#),
        ("FL", &[0, 0, 0, 0x3F], r#"{"vr":"FL","Value":[0.5]}"#),
        ("FL", &[0, 0, 0xC0, 0x7F], r#"{"vr":"FL","Value":["NaN"]}"#),
        (
            "FD",
            &[0, 0, 0, 0, 0, 0, 0xF0, 0x7F],
            r#"{"vr":"FD","Value":["Infinity"]}"#,
        ),
        ("OB", b"abc", r#"{"vr":"OB","InlineBinary":"YWJjAA=="}"#),
        ("UN", b"ab", r#"{"vr":"UN","InlineBinary":"YWI="}"#),
        ("OB", b"", r#"{"vr":"OB"}"#),
    ] {
        let json = json_of(|builder| {
            builder
                .element(0x0029_0010, "LO", b"OWNER")
                .element(0x0029_1001, vr, value);
        });
        let json = json.replace("\u{fffd}", "å");
        assert!(
            json.contains(&format!(r#""00291001":{expected}"#)),
            "{vr} {value:?}: {json}"
        );
    }
    let empty = json_of(|builder| {
        builder.sequence(0x0029_1001, &[], false).sequence(
            0x0029_1002,
            &[Builder::new(EXPLICIT)],
            true,
        );
    });
    assert!(
        empty.ends_with(r#""00291001":{"vr":"SQ"},"00291002":{"vr":"SQ","Value":[{}]}}"#),
        "{empty}"
    );
}

#[test]
fn long_binary_values_are_told_by_their_place() {
    let mut builder = Builder::new(EXPLICIT);
    builder.identified(1).element(0x0042_0011, "OB", &[7; 100]);
    let file = builder.file(EXPLICIT);
    let (instance, json) = read(&file, rules()).unwrap();
    assert!(instance.has_bulkdata_uri);
    let offset = file.len() - 100;
    let expected = format!(
        r#""00420011":{{"vr":"OB","BulkDataURI":"bulkdata/00420011?offset={offset}&length=100"}}"#
    );
    assert!(json.contains(&expected), "{json}");
}

#[test]
fn pixel_data_is_never_in_the_metadata() {
    for syntax in [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED, JPEG] {
        let (instance, json) = read(&rich(syntax, 1), rules()).unwrap();
        assert!(!json.contains("7FE0"), "{json}");
        assert!(!instance.has_bulkdata_uri);
    }
}

#[test]
fn an_unknown_vr_is_read_as_what_the_tag_is() {
    // Explicit UN holds Implicit VR Little Endian (PS3.5 6.2.2 Note 2).
    let mut item = Builder::new(IMPLICIT);
    item.element(0x0008_0100, "SH", b"CODE");
    let mut sequence = Builder::new(IMPLICIT);
    sequence.sequence(0x0008_1032, &[item], true);
    let inside = sequence.bytes[8..].to_vec();
    let json = json_of(|builder| {
        builder
            .element(0x0008_1032, "UN", &inside)
            .element(0x0018_0050, "UN", b"1.5 ");
    });
    assert!(
        json.contains(
            r#""00081032":{"vr":"SQ","Value":[{"00080100":{"vr":"SH","Value":["CODE"]}}]}"#
        ),
        "{json}"
    );
    assert!(
        json.contains(r#""00180050":{"vr":"DS","Value":[1.5]}"#),
        "{json}"
    );
}

#[test]
fn items_have_character_sets_of_their_own() {
    let mut item = Builder::new(EXPLICIT);
    item.element(0x0008_0005, "CS", b"ISO_IR 192")
        .element(0x0008_0104, "LO", "é".as_bytes());
    let mut plain = Builder::new(EXPLICIT);
    plain.element(0x0008_0104, "LO", b"\xe9");
    let mut builder = Builder::new(EXPLICIT);
    builder
        .element(0x0008_0005, "CS", b"ISO_IR 100")
        .identified(1)
        .sequence(0x0008_1032, &[item, plain], false)
        .element(0x0010_0010, "PN", b"\xe9");
    let (instance, json) = read(&builder.file(EXPLICIT), rules()).unwrap();
    assert_eq!(json.matches("\"é\"").count(), 3, "{json}");
    assert_eq!(json.matches("ISO_IR 192").count(), 2, "{json}");
    assert_eq!(instance.value_of(0x0010_0010), Some("é"));
}

#[test]
fn frames_of_encapsulated_pixel_data() {
    let frames = |items: &[&[u8]], count: &[u8]| {
        let mut builder = Builder::new(JPEG);
        builder
            .identified(1)
            .element(0x0028_0008, "IS", count)
            .fragments(items);
        let file = builder.file(JPEG);
        let (instance, _) = read(&file, rules()).unwrap();
        instance.frames.map(|frames| {
            let Layout::Encapsulated { table } = frames.layout else {
                unreachable!()
            };
            let number = |bytes: &[u8]| {
                bytes
                    .iter()
                    .rev()
                    .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte))
            };
            table
                .chunks(12)
                .map(|entry| {
                    let (offset, length) = (number(&entry[..6]), number(&entry[6..]));
                    file[offset..offset + length].to_vec()
                })
                .collect::<Vec<_>>()
        })
    };
    let item = |bytes: &[u8]| {
        let mut out = vec![0xFE, 0xFF, 0x00, 0xE0];
        out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        out.extend(bytes);
        out
    };
    let (one, two) = (item(b"one!"), item(b"two!"));
    assert_eq!(
        frames(&[b"", b"one!", b"two!"], b"2"),
        Some(vec![one.clone(), two.clone()])
    );
    assert_eq!(
        frames(&[b"", b"one!", b"two!"], b"1"),
        Some(vec![[one.clone(), two].concat()])
    );
    assert_eq!(frames(&[b"", b"one!", b"two!"], b"3"), None);
    let table: Vec<u8> = [0_u32, 24]
        .iter()
        .flat_map(|offset| offset.to_le_bytes())
        .collect();
    let three = frames(&[&table, b"one!", b"ONE!", b"two!"], b"2").unwrap();
    assert_eq!(three[0], [one, item(b"ONE!")].concat());
}

fn refused(build: impl Fn(&mut Builder), rules: longshore_core::outcome::PartRules) -> Refusal {
    let mut builder = Builder::new(EXPLICIT);
    build(&mut builder);
    read(&builder.file(EXPLICIT), rules).unwrap_err()
}

#[test]
fn required_attributes_in_the_models_order() {
    let all = [
        0x0008_0016,
        0x0020_000D,
        0x0020_000E,
        0x0008_0018,
        0x0010_0020,
    ];
    for missing in 0..all.len() {
        let refusal = refused(
            |builder| {
                for tag in &all[..missing] {
                    builder.element(*tag, if *tag == 0x0010_0020 { "LO" } else { "UI" }, b"1.2");
                }
            },
            rules(),
        );
        let (group, element) = (all[missing] >> 16, all[missing] & 0xFFFF);
        assert_eq!(refusal.failure_reason, FAILURE_INVALID);
        let expected = format!("The required tag '({group:04x},{element:04x})' is missing.");
        assert!(
            refusal.comments[0].ends_with(&expected),
            "{:?}",
            refusal.comments
        );
    }
}

#[test]
fn another_study_than_asked_for() {
    let mut other = rules();
    other.study_uid = Some("9.9".to_owned());
    let refusal = refused(
        |builder| {
            builder.identified(1);
        },
        other,
    );
    assert_eq!(refusal.failure_reason, FAILURE_INVALID);
    assert_eq!(refusal.sop_instance_uid.as_deref(), Some("1.2.3.1"));
    let mut same = rules();
    same.study_uid = Some("1.2 ".to_owned());
    assert!(
        read(&rich(EXPLICIT, 1), same).is_ok(),
        "padding does not count"
    );
}

#[test]
fn strict_refuses_what_lenient_leaves_out() {
    let mut builder = Builder::new(EXPLICIT);
    builder
        .identified(1)
        .element(0x0008_0020, "DA", b"NotADate")
        .element(0x0018_0015, "CS", b"low");
    let file = builder.file(EXPLICIT);
    let (instance, json) = read(&file, rules()).unwrap();
    assert_eq!(instance.warnings.len(), 2, "{:?}", instance.warnings);
    assert!(
        !json.contains("00080020") && !json.contains("00180015"),
        "{json}"
    );
    assert_eq!(instance.value_of(0x0008_0020), None);
    let mut strict = rules();
    strict.rules = Rules {
        is_strict: true,
        ..strict.rules
    };
    let refusal = read(&file, strict).unwrap_err();
    assert_eq!(
        refusal.comments.len(),
        1,
        "only indexed attributes count: {:?}",
        refusal.comments
    );
}

#[test]
fn limits_hold() {
    let deep = (0..70).fold(Builder::new(EXPLICIT), |inner, _| {
        let mut outer = Builder::new(EXPLICIT);
        outer.sequence(0x0008_1032, &[inner], false);
        outer
    });
    let refusal = refused(|builder| builder.bytes.extend(&deep.bytes), rules());
    assert!(
        refusal.detail.contains("nested too deeply"),
        "{}",
        refusal.detail
    );

    let mut bomb = Builder::new(DEFLATED);
    bomb.identified(1)
        .element(0x7FE0_0010, "OW", &vec![0; 4 << 20]);
    let refusal = read(&bomb.file(DEFLATED), rules()).unwrap_err();
    assert!(
        refusal
            .detail
            .contains("inflates to more than 1048576 bytes"),
        "{}",
        refusal.detail
    );
    assert_eq!(refusal.failure_reason, FAILURE_PROCESSING);

    let long = vec![0; (10 << 20) + 1];
    let found = outcomes(reader(None, rules()), &[&long]);
    assert_eq!(
        found.err(),
        Some(StoreError::PartTooLarge {
            bytes_max: 10 << 20
        })
    );
}

#[test]
fn a_foreign_part_is_refused_alone() {
    let file = rich(EXPLICIT, 1);
    let mut body = b"--b\r\nContent-Type: image/jpeg\r\n\r\nx\r\n".to_vec();
    body.extend_from_slice(b"--b\r\nContent-Type: application/dicom\r\n\r\n");
    body.extend_from_slice(&file);
    body.extend_from_slice(b"\r\n--b--");
    let found = outcomes(reader(Some(b"b"), rules()), &[&body]).unwrap();
    let [Err(refusal), Ok((_, stored))] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(refusal.failure_reason, FAILURE_INVALID);
    assert_eq!(stored, &file);
}

#[test]
fn a_body_of_foreign_parts_only_is_an_error() {
    let body = b"--b\r\nContent-Type: image/jpeg\r\n\r\nx\r\n--b--";
    let found = outcomes(reader(Some(b"b"), rules()), &[body]);
    assert_eq!(
        found.err(),
        Some(StoreError::ForeignParts { part_count: 1 })
    );
}

#[test]
fn levels_get_their_attributes() {
    let mut builder = Builder::new(EXPLICIT);
    builder
        .identified(1)
        .element(0x0008_0060, "CS", b"CT")
        .element(0x0008_0090, "PN", b"")
        .element(0x0020_0013, "IS", b"7");
    let (instance, _) = read(&builder.file(EXPLICIT), rules()).unwrap();
    let [study, series] = instance
        .level_json
        .map(|json| String::from_utf8(json).unwrap());
    assert_eq!(
        study,
        r#"{"00100020":{"vr":"LO","Value":["ID"]},"0020000D":{"vr":"UI","Value":["1.2"]}}"#
    );
    assert_eq!(
        series,
        r#"{"00080060":{"vr":"CS","Value":["CT"]},"0020000E":{"vr":"UI","Value":["1.2.3"]}}"#
    );
}
