//! Which completion of a run a random number belongs to.

use crate::rng::{mix, uniform};

/// What a completion is drawn for. Completions of one prompt for different purposes are
/// independent, so an evaluation of rows that were trained on never meets the numbers that were
/// reinforced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// Rollouts that are trained on.
    #[default]
    Train,
    /// Held-out rows, during a training or by themselves.
    Evaluate,
    /// Choosing rows by how often they are solved.
    Filter,
    /// Measuring time.
    Benchmark,
    /// A user's own prompts.
    Generate,
}

impl Purpose {
    /// What is mixed into a key; training is the plain stream.
    fn tag(self) -> Option<u64> {
        match self {
            Self::Train => None,
            Self::Evaluate => Some(1),
            Self::Filter => Some(2),
            Self::Benchmark => Some(3),
            Self::Generate => Some(4),
        }
    }
}

/// Which completion of a run this is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SampleKey {
    /// What it is drawn for.
    pub purpose: Purpose,
    /// Seed of the run.
    pub seed: u64,
    /// Training step, or 0.
    pub step: u64,
    /// Identity of the prompt.
    pub prompt: u64,
    /// Which completion of the prompt.
    pub draw: u64,
}

impl SampleKey {
    /// The uniform number that decides token number `token`.
    pub fn uniform(&self, token: usize) -> f64 {
        let words = [self.step, self.prompt, self.draw, token as u64];
        let words = self.purpose.tag().into_iter().chain(words);
        uniform(words.fold(mix(0x5eed, self.seed), mix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_key_changes_the_number() {
        let key = SampleKey {
            purpose: Purpose::Train,
            seed: 1,
            step: 2,
            prompt: 3,
            draw: 4,
        };
        let mut seen = vec![key.uniform(0), key.uniform(1)];
        seen.push(SampleKey { seed: 2, ..key }.uniform(0));
        seen.push(SampleKey { step: 3, ..key }.uniform(0));
        seen.push(
            SampleKey {
                prompt: 2,
                step: 3,
                ..key
            }
            .uniform(0),
        );
        seen.push(SampleKey { draw: 5, ..key }.uniform(0));
        let others = [
            Purpose::Evaluate,
            Purpose::Filter,
            Purpose::Benchmark,
            Purpose::Generate,
        ];
        // The same row, step and draw, for something else.
        seen.extend(others.map(|purpose| SampleKey { purpose, ..key }.uniform(0)));
        for (i, a) in seen.iter().enumerate() {
            assert!((0.0..1.0).contains(a) && !seen[..i].contains(a), "{seen:?}");
        }
    }

    #[test]
    fn numbers_fill_the_interval_evenly() {
        let mut bins = [0_u32; 10];
        for draw in 0..1000 {
            for token in 0..100 {
                let key = SampleKey {
                    purpose: Purpose::Train,
                    seed: 0,
                    step: 1,
                    prompt: 2,
                    draw,
                };
                bins[(key.uniform(token) * 10.0) as usize] += 1;
            }
        }
        assert!(bins.iter().all(|n| (9_600..10_400).contains(n)), "{bins:?}");
    }
}
