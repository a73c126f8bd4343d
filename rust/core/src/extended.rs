//! Extended query tags (the model's): attributes that somebody made searchable besides the table's.
//!
//! They are found in the DICOM JSON of an instance, while it is stored or long after, so that both
//! ways give the same. Only attributes of the data set's top level count, not those of items.

use memchr::memchr2;

use crate::json::{EMPTY_ATTRIBUTE_BYTES, JsonWriter, Span};
use crate::tag;
use crate::vr::Vr;

/// One extended query tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedTag {
    /// `0xggggeeee`; of a private element only group and last byte count, its block is its creator's.
    pub tag: u32,
    /// What its values must be.
    pub vr: Vr,
    /// Who reserved the block of a private element (PS3.5 7.8.1).
    pub private_creator: Option<String>,
}

/// A list of them, as it was at one time.
#[derive(Debug)]
pub struct ExtendedTags {
    version: i64,
    tags: Vec<ExtendedTag>,
    /// Per tag, its private creator as it stands in the metadata: `{"vr":"LO","Value":["…"]}`.
    creators: Vec<Option<Vec<u8>>>,
}

/// Bytes of `"ggggeeee":`.
const KEY_BYTES: usize = 11;

impl ExtendedTags {
    /// A list; `version` tells it from those before and behind it.
    #[must_use]
    pub fn new(version: i64, tags: Vec<ExtendedTag>) -> Self {
        let creators = tags
            .iter()
            .map(|each| each.private_creator.as_deref().map(creator_json))
            .collect();
        Self {
            version,
            tags,
            creators,
        }
    }

    /// Which list it is.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The tag that an element of the top level is.
    ///
    /// `creator_of` gives the text of a Private Creator by its tag.
    pub(crate) fn find<'a>(
        &self,
        tag: u32,
        creator_of: impl Fn(u32) -> Option<&'a str>,
    ) -> Option<&ExtendedTag> {
        self.tags.iter().find(|each| match &each.private_creator {
            None => each.tag == tag,
            Some(creator) => {
                is_same_but_block(each.tag, tag)
                    && creator_of(tag::private_creator_of(tag)) == Some(creator)
            }
        })
    }

    /// The tags' elements in an instance's JSON: `[{"vr":…},null,…]`, one for each tag, in their
    /// order; None if it has none of them.
    #[must_use]
    pub fn read(&self, json: &[u8]) -> Option<Vec<u8>> {
        self.pick(json, &spans_of(json))
    }

    /// Likewise, where the places of its attributes are known.
    pub(crate) fn pick(&self, json: &[u8], spans: &[Span]) -> Option<Vec<u8>> {
        let mut out = vec![b'['];
        let mut is_any = false;
        for (each, creator) in self.tags.iter().zip(&self.creators) {
            if out.len() > 1 {
                out.push(b',');
            }
            let found = match creator {
                None => value_of(json, spans, each.tag),
                Some(creator) => private_value_of(json, spans, each.tag, creator),
            };
            is_any |= found.is_some();
            out.extend_from_slice(found.unwrap_or(b"null"));
        }
        out.push(b']');
        is_any.then_some(out)
    }
}

/// A private element's tag but for the block, which differs from one data set to another.
fn is_same_but_block(left: u32, right: u32) -> bool {
    const BLOCK: u32 = 0x0000_FF00;
    left | BLOCK == right | BLOCK && right & BLOCK != 0
}

fn creator_json(creator: &str) -> Vec<u8> {
    let mut json = JsonWriter::new();
    json.string(creator);
    let text = json.finish().json;
    // The writer ends an object that it never began.
    let text = text.strip_suffix(b"}").unwrap_or_default();
    [b"{\"vr\":\"LO\",\"Value\":[", text, b"]}"].concat()
}

/// The element of a tag; None if it is absent or empty.
fn value_of<'a>(json: &'a [u8], spans: &[Span], tag: u32) -> Option<&'a [u8]> {
    let at = spans.binary_search_by_key(&tag, |span| span.tag).ok()?;
    let span = spans.get(at)?;
    let fragment = json.get(span.start..span.end)?;
    if fragment.len() <= EMPTY_ATTRIBUTE_BYTES {
        return None;
    }
    fragment.get(KEY_BYTES..)
}

fn private_value_of<'a>(
    json: &'a [u8],
    spans: &[Span],
    tag: u32,
    creator: &[u8],
) -> Option<&'a [u8]> {
    let first = tag::with_element(tag, 0x10);
    let from = spans.partition_point(|span| span.tag < first);
    spans
        .get(from..)?
        .iter()
        .take_while(|span| span.tag <= tag::with_element(tag, 0xFF))
        .filter(|span| value_of(json, spans, span.tag) == Some(creator))
        .find_map(|span| value_of(json, spans, tag::in_block(span.tag, tag)))
}

/// Where the attributes of an object stand that `JsonWriter` wrote. What it did not write ends the
/// search.
fn spans_of(json: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 1_usize;
    while let Some(span) = span_at(json, start) {
        start = span.end.saturating_add(1);
        spans.push(span);
    }
    spans
}

fn span_at(json: &[u8], start: usize) -> Option<Span> {
    let key = json.get(start..start.checked_add(KEY_BYTES)?)?;
    let digits = key.strip_prefix(b"\"")?.strip_suffix(b"\":")?;
    let tag = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let mut at = start.checked_add(KEY_BYTES)?;
    let mut depth = 0_usize;
    loop {
        let byte = *json.get(at)?;
        at = at.checked_add(1)?;
        match byte {
            b'"' => at = string_end(json, at)?,
            b'{' => depth = depth.checked_add(1)?,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(Span {
                        tag,
                        start,
                        end: at,
                    });
                }
            }
            _ => {}
        }
    }
}

/// Behind the quotation mark that ends the string in which `at` stands.
fn string_end(json: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let special = at.checked_add(memchr2(b'"', b'\\', json.get(at..)?)?)?;
        at = special.checked_add(1)?;
        if json.get(special) == Some(&b'"') {
            return Some(at);
        }
        // The escaped character.
        at = at.checked_add(1)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &[u8] = br#"{"00080060":{"vr":"CS","Value":["C\"}T"]},"00090010":{"vr":"LO","Value":["A \\ B"]},"00090011":{"vr":"LO","Value":["ACME 1.1"]},"00091001":{"vr":"FD","Value":[1]},"00091101":{"vr":"FD","Value":[2.5]},"00101030":{"vr":"DS"},"00400275":{"vr":"SQ","Value":[{"00181020":{"vr":"LO","Value":["nested"]}}]}}"#;

    fn read(tags: &[(u32, Option<&str>)]) -> Option<String> {
        let tags = tags
            .iter()
            .map(|(tag, creator)| ExtendedTag {
                tag: *tag,
                vr: Vr::Lo,
                private_creator: creator.map(str::to_owned),
            })
            .collect();
        let found = ExtendedTags::new(1, tags).read(JSON)?;
        Some(String::from_utf8(found).unwrap())
    }

    #[test]
    fn elements_come_in_the_order_of_the_tags() {
        assert_eq!(
            read(&[(0x0018_1020, None), (0x0008_0060, None)]).as_deref(),
            Some(r#"[null,{"vr":"CS","Value":["C\"}T"]}]"#)
        );
    }

    #[test]
    fn absent_empty_and_nested_ones_are_none() {
        assert_eq!(
            read(&[
                (0x0018_1020, None),
                (0x0010_1030, None),
                (0x0099_0010, None)
            ]),
            None
        );
    }

    #[test]
    fn a_private_block_is_its_creators() {
        let second = Some(r#"[{"vr":"FD","Value":[2.5]}]"#);
        for asked in [0x0009_1001, 0x0009_FF01, 0x0009_1101] {
            let found = read(&[(asked, Some("ACME 1.1"))]);
            assert_eq!(found.as_deref(), second, "{asked:08X}");
        }
        let first = read(&[(0x0009_1101, Some(r"A \ B"))]);
        assert_eq!(first.as_deref(), Some(r#"[{"vr":"FD","Value":[1]}]"#));
        assert_eq!(read(&[(0x0009_1001, Some("ACME"))]), None);
        assert_eq!(read(&[(0x0009_1002, Some("ACME 1.1"))]), None);
    }

    #[test]
    fn what_breaks_off_gives_what_came_before() {
        let tags = |json: &[u8]| spans_of(json).iter().map(|each| each.tag).max();
        for cut in 0..=JSON.len() {
            assert!(tags(&JSON[..cut]) <= tags(JSON), "cut at byte {cut}");
        }
        assert_eq!(tags(JSON), Some(0x0040_0275));
        assert_eq!(tags(b"[]"), None);
    }

    #[test]
    fn an_element_of_a_data_set_is_found_by_its_creator() {
        let tag = ExtendedTag {
            tag: 0x0009_1001,
            vr: Vr::Fd,
            private_creator: Some("ACME 1.1".into()),
        };
        let tags = ExtendedTags::new(1, vec![tag.clone()]);
        let creator_of = |tag| (tag == 0x0009_0011).then_some("ACME 1.1");
        assert_eq!(tags.find(0x0009_1101, creator_of), Some(&tag));
        assert_eq!(tags.find(0x0009_1001, creator_of), None);
        assert_eq!(tags.find(0x0009_0001, creator_of), None);
    }
}
