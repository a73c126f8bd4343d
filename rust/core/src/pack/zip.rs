//! ZIP records (APPNOTE 4.3), as far as packs need them.

pub(super) const LOCAL_HEADER_BYTES: usize = 30;
pub(super) const CENTRAL_HEADER_BYTES: usize = 46;
pub(super) const END_BYTES: usize = 22;
pub(super) const ZIP64_END_BYTES: usize = 56;
pub(super) const ZIP64_LOCATOR_BYTES: usize = 20;

pub(super) const LOCAL_SIGNATURE: u32 = 0x0403_4B50;
pub(super) const CENTRAL_SIGNATURE: u32 = 0x0201_4B50;
pub(super) const END_SIGNATURE: u32 = 0x0605_4B50;
pub(super) const ZIP64_END_SIGNATURE: u32 = 0x0606_4B50;
pub(super) const ZIP64_LOCATOR_SIGNATURE: u32 = 0x0706_4B50;

pub(super) const EXTRA_ZIP64: u16 = 0x0001;
/// Ours: where the instance's payload and segment lie. The letters LS.
pub(super) const EXTRA_PLACE: u16 = 0x534C;
/// Padding, as alignment tools write it.
pub(super) const EXTRA_PADDING: u16 = 0xD935;
pub(super) const EXTRA_HEADER_BYTES: usize = 4;

pub(super) const METHOD_STORED: u16 = 0;
pub(super) const METHOD_DEFLATED: u16 = 8;

/// 32-bit fields with this value are found in the ZIP64 extra field.
pub(super) const IN_ZIP64_32: u32 = u32::MAX;
pub(super) const IN_ZIP64_16: u16 = u16::MAX;

const VERSION_ZIP64: u16 = 45;
/// Made on Unix, so that the permissions below count.
const MADE_BY: u16 = (3 << 8) | VERSION_ZIP64;
/// A regular file that everyone may read.
const ATTRIBUTES: u32 = 0o100_644 << 16;
/// 1980-01-01: packs know no clock, so that the same batch gives the same bytes.
const DOS_DATE: u16 = (1 << 5) | 1;
const DOS_TIME: u16 = 0;

/// One file of the archive.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) method: u16,
    pub(super) crc32: u32,
    pub(super) stored_length: u64,
    pub(super) plain_length: u64,
}

impl File {
    fn is_large(&self) -> bool {
        self.stored_length.max(self.plain_length) >= u64::from(IN_ZIP64_32)
    }

    /// Method to lengths: what both headers share.
    fn put_common(&self, out: &mut Vec<u8>) {
        put_u16(out, VERSION_ZIP64);
        put_u16(out, 0); // no flags: names are ASCII, lengths are known
        put_u16(out, self.method);
        put_u16(out, DOS_TIME);
        put_u16(out, DOS_DATE);
        put_u32(out, self.crc32);
        for length in [self.stored_length, self.plain_length] {
            put_u32(
                out,
                if self.is_large() {
                    IN_ZIP64_32
                } else {
                    low_u32(length)
                },
            );
        }
        put_u16(out, low_u16(self.name.len()));
    }

    /// The local header, with `padding` bytes of extra field; 0 or at least `EXTRA_HEADER_BYTES`.
    pub(super) fn local_header(&self, padding: usize) -> Vec<u8> {
        let mut extra = Vec::new();
        if self.is_large() {
            put_u16(&mut extra, EXTRA_ZIP64);
            put_u16(&mut extra, 16);
            put_u64(&mut extra, self.plain_length);
            put_u64(&mut extra, self.stored_length);
        }
        if padding >= EXTRA_HEADER_BYTES {
            let value = padding.saturating_sub(EXTRA_HEADER_BYTES);
            put_u16(&mut extra, EXTRA_PADDING);
            put_u16(&mut extra, low_u16(value));
            extra.resize(extra.len().saturating_add(value), 0);
        }
        let mut out = Vec::with_capacity(LOCAL_HEADER_BYTES.saturating_add(extra.len()));
        put_u32(&mut out, LOCAL_SIGNATURE);
        self.put_common(&mut out);
        put_u16(&mut out, low_u16(extra.len()));
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(&extra);
        out
    }

    /// The directory's header for a file whose local header is at `offset`.
    pub(super) fn put_central_header(&self, out: &mut Vec<u8>, offset: u64, private: &[u8]) {
        let is_far = offset >= u64::from(IN_ZIP64_32);
        let mut large = Vec::new();
        if self.is_large() {
            put_u64(&mut large, self.plain_length);
            put_u64(&mut large, self.stored_length);
        }
        if is_far {
            put_u64(&mut large, offset);
        }
        let mut extra = Vec::new();
        if !large.is_empty() {
            put_u16(&mut extra, EXTRA_ZIP64);
            put_u16(&mut extra, low_u16(large.len()));
            extra.extend_from_slice(&large);
        }
        extra.extend_from_slice(private);
        put_u32(out, CENTRAL_SIGNATURE);
        put_u16(out, MADE_BY);
        self.put_common(out);
        put_u16(out, low_u16(extra.len()));
        put_u16(out, 0); // comment
        put_u16(out, 0); // disk
        put_u16(out, 0); // internal attributes
        put_u32(out, ATTRIBUTES);
        put_u32(out, if is_far { IN_ZIP64_32 } else { low_u32(offset) });
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(&extra);
    }
}

/// The records behind the directory. ZIP64's are always there: a reader that knows them needs no
/// guess, one that does not ignores them.
pub(super) fn put_end(out: &mut Vec<u8>, count: usize, directory_offset: u64, length: u64) {
    let end_offset = directory_offset.saturating_add(length);
    put_u32(out, ZIP64_END_SIGNATURE);
    put_u64(out, (ZIP64_END_BYTES as u64).saturating_sub(12));
    put_u16(out, MADE_BY);
    put_u16(out, VERSION_ZIP64);
    put_u32(out, 0); // this disk
    put_u32(out, 0); // the directory's disk
    put_u64(out, count as u64);
    put_u64(out, count as u64);
    put_u64(out, length);
    put_u64(out, directory_offset);
    put_u32(out, ZIP64_LOCATOR_SIGNATURE);
    put_u32(out, 0);
    put_u64(out, end_offset);
    put_u32(out, 1); // disks
    put_u32(out, END_SIGNATURE);
    put_u16(out, 0);
    put_u16(out, 0);
    let short_count = u16::try_from(count).unwrap_or(IN_ZIP64_16);
    put_u16(out, short_count);
    put_u16(out, short_count);
    put_u32(out, u32::try_from(length).unwrap_or(IN_ZIP64_32));
    put_u32(out, u32::try_from(directory_offset).unwrap_or(IN_ZIP64_32));
    put_u16(out, 0); // comment
}

pub(super) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "callers check, or names are short"
)]
fn low_u16(value: usize) -> u16 {
    value as u16
}

#[expect(clippy::cast_possible_truncation, reason = "callers check")]
fn low_u32(value: u64) -> u32 {
    value as u32
}

/// Reads little endian numbers one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'b> {
    bytes: &'b [u8],
    position: usize,
}

impl<'b> Cursor<'b> {
    pub(super) fn new(bytes: &'b [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let end = self.position.checked_add(count)?;
        let taken = self.bytes.get(self.position..end)?;
        self.position = end;
        Some(taken)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(*self.take(2)?.first_chunk()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.take(8)?.first_chunk()?))
    }
}
