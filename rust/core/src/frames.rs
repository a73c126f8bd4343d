//! Where each frame lies in the file, found once, when the instance arrives (PS3.5 8, A.4).

use crate::dataset::Element;
use crate::tag;
use crate::value;

/// Bytes of one entry of an encapsulated frame table: offset and length, six bytes each, little
/// endian. Six bytes reach 256 TiB.
pub const TABLE_ENTRY_BYTES: usize = 12;

/// How the frames of an instance can be read by range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    /// Number of frames.
    pub count: u32,
    /// Where they are.
    pub layout: Layout,
}

/// Where frames are, in bytes from the start of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Native pixel data: frame k (0-based) begins `k * frame_bits` bits behind `pixel_offset`.
    Native {
        /// Where the value of the pixel data begins, in bytes.
        pixel_offset: u64,
        /// Bits from one frame to the next; no multiple of 8 for some 1-bit images.
        frame_bits: u64,
    },
    /// Encapsulated pixel data: per frame, `TABLE_ENTRY_BYTES` with the offset of its first
    /// fragment's item header and the length from there to its last fragment's end.
    Encapsulated {
        /// `count * TABLE_ENTRY_BYTES` bytes.
        table: Vec<u8>,
    },
}

/// What the Image Pixel Module says of the size of a frame (PS3.3 C.7.6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PixelModule {
    pub(crate) rows: Option<u64>,
    pub(crate) columns: Option<u64>,
    pub(crate) samples_per_pixel: Option<u64>,
    pub(crate) bits_allocated: Option<u64>,
    /// None if absent or not a positive integer.
    pub(crate) number_of_frames: Option<u32>,
    /// `YBR_FULL_422` and its kin: two samples a pixel.
    pub(crate) is_subsampled: bool,
}

/// One fragment of encapsulated pixel data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) item_offset: u64,
    pub(crate) length: u32,
    /// True if a JPEG, JPEG-LS, JPEG 2000 or HTJ2K codestream begins with it.
    pub(crate) begins_codestream: bool,
}

/// What is noted of the top level's pixel data while a data set is walked.
#[derive(Debug, Default)]
pub(crate) struct PixelData {
    module: PixelModule,
    /// Offset and length of a native value, in bytes.
    native: Option<(u64, u64)>,
    fragments: Vec<Fragment>,
    offsets: Vec<u64>,
    /// Fragments that come now are the top level's.
    is_open: bool,
    /// One stream for all frames.
    pub(crate) is_video: bool,
}

impl PixelData {
    /// Takes note of what an element of the top level says of the pixel data.
    pub(crate) fn note(&mut self, element: &Element, value: &[u8]) {
        let short = || value::first_u16(value, element.is_big_endian).map(u64::from);
        match element.tag {
            tag::ROWS => self.module.rows = short(),
            tag::COLUMNS => self.module.columns = short(),
            tag::SAMPLES_PER_PIXEL => self.module.samples_per_pixel = short(),
            tag::BITS_ALLOCATED => self.module.bits_allocated = short(),
            tag::PHOTOMETRIC_INTERPRETATION => {
                let name = value.trim_ascii_end();
                self.module.is_subsampled = matches!(name, b"YBR_FULL_422" | b"YBR_PARTIAL_422");
            }
            tag::NUMBER_OF_FRAMES => {
                self.module.number_of_frames = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.trim_matches([' ', '\0']).parse().ok())
                    .filter(|count| *count > 0);
            }
            tag::EXTENDED_OFFSET_TABLE => self.offsets = value::all_u64(value),
            _ => {}
        }
    }

    pub(crate) fn begin_native(&mut self, element: &Element) {
        self.native = Some((element.value_offset, u64::from(element.length)));
    }

    pub(crate) fn begin_fragments(&mut self, is_open: bool) {
        self.is_open = is_open;
    }

    /// The Basic Offset Table, unless an extended one came before.
    pub(crate) fn offset_table(&mut self, table: &[u8]) {
        if self.is_open && self.offsets.is_empty() {
            self.offsets = value::all_u32(table);
        }
    }

    pub(crate) fn fragment(&mut self, item_offset: u64, length: u32, first: [u8; 2]) {
        if self.is_open {
            self.fragments
                .push(Fragment::new(item_offset, length, first));
        }
    }

    /// The frames, as far as they can be told.
    pub(crate) fn frames(&self) -> Option<Frames> {
        match self.native {
            Some((offset, length)) => native(&self.module, offset, length),
            None => encapsulated(
                self.module.number_of_frames,
                &self.fragments,
                &self.offsets,
                self.is_video,
            ),
        }
    }
}

const ITEM_HEADER_BYTES: u64 = 8;

impl Fragment {
    pub(crate) fn new(item_offset: u64, length: u32, first: [u8; 2]) -> Self {
        let begins_codestream = matches!(first, [0xFF, 0xD8 | 0x4F]);
        Self {
            item_offset,
            length,
            begins_codestream,
        }
    }

    fn end(&self) -> u64 {
        self.item_offset
            .saturating_add(ITEM_HEADER_BYTES)
            .saturating_add(u64::from(self.length))
    }
}

/// Frames of native pixel data of `length` bytes; only frames that are there in full count.
pub(crate) fn native(module: &PixelModule, pixel_offset: u64, length: u64) -> Option<Frames> {
    let samples = if module.is_subsampled {
        2
    } else {
        module.samples_per_pixel.unwrap_or(1)
    };
    let frame_bits = module
        .rows?
        .checked_mul(module.columns?)?
        .checked_mul(samples)?
        .checked_mul(module.bits_allocated?)?;
    let present = length.checked_mul(8)?.checked_div(frame_bits)?;
    let declared = u64::from(module.number_of_frames.unwrap_or(1));
    let count = u32::try_from(declared.min(present))
        .ok()
        .filter(|count| *count > 0)?;
    Some(Frames {
        count,
        layout: Layout::Native {
            pixel_offset,
            frame_bits,
        },
    })
}

/// Frames of encapsulated pixel data; None where it cannot be told which fragments make a frame.
///
/// `offsets` are the offset table's entries, relative to the first fragment's item header (PS3.5
/// A.4, PS3.3 C.7.6.3.1.8). A table that does not point at fragments is not believed.
pub(crate) fn encapsulated(
    declared: Option<u32>,
    fragments: &[Fragment],
    offsets: &[u64],
    is_video: bool,
) -> Option<Frames> {
    let count = declared.map_or(offsets.len().max(1), |count| count as usize);
    let firsts = from_offsets(fragments, offsets)
        .filter(|firsts| firsts.len() == count)
        .or_else(|| (count == 1 || is_video).then(|| vec![0]))
        .or_else(|| (fragments.len() == count).then(|| (0..count).collect()))
        .or_else(|| from_codestreams(fragments).filter(|firsts| firsts.len() == count))?;
    let mut table = Vec::with_capacity(firsts.len().saturating_mul(TABLE_ENTRY_BYTES));
    for (at, first) in firsts.iter().enumerate() {
        let next = at.checked_add(1).and_then(|next| firsts.get(next).copied());
        let last = next.unwrap_or(fragments.len()).checked_sub(1)?;
        let start = fragments.get(*first)?.item_offset;
        let length = fragments.get(last)?.end().checked_sub(start)?;
        for number in [start, length] {
            table.extend_from_slice(number.to_le_bytes().get(..TABLE_ENTRY_BYTES / 2)?);
        }
    }
    let count = u32::try_from(firsts.len()).ok()?;
    Some(Frames {
        count,
        layout: Layout::Encapsulated { table },
    })
}

/// The fragment each offset points at, if they ascend and all hit one.
fn from_offsets(fragments: &[Fragment], offsets: &[u64]) -> Option<Vec<usize>> {
    let base = fragments.first()?.item_offset;
    let mut firsts: Vec<usize> = Vec::new();
    for offset in offsets {
        let wanted = base.checked_add(*offset)?;
        let at = fragments
            .binary_search_by_key(&wanted, |fragment| fragment.item_offset)
            .ok()?;
        if firsts.last().is_some_and(|last| *last >= at) {
            return None;
        }
        firsts.push(at);
    }
    (firsts.first() == Some(&0)).then_some(firsts)
}

fn from_codestreams(fragments: &[Fragment]) -> Option<Vec<usize>> {
    let firsts: Vec<usize> = fragments
        .iter()
        .enumerate()
        .filter(|(_, fragment)| fragment.begins_codestream)
        .map(|(at, _)| at)
        .collect();
    (firsts.first() == Some(&0)).then_some(firsts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragments(lengths: &[u32], first: &[u8]) -> Vec<Fragment> {
        let mut offset = 1000;
        lengths
            .iter()
            .zip(first)
            .map(|(length, first)| {
                let fragment = Fragment::new(offset, *length, [0xFF, *first]);
                offset = fragment.end();
                fragment
            })
            .collect()
    }

    fn extents(frames: &Frames) -> Vec<(u64, u64)> {
        let Layout::Encapsulated { table } = &frames.layout else {
            panic!("not encapsulated")
        };
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
        };
        table
            .chunks(TABLE_ENTRY_BYTES)
            .map(|e| (number(&e[..6]), number(&e[6..])))
            .collect()
    }

    #[test]
    fn one_fragment_a_frame() {
        let frames = encapsulated(Some(2), &fragments(&[10, 20], &[0, 0]), &[], false).unwrap();
        assert_eq!(extents(&frames), [(1000, 18), (1018, 28)]);
    }

    #[test]
    fn all_fragments_of_the_only_frame() {
        let frames = encapsulated(None, &fragments(&[10, 20], &[0, 0]), &[], false).unwrap();
        assert_eq!(extents(&frames), [(1000, 46)]);
    }

    #[test]
    fn the_offset_table_groups_fragments() {
        let three = fragments(&[10, 20, 4], &[0, 0, 0]);
        let frames = encapsulated(Some(2), &three, &[0, 18], false).unwrap();
        assert_eq!(extents(&frames), [(1000, 18), (1018, 40)]);
    }

    #[test]
    fn an_offset_table_that_lies_is_not_believed() {
        let three = fragments(&[10, 20, 4], &[0xD8, 0xD8, 0]);
        for offsets in [
            &[0, 19][..],
            &[18, 0],
            &[0, 0],
            &[18, 46],
            &[0, u64::MAX],
            &[0, 18, 46],
        ] {
            let frames = encapsulated(Some(2), &three, offsets, false).unwrap();
            assert_eq!(extents(&frames), [(1000, 18), (1018, 40)], "{offsets:?}");
        }
    }

    #[test]
    fn codestreams_group_fragments_where_no_table_does() {
        let four = fragments(&[10, 20, 4, 6], &[0x4F, 0, 0x4F, 0]);
        let frames = encapsulated(Some(2), &four, &[], false).unwrap();
        assert_eq!(extents(&frames), [(1000, 46), (1046, 26)]);
        assert_eq!(encapsulated(Some(3), &four, &[], false), None);
        assert_eq!(encapsulated(Some(3), &four, &[], true).unwrap().count, 1);
    }

    #[test]
    fn native_frames_count_only_where_they_are_whole() {
        let module = PixelModule {
            rows: Some(3),
            columns: Some(3),
            bits_allocated: Some(1),
            number_of_frames: Some(4),
            ..PixelModule::default()
        };
        let frames = native(&module, 500, 5).unwrap();
        let layout = Layout::Native {
            pixel_offset: 500,
            frame_bits: 9,
        };
        assert_eq!(frames, Frames { count: 4, layout });
        assert_eq!(native(&module, 500, 3).unwrap().count, 2);
        assert_eq!(native(&module, 500, 1), None);
        let huge = PixelModule {
            rows: Some(u64::MAX),
            ..module
        };
        assert_eq!(native(&huge, 0, 5), None);
    }
}
