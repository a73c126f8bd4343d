//! Hostile bytes: files bent in every way give values, never a panic, however they are cut.
//!
//! Mutates files that are built here and, where it lies beside the project, the corpus. Runs for
//! `LONGSHORE_FUZZ_S` seconds, 5 by default; `make fuzz` runs the coverage-guided targets.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that goes wrong shall panic"
)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use support::{
    BIG_ENDIAN, Builder, DEFLATED, EXPLICIT, IMPLICIT, JPEG, multipart, outcomes, reader, rules,
};

const SEED_BYTES_MAX: usize = 64 * 1024;
/// Values that lengths and tags are bent to.
const TELLING: [&[u8]; 9] = [
    &[0xFF; 4],
    &[0; 4],
    &[0xFE, 0xFF, 0x00, 0xE0],
    &[0xFE, 0xFF, 0x0D, 0xE0],
    &[0xFE, 0xFF, 0xDD, 0xE0],
    b"SQ\0\0",
    b"UN\0\0",
    &[0xE0, 0x7F, 0x10, 0x00],
    b"\r\n--b",
];

fn built() -> Vec<Vec<u8>> {
    [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED, JPEG]
        .iter()
        .map(|syntax| {
            let mut item = Builder::new(syntax);
            item.element(0x0008_0100, "SH", b"CODE");
            let mut builder = Builder::new(syntax);
            builder
                .element(0x0008_0005, "CS", b"ISO 2022 IR 6\\ISO 2022 IR 87")
                .identified(1)
                .element(0x0010_0010, "PN", b"Y=\x1b$B;3ED\x1b(B")
                .sequence(0x0008_1032, &[item], true)
                .element(0x0028_0008, "IS", b"2")
                .us(0x0028_0010, 2)
                .us(0x0028_0011, 2)
                .us(0x0028_0100, 8);
            if *syntax == JPEG {
                builder.fragments(&[&[0, 0, 0, 0, 12, 0, 0, 0], b"\xFF\xD8ab", b"\xFF\xD8cd"]);
            } else {
                builder.element(0x7FE0_0010, "OW", &[7; 8]);
            }
            builder.file(syntax)
        })
        .collect()
}

fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/files");
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root).into_iter().flatten().flatten() {
        for file in std::fs::read_dir(folder.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let bytes = std::fs::read(file.path()).unwrap_or_default();
            if !bytes.is_empty() && bytes.len() <= SEED_BYTES_MAX {
                found.push(bytes);
            }
        }
    }
    found
}

/// Marsaglia's xorshift: the same bends in every run.
struct Bender(u64);

impl Bender {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }

    /// Bends a file in a few places.
    fn bend(&mut self, file: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(file.len());
            match self.below(6) {
                0 => file[at] ^= 1 << self.below(8),
                1 => file[at] = u8::try_from(self.below(256)).unwrap(),
                2 => file.truncate(at.max(1)),
                3 => {
                    let end = (at + self.below(64)).min(file.len());
                    file.drain(at..end);
                    if file.is_empty() {
                        file.push(0);
                    }
                }
                4 => {
                    let end = (at + self.below(64)).min(file.len());
                    let copy = file[at..end].to_vec();
                    file.splice(at..at, copy);
                }
                _ => {
                    let telling = TELLING[self.below(TELLING.len())];
                    let end = (at + telling.len()).min(file.len());
                    file.splice(at..end, telling.iter().copied());
                }
            }
        }
    }

    fn cuts<'b>(&mut self, body: &'b [u8]) -> Vec<&'b [u8]> {
        let mut cuts: Vec<usize> = (0..self.below(6)).map(|_| self.below(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| &body[cut[0]..cut[1]]).collect()
    }
}

#[test]
fn bent_files_give_the_same_value_in_any_chunks() {
    let seconds = std::env::var("LONGSHORE_FUZZ_S")
        .ok()
        .and_then(|text| text.parse().ok());
    let deadline = Instant::now() + Duration::from_secs(seconds.unwrap_or(5));
    let mut seeds = built();
    seeds.extend(corpus());
    let mut bender = Bender(0x9E37_79B9_7F4A_7C15);
    let mut rounds = 0_u64;
    while Instant::now() < deadline || rounds < 200 {
        let mut file = seeds[bender.below(seeds.len())].clone();
        bender.bend(&mut file);
        let body = multipart(&[file]);
        let boundary = Some(&b"b"[..]);
        let whole = outcomes(reader(boundary, rules()), &[&body]);
        let chunks = bender.cuts(&body);
        let cut = outcomes(reader(boundary, rules()), &chunks);
        assert_eq!(
            format!("{whole:?}"),
            format!("{cut:?}"),
            "cut otherwise, it reads otherwise"
        );
        for (instance, payload) in whole.into_iter().flatten().flatten() {
            check_frames(&instance, payload.len() as u64);
        }
        rounds += 1;
    }
}

/// Whatever the file says, frames lie within it or, of a deflated one, within what it inflates to.
fn check_frames(instance: &longshore_core::outcome::Instance, length: u64) {
    use longshore_core::frames::Layout;
    let limit = if instance.transfer_syntax_uid == DEFLATED {
        (1 << 20) + length
    } else {
        length
    };
    let Some(frames) = &instance.frames else {
        return;
    };
    match &frames.layout {
        Layout::Native {
            pixel_offset,
            frame_bits,
        } => {
            assert!(pixel_offset + (u64::from(frames.count) * frame_bits).div_ceil(8) <= limit);
        }
        Layout::Encapsulated { table } => {
            assert_eq!(table.len(), frames.count as usize * 12);
            for entry in table.chunks(12) {
                let mut offset = [0; 8];
                let mut span = [0; 8];
                offset[..6].copy_from_slice(&entry[..6]);
                span[..6].copy_from_slice(&entry[6..]);
                assert!(u64::from_le_bytes(offset) + u64::from_le_bytes(span) <= limit);
            }
        }
    }
}
