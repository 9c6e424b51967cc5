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

/// A stable 64-bit identity of a text, as of a prompt's id.
pub fn hash_text(text: &str) -> u64 {
    text.bytes().fold(mix(0, text.len() as u64), |key, byte| {
        mix(key, u64::from(byte))
    })
}
