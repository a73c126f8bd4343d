//! THE table of searchable attributes: what the index keeps of each level.
//!
//! PS3.18 Table 10.6.1-5 and the model's own attributes. VRs and keywords come from the
//! dictionary; nothing is typed twice.

use crate::dictionary;
use crate::vr::Vr;

/// Query/Retrieve Level (PS3.4 C.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// STUDY.
    Study,
    /// SERIES.
    Series,
    /// IMAGE: the instance.
    Instance,
}

impl Level {
    /// The level's name in DICOM.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Study => "STUDY",
            Self::Series => "SERIES",
            Self::Instance => "IMAGE",
        }
    }
}

/// How the index keeps an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In a typed column, for matching, and in the level's JSON.
    Matched,
    /// Likewise, and v1 refuses instances in which its value is invalid.
    MatchedStrictly,
    /// In the level's JSON only.
    Returned,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `0xggggeeee`.
    pub tag: u32,
    /// The level whose row carries it.
    pub level: Level,
    /// How the index keeps it.
    pub kept: Kept,
}

impl Attribute {
    /// True if it has a typed column.
    #[must_use]
    pub fn is_matched(&self) -> bool {
        self.kept != Kept::Returned
    }

    /// Its VR (PS3.6).
    #[must_use]
    pub fn vr(&self) -> Vr {
        dictionary::vr_of(self.tag, false)
    }

    /// Its keyword (PS3.6).
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        dictionary::keyword_of(self.tag).unwrap_or_default()
    }
}

const fn row(level: Level, kept: Kept, tag: u32) -> Attribute {
    Attribute { tag, level, kept }
}

use Kept::{Matched, MatchedStrictly, Returned};
use Level::{Instance, Series, Study};

/// By level, matched ones first; within these in column order.
pub const ATTRIBUTES: [Attribute; 48] = [
    row(Study, MatchedStrictly, 0x0020_000D), // StudyInstanceUID
    row(Study, MatchedStrictly, 0x0008_0020), // StudyDate
    row(Study, Matched, 0x0008_0030),         // StudyTime
    row(Study, MatchedStrictly, 0x0008_0050), // AccessionNumber
    row(Study, MatchedStrictly, 0x0008_0090), // ReferringPhysicianName
    row(Study, MatchedStrictly, 0x0008_1030), // StudyDescription
    row(Study, MatchedStrictly, 0x0010_0010), // PatientName
    row(Study, MatchedStrictly, 0x0010_0020), // PatientID
    row(Study, MatchedStrictly, 0x0010_0030), // PatientBirthDate
    row(Study, Matched, 0x0020_0010),         // StudyID
    row(Study, Returned, 0x0008_0005),        // SpecificCharacterSet
    row(Study, Returned, 0x0008_0063),        // AnatomicRegionsInStudyCodeSequence
    row(Study, Returned, 0x0008_0201),        // TimezoneOffsetFromUTC
    row(Study, Returned, 0x0008_1032),        // ProcedureCodeSequence
    row(Study, Returned, 0x0008_1060),        // NameOfPhysiciansReadingStudy
    row(Study, Returned, 0x0008_1080),        // AdmittingDiagnosesDescription
    row(Study, Returned, 0x0008_1110),        // ReferencedStudySequence
    row(Study, Returned, 0x0010_0021),        // IssuerOfPatientID
    row(Study, Returned, 0x0010_0032),        // PatientBirthTime
    row(Study, Returned, 0x0010_0040),        // PatientSex
    row(Study, Returned, 0x0010_1010),        // PatientAge
    row(Study, Returned, 0x0010_1020),        // PatientSize
    row(Study, Returned, 0x0010_1030),        // PatientWeight
    row(Study, Returned, 0x0010_2180),        // Occupation
    row(Study, Returned, 0x0010_21B0),        // AdditionalPatientHistory
    row(Series, MatchedStrictly, 0x0008_0060), // Modality
    row(Series, MatchedStrictly, 0x0020_000E), // SeriesInstanceUID
    row(Series, Matched, 0x0020_0011),        // SeriesNumber
    row(Series, MatchedStrictly, 0x0040_0244), // PerformedProcedureStepStartDate
    row(Series, Matched, 0x0040_0245),        // PerformedProcedureStepStartTime
    row(Series, MatchedStrictly, 0x0008_1090), // ManufacturerModelName
    row(Series, Returned, 0x0008_0005),       // SpecificCharacterSet
    row(Series, Returned, 0x0008_0021),       // SeriesDate
    row(Series, Returned, 0x0008_0031),       // SeriesTime
    row(Series, Returned, 0x0008_0201),       // TimezoneOffsetFromUTC
    row(Series, Returned, 0x0008_103E),       // SeriesDescription
    row(Series, Returned, 0x0018_0015),       // BodyPartExamined
    row(Series, Returned, 0x0020_0060),       // Laterality
    row(Series, Returned, 0x0040_0275),       // RequestAttributesSequence
    row(Instance, Matched, 0x0008_0016),      // SOPClassUID
    row(Instance, MatchedStrictly, 0x0008_0018), // SOPInstanceUID
    row(Instance, Matched, 0x0020_0013),      // InstanceNumber
    row(Instance, Matched, 0x0028_0008),      // NumberOfFrames
    row(Instance, Matched, 0x0028_0010),      // Rows
    row(Instance, Matched, 0x0028_0011),      // Columns
    row(Instance, Matched, 0x0028_0100),      // BitsAllocated
    row(Instance, Returned, 0x0008_0005),     // SpecificCharacterSet
    row(Instance, Returned, 0x0008_0201),     // TimezoneOffsetFromUTC
];

/// The table by ascending tag, each row with its position: what a data set is compared with.
const BY_TAG: [(usize, Attribute); ATTRIBUTES.len()] = by_tag();

#[expect(clippy::indexing_slicing, reason = "the compiler runs this, and sees")]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the compiler runs this, and sees"
)]
const fn by_tag() -> [(usize, Attribute); ATTRIBUTES.len()] {
    let mut rows = [(0, ATTRIBUTES[0]); ATTRIBUTES.len()];
    let mut at = 0;
    while at < rows.len() {
        let mut to = at;
        while to > 0 && rows[to - 1].1.tag > ATTRIBUTES[at].tag {
            rows[to] = rows[to - 1];
            to -= 1;
        }
        rows[to] = (at, ATTRIBUTES[at]);
        at += 1;
    }
    rows
}

/// The row whose value is kept for matching, and its position in `ATTRIBUTES`.
#[must_use]
pub fn matched(tag: u32) -> Option<(usize, Attribute)> {
    // Every matched attribute stands in one of these groups; most elements of a file do not.
    if !matches!(tag >> 16, 0x08 | 0x10 | 0x20 | 0x28 | 0x40) {
        return None;
    }
    let from = BY_TAG.partition_point(|(_, row)| row.tag < tag);
    BY_TAG
        .get(from..)?
        .iter()
        .take_while(|(_, row)| row.tag == tag)
        .find(|(_, row)| row.is_matched())
        .copied()
}

/// The tags of a level's rows, ascending.
pub(crate) fn tags_of(level: Level) -> impl Iterator<Item = u32> {
    BY_TAG
        .iter()
        .filter(move |(_, row)| row.level == level)
        .map(|(_, row)| row.tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_standard_attribute_once_per_level() {
        for (at, row) in ATTRIBUTES.iter().enumerate() {
            assert!(!row.keyword().is_empty(), "{:08X}", row.tag);
            assert_ne!(row.vr(), Vr::Un, "{:08X}", row.tag);
            let rest = &ATTRIBUTES[at + 1..];
            assert!(
                !rest
                    .iter()
                    .any(|other| other.tag == row.tag && other.level == row.level)
            );
            if row.is_matched() {
                assert_eq!(matched(row.tag).map(|(found, _)| found), Some(at));
            }
        }
        for tag in [
            0x0008_0005,
            0x0008_0000,
            0x0028_FFFF,
            0x0040_A730,
            0x7FE0_0010,
        ] {
            assert_eq!(matched(tag), None, "{tag:08X}");
        }
    }

    #[test]
    fn a_level_has_its_rows_by_tag() {
        for level in [Study, Series, Instance] {
            let mut wanted: Vec<u32> = ATTRIBUTES
                .iter()
                .filter(|row| row.level == level)
                .map(|row| row.tag)
                .collect();
            wanted.sort_unstable();
            assert_eq!(tags_of(level).collect::<Vec<_>>(), wanted);
        }
    }

    #[test]
    fn levels_stand_together_matched_first() {
        let keys: Vec<_> = ATTRIBUTES
            .iter()
            .map(|row| (row.level.name(), !row.is_matched()))
            .collect();
        let order = ["STUDY", "SERIES", "IMAGE"];
        assert!(keys.is_sorted_by_key(|(level, returned)| {
            (order.iter().position(|name| name == level), *returned)
        }));
    }
}
