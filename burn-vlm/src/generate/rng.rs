//! Random numbers as a function of what they are for.
//!
//! There is no generator state to save: a number is a hash of its key, so a sample neither depends
//! on its batch nor on what was drawn before it.

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014), applied to a key joined with a word.
pub fn mix(key: u64, word: u64) -> u64 {
    let mut z = key.rotate_left(29) ^ word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = z.wrapping_mul(0xff51_afd7_ed55_8ccd);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A key as a number in `[0, 1)` with 53 random bits.
pub fn uniform(key: u64) -> f64 {
    (key >> 11) as f64 / (1_u64 << 53) as f64
}

/// Which completion of a run this is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SampleKey {
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
        uniform(words.into_iter().fold(mix(0x5eed, self.seed), mix))
    }
}

/// A stable 64-bit identity of a text, as of a prompt's id.
pub fn hash_text(text: &str) -> u64 {
    text.bytes().fold(mix(0, text.len() as u64), |key, byte| {
        mix(key, u64::from(byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_key_changes_the_number() {
        let key = SampleKey {
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
