//! Deflates the metadata of one instance (RFC 1951) with Huffman codes that are known beforehand.
//!
//! On a few kilobytes zlib spends most of its time on what does not depend on them: it clears
//! 128 KiB of tables, and makes codes of the few hundred symbols. The codes here were made once, of
//! the metadata of files of all kinds, and the tables are small. Against zlib's level 3 that takes a
//! quarter of the time and gives 5 to 13 % more bytes.

use std::sync::LazyLock;

/// Longest input, in bytes: all of it is within a distance's reach (RFC 1951 3.2.5), and longer ones
/// are worth codes of their own.
const INPUT_BYTES_MAX: usize = 32 * 1024;

/// Code lengths of literals, end of block and match lengths, as (how many, bits). DICOM JSON is made
/// of quotes, dots, digits and capitals, and matches are 10 to 17 bytes; every other byte has a code.
const LITERALS: [(usize, u8); 24] = [
    (32, 0), // a JSON text has no control characters
    (1, 7),  // space
    (1, 10),
    (1, 6), // "
    (9, 10),
    (1, 7), // ,
    (1, 9),
    (1, 6), // .
    (1, 9),
    (6, 5), // 0 to 5
    (4, 6),
    (1, 8), // :
    (6, 10),
    (6, 7), // A to F
    (2, 8),
    (18, 7),
    (6, 10),
    (26, 8),   // a to z
    (135, 10), // what is not ASCII, the end of the block, and matches of 3
    (1, 6),    // matches of 4
    (5, 7),
    (4, 5), // 10 to 17
    (7, 7),
    (11, 10),
];
/// Likewise of distances.
const DISTANCES: [(usize, u8); 9] = [
    (2, 8),
    (6, 7),
    (2, 6),
    (7, 4), // 33 to 384
    (1, 3), // 385 to 512
    (4, 4),
    (2, 6),
    (2, 5),
    (4, 9),
];
/// Code lengths of the code that the two above are sent in, in the standard's order: 16, 17, 18, 0,
/// 8, 7, 9, 6, 10, 5, 11, 4, 12, 3. Their sum of 2^-bits is 1, as it must be.
const CODE_LENGTHS: [u8; 14] = [1, 0, 6, 0, 4, 4, 5, 3, 3, 5, 0, 5, 0, 6];
const CODE_LENGTH_ORDER: [usize; 14] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3];

const END_OF_BLOCK: usize = 256;
const FIRST_LENGTH: usize = 257;
const MATCH_BYTES_MIN: usize = 4;
const MATCH_BYTES_MAX: usize = 258;
/// A shorter match is given up for a longer one that begins a byte later.
const LAZY_BYTES_MAX: usize = 32;

/// Bits to write, the first one lowest, and how many.
#[derive(Clone, Copy, Debug, Default)]
struct Code {
    bits: u32,
    count: u32,
}

impl Code {
    fn and(self, bits: u32, count: u32) -> Self {
        Self {
            bits: self.bits | (bits << self.count),
            count: self.count.saturating_add(count),
        }
    }
}

/// Everything that is the same for every input.
#[derive(Debug)]
struct Codes {
    /// By byte.
    literals: [Code; 256],
    end_of_block: Code,
    /// By the length of a match, extra bits included.
    lengths: Vec<Code>,
    /// By symbol, extra bits not included.
    distances: Vec<Code>,
    /// What tells a reader all this: the beginning of the block.
    header: Bits,
}

static CODES: LazyLock<Codes> = LazyLock::new(Codes::new);

impl Codes {
    fn new() -> Self {
        let codes = canonical(LITERALS);
        let code_of = |symbol: usize| codes.get(symbol).copied().unwrap_or_default();
        let by_symbol = codes.get(FIRST_LENGTH..).unwrap_or_default();
        let mut lengths = vec![Code::default(); 3];
        for (at, code) in by_symbol.iter().take(28).enumerate() {
            let extra = extra_bits_of_length(at);
            lengths.extend((0..1 << extra).map(|bits| code.and(bits, extra)));
        }
        // The last symbol is the longest match alone; the one before reaches as far.
        lengths.truncate(MATCH_BYTES_MAX);
        lengths.extend(by_symbol.last());
        Self {
            literals: std::array::from_fn(code_of),
            end_of_block: code_of(END_OF_BLOCK),
            lengths,
            distances: canonical(DISTANCES),
            header: header(),
        }
    }

    fn put_match(&self, out: &mut Bits, length: usize, distance: usize) {
        out.put(self.lengths.get(length).copied().unwrap_or_default());
        let from_zero = u32::try_from(distance.saturating_sub(1)).unwrap_or_default();
        // Two symbols for each power of two (RFC 1951 3.2.5).
        let (symbol, extra) = match from_zero.checked_ilog2() {
            None | Some(0) => (from_zero, 0),
            Some(log) => {
                let extra = log.saturating_sub(1);
                let half = (from_zero >> extra) & 1;
                (log.saturating_mul(2).saturating_add(half), extra)
            }
        };
        let code = self.distances.get(symbol as usize).copied();
        let value = from_zero & !(u32::MAX << extra);
        out.put(code.unwrap_or_default().and(value, extra));
    }

    fn put_literal(&self, out: &mut Bits, byte: u8) {
        let code = self.literals.get(usize::from(byte)).copied();
        out.put(code.unwrap_or_default());
    }
}

fn extra_bits_of_length(at: usize) -> u32 {
    match at {
        0..8 => 0,
        8..12 => 1,
        12..16 => 2,
        16..20 => 3,
        20..24 => 4,
        _ => 5,
    }
}

/// The codes that code lengths stand for (RFC 1951 3.2.2).
fn canonical<const RUNS: usize>(runs: [(usize, u8); RUNS]) -> Vec<Code> {
    let lengths = || {
        runs.into_iter()
            .flat_map(|(count, length)| std::iter::repeat_n(u32::from(length), count))
    };
    let mut codes: Vec<Code> = lengths().map(|_| Code::default()).collect();
    let mut next = 0_u32;
    for count in 1..=15_u32 {
        next <<= 1;
        for (code, _) in codes.iter_mut().zip(lengths()).filter(|(_, l)| *l == count) {
            let bits = next.reverse_bits() >> 32_u32.saturating_sub(count);
            *code = Code { bits, count };
            next = next.saturating_add(1);
        }
    }
    codes
}

/// The beginning of a block of its own codes that is not the last (RFC 1951 3.2.7).
fn header() -> Bits {
    let mut lengths = [(1, 0); 19];
    let mut out = Bits::default();
    for (bits, count) in [(0, 1), (2, 2), (286 - 257, 5), (30 - 1, 5), (14 - 4, 4)] {
        out.put(Code { bits, count });
    }
    for (length, symbol) in CODE_LENGTHS.into_iter().zip(CODE_LENGTH_ORDER) {
        let bits = u32::from(length);
        out.put(Code { bits, count: 3 });
        if let Some(run) = lengths.get_mut(symbol) {
            *run = (1, length);
        }
    }
    let codes = canonical(lengths);
    let code = |symbol: u8| {
        let code = codes.get(usize::from(symbol)).copied();
        code.unwrap_or_default()
    };
    for (count, length) in LITERALS.into_iter().chain(DISTANCES) {
        let mut left = u32::try_from(count).unwrap_or_default();
        if length == 0 {
            out.put(code(18).and(left.saturating_sub(11), 7));
            continue;
        }
        out.put(code(length));
        left = left.saturating_sub(1);
        while left > 0 {
            let repeated = left.min(6);
            if repeated < 3 {
                out.put(code(length));
                left = left.saturating_sub(1);
            } else {
                out.put(code(16).and(repeated.saturating_sub(3), 2));
                left = left.saturating_sub(repeated);
            }
        }
    }
    out
}

/// Bytes made of bits.
#[derive(Clone, Debug, Default)]
struct Bits {
    out: Vec<u8>,
    pending: u64,
    pending_count: u32,
}

impl Bits {
    fn put(&mut self, code: Code) {
        self.pending |= u64::from(code.bits) << self.pending_count;
        self.pending_count = self.pending_count.saturating_add(code.count);
        if self.pending_count >= 32 {
            let [a, b, c, d, ..] = self.pending.to_le_bytes();
            self.out.extend_from_slice(&[a, b, c, d]);
            self.pending >>= 32;
            self.pending_count = self.pending_count.saturating_sub(32);
        }
    }

    /// Ends with an empty stored block, which begins on a byte: what a full flush writes.
    fn flush(mut self) -> Vec<u8> {
        self.put(Code { bits: 0, count: 3 });
        let bytes = self.pending_count.div_ceil(8) as usize;
        let pending = self.pending.to_le_bytes();
        self.out
            .extend_from_slice(pending.get(..bytes).unwrap_or_default());
        self.out.extend_from_slice(&[0, 0, 0xFF, 0xFF]);
        self.out
    }
}

const HASH_BITS: u32 = 12;

/// Where four bytes were last seen, by their hash: the position behind their first; 0 for nowhere.
#[derive(Debug)]
pub(super) struct Seen(Box<[u16; 1 << HASH_BITS]>);

impl Default for Seen {
    fn default() -> Self {
        Self(Box::new([0; 1 << HASH_BITS]))
    }
}

impl Seen {
    /// Notes the four bytes at a place; returns where they may have been before.
    fn note(&mut self, at: usize, four: u32) -> Option<usize> {
        let hash = four.wrapping_mul(0x9E37_79B1) >> 32_u32.saturating_sub(HASH_BITS);
        let slot = self.0.get_mut(hash as usize)?;
        let behind = u16::try_from(at.saturating_add(1)).unwrap_or_default();
        usize::from(std::mem::replace(slot, behind)).checked_sub(1)
    }

    /// Notes the four bytes at a place; returns where the same stood before, and how many bytes
    /// are the same.
    fn find(&mut self, input: &[u8], at: usize) -> Option<(usize, usize)> {
        let here = input.get(at..)?;
        let four = here.first_chunk::<MATCH_BYTES_MIN>()?;
        let from = self.note(at, u32::from_le_bytes(*four))?;
        let there = input.get(from..)?;
        if there.first_chunk() != Some(four) {
            return None;
        }
        let here = here.get(..MATCH_BYTES_MAX).unwrap_or(here);
        Some((from, same(there, here)))
    }
}

/// How many bytes two texts begin with alike.
fn same(one: &[u8], other: &[u8]) -> usize {
    let (ones, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let mut length = 0_usize;
    for (one, other) in ones.iter().zip(others) {
        let differing = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if differing != 0 {
            return length.saturating_add((differing.trailing_zeros() / 8) as usize);
        }
        length = length.saturating_add(8);
    }
    let rests = one.iter().skip(length).zip(other.iter().skip(length));
    length.saturating_add(rests.take_while(|(one, other)| one == other).count())
}

/// Deflates a JSON text to one block and what a full flush writes behind it. None where it is longer
/// than `INPUT_BYTES_MAX` or holds control characters, for which there are no codes.
pub(super) fn deflate(input: &[u8], seen: &mut Seen) -> Option<Vec<u8>> {
    let least = input.iter().copied().fold(u8::MAX, u8::min);
    if input.len() > INPUT_BYTES_MAX || least < b' ' {
        return None;
    }
    let codes = &*CODES;
    seen.0.fill(0);
    let mut out = codes.header.clone();
    out.out.reserve((input.len() / 4).saturating_add(64));
    let mut at = 0_usize;
    while let Some(byte) = input.get(at) {
        let mut found = seen.find(input, at);
        if let Some((_, length)) = found
            && length < LAZY_BYTES_MAX
            && let Some(next) = seen.find(input, at.saturating_add(1))
            && next.1 > length.saturating_add(1)
        {
            codes.put_literal(&mut out, *byte);
            at = at.saturating_add(1);
            found = Some(next);
        }
        let Some((from, length)) = found else {
            codes.put_literal(&mut out, *byte);
            at = at.saturating_add(1);
            continue;
        };
        codes.put_match(&mut out, length, at.saturating_sub(from));
        at = at.saturating_add(length);
        // What begins with the match's end often comes again: a tag behind its comma.
        for back in [2, 1] {
            let place = at.saturating_sub(back);
            if let Some(four) = input.get(place..).and_then(<[u8]>::first_chunk) {
                seen.note(place, u32::from_le_bytes(*four));
            }
        }
    }
    out.put(codes.end_of_block);
    Some(out.flush())
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};
    use proptest::prelude::*;

    use super::*;

    fn inflated(deflated: &[u8], length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(length.saturating_add(1));
        let mut stream = Decompress::new(false);
        stream
            .decompress_vec(deflated, &mut out, FlushDecompress::Sync)
            .unwrap();
        assert_eq!(stream.total_in(), deflated.len() as u64);
        out
    }

    fn check(input: &[u8]) -> usize {
        let deflated = deflate(input, &mut Seen::default()).unwrap();
        assert!(deflated.ends_with(&[0, 0, 0xFF, 0xFF]));
        assert_eq!(inflated(&deflated, input.len()), input);
        deflated.len()
    }

    #[test]
    fn the_codes_leave_nothing_out() {
        let counts = |codes: &[Code]| codes.iter().map(|code| code.count).collect::<Vec<_>>();
        let sum = |counts: &[u32]| -> f64 {
            let used = counts.iter().filter(|count| **count > 0);
            used.map(|count| 0.5_f64.powi(i32::try_from(*count).unwrap()))
                .sum()
        };
        let literals = counts(&canonical(LITERALS));
        let distances = counts(&canonical(DISTANCES));
        assert_eq!((literals.len(), distances.len()), (286, 30));
        assert_eq!(CODES.lengths.len(), MATCH_BYTES_MAX + 1);
        for counts in [&literals, &distances, &CODE_LENGTHS.map(u32::from).to_vec()] {
            assert!((sum(counts) - 1.0).abs() < 1e-9, "{counts:?}");
        }
        assert!(literals[0x20..].iter().all(|count| *count > 0));
    }

    #[test]
    fn every_byte_length_and_distance_comes_back() {
        let bytes: Vec<u8> = (0x20..=0xFF).collect();
        check(&bytes);
        check(b"");
        for length in 1..600 {
            check(&b"x".repeat(length));
        }
        // The same four bytes at every distance, with nothing alike in between.
        let mut noise = 1_u32;
        let mut input = b"this".to_vec();
        while input.len() < INPUT_BYTES_MAX - 4 {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            input.push(0x80 | (noise >> 24) as u8);
        }
        for distance in [4, 5, 8, 64, 513, 4097, 16_385, 32_000, input.len()] {
            check(&[&input[..distance], b"this"].concat());
        }
    }

    #[test]
    fn what_has_no_codes_is_left_to_zlib() {
        let mut seen = Seen::default();
        assert_eq!(deflate(b"a\nb", &mut seen), None);
        assert!(deflate(&vec![b' '; INPUT_BYTES_MAX], &mut seen).is_some());
        assert_eq!(deflate(&vec![b' '; INPUT_BYTES_MAX + 1], &mut seen), None);
    }

    #[test]
    fn one_input_leaves_nothing_for_the_next() {
        let mut seen = Seen::default();
        let json = br#"{"00080005":{"vr":"CS"}}"#;
        let first = deflate(json, &mut seen);
        assert!(first.is_some());
        assert_eq!(deflate(json, &mut seen), first);
    }

    #[test]
    fn metadata_becomes_a_fraction() {
        let attributes: Vec<String> = (0..100)
            .map(|at| format!(r#""0043{at:04X}":{{"vr":"DS","Value":[{at}.5,-1.25]}}"#))
            .collect();
        let json = format!("{{{}}}", attributes.join(","));
        assert!(check(json.as_bytes()) * 5 < json.len());
    }

    proptest! {
        #[test]
        fn any_text_comes_back(pieces in prop::collection::vec("[ -~é山]{0,9}", 0..40),
                               order in prop::collection::vec(any::<usize>(), 0..200)) {
            let of = |at: usize| pieces.get(at.checked_rem(pieces.len()).unwrap_or(0)).map_or("", String::as_str);
            let text: String = order.into_iter().map(of).collect();
            check(text.as_bytes());
        }
    }
}
