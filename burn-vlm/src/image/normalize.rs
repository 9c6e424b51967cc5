//! From bytes to the numbers a vision tower was trained on.

/// `(byte * rescale - mean) / std` for each of the three colour channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    /// What a byte is multiplied by first, normally 1/255.
    pub rescale: f64,
    /// Mean of each channel, in rescaled units.
    pub mean: [f64; 3],
    /// Standard deviation of each channel, in rescaled units.
    pub std: [f64; 3],
}

impl Normalization {
    /// The statistics of OpenAI CLIP, which the Qwen towers use.
    pub const CLIP: Self = Self {
        rescale: 1.0 / 255.0,
        mean: [0.48145466, 0.4578275, 0.40821073],
        std: [0.26862954, 0.26130258, 0.27577711],
    };
    /// The statistics of ImageNet, which InternViT and DINOv2 use.
    pub const IMAGENET: Self = Self {
        rescale: 1.0 / 255.0,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };

    /// The normalised value of every byte, `[channel][byte]`, computed in f64 and rounded once.
    pub fn table(&self) -> [[f32; 256]; 3] {
        std::array::from_fn(|c| {
            std::array::from_fn(|byte| {
                ((byte as f64 * self.rescale - self.mean[c]) / self.std[c]) as f32
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_and_white_match_the_hand_calculation() {
        let table = Normalization::CLIP.table();
        // -0.48145466 / 0.26862954 and (1 - 0.40821073) / 0.27577711.
        assert!((table[0][0] - -1.792_262_5).abs() < 1e-6, "{}", table[0][0]);
        assert!(
            (table[2][255] - 2.145_897_2).abs() < 1e-6,
            "{}",
            table[2][255]
        );
    }
}
