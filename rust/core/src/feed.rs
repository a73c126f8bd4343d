//! Feeding a step function that wants contiguous bytes from chunks that break anywhere.

use crate::error::PartError;

/// What a step did with the bytes it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It used this many bytes, at least one.
    Consumed(usize),
    /// It must be shown at least this many bytes at once; more than it was shown.
    Need(usize),
    /// It used the first `usize` bytes and does not want to see the `u64` bytes behind them.
    Skip(usize, u64),
}

/// Bytes carried from chunk to chunk until a step can use them.
#[derive(Debug, Default)]
pub(crate) struct Carry {
    kept: Vec<u8>,
    need: usize,
    skip: u64,
}

impl Carry {
    /// Runs `step` over the chunk, copying only what a step could not use yet.
    pub(crate) fn feed(
        &mut self,
        mut chunk: &[u8],
        mut step: impl FnMut(&[u8]) -> Result<Step, PartError>,
    ) -> Result<(), PartError> {
        loop {
            if self.skip > 0 {
                chunk = self.skip_within(chunk);
            }
            if self.kept.is_empty() {
                if chunk.is_empty() {
                    return Ok(());
                }
                match step(chunk)? {
                    Step::Consumed(count) => chunk = chunk.get(count..).unwrap_or_default(),
                    Step::Skip(count, skip) => {
                        chunk = chunk.get(count..).unwrap_or_default();
                        self.skip = skip;
                    }
                    Step::Need(count) => {
                        self.kept.extend_from_slice(chunk);
                        self.need = count;
                        return Ok(());
                    }
                }
                continue;
            }
            let missing = self.need.saturating_sub(self.kept.len()).min(chunk.len());
            let (wanted, rest) = chunk.split_at(missing);
            self.kept.extend_from_slice(wanted);
            chunk = rest;
            if self.kept.len() < self.need {
                return Ok(());
            }
            match step(&self.kept)? {
                Step::Consumed(count) => self.drop_kept(count),
                Step::Skip(count, skip) => {
                    self.drop_kept(count);
                    let from_kept = skip.min(self.kept.len() as u64);
                    self.drop_kept(usize::try_from(from_kept).unwrap_or(usize::MAX));
                    self.skip = skip.saturating_sub(from_kept);
                }
                Step::Need(count) => self.need = count,
            }
        }
    }

    /// True if every byte fed was used, so that the input may end here.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.skip == 0
    }

    fn skip_within<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        let count = usize::try_from(self.skip)
            .unwrap_or(usize::MAX)
            .min(chunk.len());
        self.skip = self.skip.saturating_sub(count as u64);
        chunk.get(count..).unwrap_or_default()
    }

    fn drop_kept(&mut self, count: usize) {
        self.kept.drain(..count.min(self.kept.len()));
        // What stays was kept for a longer need; the next step decides afresh.
        self.need = 0;
        if self.kept.is_empty() && self.kept.capacity() > KEPT_CAPACITY_BYTES_MAX {
            self.kept = Vec::new();
        }
    }
}

/// A larger buffer is given back as soon as it is empty.
const KEPT_CAPACITY_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Records `n` bytes, n being a length byte; lengths above 9 are skipped.
    fn run(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
        let mut seen = Vec::new();
        let mut carry = Carry::default();
        for chunk in chunks {
            carry
                .feed(chunk, |bytes| {
                    let length = bytes[0] as usize;
                    if length > 9 {
                        return Ok(Step::Skip(1, length as u64));
                    }
                    let end = length.saturating_add(1);
                    if bytes.len() < end {
                        return Ok(Step::Need(end));
                    }
                    seen.push(bytes[1..end].to_vec());
                    Ok(Step::Consumed(end))
                })
                .unwrap();
        }
        (seen, carry.is_empty())
    }

    #[test]
    fn every_cut_gives_the_same_steps() {
        let mut body = vec![3, 1, 2, 3, 0, 12];
        body.extend([7; 12]);
        body.extend([2, 8, 8, 1, 9]);
        let whole = run(&[&body]);
        assert_eq!(
            whole,
            (vec![vec![1, 2, 3], vec![], vec![8, 8], vec![9]], true)
        );
        for cut in 0..=body.len() {
            let (left, right) = body.split_at(cut);
            assert_eq!(run(&[left, right]), whole, "cut at byte {cut}");
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(run(&bytes), whole);
    }

    #[test]
    fn an_unfinished_step_is_not_empty() {
        assert!(!run(&[&[3, 1]]).1);
        assert!(!run(&[&[12, 1]]).1);
    }
}
