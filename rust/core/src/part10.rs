//! A DICOM file, fed in chunks: preamble and File Meta Information (PS3.10 7.1), then the data set.

use flate2::{Decompress, FlushDecompress, Status};

use crate::dataset::{Encoding, Visitor, Walker};
use crate::error::PartError;
use crate::feed::{Carry, Step};
use crate::tag;
use crate::vr::Vr;

const PREAMBLE_BYTES: usize = 128;
const PREFIX: &[u8; 4] = b"DICM";
/// Longest Transfer Syntax UID that is read, in bytes: 64 and its padding, with room for junk.
const TRANSFER_SYNTAX_BYTES_MAX: u32 = 128;
/// What is inflated at a time, in bytes.
const INFLATE_BYTES: usize = 64 * 1024;

/// Implicit VR Little Endian (PS3.5 A.1).
pub const IMPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";
/// Explicit VR Little Endian (PS3.5 A.2).
pub const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
/// Explicit VR Big Endian, retired (PS3.5 A.3).
pub const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
/// Deflated Explicit VR Little Endian (PS3.5 A.5).
pub const DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1.99";

/// True for MPEG-2, MPEG-4 and HEVC: one video stream, not frame by frame (PS3.5 A.4.5 to A.4.9).
#[must_use]
pub fn is_video(transfer_syntax_uid: &str) -> bool {
    transfer_syntax_uid
        .strip_prefix("1.2.840.10008.1.2.4.10")
        .and_then(|rest| rest.split('.').next())
        .is_some_and(|rest| matches!(rest, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8"))
}

#[derive(Debug)]
enum State {
    Preamble,
    Meta,
    /// Before the data set's first element, whose bytes tell the VR encoding.
    Begin,
    Plain(Walker),
    Deflated(Box<Inflater>),
}

/// The push parser of one file. The visitor is made when the transfer syntax is known.
#[derive(Debug)]
pub(crate) struct Part10Reader<V> {
    carry: Carry,
    inner: Inner<V>,
}

#[derive(Debug)]
struct Inner<V> {
    state: State,
    position: u64,
    transfer_syntax_uid: String,
    is_implicit_vr: bool,
    inflated_bytes_max: u64,
    visitor: V,
}

/// What a visitor is told before the data set begins.
pub(crate) trait FileVisitor: Visitor {
    /// The transfer syntax of the data set.
    fn transfer_syntax(&mut self, uid: &str);
}

impl<V: FileVisitor> Part10Reader<V> {
    pub(crate) fn new(visitor: V, inflated_bytes_max: u64) -> Self {
        Self {
            carry: Carry::default(),
            inner: Inner {
                state: State::Preamble,
                position: 0,
                transfer_syntax_uid: String::new(),
                is_implicit_vr: false,
                inflated_bytes_max,
                visitor,
            },
        }
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) -> Result<(), PartError> {
        let inner = &mut self.inner;
        self.carry.feed(chunk, |bytes| inner.step(bytes))
    }

    /// Ends the file.
    pub(crate) fn finish(&mut self) -> Result<(), PartError> {
        let inner = &mut self.inner;
        match &mut inner.state {
            State::Preamble => Err(PartError::NotPart10),
            State::Plain(walker) => {
                walker.finish(&mut inner.visitor)?;
                end_of(&self.carry, inner.position)
            }
            State::Deflated(inflater) => inflater.finish(&mut inner.visitor),
            State::Meta | State::Begin => end_of(&self.carry, inner.position),
        }
    }

    pub(crate) fn transfer_syntax_uid(&self) -> &str {
        &self.inner.transfer_syntax_uid
    }

    pub(crate) fn is_implicit_vr(&self) -> bool {
        self.inner.is_implicit_vr
    }

    pub(crate) fn into_visitor(self) -> V {
        self.inner.visitor
    }
}

/// Nothing may be left over, but for padding too short to be an element.
fn end_of(carry: &Carry, position: u64) -> Result<(), PartError> {
    if carry.is_empty() || carry.is_padding() {
        return Ok(());
    }
    Err(PartError::Truncated { offset: position })
}

impl<V: FileVisitor> Inner<V> {
    fn step(&mut self, bytes: &[u8]) -> Result<Step, PartError> {
        let step = match &mut self.state {
            State::Preamble => self.preamble(bytes)?,
            State::Meta => self.meta(bytes)?,
            State::Begin => self.begin(bytes)?,
            State::Plain(walker) => walker.step(bytes, &mut self.visitor)?,
            State::Deflated(inflater) => {
                inflater.feed(bytes, &mut self.visitor)?;
                Step::Consumed(bytes.len())
            }
        };
        let passed = match step {
            Step::Consumed(count) => count as u64,
            Step::Skip(count, skip) => (count as u64).saturating_add(skip),
            Step::Need(_) => 0,
        };
        self.position = self.position.saturating_add(passed);
        Ok(step)
    }

    fn preamble(&mut self, bytes: &[u8]) -> Result<Step, PartError> {
        const LENGTH: usize = PREAMBLE_BYTES + PREFIX.len();
        let Some(head) = bytes.get(..LENGTH) else {
            return Ok(Step::Need(LENGTH));
        };
        if !head.ends_with(PREFIX) {
            return Err(PartError::NotPart10);
        }
        self.state = State::Meta;
        Ok(Step::Consumed(LENGTH))
    }

    /// One element of the File Meta Information.
    fn meta(&mut self, bytes: &[u8]) -> Result<Step, PartError> {
        let (header, length, element) = match meta_element(bytes) {
            MetaElement::Need(count) => return Ok(Step::Need(count)),
            MetaElement::End => {
                self.state = State::Begin;
                return self.begin(bytes);
            }
            MetaElement::Header {
                bytes,
                length,
                element,
            } => (bytes, length, element),
        };
        if element != tag::element(tag::TRANSFER_SYNTAX_UID) || length > TRANSFER_SYNTAX_BYTES_MAX {
            return Ok(Step::Skip(header, u64::from(length)));
        }
        let end = header.saturating_add(length as usize);
        let Some(value) = bytes.get(header..end) else {
            return Ok(Step::Need(end));
        };
        let uid = String::from_utf8_lossy(value);
        let uid = uid.trim_matches([' ', '\0']);
        // What is no UID is taken for missing.
        if uid.len() <= 64
            && uid
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            uid.clone_into(&mut self.transfer_syntax_uid);
        }
        Ok(Step::Consumed(end))
    }

    fn begin(&mut self, bytes: &[u8]) -> Result<Step, PartError> {
        if self.transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            let inflater = Inflater::new(self.position, self.inflated_bytes_max);
            self.visitor.transfer_syntax(&self.transfer_syntax_uid);
            self.state = State::Deflated(Box::new(inflater));
            return self.step_again(bytes);
        }
        let Some([_, _, _, _, v0, v1, ..]) = bytes.first_chunk::<8>().copied() else {
            return Ok(Step::Need(8));
        };
        let is_big_endian = self.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN;
        // The bytes outrank a transfer syntax that is missing or wrong about the VRs.
        self.is_implicit_vr = !is_big_endian && Vr::from_code([v0, v1]).is_none();
        if self.transfer_syntax_uid.is_empty() {
            let guess = if self.is_implicit_vr {
                IMPLICIT_VR_LITTLE_ENDIAN
            } else {
                EXPLICIT_VR_LITTLE_ENDIAN
            };
            guess.clone_into(&mut self.transfer_syntax_uid);
        }
        self.visitor.transfer_syntax(&self.transfer_syntax_uid);
        let encoding = Encoding {
            is_implicit: self.is_implicit_vr,
            is_big_endian,
        };
        self.state = State::Plain(Walker::new(encoding, self.position));
        self.step_again(bytes)
    }

    /// The first step of the state just entered, on the same bytes.
    fn step_again(&mut self, bytes: &[u8]) -> Result<Step, PartError> {
        match &mut self.state {
            State::Plain(walker) => walker.step(bytes, &mut self.visitor),
            State::Deflated(inflater) => {
                inflater.feed(bytes, &mut self.visitor)?;
                Ok(Step::Consumed(bytes.len()))
            }
            _ => Ok(Step::Need(8)),
        }
    }
}

/// What stands at a place in the File Meta Information.
enum MetaElement {
    /// More bytes are needed.
    Need(usize),
    /// Another group: the data set.
    End,
    /// An element of group 0002: bytes of its header, bytes of its value, element number.
    Header {
        bytes: usize,
        length: u32,
        element: u16,
    },
}

/// Reads an element's header, always Explicit VR Little Endian; the group ends where another begins,
/// since its length (0002,0000) may be absent or wrong (PS3.10 7.1).
fn meta_element(bytes: &[u8]) -> MetaElement {
    let Some([g0, g1, e0, e1, v0, v1, l0, l1]) = bytes.first_chunk::<8>().copied() else {
        return MetaElement::Need(8);
    };
    if [g0, g1] != [2, 0] {
        return MetaElement::End;
    }
    let element = u16::from_le_bytes([e0, e1]);
    match Vr::from_code([v0, v1]) {
        Some(vr) if vr.has_long_header() => match bytes.first_chunk::<12>().copied() {
            Some([.., a, b, c, d]) => {
                let length = u32::from_le_bytes([a, b, c, d]);
                MetaElement::Header {
                    bytes: 12,
                    length,
                    element,
                }
            }
            None => MetaElement::Need(12),
        },
        Some(_) => {
            let length = u32::from(u16::from_le_bytes([l0, l1]));
            MetaElement::Header {
                bytes: 8,
                length,
                element,
            }
        }
        None => {
            let length = u32::from_le_bytes([v0, v1, l0, l1]);
            MetaElement::Header {
                bytes: 8,
                length,
                element,
            }
        }
    }
}

/// Where the data set begins in a file of which the first bytes are given; None if it is not among
/// them.
#[must_use]
pub fn dataset_offset(head: &[u8]) -> Option<usize> {
    let mut position = PREAMBLE_BYTES.checked_add(PREFIX.len())?;
    loop {
        match meta_element(head.get(position..)?) {
            MetaElement::Need(_) => return None,
            MetaElement::End => return Some(position),
            MetaElement::Header { bytes, length, .. } => {
                position = position.checked_add(bytes)?.checked_add(length as usize)?;
            }
        }
    }
}

/// Inflates a data set and walks what comes out. Offsets are those of the file inflated in place.
#[derive(Debug)]
struct Inflater {
    stream: Decompress,
    carry: Carry,
    walker: Walker,
    is_ended: bool,
    bytes_max: u64,
}

impl Inflater {
    fn new(position: u64, bytes_max: u64) -> Self {
        let encoding = Encoding {
            is_implicit: false,
            is_big_endian: false,
        };
        Self {
            stream: Decompress::new(false),
            carry: Carry::default(),
            walker: Walker::new(encoding, position),
            is_ended: false,
            bytes_max,
        }
    }

    fn feed(&mut self, mut bytes: &[u8], visitor: &mut impl Visitor) -> Result<(), PartError> {
        let mut out = vec![0; INFLATE_BYTES];
        while !self.is_ended {
            let (in_before, out_before) = (self.stream.total_in(), self.stream.total_out());
            let status = self
                .stream
                .decompress(bytes, &mut out, FlushDecompress::None);
            let used = self.stream.total_in().saturating_sub(in_before);
            let made = self.stream.total_out().saturating_sub(out_before);
            if self.stream.total_out() > self.bytes_max {
                return Err(PartError::InflatedTooLarge {
                    bytes_max: self.bytes_max,
                });
            }
            bytes = usize::try_from(used)
                .ok()
                .and_then(|used| bytes.get(used..))
                .unwrap_or(&[]);
            let made = usize::try_from(made).unwrap_or(usize::MAX);
            let walker = &mut self.walker;
            self.carry.feed(out.get(..made).unwrap_or(&[]), |bytes| {
                walker.step(bytes, visitor)
            })?;
            // What came out before the fault was walked: it may name the instance.
            let status = status.map_err(|_| PartError::BadDeflate)?;
            self.is_ended = matches!(status, Status::StreamEnd);
            // A full buffer may hide more output; otherwise more input is needed.
            if bytes.is_empty() && made < INFLATE_BYTES {
                break;
            }
            if used == 0 && made == 0 {
                return Err(PartError::BadDeflate);
            }
        }
        Ok(())
    }

    fn finish(&mut self, visitor: &mut impl Visitor) -> Result<(), PartError> {
        if !self.is_ended {
            return Err(PartError::Truncated {
                offset: self.walker.position(),
            });
        }
        self.walker.finish(visitor)?;
        end_of(&self.carry, self.walker.position())
    }
}
