//! Packs are ZIP files, their directory tells everything, and stitched metadata is one gzip member.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that goes wrong shall panic"
)]

use std::io::Read as _;

use flate2::read::GzDecoder;
use longshore_core::error::PackError;
use longshore_core::pack::{
    DEFAULT_PARTITION_NAME, Deflater, Entry, GZIP_SEPARATOR, Packed, Plan, directory_length,
    gzip_frame, plan, read_directory,
};
use proptest::prelude::*;

fn json(number: usize) -> String {
    format!(
        r#"{{"00080018":{{"vr":"UI","Value":["1.2.{number}"]}},"x":"{}"}}"#,
        "y".repeat(number)
    )
}

fn entry(deflater: &mut Deflater, number: usize, payload: &[u8]) -> Entry {
    Entry {
        study_uid: "1.2".to_owned(),
        series_uid: "1.2.3".to_owned(),
        sop_instance_uid: format!("1.2.3.{number}"),
        length: payload.len() as u64,
        crc32: crc32fast::hash(payload),
        segment: deflater.segment(json(number).as_bytes()),
    }
}

fn written(plan: &Plan, payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut pack = Vec::new();
    for (header, payload) in plan.headers.iter().zip(payloads) {
        pack.extend(header);
        pack.extend(payload);
    }
    pack.extend(&plan.tail);
    pack
}

fn directory(pack: &[u8]) -> Result<Vec<Packed>, PackError> {
    let length = directory_length(&pack[pack.len().saturating_sub(200)..], pack.len() as u64)?;
    let begin = pack.len() - usize::try_from(length).unwrap();
    read_directory(&pack[begin..], pack.len() as u64)
}

fn made(payloads: &[Vec<u8>], first_payload_offset: Option<u64>) -> (Plan, Vec<Entry>, Vec<u8>) {
    let mut deflater = Deflater::default();
    let entries: Vec<Entry> = payloads
        .iter()
        .enumerate()
        .map(|(at, bytes)| entry(&mut deflater, at, bytes))
        .collect();
    let references: Vec<&Entry> = entries.iter().collect();
    let plan = plan(&references, &[], first_payload_offset).unwrap();
    let pack = written(&plan, payloads);
    assert_eq!(pack.len() as u64, plan.length);
    (plan, entries, pack)
}

fn at(pack: &[u8], offset: u64, length: usize) -> &[u8] {
    let offset = usize::try_from(offset).unwrap();
    &pack[offset..offset + length]
}

#[test]
fn an_independent_reader_opens_it() {
    let payloads = vec![b"first".to_vec(), Vec::new(), vec![7; 100_000]];
    for first_payload_offset in [None, Some(512)] {
        let (plan, _, pack) = made(&payloads, first_payload_offset);
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&pack)).unwrap();
        for (number, payload) in payloads.iter().enumerate() {
            let mut content = Vec::new();
            let name = format!("1.2/1.2.3/1.2.3.{number}.dcm");
            archive
                .by_name(&name)
                .unwrap()
                .read_to_end(&mut content)
                .unwrap();
            assert_eq!(&content, payload);
            assert_eq!(
                at(&pack, plan.payload_offsets[number], payload.len()),
                payload
            );
        }
        let mut metadata = String::new();
        archive
            .by_name("metadata.json")
            .unwrap()
            .read_to_string(&mut metadata)
            .unwrap();
        assert_eq!(metadata, format!("[{},{},{}]", json(0), json(1), json(2)));
        assert_eq!(archive.len(), 4);
        if let Some(offset) = first_payload_offset {
            assert_eq!(plan.payload_offsets[0], offset);
        }
    }
}

#[test]
fn any_stitch_of_segments_is_one_gzip_member() {
    let payloads = vec![Vec::new(); 5];
    let (plan, entries, pack) = made(&payloads, None);
    for order in [vec![0], vec![2, 1], vec![4, 0, 3, 3, 1]] {
        let segments: Vec<(u32, u64)> = order
            .iter()
            .map(|at| &entries[*at].segment)
            .map(|segment| (segment.crc32, u64::from(segment.plain_length)))
            .collect();
        let (mut stream, tail) = gzip_frame(&segments);
        for (place, number) in order.iter().enumerate() {
            if place > 0 {
                stream.extend(GZIP_SEPARATOR);
            }
            let length = entries[*number].segment.deflated.len();
            stream.extend(at(&pack, plan.segment_offsets[*number], length));
        }
        stream.extend(tail);
        let mut text = String::new();
        // A decoder of one member: it must end with the stream.
        let mut decoder = GzDecoder::new(stream.as_slice());
        decoder.read_to_string(&mut text).unwrap();
        assert!(decoder.into_inner().is_empty());
        let expected: Vec<String> = order.iter().map(|number| json(*number)).collect();
        assert_eq!(text, format!("[{}]", expected.join(",")));
    }
}

#[test]
fn lengths_beyond_4_gib_are_zip64() {
    let mut deflater = Deflater::default();
    let mut large = entry(&mut deflater, 1, b"");
    large.length = 5 << 30;
    let behind = entry(&mut deflater, 2, b"xyz");
    let plan = plan(&[&large, &behind], &[], Some(512)).unwrap();
    assert_eq!(plan.payload_offsets[0], 512);
    assert!(plan.payload_offsets[1] > 5 << 30);
    let length = directory_length(&plan.tail, plan.length).unwrap();
    let begin = plan.tail.len() - usize::try_from(length).unwrap();
    let found = read_directory(&plan.tail[begin..], plan.length).unwrap();
    assert_eq!(found[0].payload_length, 5 << 30);
    assert_eq!(found[1].payload_offset, plan.payload_offsets[1]);
    assert_eq!(found[1].segment_offset, plan.segment_offsets[1]);
}

#[test]
fn what_cannot_be_laid_out() {
    let one = entry(&mut Deflater::default(), 1, b"x");
    assert_eq!(plan(&[], &[], None), Err(PackError::Empty));
    assert_eq!(plan(&[&one, &one], &[], None), Err(PackError::SameName));
    assert_eq!(
        plan(&[&one], &[], Some(10)),
        Err(PackError::HeaderDoesNotFit)
    );
    assert_eq!(
        plan(&[&one], &[], Some(1 << 20)),
        Err(PackError::HeaderDoesNotFit)
    );
}

#[test]
fn partitions_are_folders_and_the_same_uids_may_be_in_each() {
    let one = entry(&mut Deflater::default(), 1, b"x");
    let names = [DEFAULT_PARTITION_NAME, "a.B_c-9", "partitions"];
    let plan = plan(&[&one, &one, &one], &names, None).unwrap();
    let payloads = vec![b"x".to_vec(); 3];
    let pack = written(&plan, &payloads);
    let found = directory(&pack).unwrap();
    let read: Vec<&str> = found.iter().map(|each| &*each.partition_name).collect();
    assert_eq!(read, names);
    for packed in &found {
        assert_eq!(packed.study_uid, "1.2");
        assert_eq!(packed.sop_instance_uid, "1.2.3.1");
    }
    let archive = zip::ZipArchive::new(std::io::Cursor::new(&pack)).unwrap();
    let files: Vec<String> = (0..3)
        .map(|at| archive.name_for_index(at).unwrap().unwrap().into_owned())
        .collect();
    let expected = [
        "1.2/1.2.3/1.2.3.1.dcm",
        "partitions/a.B_c-9/1.2/1.2.3/1.2.3.1.dcm",
        "partitions/partitions/1.2/1.2.3/1.2.3.1.dcm",
    ];
    assert_eq!(files, expected);
    let twice = longshore_core::pack::plan(&[&one, &one], &["a", "a"], None);
    assert_eq!(twice, Err(PackError::SameName));
}

#[test]
fn a_damaged_directory_is_refused_or_reads_within_the_pack() {
    let (_, _, pack) = made(&[vec![1; 50], vec![2; 60]], None);
    assert_eq!(directory(&pack).unwrap().len(), 2);
    let begin = pack.len() - 500;
    for position in begin..pack.len() {
        for value in [0, 1, 0x7F, 0xFF] {
            let mut damaged = pack.clone();
            damaged[position] = value;
            for packed in directory(&damaged).unwrap_or_default() {
                assert!(packed.payload_offset + packed.payload_length <= pack.len() as u64);
                assert!(
                    packed.segment_offset + u64::from(packed.segment_length) <= pack.len() as u64
                );
            }
        }
    }
    for end in 0..pack.len() {
        assert!(directory(&pack[..end]).is_err(), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn the_directory_tells_what_was_laid_out(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
        is_padded in any::<bool>(),
    ) {
        let (plan, entries, pack) = made(&payloads, is_padded.then_some(512));
        let found = directory(&pack).unwrap();
        prop_assert_eq!(found.len(), entries.len());
        for (at, (packed, entry)) in found.iter().zip(&entries).enumerate() {
            prop_assert_eq!(&packed.sop_instance_uid, &entry.sop_instance_uid);
            prop_assert_eq!(packed.payload_offset, plan.payload_offsets[at]);
            prop_assert_eq!(packed.payload_length, entry.length);
            prop_assert_eq!(packed.crc32, entry.crc32);
            prop_assert_eq!(packed.segment_offset, plan.segment_offsets[at]);
            prop_assert_eq!(packed.segment_length as usize, entry.segment.deflated.len());
            prop_assert_eq!(packed.segment_plain_length, entry.segment.plain_length);
            prop_assert_eq!(packed.segment_crc32, entry.segment.crc32);
        }
    }

    #[test]
    fn no_directory_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), length in any::<u64>()) {
        let found = directory_length(&bytes, length);
        prop_assert!(found.is_err() || found.unwrap() <= length);
        prop_assert!(read_directory(&bytes, length).unwrap_or_default().len() <= bytes.len());
    }
}
