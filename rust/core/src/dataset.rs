//! Walks the data elements of a data set (PS3.5 7), fed in chunks.
//!
//! Knows how elements, items, sequences and fragments are delimited, and bounds their depth and
//! number; knows nothing of what they mean. An explicit stack stands in for recursion.

use crate::dictionary;
use crate::error::PartError;
use crate::feed::Step;
use crate::header::{Found, Header, IMPLICIT};
use crate::tag;
use crate::vr::Vr;

pub use crate::header::Encoding;

/// Deepest nesting of sequences. The deepest seen in real files is 12; bounds the stack.
pub const DEPTH_MAX: usize = 64;
/// Most data elements of one data set, nested ones included. A 200,000-frame slide has about 3 M.
pub const ELEMENT_COUNT_MAX: u64 = 20_000_000;
/// Most fragments of one pixel data element; 16 bytes of memory each.
pub const FRAGMENT_COUNT_MAX: usize = 2_000_000;
/// Longest Basic Offset Table that is read, in bytes: four a frame.
pub const OFFSET_TABLE_BYTES_MAX: u32 = 16 * 1024 * 1024;

const UNDEFINED_LENGTH: u32 = 0xFFFF_FFFF;

/// One data element whose header has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// `0xggggeeee`.
    pub tag: u32,
    /// As encoded, or from the dictionary where the encoding does not say.
    pub vr: Vr,
    /// Where the value begins, in bytes from the start of the file.
    pub value_offset: u64,
    /// Bytes of the value; 0 for an undefined length.
    pub length: u32,
    /// Sequences around it; 0 at the top level.
    pub depth: usize,
    /// Byte order of the value.
    pub is_big_endian: bool,
}

/// What the walker found, told in the order of the file.
pub trait Visitor {
    /// True if the walker shall collect the value for `value`; else it is passed over.
    fn wants(&mut self, element: &Element) -> bool;
    /// A whole value.
    fn value(&mut self, element: &Element, value: &[u8]) -> Result<(), PartError>;
    /// A value that was not wanted.
    fn passed_over(&mut self, element: &Element) -> Result<(), PartError>;
    /// A sequence begins; its items follow.
    fn begin_sequence(&mut self, element: &Element) -> Result<(), PartError>;
    /// The innermost sequence ends.
    fn end_sequence(&mut self) -> Result<(), PartError>;
    /// An item of the innermost sequence begins.
    fn begin_item(&mut self) -> Result<(), PartError>;
    /// The innermost item ends.
    fn end_item(&mut self) -> Result<(), PartError>;
    /// Encapsulated pixel data begins (PS3.5 A.4).
    fn begin_fragments(&mut self, element: &Element) -> Result<(), PartError>;
    /// The Basic Offset Table; empty if absent, or if it is longer than is read.
    fn offset_table(&mut self, table: &[u8]);
    /// A fragment: where its item header begins, the bytes of its value, and the value's first two.
    fn fragment(&mut self, item_offset: u64, length: u32, first: [u8; 2]) -> Result<(), PartError>;
    /// Encapsulated pixel data ends.
    fn end_fragments(&mut self) -> Result<(), PartError>;
}

#[derive(Clone, Copy, Debug)]
enum Level {
    /// `end` is None for an undefined length; `outer` is the encoding to go back to.
    Sequence {
        end: Option<u64>,
        outer: Encoding,
    },
    Item {
        end: Option<u64>,
    },
}

#[derive(Clone, Copy, Debug)]
enum State {
    Element,
    Value(Element),
    Fragments {
        has_offset_table: bool,
        count: usize,
    },
}

/// The push parser. Feed it through a `Carry`.
#[derive(Debug)]
pub(crate) struct Walker {
    encoding: Encoding,
    position: u64,
    levels: Vec<Level>,
    state: State,
    element_count: u64,
    is_signed: bool,
}

impl Walker {
    /// A walker that stands `position` bytes into the file, before the first element.
    pub(crate) fn new(encoding: Encoding, position: u64) -> Self {
        Self {
            encoding,
            position,
            levels: Vec::new(),
            state: State::Element,
            element_count: 0,
            is_signed: false,
        }
    }

    /// Reads the next thing of `bytes`, which begin where the walker stands.
    pub(crate) fn step(
        &mut self,
        bytes: &[u8],
        visitor: &mut impl Visitor,
    ) -> Result<Step, PartError> {
        let step = match self.state {
            State::Element => {
                self.close_levels(visitor)?;
                self.element(bytes, visitor)?
            }
            State::Value(element) => self.value(element, bytes, visitor)?,
            State::Fragments {
                has_offset_table,
                count,
            } => self.fragment(bytes, has_offset_table, count, visitor)?,
        };
        let passed = match step {
            Step::Consumed(count) => count as u64,
            Step::Skip(count, skip) => (count as u64).saturating_add(skip),
            Step::Need(_) => 0,
        };
        self.position = self.position.saturating_add(passed);
        Ok(step)
    }

    /// Where the walker stands, in bytes from the start of the file.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Ends the data set; an error where elements, items or sequences are open.
    pub(crate) fn finish(&mut self, visitor: &mut impl Visitor) -> Result<(), PartError> {
        self.close_levels(visitor)?;
        // An empty value needs no more bytes.
        if let State::Value(Element { length: 0, .. }) = self.state {
            self.state = State::Element;
        }
        if self.levels.is_empty() && matches!(self.state, State::Element) {
            return Ok(());
        }
        Err(PartError::Truncated {
            offset: self.position,
        })
    }

    /// Closes the items and sequences of defined length that end here, and what is open in them:
    /// writers exist that leave out the delimiter at such a place.
    fn close_levels(&mut self, visitor: &mut impl Visitor) -> Result<(), PartError> {
        while let Some(end) = self.bound() {
            if end > self.position {
                break;
            }
            if end < self.position {
                return Err(PartError::Overrun { offset: end });
            }
            while let Some(Level::Sequence { end, .. } | Level::Item { end }) =
                self.levels.last().copied()
            {
                self.pop(visitor)?;
                if end.is_some() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn pop(&mut self, visitor: &mut impl Visitor) -> Result<(), PartError> {
        match self.levels.pop() {
            Some(Level::Sequence { outer, .. }) => {
                self.encoding = outer;
                visitor.end_sequence()
            }
            Some(Level::Item { .. }) => visitor.end_item(),
            None => Ok(()),
        }
    }

    /// Where the innermost thing of defined length ends.
    fn bound(&self) -> Option<u64> {
        self.levels.iter().rev().find_map(|level| match level {
            Level::Sequence { end, .. } | Level::Item { end } => *end,
        })
    }

    fn end_of(&self, header: u64, length: u32) -> Result<u64, PartError> {
        let end = self
            .position
            .saturating_add(header)
            .saturating_add(u64::from(length));
        if self.bound().is_some_and(|bound| end > bound) {
            return Err(PartError::Overrun {
                offset: self.position,
            });
        }
        Ok(end)
    }

    /// The header that begins `bytes`, or what is needed to read it.
    fn header(&self, bytes: &[u8]) -> Result<Result<Header, Step>, PartError> {
        match self.encoding.header(bytes, self.is_signed) {
            Found::Header(header) => Ok(Ok(header)),
            Found::Need(count) => Ok(Err(Step::Need(count))),
            Found::Nothing => Err(PartError::BadElement {
                offset: self.position,
            }),
        }
    }

    fn element(&mut self, bytes: &[u8], visitor: &mut impl Visitor) -> Result<Step, PartError> {
        let header = match self.header(bytes)? {
            Ok(header) => header,
            Err(need) => return Ok(need),
        };
        if matches!(self.levels.last(), Some(Level::Sequence { .. })) {
            return self.item(&header, visitor);
        }
        match header.tag {
            tag::ITEM_DELIMITATION_ITEM => {
                if matches!(self.levels.last(), Some(Level::Item { end: None })) {
                    self.pop(visitor)?;
                }
                // Elsewhere a delimiter delimits nothing; writers leave such behind.
                return Ok(Step::Consumed(header.bytes));
            }
            tag::SEQUENCE_DELIMITATION_ITEM => return Ok(Step::Consumed(header.bytes)),
            tag::ITEM => {
                return Err(PartError::BadElement {
                    offset: self.position,
                });
            }
            _ => {}
        }
        if self.element_count >= ELEMENT_COUNT_MAX {
            return Err(PartError::TooManyElements);
        }
        let step = self.begin(&header, bytes, visitor)?;
        if !matches!(step, Step::Need(_)) {
            self.element_count = self.element_count.saturating_add(1);
        }
        Ok(step)
    }

    /// What may stand directly in a sequence: an item, or the sequence's delimiter.
    fn item(&mut self, header: &Header, visitor: &mut impl Visitor) -> Result<Step, PartError> {
        match header.tag {
            tag::ITEM => {
                let end = match header.length {
                    UNDEFINED_LENGTH => None,
                    length => Some(self.end_of(header.bytes as u64, length)?),
                };
                self.levels.push(Level::Item { end });
                visitor.begin_item()?;
            }
            tag::SEQUENCE_DELIMITATION_ITEM => self.pop(visitor)?,
            _ => {
                return Err(PartError::BadElement {
                    offset: self.position,
                });
            }
        }
        Ok(Step::Consumed(header.bytes))
    }

    fn begin(
        &mut self,
        header: &Header,
        bytes: &[u8],
        visitor: &mut impl Visitor,
    ) -> Result<Step, PartError> {
        let is_undefined = header.length == UNDEFINED_LENGTH;
        let mut vr = header.vr;
        let mut encoding = self.encoding;
        if vr == Vr::Un && !header.is_implicit {
            // An explicit UN holds Implicit VR Little Endian; a known attribute is read as what it
            // is (PS3.5 6.2.2 Notes 2 and 4).
            vr = dictionary::vr_of(header.tag, self.is_signed);
            encoding = IMPLICIT;
        }
        if is_undefined && !matches!(vr, Vr::Ob | Vr::Ow) {
            // Only sequences and encapsulated pixel data may have an undefined length (PS3.5 7.1).
            if !matches!(vr, Vr::Un | Vr::Sq) {
                return Err(PartError::BadElement {
                    offset: self.position,
                });
            }
            vr = Vr::Sq;
        }
        let is_guess = header.is_implicit || header.vr != vr;
        if vr == Vr::Sq && is_guess && !is_undefined && header.length >= 4 {
            // The dictionary says sequence; some writers use the tag for something else.
            let Some(first) = bytes.get(header.bytes..).and_then(<[u8]>::first_chunk::<4>) else {
                return Ok(Step::Need(header.bytes.saturating_add(4)));
            };
            if !matches!(first, [0xFE, 0xFF, 0x00 | 0xDD, 0xE0]) {
                vr = Vr::Un;
            }
        }
        let element = Element {
            tag: header.tag,
            vr,
            value_offset: self.position.saturating_add(header.bytes as u64),
            length: if is_undefined { 0 } else { header.length },
            depth: self.levels.len() / 2,
            is_big_endian: encoding.is_big_endian,
        };
        if vr == Vr::Sq {
            return self.begin_sequence(header, &element, encoding, visitor);
        }
        if is_undefined {
            visitor.begin_fragments(&element)?;
            self.state = State::Fragments {
                has_offset_table: false,
                count: 0,
            };
            return Ok(Step::Consumed(header.bytes));
        }
        self.end_of(header.bytes as u64, header.length)?;
        if visitor.wants(&element) {
            // Nearly always the value is there with its header.
            let value = bytes.get(header.bytes..).unwrap_or_default();
            let step = self.value(element, value, visitor)?;
            let Step::Consumed(length) = step else {
                self.state = State::Value(element);
                return Ok(Step::Consumed(header.bytes));
            };
            return Ok(Step::Consumed(header.bytes.saturating_add(length)));
        }
        visitor.passed_over(&element)?;
        Ok(Step::Skip(header.bytes, u64::from(header.length)))
    }

    fn begin_sequence(
        &mut self,
        header: &Header,
        element: &Element,
        encoding: Encoding,
        visitor: &mut impl Visitor,
    ) -> Result<Step, PartError> {
        if element.depth >= DEPTH_MAX {
            return Err(PartError::TooDeep {
                offset: self.position,
            });
        }
        let end = match header.length {
            UNDEFINED_LENGTH => None,
            length => Some(self.end_of(header.bytes as u64, length)?),
        };
        self.levels.push(Level::Sequence {
            end,
            outer: self.encoding,
        });
        self.encoding = encoding;
        visitor.begin_sequence(element)?;
        Ok(Step::Consumed(header.bytes))
    }

    fn value(
        &mut self,
        element: Element,
        bytes: &[u8],
        visitor: &mut impl Visitor,
    ) -> Result<Step, PartError> {
        let length = element.length as usize;
        let Some(value) = bytes.get(..length) else {
            return Ok(Step::Need(length));
        };
        if element.tag == tag::PIXEL_REPRESENTATION {
            self.is_signed = value.contains(&1);
        }
        visitor.value(&element, value)?;
        self.state = State::Element;
        Ok(Step::Consumed(length))
    }

    /// One item of encapsulated pixel data, or its end (PS3.5 A.4).
    fn fragment(
        &mut self,
        bytes: &[u8],
        has_offset_table: bool,
        count: usize,
        visitor: &mut impl Visitor,
    ) -> Result<Step, PartError> {
        let header = match self.header(bytes)? {
            Ok(header) => header,
            Err(need) => return Ok(need),
        };
        if header.tag == tag::SEQUENCE_DELIMITATION_ITEM {
            visitor.end_fragments()?;
            self.state = State::Element;
            return Ok(Step::Consumed(header.bytes));
        }
        if header.tag != tag::ITEM || header.length == UNDEFINED_LENGTH {
            return Err(PartError::BadElement {
                offset: self.position,
            });
        }
        self.end_of(header.bytes as u64, header.length)?;
        let value = bytes.get(header.bytes..).unwrap_or_default();
        let length = header.length as usize;
        if !has_offset_table {
            self.state = State::Fragments {
                has_offset_table: true,
                count,
            };
            if header.length > OFFSET_TABLE_BYTES_MAX {
                visitor.offset_table(&[]);
                return Ok(Step::Skip(header.bytes, u64::from(header.length)));
            }
            let Some(table) = value.get(..length) else {
                self.state = State::Fragments {
                    has_offset_table: false,
                    count,
                };
                return Ok(Step::Need(header.bytes.saturating_add(length)));
            };
            visitor.offset_table(table);
            return Ok(Step::Consumed(header.bytes.saturating_add(length)));
        }
        let peek = length.min(2);
        if value.len() < peek {
            return Ok(Step::Need(header.bytes.saturating_add(peek)));
        }
        if count >= FRAGMENT_COUNT_MAX {
            return Err(PartError::TooManyFragments);
        }
        let first = match value {
            [a, b, ..] if peek == 2 => [*a, *b],
            _ => [0, 0],
        };
        visitor.fragment(self.position, header.length, first)?;
        let count = count.saturating_add(1);
        self.state = State::Fragments {
            has_offset_table: true,
            count,
        };
        Ok(Step::Skip(header.bytes, u64::from(header.length)))
    }
}
