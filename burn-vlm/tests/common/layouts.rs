//! Rows as a training step meets them: none to four pictures of any shape among words, image tokens
//! that a policy wrote by itself, a response cut anywhere, and every length in one batch.

use burn::tensor::Device;
use burn_vlm::{
    ModelConfig, Row, Vlm, VlmInput,
    image::ImagePatches,
    rng::{mix, uniform},
    tape::{ActivationRecompute, Tape, Targets},
};
use std::sync::Arc;

/// One row: its tokens, its pictures, and how many of the last tokens are the response.
pub struct Layout {
    pub tokens: Vec<u32>,
    pub images: Vec<Arc<ImagePatches>>,
    pub response: usize,
}

/// The row numbered `index`; the same for the same seed.
pub fn layout(config: &ModelConfig, seed: u64, index: u64) -> Layout {
    let mut draw = Draw(mix(mix(0x1a70, seed), index));
    let image_token = config.image_token_id.expect("a model that reads pictures");
    // The tiny checkpoints' tokens: words below 256; a picture's frame is before its own token.
    let word = |draw: &mut Draw| draw.below(256) as u32;
    let (mut tokens, mut images) = (vec![], vec![]);
    let pictures = draw.below(5);
    for _ in 0..pictures {
        for _ in 0..draw.below(6) {
            tokens.push(word(&mut draw));
        }
        // Now and then a picture is shown twice.
        let image = match images.last() {
            Some(last) if draw.below(8) == 0 => Arc::clone(last),
            _ => Arc::new(picture(config, &mut draw)),
        };
        tokens.push(image_token - 2);
        let count = config.image_tokens(image.grid);
        tokens.extend(std::iter::repeat_n(image_token, count));
        tokens.push(image_token - 1);
        images.push(image);
    }
    for _ in 0..1 + draw.below(20) {
        tokens.push(word(&mut draw));
    }
    let response = 1 + draw.below(30) as usize;
    for _ in 0..response {
        let own = draw.below(10) == 0;
        tokens.push(if own { image_token } else { word(&mut draw) });
    }
    Layout {
        tokens,
        images,
        response,
    }
}

/// A picture of noise: squares, and strips up to forty times as long as wide; one to seven tiles
/// where the model reads tiles of one size.
fn picture(config: &ModelConfig, draw: &mut Draw) -> ImagePatches {
    let vision = config.vision.as_ref().expect("a vision tower");
    let sizes = vision.sizes();
    let merge = sizes.merge_size as u64;
    let grid = match vision.tile() {
        Some([_, h, w]) => [1 + draw.below(7) as usize, h, w],
        None => {
            let (long, short) = match draw.below(3) {
                0 => (1 + draw.below(40), 1),
                1 => (1 + draw.below(12), 1 + draw.below(3)),
                _ => (1 + draw.below(6), 1 + draw.below(6)),
            };
            let [h, w] = match draw.below(2) {
                0 => [long, short],
                _ => [short, long],
            };
            [1, (h * merge) as usize, (w * merge) as usize]
        }
    };
    let len = 3 * sizes.temporal_patch_size * sizes.patch_size.pow(2);
    let values = grid.iter().product::<usize>() * len;
    // Smooth enough that features differ, in the range of normalised pixels.
    let (step, start) = (0.01 + 0.4 * draw.unit(), 6.0 * draw.unit());
    let patches = (0..values).map(|i| (2.0 * (start + step * i as f64).sin()) as f32);
    ImagePatches {
        patches: patches.collect(),
        grid,
    }
}

/// The log-probabilities of each row's response, from one padded batch.
pub fn logprobs(model: &Vlm, layouts: &[&Layout]) -> Vec<Vec<f32>> {
    let device = Device::flex();
    let rows: Vec<Row<'_>> = layouts
        .iter()
        .map(|layout| Row {
            tokens: &layout.tokens,
            images: &layout.images,
        })
        .collect();
    let input = VlmInput::new(&rows, model.config(), &device).expect("rows that fit the model");
    let tokens: Vec<&[u32]> = rows.iter().map(|row| row.tokens).collect();
    let counts: Vec<usize> = layouts.iter().map(|layout| layout.response).collect();
    let targets =
        Targets::new(&tokens, &counts, input.width, &device).expect("targets of these rows");
    let tape = Tape::record(model, &input, &targets, 1.0, ActivationRecompute::Block);
    let logp = tape.scores().logp;
    let width = logp.dims()[1];
    let flat: Vec<f32> = logp.into_data().iter().collect();
    let row = |(b, n): (usize, &usize)| flat[b * width..b * width + n].to_vec();
    counts.iter().enumerate().map(row).collect()
}

/// The largest difference between a row's log-probabilities in a batch and alone, over `count` rows
/// in batches of two to eight.
pub fn largest_difference(model: &Vlm, seed: u64, count: u64) -> f32 {
    let mut draw = Draw(mix(0xba7c, seed));
    let (mut first, mut worst) = (0, 0f32);
    while first < count {
        let end = (first + 2 + draw.below(7)).min(count);
        let layouts: Vec<Layout> = (first..end)
            .map(|index| layout(model.config(), seed, index))
            .collect();
        let together = logprobs(model, &layouts.iter().collect::<Vec<_>>());
        for (layout, together) in layouts.iter().zip(&together) {
            let alone = &logprobs(model, &[layout])[0];
            assert_eq!(alone.len(), layout.response);
            for (a, b) in alone.iter().zip(together) {
                // A number that is not finite is the largest difference of all.
                let gap = (a - b).abs();
                worst = if gap.is_finite() {
                    worst.max(gap)
                } else {
                    f32::INFINITY
                };
            }
        }
        first = end;
    }
    worst
}

/// Numbers that are a function of the seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        (self.unit() * limit as f64) as u64
    }

    fn unit(&mut self) -> f64 {
        self.0 = mix(self.0, 1);
        uniform(self.0)
    }
}
