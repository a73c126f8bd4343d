//! Builds DICOM files byte by byte, and reads Store bodies in any chunks.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "each test binary uses a part of this"
)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test shall panic"
)]

use std::io::Write as _;

use longshore_core::instance::Rules;
use longshore_core::multipart::Limits;
use longshore_core::outcome::{Instance, PartRules, Refusal};
use longshore_core::store::{StoreError, StoreEvent, StoreLimits, StoreReader};

pub(crate) const IMPLICIT: &str = "1.2.840.10008.1.2";
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub(crate) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub(crate) const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub(crate) const JPEG: &str = "1.2.840.10008.1.2.4.50";

/// A data set in the making.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    pub(crate) bytes: Vec<u8>,
    is_implicit: bool,
    is_big_endian: bool,
}

impl Builder {
    pub(crate) fn new(transfer_syntax: &str) -> Self {
        Self {
            bytes: Vec::new(),
            is_implicit: transfer_syntax == IMPLICIT,
            is_big_endian: transfer_syntax == BIG_ENDIAN,
        }
    }

    pub(crate) fn u16(&self, value: u16) -> [u8; 2] {
        if self.is_big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    }

    pub(crate) fn u32(&self, value: u32) -> [u8; 4] {
        if self.is_big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    }

    pub(crate) fn tag(&mut self, tag: u32) -> &mut Self {
        let group = self.u16(u16::try_from(tag >> 16).unwrap());
        let element = self.u16(u16::try_from(tag & 0xFFFF).unwrap());
        self.bytes.extend(group);
        self.bytes.extend(element);
        self
    }

    /// An element's header.
    pub(crate) fn header(&mut self, tag: u32, vr: &str, length: u32) -> &mut Self {
        self.tag(tag);
        let long = matches!(
            vr,
            "OB" | "OD"
                | "OF"
                | "OL"
                | "OV"
                | "OW"
                | "SQ"
                | "SV"
                | "UC"
                | "UN"
                | "UR"
                | "UT"
                | "UV"
        );
        if !self.is_implicit {
            self.bytes.extend(vr.as_bytes());
            if !long {
                let length = self.u16(u16::try_from(length).unwrap());
                self.bytes.extend(length);
                return self;
            }
            self.bytes.extend([0, 0]);
        }
        let length = self.u32(length);
        self.bytes.extend(length);
        self
    }

    /// A whole element; text of odd length is padded.
    pub(crate) fn element(&mut self, tag: u32, vr: &str, value: &[u8]) -> &mut Self {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == "UI" || vr == "OB" { 0 } else { b' ' });
        }
        self.header(tag, vr, u32::try_from(value.len()).unwrap());
        self.bytes.extend(value);
        self
    }

    pub(crate) fn us(&mut self, tag: u32, value: u16) -> &mut Self {
        let value = self.u16(value);
        self.element(tag, "US", &value)
    }

    /// A sequence of items, each made by its own builder.
    pub(crate) fn sequence(&mut self, tag: u32, items: &[Self], is_defined: bool) -> &mut Self {
        let mut inner = Self {
            bytes: Vec::new(),
            ..self.clone()
        };
        for item in items {
            let length = if is_defined {
                u32::try_from(item.bytes.len()).unwrap()
            } else {
                u32::MAX
            };
            inner.tag(0xFFFE_E000);
            let length = inner.u32(length);
            inner.bytes.extend(length);
            inner.bytes.extend(&item.bytes);
            if !is_defined {
                inner.tag(0xFFFE_E00D).bytes.extend([0; 4]);
            }
        }
        let length = if is_defined {
            u32::try_from(inner.bytes.len()).unwrap()
        } else {
            u32::MAX
        };
        self.header(tag, "SQ", length);
        self.bytes.extend(&inner.bytes);
        if !is_defined {
            self.tag(0xFFFE_E0DD).bytes.extend([0; 4]);
        }
        self
    }

    /// Encapsulated pixel data: the offset table, then fragments.
    pub(crate) fn fragments(&mut self, items: &[&[u8]]) -> &mut Self {
        self.header(0x7FE0_0010, "OB", u32::MAX);
        for item in items {
            self.tag(0xFFFE_E000);
            self.bytes
                .extend(u32::try_from(item.len()).unwrap().to_le_bytes());
            self.bytes.extend(*item);
        }
        self.tag(0xFFFE_E0DD).bytes.extend([0; 4]);
        self
    }

    /// What every instance needs; UIDs end with `number`.
    pub(crate) fn identified(&mut self, number: u32) -> &mut Self {
        self.element(0x0008_0016, "UI", b"1.2.840.10008.5.1.4.1.1.7")
            .element(0x0008_0018, "UI", format!("1.2.3.{number}").as_bytes())
            .element(0x0010_0020, "LO", b"ID")
            .element(0x0020_000D, "UI", b"1.2")
            .element(0x0020_000E, "UI", b"1.2.3")
    }

    /// The data set behind a preamble and File Meta Information.
    pub(crate) fn file(&self, transfer_syntax: &str) -> Vec<u8> {
        let mut meta = Self::new(EXPLICIT);
        meta.element(0x0002_0010, "UI", transfer_syntax.as_bytes());
        let mut out = vec![0; 128];
        out.extend(b"DICM");
        out.extend(&meta.bytes);
        if transfer_syntax == DEFLATED {
            let level = flate2::Compression::default();
            let mut deflater = flate2::write::DeflateEncoder::new(out, level);
            deflater.write_all(&self.bytes).unwrap();
            return deflater.finish().unwrap();
        }
        out.extend(&self.bytes);
        out
    }
}

pub(crate) fn rules() -> PartRules {
    PartRules {
        extended: None,
        rules: Rules {
            is_strict: false,
            inline_bytes_max: 64,
        },
        study_uid: None,
        inflated_bytes_max: 1 << 20,
    }
}

pub(crate) fn reader(boundary: Option<&[u8]>, rules: PartRules) -> StoreReader {
    let framing = Limits {
        part_header_bytes_max: 1024,
        part_count_max: 100,
        prologue_bytes_max: 1024,
    };
    let limits = StoreLimits {
        framing,
        part_bytes_max: 10 << 20,
    };
    StoreReader::new(boundary, true, rules, limits).unwrap()
}

/// What becomes of a body: for each part its outcome, and its payload if it is stored.
pub(crate) type Outcomes = Vec<Result<(Box<Instance>, Vec<u8>), Refusal>>;

pub(crate) fn outcomes(mut reader: StoreReader, chunks: &[&[u8]]) -> Result<Outcomes, StoreError> {
    let mut found = Outcomes::new();
    let mut payload = Vec::new();
    let mut take = |events: Vec<StoreEvent>, chunk: &[u8]| {
        for event in events {
            match event {
                StoreEvent::Held(bytes) => payload.extend(bytes),
                StoreEvent::Data(range) => payload.extend(&chunk[range]),
                StoreEvent::Stored(instance) => {
                    found.push(Ok((instance, std::mem::take(&mut payload))));
                }
                StoreEvent::Refused(refusal) => {
                    payload.clear();
                    found.push(Err(refusal));
                }
            }
        }
    };
    for chunk in chunks {
        let mut events = Vec::new();
        let fed = reader.feed(chunk, &mut events);
        take(events, chunk);
        fed?;
    }
    let mut events = Vec::new();
    reader.finish(&mut events)?;
    take(events, &[]);
    Ok(found)
}

/// Reads one file; its instance with metadata as text.
pub(crate) fn read(file: &[u8], rules: PartRules) -> Result<(Box<Instance>, String), Refusal> {
    let mut found = outcomes(reader(None, rules), &[file]).unwrap();
    assert_eq!(found.len(), 1);
    let (instance, payload) = found.remove(0)?;
    assert_eq!(payload, file);
    assert_eq!(instance.entry.length, file.len() as u64);
    assert_eq!(instance.entry.crc32, crc32fast::hash(file));
    let json = inflated(&instance);
    Ok((instance, json))
}

pub(crate) fn inflated(instance: &Instance) -> String {
    let segment = &instance.entry.segment;
    let mut stream = flate2::Decompress::new(false);
    let mut json = Vec::with_capacity(segment.plain_length as usize + 1);
    stream
        .decompress_vec(&segment.deflated, &mut json, flate2::FlushDecompress::Sync)
        .unwrap();
    assert_eq!(json.len(), segment.plain_length as usize);
    assert_eq!(crc32fast::hash(&json), segment.crc32);
    String::from_utf8(json).unwrap()
}

pub(crate) fn multipart(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend(b"--b\r\nContent-Type: application/dicom\r\n\r\n");
        body.extend(part);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--");
    body
}
