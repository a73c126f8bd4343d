//! What the index and the rules make of each element of a data set.

use std::sync::Arc;

use crate::attributes::{self, ATTRIBUTES, Attribute, Kept};
use crate::dataset::Element;
use crate::dictionary;
use crate::extended::{ExtendedTag, ExtendedTags};
use crate::instance::Rules;
use crate::tag;
use crate::text::{self, trim_end};
use crate::validate;
use crate::value;
use crate::vr::Vr;

/// Most comments that are told of one instance.
const COMMENT_COUNT_MAX: usize = 100;

/// What was found, element by element.
#[derive(Debug)]
pub(crate) struct Findings {
    rules: Rules,
    /// First value of each row of `ATTRIBUTES` that is matched.
    pub(crate) values: [Option<String>; ATTRIBUTES.len()],
    /// Where v1's rules are broken, or v2's in a required attribute.
    pub(crate) failures: Vec<String>,
    /// What v2 leaves out of the metadata.
    pub(crate) warnings: Vec<String>,
    /// (0010,0020) is there, with or without a value.
    pub(crate) has_patient_id: bool,
    /// An indexed attribute has several values, of which the first one counts.
    pub(crate) is_multivalued: bool,
    /// Extended query tags that v1 checks; v2 checks every element anyway.
    extended: Option<Arc<ExtendedTags>>,
    /// Tags and texts of the Private Creators so far, where extended query tags are checked.
    creators: Vec<(u32, String)>,
}

impl Findings {
    pub(crate) fn new(rules: Rules, extended: Option<Arc<ExtendedTags>>) -> Self {
        Self {
            rules,
            values: [const { None }; ATTRIBUTES.len()],
            failures: Vec::new(),
            warnings: Vec::new(),
            has_patient_id: false,
            is_multivalued: false,
            extended: extended.filter(|_| rules.is_strict),
            creators: Vec::new(),
        }
    }

    /// Notes a text value; true if the element stays in the metadata.
    pub(crate) fn text(&mut self, element: &Element, text: &str, raw_length: usize) -> bool {
        let row = matched(element);
        if let Some((at, row)) = row {
            self.indexed(element, row, text, raw_length);
            let first = trim_end(value::first(element.vr, text));
            // The index holds no NUL, and no one of several that should be one.
            let is_kept = !first.is_empty()
                && text::find(first, 0).is_none()
                && !(self.must_be_one(element.tag) && value::is_multiple(element.vr, text));
            self.keep(at, is_kept.then(|| first.to_owned()));
        }
        if self.rules.is_strict {
            self.extended_text(element, text, raw_length);
            return true;
        }
        let Err(reason) = validate::lenient(element.vr, trim_end(text)) else {
            return true;
        };
        note(
            &mut self.warnings,
            validate::lenient_comment(element.tag, element.vr, reason),
        );
        // What every instance must have stays, warned of or not.
        if element.depth == 0 && value::is_required_uid(element.tag) {
            return true;
        }
        if let Some((at, _)) = row {
            self.keep(at, None);
        }
        false
    }

    /// Notes the first of an element's binary numbers.
    pub(crate) fn number(&mut self, element: &Element, value: &[u8]) {
        if let Some((at, _)) = matched(element) {
            self.keep(at, value::first_number(element, value));
        }
        if let Some(vr) = self.extended_vr(element)
            && let Err(reason) = validate::strict(vr, "number", value.len())
        {
            self.fail(element, reason);
        }
    }

    /// Notes an element whose value is not read; only its VR counts.
    pub(crate) fn unread(&mut self, element: &Element) {
        self.extended_vr(element);
    }

    /// v1 checks the first value of an extended query tag as it does those of the table.
    fn extended_text(&mut self, element: &Element, text: &str, raw_length: usize) {
        if self.extended.is_none() || element.depth > 0 {
            return;
        }
        if tag::is_private_creator(element.tag) {
            self.creators.push((element.tag, trim_end(text).to_owned()));
        }
        let Some(vr) = self.extended_vr(element) else {
            return;
        };
        self.is_multivalued |= value::is_multiple(vr, text);
        let first = value::first(vr, text).trim_end_matches(' ');
        if let Err(reason) = validate::strict(vr, first, raw_length) {
            self.fail(element, reason);
        }
    }

    /// The VR of an element that is an extended query tag; another one than the tag's is a failure.
    fn extended_vr(&mut self, element: &Element) -> Option<Vr> {
        let extended = self.extended.as_ref()?;
        if element.depth > 0 {
            return None;
        }
        let creators = &self.creators;
        let creator_of = |tag| {
            let mut found = creators.iter().filter(|(creator, _)| *creator == tag);
            found.next_back().map(|(_, text)| text.as_str())
        };
        let found: &ExtendedTag = extended.find(element.tag, creator_of)?;
        if found.vr == element.vr {
            return Some(found.vr);
        }
        let comment = validate::vr_comment(element.tag, found.vr, element.vr);
        note(&mut self.failures, comment);
        None
    }

    fn fail(&mut self, element: &Element, reason: &str) {
        let keyword = dictionary::keyword_of(element.tag).unwrap_or_default();
        let comment = validate::strict_comment(element.tag, keyword, element.vr, reason);
        note(&mut self.failures, comment);
    }

    /// Of these, several values are as bad as none.
    fn must_be_one(&self, tag: u32) -> bool {
        value::is_required_uid(tag) || (self.rules.is_strict && tag == tag::PATIENT_ID)
    }

    fn keep(&mut self, at: usize, value: Option<String>) {
        if let Some(slot) = self.values.get_mut(at) {
            *slot = value;
        }
    }

    fn indexed(&mut self, element: &Element, row: Attribute, text: &str, raw_length: usize) {
        let is_core = value::is_core(element.tag);
        let is_strict = self.rules.is_strict;
        self.has_patient_id |= element.tag == tag::PATIENT_ID;
        self.is_multivalued |= (is_strict || is_core) && value::is_multiple(element.vr, text);
        let is_checked = is_core || (is_strict && row.kept == Kept::MatchedStrictly);
        if !is_checked {
            return;
        }
        if element.vr != row.vr() {
            let comment = validate::wrong_vr_comment(element.tag, row.vr(), element.vr);
            note(&mut self.failures, comment);
            return;
        }
        // v1 takes a NUL for an invalid character, v2 for padding; spaces pad in both.
        let first = value::first(element.vr, text);
        let first = if is_strict {
            first.trim_end_matches(' ')
        } else {
            trim_end(first)
        };
        if let Err(reason) = validate::strict(element.vr, first, raw_length) {
            let comment = validate::strict_comment(element.tag, row.keyword(), element.vr, reason);
            note(&mut self.failures, comment);
        }
    }
}

/// The row and position of an element that has a typed column.
fn matched(element: &Element) -> Option<(usize, Attribute)> {
    if element.depth == 0 {
        attributes::matched(element.tag)
    } else {
        None
    }
}

/// One comment a tag, the first, however many items break the rules.
fn note(comments: &mut Vec<String>, comment: String) {
    let tag = comment.get(..validate::COMMENT_TAG_END);
    let is_said = |each: &String| each.get(..validate::COMMENT_TAG_END) == tag;
    if comments.len() < COMMENT_COUNT_MAX && !comments.iter().any(is_said) {
        comments.push(comment);
    }
}
