//! The demo task: questions about pictures of a few coloured shapes.
//!
//! A [`scene`] says what stands where, a [`picture`] paints it, a [`question`] asks about it, and
//! [`dataset`] writes pictures and rows in the format any other training data takes. The
//! [`tokenizer`] is trained on the sentences of this world and ships in the binary.
//!
//! Every sample is a pure function of (seed, split, index): see [`Draws`].

pub mod dataset;
mod materialise;
pub mod model;
pub mod picture;
pub mod question;
pub mod scene;
pub mod tokenizer;

pub use materialise::{BUILTIN_MODEL, materialise};

/// Which part of the data a sample belongs to.
///
/// Scenes of [`Split::Eval`] occur in no other split, whatever the seeds: see
/// [`scene::Scene::held_out`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Questions to learn from by reinforcement.
    Train,
    /// Held-out questions.
    Eval,
    /// Questions with completions, for the supervised training of the base model.
    Sft,
}

impl Split {
    /// The name used in file names and row ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Eval => "eval",
            Self::Sft => "sft",
        }
    }
}

/// What a draw is for. Each purpose has its own numbers, so that painting a picture differently
/// leaves its question as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Scene,
    Picture,
    Question,
    Habit,
    Guess,
}

/// A counter-based random generator on the host.
///
/// The key is a hash of (seed, split, index, purpose); the k-th number is a hash of key and k, which
/// is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014)
/// started at the key. No state outlives a sample, so samples can be drawn in any order.
#[derive(Debug, Clone)]
struct Draws {
    state: u64,
}

/// SplitMix64's increment: 2⁶⁴ divided by the golden ratio, made odd.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's output function: a bijection on 64 bits that spreads every bit over all others.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Draws {
    /// The numbers of one sample for one purpose.
    fn new(seed: u64, split: Split, index: u64, purpose: Purpose) -> Self {
        let state = [seed, split as u64, index, purpose as u64]
            .into_iter()
            .fold(
                0,
                |key, field| mix((key ^ field).wrapping_add(GOLDEN_GAMMA)),
            );
        Self { state }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// A number from `0..n`, uniform up to 2⁻⁶⁴·n.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// A whole number from `low..=high`.
    fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1) as usize) as i32
    }

    /// A number from `[0, 1)` with 53 random bits.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of the options; they must not be empty.
    fn pick<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())]
    }

    /// The first `n` of a random order of the options.
    fn pick_distinct<T: Copy, const N: usize>(&mut self, mut options: [T; N], n: usize) -> Vec<T> {
        for i in 0..n {
            options.swap(i, i + self.below(N - i));
        }
        options[..n].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_splitmix64() {
        // Published test vector: Rosetta Code, "Pseudo-random numbers/Splitmix64".
        let mut draws = Draws { state: 1_234_567 };
        let first: Vec<u64> = (0..5).map(|_| draws.next()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn every_field_of_the_key_matters() {
        let first = |seed, split, index, purpose| Draws::new(seed, split, index, purpose).next();
        let all = [
            first(0, Split::Train, 0, Purpose::Scene),
            first(1, Split::Train, 0, Purpose::Scene),
            first(0, Split::Eval, 0, Purpose::Scene),
            first(0, Split::Train, 1, Purpose::Scene),
            first(0, Split::Train, 0, Purpose::Picture),
        ];
        let distinct: std::collections::HashSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn distinct_picks_cover_every_order_evenly() {
        let mut draws = Draws::new(3, Split::Train, 0, Purpose::Scene);
        let mut seen = std::collections::HashMap::new();
        for _ in 0..12_000 {
            *seen
                .entry(draws.pick_distinct([0, 1, 2, 3], 2))
                .or_insert(0) += 1;
        }
        // 12 ordered pairs, 1,000 expected each, standard deviation 30.
        assert_eq!(seen.len(), 12);
        assert!(
            seen.values().all(|n| (850..1150).contains(n)),
            "uneven: {seen:?}"
        );
    }
}
