//! Short names for what data are.

use burn_vlm::rng::{hash_text, mix};

/// A digest of texts and numbers in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digest(u64);

impl Digest {
    pub fn new() -> Self {
        Self(mix(0xda7a, 0))
    }

    pub fn number(self, n: u64) -> Self {
        Self(mix(self.0, n))
    }

    pub fn text(self, text: &str) -> Self {
        self.number(hash_text(text))
    }

    /// 16 hexadecimal digits.
    pub fn hex(self) -> String {
        format!("{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_every_part_and_on_their_order() {
        let of = |texts: &[&str]| texts.iter().fold(Digest::new(), |d, t| d.text(t)).hex();
        let all = [
            of(&[]),
            of(&[""]),
            of(&["ab"]),
            of(&["a", "b"]),
            of(&["b", "a"]),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a != b));
        }
    }
}
