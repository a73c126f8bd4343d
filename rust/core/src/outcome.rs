//! What becomes of one part: an instance that can be stored, or a refusal (PS3.18 10.5.3, I.2).

use std::sync::Arc;

use crate::attributes::{self, ATTRIBUTES, Level};
use crate::error::PartError;
use crate::extended::ExtendedTags;
use crate::frames::Frames;
use crate::instance::{Extractor, Facts, Rules};
use crate::pack::{Deflater, Entry};
use crate::part10::Part10Reader;
use crate::text::trim_end;
use crate::{tag, validate};

/// Failure Reason (0008,1197): the data set is not one that can be stored (PS3.18 I.2, A900).
pub const FAILURE_INVALID: u16 = 0xA900;
/// Failure Reason (0008,1197): processing failure (PS3.7 C.4.2, 0110).
pub const FAILURE_PROCESSING: u16 = 0x0110;

/// An instance that can be stored.
#[derive(Clone, Debug)]
pub struct Instance {
    /// (0008,0016).
    pub sop_class_uid: String,
    /// Of the data set, from the File Meta Information, or from the bytes where that lacks it.
    pub transfer_syntax_uid: String,
    /// Identifiers, length, CRC-32 and metadata.
    pub entry: Entry,
    /// First values of the matched rows of `ATTRIBUTES`; None if absent or empty.
    pub values: [Option<String>; ATTRIBUTES.len()],
    /// DICOM JSON objects of the study's and of the series' attributes.
    pub level_json: [Vec<u8>; 2],
    /// The version of the extended query tags that were looked for; 0 if none were.
    pub extended_version: i64,
    /// Their elements, as `ExtendedTags::read` gives them.
    pub extended_json: Option<Vec<u8>>,
    /// Where the frames are; None without pixel data or where it cannot be told.
    pub frames: Option<Frames>,
    /// The metadata holds a `BulkDataURI`.
    pub has_bulkdata_uri: bool,
    /// The data set is in Implicit VR.
    pub is_implicit_vr: bool,
    /// An indexed attribute has several values.
    pub is_multivalued: bool,
    /// Comments on what was dropped from the metadata.
    pub warnings: Vec<String>,
}

/// A part that is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// (0008,0016), if it was read.
    pub sop_class_uid: Option<String>,
    /// (0008,0018), if it was read.
    pub sop_instance_uid: Option<String>,
    /// (0008,1197).
    pub failure_reason: u16,
    /// Comments for the Failed Attributes Sequence.
    pub comments: Vec<String>,
    /// One sentence for the log.
    pub detail: String,
}

impl Refusal {
    /// A part that says that it is no DICOM file; `part_number` is 1-based.
    pub(crate) fn foreign(part_number: u64) -> Self {
        let reason = "The content type of the part is not application/dicom.";
        Self {
            sop_class_uid: None,
            sop_instance_uid: None,
            failure_reason: FAILURE_INVALID,
            comments: vec![reason.to_owned()],
            detail: format!("the content type of part {part_number} is not application/dicom"),
        }
    }
}

/// What a part must satisfy beyond being a DICOM file.
#[derive(Clone, Debug)]
pub struct PartRules {
    /// What is asked of the data set.
    pub rules: Rules,
    /// The only study whose instances are taken.
    pub study_uid: Option<String>,
    /// Most bytes that a deflated data set may become.
    pub inflated_bytes_max: u64,
    /// What is looked for besides the table's attributes, and checked by v1.
    pub extended: Option<Arc<ExtendedTags>>,
}

/// Reads one part.
#[derive(Debug)]
pub(crate) struct PartReader {
    reader: Part10Reader<Extractor>,
    crc32: crc32fast::Hasher,
    length: u64,
    error: Option<PartError>,
}

impl PartReader {
    pub(crate) fn new(rules: &PartRules) -> Self {
        Self {
            reader: Part10Reader::new(
                Extractor::new(rules.rules, rules.extended.clone()),
                rules.inflated_bytes_max,
            ),
            crc32: crc32fast::Hasher::new(),
            length: 0,
            error: None,
        }
    }

    /// Accepts the next bytes. After an error they are counted and dropped.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len() as u64);
        if self.error.is_none() {
            self.crc32.update(bytes);
            self.error = self.reader.feed(bytes).err();
        }
    }

    /// True once it is certain that the part will be refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.error.is_some()
    }

    /// Bytes seen so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Ends the part.
    pub(crate) fn finish(
        mut self,
        rules: &PartRules,
        deflater: &mut Deflater,
    ) -> Result<Box<Instance>, Refusal> {
        let error = self.error.or_else(|| self.reader.finish().err());
        let transfer_syntax_uid = self.reader.transfer_syntax_uid().to_owned();
        let is_implicit_vr = self.reader.is_implicit_vr();
        let mut facts = self.reader.into_visitor().finish();
        if let Some(error) = error {
            return Err(unreadable(error, &facts));
        }
        if let Some(refusal) = missing(rules, &facts) {
            return Err(refusal);
        }
        let mut warnings = std::mem::take(&mut facts.findings.warnings);
        let uid = |tag| facts.value_of(tag).unwrap_or_default().to_owned();
        let level_json = [
            facts.level_json(Level::Study),
            facts.level_json(Level::Series),
        ];
        let extended_json = rules
            .extended
            .as_ref()
            .and_then(|extended| extended.pick(&facts.written.json, &facts.written.spans));
        if facts.value_of(tag::PATIENT_ID).is_none() {
            warnings.push(validate::missing_comment(tag::PATIENT_ID));
        }
        Ok(Box::new(Instance {
            sop_class_uid: uid(tag::SOP_CLASS_UID),
            transfer_syntax_uid,
            entry: Entry {
                study_uid: uid(tag::STUDY_INSTANCE_UID),
                series_uid: uid(tag::SERIES_INSTANCE_UID),
                sop_instance_uid: uid(tag::SOP_INSTANCE_UID),
                length: self.length,
                crc32: self.crc32.finalize(),
                segment: deflater.segment(&facts.written.json),
            },
            values: facts.findings.values,
            level_json,
            extended_version: rules.extended.as_ref().map_or(0, |each| each.version()),
            extended_json,
            frames: facts.frames,
            has_bulkdata_uri: facts.has_bulkdata_uri,
            is_implicit_vr,
            is_multivalued: facts.findings.is_multivalued,
            warnings,
        }))
    }
}

fn refusal(facts: &Facts, failure_reason: u16, comments: Vec<String>, detail: String) -> Refusal {
    let uid = |tag| facts.value_of(tag).map(str::to_owned);
    Refusal {
        sop_class_uid: uid(tag::SOP_CLASS_UID),
        sop_instance_uid: uid(tag::SOP_INSTANCE_UID),
        failure_reason,
        comments,
        detail,
    }
}

fn unreadable(error: PartError, facts: &Facts) -> Refusal {
    // What never names an instance is none; what breaks off behind its name could not be processed.
    let is_named = facts.value_of(tag::SOP_INSTANCE_UID).is_some();
    let reason = if is_named {
        FAILURE_PROCESSING
    } else {
        FAILURE_INVALID
    };
    refusal(facts, reason, Vec::new(), error.to_string())
}

/// The first required attribute that is missing, or all that are invalid; in the model's order.
fn missing(rules: &PartRules, facts: &Facts) -> Option<Refusal> {
    let absent = |tag| {
        let comment = validate::missing_comment(tag);
        Some(refusal(
            facts,
            FAILURE_INVALID,
            vec![comment],
            "a required attribute is missing".into(),
        ))
    };
    for tag in [
        tag::SOP_CLASS_UID,
        tag::STUDY_INSTANCE_UID,
        tag::SERIES_INSTANCE_UID,
        tag::SOP_INSTANCE_UID,
    ] {
        if facts.value_of(tag).is_none() {
            return absent(tag);
        }
    }
    let study_uid = facts.value_of(tag::STUDY_INSTANCE_UID).unwrap_or_default();
    if let Some(wanted) = &rules.study_uid
        && trim_end(wanted) != study_uid
    {
        let comment = "DICOM100: (0020,000d) - The StudyInstanceUID of the instance is not the \
                           one in the request's path"
            .to_owned();
        let detail = "the instance belongs to another study".to_owned();
        return Some(refusal(facts, FAILURE_INVALID, vec![comment], detail));
    }
    let is_patient_id_enough = if rules.rules.is_strict {
        facts.value_of(tag::PATIENT_ID).is_some()
    } else {
        facts.findings.has_patient_id
    };
    if !is_patient_id_enough {
        return absent(tag::PATIENT_ID);
    }
    if facts.findings.failures.is_empty() {
        return None;
    }
    let detail = "an indexed attribute has an invalid value".to_owned();
    Some(refusal(
        facts,
        FAILURE_INVALID,
        facts.findings.failures.clone(),
        detail,
    ))
}

impl Instance {
    /// The first values of a level's matched attributes, in table order.
    pub fn level_values(&self, level: Level) -> impl Iterator<Item = Option<&str>> {
        ATTRIBUTES
            .iter()
            .zip(&self.values)
            .filter(move |(row, _)| row.level == level && row.is_matched())
            .map(|(_, value)| value.as_deref())
    }

    /// The first value of a matched attribute.
    #[must_use]
    pub fn value_of(&self, tag: u32) -> Option<&str> {
        let (at, _) = attributes::matched(tag)?;
        self.values.get(at)?.as_deref()
    }
}
