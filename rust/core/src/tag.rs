//! The tags that the core itself must know, as `0xggggeeee` (PS3.6).
#![expect(missing_docs, reason = "each constant is the attribute's keyword")]

pub const TRANSFER_SYNTAX_UID: u32 = 0x0002_0010;
pub const SPECIFIC_CHARACTER_SET: u32 = 0x0008_0005;
pub const SOP_CLASS_UID: u32 = 0x0008_0016;
pub const SOP_INSTANCE_UID: u32 = 0x0008_0018;
pub const PATIENT_ID: u32 = 0x0010_0020;
pub const STUDY_INSTANCE_UID: u32 = 0x0020_000D;
pub const SERIES_INSTANCE_UID: u32 = 0x0020_000E;
pub const SAMPLES_PER_PIXEL: u32 = 0x0028_0002;
pub const PHOTOMETRIC_INTERPRETATION: u32 = 0x0028_0004;
pub const NUMBER_OF_FRAMES: u32 = 0x0028_0008;
pub const ROWS: u32 = 0x0028_0010;
pub const COLUMNS: u32 = 0x0028_0011;
pub const BITS_ALLOCATED: u32 = 0x0028_0100;
pub const PIXEL_REPRESENTATION: u32 = 0x0028_0103;
pub const EXTENDED_OFFSET_TABLE: u32 = 0x7FE0_0001;
pub const FLOAT_PIXEL_DATA: u32 = 0x7FE0_0008;
pub const DOUBLE_FLOAT_PIXEL_DATA: u32 = 0x7FE0_0009;
pub const PIXEL_DATA: u32 = 0x7FE0_0010;
pub const DATA_SET_TRAILING_PADDING: u32 = 0xFFFC_FFFC;
pub const ITEM: u32 = 0xFFFE_E000;
pub const ITEM_DELIMITATION_ITEM: u32 = 0xFFFE_E00D;
pub const SEQUENCE_DELIMITATION_ITEM: u32 = 0xFFFE_E0DD;

/// The group number.
#[must_use]
pub const fn group(tag: u32) -> u16 {
    (tag >> 16) as u16
}

/// The element number.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is the element number"
)]
pub const fn element(tag: u32) -> u16 {
    tag as u16
}

/// True for private attributes: odd groups (PS3.5 7.8).
#[must_use]
pub const fn is_private(tag: u32) -> bool {
    group(tag) % 2 == 1
}

/// True for a Private Creator, which reserves a block of its group (PS3.5 7.8.1).
#[must_use]
pub const fn is_private_creator(tag: u32) -> bool {
    is_private(tag) && element(tag) >= 0x10 && element(tag) <= 0xFF
}

/// The Private Creator of a private element's block (PS3.5 7.8.1).
#[must_use]
pub const fn private_creator_of(tag: u32) -> u32 {
    with_element(tag, element(tag) >> 8)
}

/// The element of the same group with this number.
#[must_use]
pub const fn with_element(tag: u32, element: u16) -> u32 {
    (tag & 0xFFFF_0000) | element as u32
}

/// The private element with the last byte of `tag` in the block that a Private Creator reserves.
#[must_use]
pub const fn in_block(private_creator: u32, tag: u32) -> u32 {
    with_element(
        private_creator,
        (element(private_creator) << 8) | (element(tag) & 0xFF),
    )
}

/// True for a Group Length, which is retired and never part of the DICOM JSON Model (PS3.18 F.2.2).
#[must_use]
pub const fn is_group_length(tag: u32) -> bool {
    element(tag) == 0
}
