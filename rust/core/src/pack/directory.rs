//! Reads a pack's directory back. The bytes may be damaged or hostile.

use super::zip::{
    CENTRAL_HEADER_BYTES, CENTRAL_SIGNATURE, Cursor, END_BYTES, END_SIGNATURE, EXTRA_PLACE,
    EXTRA_ZIP64, IN_ZIP64_32, METHOD_STORED, ZIP64_END_BYTES, ZIP64_END_SIGNATURE,
    ZIP64_LOCATOR_BYTES, ZIP64_LOCATOR_SIGNATURE,
};
use super::{DEFAULT_PARTITION_NAME, PARTITION_FOLDER};
use crate::error::PackError;

const ENDS_BYTES: usize = ZIP64_END_BYTES + ZIP64_LOCATOR_BYTES + END_BYTES;

/// One instance as a pack's directory has it. Offsets count bytes of the pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The partition in which it was stored.
    pub partition_name: String,
    /// (0020,000D).
    pub study_uid: String,
    /// (0020,000E).
    pub series_uid: String,
    /// (0008,0018).
    pub sop_instance_uid: String,
    /// Where the Part 10 file begins.
    pub payload_offset: u64,
    /// Its bytes.
    pub payload_length: u64,
    /// Its CRC-32.
    pub crc32: u32,
    /// Where the metadata's segment begins.
    pub segment_offset: u64,
    /// Its bytes, deflated.
    pub segment_length: u32,
    /// Its bytes, inflated.
    pub segment_plain_length: u32,
    /// CRC-32 of the plain JSON.
    pub segment_crc32: u32,
}

/// How many bytes at the end of a pack hold its directory and what is behind it.
///
/// `end` are the pack's last bytes, at least 98 of them. Errors: `NoDirectory`.
pub fn directory_length(end: &[u8], pack_length: u64) -> Result<u64, PackError> {
    let (_, offset) = end_record(end).ok_or(PackError::NoDirectory)?;
    let length = pack_length
        .checked_sub(offset)
        .ok_or(PackError::NoDirectory)?;
    if length < ENDS_BYTES as u64 {
        Err(PackError::NoDirectory)
    } else {
        Ok(length)
    }
}

/// The instances of a pack, in pack order, from its last `directory_length` bytes.
///
/// Errors: `NoDirectory`, `BadDirectory`.
pub fn read_directory(directory: &[u8], pack_length: u64) -> Result<Vec<Packed>, PackError> {
    let (count, offset) = end_record(directory).ok_or(PackError::NoDirectory)?;
    if pack_length.checked_sub(offset) != Some(directory.len() as u64) {
        return Err(PackError::NoDirectory);
    }
    let mut cursor = Cursor::new(directory, 0);
    let mut found = Vec::new();
    // The last file is metadata.json.
    for _ in 1..count {
        let position = cursor.position();
        let packed = file(&mut cursor).filter(|packed| is_within(packed, offset));
        found.push(packed.ok_or(PackError::BadDirectory { offset: position })?);
    }
    Ok(found)
}

/// Number of files and the directory's offset, from the ZIP64 end record.
fn end_record(end: &[u8]) -> Option<(u64, u64)> {
    let begin = end.len().checked_sub(ENDS_BYTES)?;
    let mut cursor = Cursor::new(end, begin);
    if cursor.u32()? != ZIP64_END_SIGNATURE {
        return None;
    }
    cursor.take(20)?;
    let count = cursor.u64()?;
    cursor.take(16)?;
    let offset = cursor.u64()?;
    if cursor.u32()? != ZIP64_LOCATOR_SIGNATURE {
        return None;
    }
    cursor.take(16)?;
    (cursor.u32()? == END_SIGNATURE && count > 0).then_some((count, offset))
}

fn file(cursor: &mut Cursor<'_>) -> Option<Packed> {
    let header = cursor.take(CENTRAL_HEADER_BYTES)?;
    let mut fields = Cursor::new(header, 0);
    if fields.u32()? != CENTRAL_SIGNATURE {
        return None;
    }
    fields.take(6)?;
    if fields.u16()? != METHOD_STORED {
        return None;
    }
    fields.take(4)?;
    let crc32 = fields.u32()?;
    let stored_length = fields.u32()?;
    fields.take(4)?;
    let name_length = fields.u16()?;
    let extra_length = fields.u16()?;
    let name = std::str::from_utf8(cursor.take(usize::from(name_length))?).ok()?;
    let extra = cursor.take(usize::from(extra_length))?;
    let payload_length = match stored_length {
        // Plain length, then stored length; they are equal here (APPNOTE 4.5.3).
        IN_ZIP64_32 => Cursor::new(extra_field(extra, EXTRA_ZIP64)?, 0).u64()?,
        length => u64::from(length),
    };
    let mut place = Cursor::new(extra_field(extra, EXTRA_PLACE)?, 0);
    let path = name.strip_suffix(".dcm")?;
    let (partition_name, uids) = match path.strip_prefix(PARTITION_FOLDER) {
        Some(inside) => inside.split_once('/')?,
        None => (DEFAULT_PARTITION_NAME, path),
    };
    let mut uids = uids.split('/');
    Some(Packed {
        partition_name: partition_name.to_owned(),
        study_uid: uids.next()?.to_owned(),
        series_uid: uids.next()?.to_owned(),
        sop_instance_uid: uids.next()?.to_owned(),
        payload_offset: place.u64()?,
        payload_length,
        crc32,
        segment_offset: place.u64()?,
        segment_length: place.u32()?,
        segment_plain_length: place.u32()?,
        segment_crc32: place.u32()?,
    })
}

/// The value of an extra field.
fn extra_field(extra: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut cursor = Cursor::new(extra, 0);
    loop {
        let id = cursor.u16()?;
        let length = cursor.u16()?;
        let value = cursor.take(usize::from(length))?;
        if id == wanted {
            return Some(value);
        }
    }
}

/// True if everything the entry names lies before the directory.
fn is_within(packed: &Packed, directory_offset: u64) -> bool {
    let payload_end = packed.payload_offset.checked_add(packed.payload_length);
    let segment_end = packed
        .segment_offset
        .checked_add(u64::from(packed.segment_length));
    payload_end.is_some_and(|end| end <= directory_offset)
        && segment_end.is_some_and(|end| end <= directory_offset)
}
