//! Where everything goes in a pack.

use std::collections::HashSet;

use super::segment::{CLOSE, GZIP_SEPARATOR, OPEN, Segment, array_checksum};
use super::zip::{self, EXTRA_HEADER_BYTES, EXTRA_PLACE, File, METHOD_DEFLATED, METHOD_STORED};
use super::{DEFAULT_PARTITION_NAME, PARTITION_FOLDER};
use crate::error::PackError;

/// What a pack needs to know of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// (0020,000D).
    pub study_uid: String,
    /// (0020,000E).
    pub series_uid: String,
    /// (0008,0018).
    pub sop_instance_uid: String,
    /// Bytes of the Part 10 file.
    pub length: u64,
    /// Of the Part 10 file.
    pub crc32: u32,
    /// The metadata.
    pub segment: Segment,
}

impl Entry {
    fn file(&self, partition_name: &str) -> File {
        let folder = match partition_name {
            DEFAULT_PARTITION_NAME => String::new(),
            name => format!("{PARTITION_FOLDER}{name}/"),
        };
        File {
            name: format!(
                "{folder}{}/{}/{}.dcm",
                self.study_uid, self.series_uid, self.sop_instance_uid
            ),
            method: METHOD_STORED,
            crc32: self.crc32,
            stored_length: self.length,
            plain_length: self.length,
        }
    }
}

/// Write, in order: header, payload, header, payload, …, tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// One before each payload.
    pub headers: Vec<Vec<u8>>,
    /// Where each payload goes, in bytes from the pack's start.
    pub payload_offsets: Vec<u64>,
    /// Where each segment goes, in bytes from the pack's start.
    pub segment_offsets: Vec<u64>,
    /// metadata.json, directory, end records.
    pub tail: Vec<u8>,
    /// Bytes of the whole pack.
    pub length: u64,
}

/// Lays out a pack of at least one entry, in the order given.
///
/// `partition_names` are the entries', in their order; what has none is in the default partition. With
/// `first_payload_offset` the first header is padded so that its payload begins there. Errors: `Empty`,
/// `SameName`, `HeaderDoesNotFit`.
pub fn plan(
    entries: &[&Entry],
    partition_names: &[&str],
    first_payload_offset: Option<u64>,
) -> Result<Plan, PackError> {
    if entries.is_empty() {
        return Err(PackError::Empty);
    }
    let partition_names = partition_names.iter().copied();
    let files: Vec<File> = entries
        .iter()
        .zip(partition_names.chain(std::iter::repeat(DEFAULT_PARTITION_NAME)))
        .map(|(entry, partition_name)| entry.file(partition_name))
        .collect();
    let names: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    if names.len() < files.len() {
        return Err(PackError::SameName);
    }
    let mut headers = Vec::with_capacity(files.len());
    let mut header_offsets = Vec::with_capacity(files.len());
    let mut payload_offsets = Vec::with_capacity(files.len());
    let mut position = 0_u64;
    for (at, file) in files.iter().enumerate() {
        let mut header = file.local_header(0);
        if let (0, Some(wanted)) = (at, first_payload_offset) {
            header = padded(file, &header, wanted)?;
        }
        header_offsets.push(position);
        position = position.saturating_add(header.len() as u64);
        payload_offsets.push(position);
        position = position.saturating_add(file.stored_length);
        headers.push(header);
    }
    let (tail, segment_offsets) =
        tail(entries, &files, &header_offsets, &payload_offsets, position);
    let length = position.saturating_add(tail.len() as u64);
    Ok(Plan {
        headers,
        payload_offsets,
        segment_offsets,
        tail,
        length,
    })
}

fn padded(file: &File, header: &[u8], wanted: u64) -> Result<Vec<u8>, PackError> {
    let padding = usize::try_from(wanted)
        .ok()
        .and_then(|wanted| wanted.checked_sub(header.len()));
    match padding {
        Some(padding) if padding >= EXTRA_HEADER_BYTES && u16::try_from(padding).is_ok() => {
            Ok(file.local_header(padding))
        }
        _ => Err(PackError::HeaderDoesNotFit),
    }
}

/// Everything behind the payloads, which end at `position`, and where the segments are.
fn tail(
    entries: &[&Entry],
    files: &[File],
    header_offsets: &[u64],
    payload_offsets: &[u64],
    position: u64,
) -> (Vec<u8>, Vec<u64>) {
    let checksum = array_checksum(
        entries
            .iter()
            .map(|entry| (entry.segment.crc32, u64::from(entry.segment.plain_length))),
    );
    let mut stream = OPEN.to_vec();
    let mut offsets_in_stream = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            stream.extend_from_slice(&GZIP_SEPARATOR);
        }
        offsets_in_stream.push(stream.len() as u64);
        stream.extend_from_slice(&entry.segment.deflated);
    }
    stream.extend_from_slice(&CLOSE);
    let metadata = File {
        name: "metadata.json".to_owned(),
        method: METHOD_DEFLATED,
        crc32: checksum.0,
        stored_length: stream.len() as u64,
        plain_length: checksum.1,
    };
    let mut tail = metadata.local_header(0);
    let stream_offset = position.saturating_add(tail.len() as u64);
    tail.append(&mut stream);
    let segment_offsets: Vec<u64> = offsets_in_stream
        .iter()
        .map(|offset| offset.saturating_add(stream_offset))
        .collect();
    let directory_begin = tail.len();
    let places = payload_offsets.iter().zip(&segment_offsets);
    for (((entry, file), offset), place) in
        entries.iter().zip(files).zip(header_offsets).zip(places)
    {
        file.put_central_header(&mut tail, *offset, &place_extra(entry, place));
    }
    metadata.put_central_header(&mut tail, position, &[]);
    let directory_length = tail.len().saturating_sub(directory_begin) as u64;
    let directory_offset = position.saturating_add(directory_begin as u64);
    zip::put_end(
        &mut tail,
        files.len().saturating_add(1),
        directory_offset,
        directory_length,
    );
    (tail, segment_offsets)
}

/// Where an instance's payload and segment are: two offsets, then the segment's deflated length,
/// plain length and CRC-32.
fn place_extra(entry: &Entry, (payload_offset, segment_offset): (&u64, &u64)) -> Vec<u8> {
    let mut extra = Vec::with_capacity(32);
    zip::put_u16(&mut extra, EXTRA_PLACE);
    zip::put_u16(&mut extra, 28);
    zip::put_u64(&mut extra, *payload_offset);
    zip::put_u64(&mut extra, *segment_offset);
    zip::put_u32(
        &mut extra,
        u32::try_from(entry.segment.deflated.len()).unwrap_or(u32::MAX),
    );
    zip::put_u32(&mut extra, entry.segment.plain_length);
    zip::put_u32(&mut extra, entry.segment.crc32);
    extra
}
