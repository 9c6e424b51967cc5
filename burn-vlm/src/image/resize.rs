//! Antialiased bicubic and Lanczos resize, bit for bit what Pillow 12.2 and 12.3 compute on 8-bit RGB.
//!
//! For an output pixel with centre `c = (x + 0.5) * s`, `s = in / out`, the filter is Keys' cubic
//! with `a = -0.5`, or Lanczos' window of three lobes, stretched by `max(s, 1)` so that shrinking
//! averages over all it covers:
//!
//! ```text
//! cubic(t)   = (a+2)|t|^3 - (a+3)|t|^2 + 1      |t| < 1
//!              a|t|^3 - 5a|t|^2 + 8a|t| - 4a    1 <= |t| < 2
//! lanczos(t) = sinc(t) sinc(t/3)                |t| < 3
//! ```
//!
//! Weights are normalised in f64, then rounded to 22-bit fixed point. The horizontal pass runs
//! first, but for a picture that is more than 100 times as high as wide and becomes less high; the
//! first pass is rounded and clipped to u8, and a pass whose size does not change is left out.
//! Rounding between the passes is visible (over 20 levels on noise), so a float resize is not a
//! substitute. (Pillow 3 to 12.1 run the horizontal pass first on every picture.)

use image::RgbImage;
use rayon::prelude::*;

/// Fractional bits of a weight: 32 minus 8 for the pixel and 2 for overshoot and sign.
const WEIGHT_BITS: u32 = 22;
const CHANNELS: usize = 3;
/// How many times as high as wide a picture is that is resized vertically first.
const TALL: u64 = 100;

/// The weights of every output position along one axis.
struct Axis {
    /// Per output position: the first input position and its weights.
    taps: Vec<(usize, Vec<i32>)>,
}

/// Which filter, and how far it reaches.
#[derive(Clone, Copy)]
enum Filter {
    Cubic,
    Lanczos,
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Self::Cubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn at(self, t: f64) -> f64 {
        match self {
            Self::Cubic => cubic(t),
            Self::Lanczos => lanczos(t),
        }
    }
}

fn lanczos(t: f64) -> f64 {
    let sinc = |x: f64| match x == 0.0 {
        true => 1.0,
        false => (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI),
    };
    match (-3.0..3.0).contains(&t) {
        true => sinc(t) * sinc(t / 3.0),
        false => 0.0,
    }
}

fn cubic(t: f64) -> f64 {
    const A: f64 = -0.5;
    let t = t.abs();
    if t < 1.0 {
        ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0
    } else if t < 2.0 {
        (((t - 5.0) * t + 8.0) * t - 4.0) * A
    } else {
        0.0
    }
}

impl Axis {
    fn new(input: usize, output: usize, filter: Filter) -> Self {
        let scale = input as f64 / output as f64;
        let stretch = scale.max(1.0);
        let support = filter.support() * stretch;
        let taps = (0..output).map(|x| {
            let center = (x as f64 + 0.5) * scale;
            // `as usize` truncates and takes a negative start to zero, which is the clip wanted.
            let first = (center - support + 0.5) as usize;
            let last = ((center + support + 0.5) as usize).min(input);
            let weights: Vec<f64> = (first..last)
                .map(|i| filter.at((i as f64 - center + 0.5) * (1.0 / stretch)))
                .collect();
            let sum: f64 = weights.iter().sum();
            let fixed = |w: f64| {
                let w = w / sum * f64::from(1u32 << WEIGHT_BITS);
                // Half away from zero, by truncation after adding half of the sign.
                (w + if w < 0.0 { -0.5 } else { 0.5 }) as i32
            };
            (first, weights.into_iter().map(fixed).collect())
        });
        Self {
            taps: taps.collect(),
        }
    }
}

/// The weighted sum of pixels `stride` bytes apart, one channel.
fn weighted(pixels: &[u8], stride: usize, weights: &[i32]) -> u8 {
    // |weights| sum to less than 2, so 255 * 2 * 2^22 stays inside an i32.
    let half = 1 << (WEIGHT_BITS - 1);
    let sum: i32 = pixels
        .iter()
        .step_by(stride)
        .zip(weights)
        .map(|(&p, &w)| i32::from(p) * w)
        .sum();
    ((half + sum) >> WEIGHT_BITS).clamp(0, 255) as u8
}

fn horizontal(image: &RgbImage, width: u32, filter: Filter) -> RgbImage {
    let axis = Axis::new(image.width() as usize, width as usize, filter);
    let mut out = RgbImage::new(width, image.height());
    let (row_in, row_out) = (image.width() as usize * CHANNELS, width as usize * CHANNELS);
    out.par_chunks_mut(row_out)
        .zip(image.par_chunks(row_in))
        .for_each(|(to, from)| {
            for (pixel, (first, weights)) in to.chunks_exact_mut(CHANNELS).zip(&axis.taps) {
                for (c, value) in pixel.iter_mut().enumerate() {
                    *value = weighted(&from[first * CHANNELS + c..], CHANNELS, weights);
                }
            }
        });
    out
}

fn vertical(image: &RgbImage, height: u32, filter: Filter) -> RgbImage {
    let axis = Axis::new(image.height() as usize, height as usize, filter);
    let mut out = RgbImage::new(image.width(), height);
    let row = image.width() as usize * CHANNELS;
    let from: &[u8] = image;
    out.par_chunks_mut(row)
        .zip(&axis.taps)
        .for_each(|(to, (first, weights))| {
            for (i, value) in to.iter_mut().enumerate() {
                *value = weighted(&from[first * row + i..], row, weights);
            }
        });
    out
}

/// Resizes `image` to `width` x `height` pixels by the bicubic filter.
///
/// A zero side on either end gives an empty or black picture; callers that must refuse such sizes
/// do so when they choose the size.
pub fn resize_bicubic(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    resize(image, [width, height], Filter::Cubic)
}

/// The same by the Lanczos filter.
pub fn resize_lanczos(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    resize(image, [width, height], Filter::Lanczos)
}

fn resize(image: &RgbImage, [width, height]: [u32; 2], filter: Filter) -> RgbImage {
    if [image.width(), image.height(), width, height].contains(&0) {
        return RgbImage::new(width, height);
    }
    match (image.width() != width, image.height() != height) {
        (false, false) => image.clone(),
        (true, false) => horizontal(image, width, filter),
        (false, true) => vertical(image, height, filter),
        (true, true) if is_tall(image) && height < image.height() => {
            horizontal(&vertical(image, height, filter), width, filter)
        }
        (true, true) => vertical(&horizontal(image, width, filter), height, filter),
    }
}

fn is_tall(image: &RgbImage) -> bool {
    u64::from(image.height()) > u64::from(image.width()) * TALL
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::golden;

    /// The weights worked out by hand for doubling two pixels: centres 0.25, 0.75, 1.25, 1.75.
    #[test]
    fn doubling_two_pixels_matches_the_hand_calculation() {
        let image = RgbImage::from_fn(2, 1, |x, _| image::Rgb([if x == 0 { 0 } else { 200 }; 3]));
        let out = resize_bicubic(&image, 4, 1);
        // Distances of the two pixels from c = 0.25: 0.25 and 1.25; k = 0.8671875 and -0.0703125.
        // The second pixel's share is -0.0703125 / 0.796875 = -0.0882: clipped to 0. For c = 0.75:
        // distances 0.25 and 0.75; k = 0.8671875, 0.2265625; share 0.2265625 / 1.09375 * 200 = 41.43.
        let row: Vec<u8> = out.pixels().map(|p| p[0]).collect();
        assert_eq!(row, [0, 41, 159, 200 + 18]);
    }

    #[test]
    fn an_unchanged_size_is_an_exact_copy() {
        let image = RgbImage::from_fn(7, 5, |x, y| image::Rgb([x as u8 * 30, y as u8 * 50, 9]));
        assert_eq!(resize_bicubic(&image, 7, 5), image);
    }

    #[test]
    fn every_reference_picture_is_bit_equal_to_pillow() {
        for name in golden::PNGS {
            let image = golden::picture(name);
            let expected = golden::tensor(&format!("{name}/resized_u8"));
            let [height, width, 3] = expected.shape[..] else {
                panic!("shape of {name}")
            };
            let got = resize_bicubic(&image, width as u32, height as u32);
            assert_eq!(got.as_raw(), &expected.bytes, "{name}");
        }
    }

    /// Pictures on both sides of the bound, made less and more high, against Pillow 12.3.
    #[test]
    fn tall_pictures_are_bit_equal_to_pillow() {
        let tall = golden::tall();
        assert_eq!(tall.len(), 6);
        for (name, image, expected) in tall {
            let [height, width, 3] = expected.shape[..] else {
                panic!("shape of {name}")
            };
            let got = resize_bicubic(&image, width as u32, height as u32);
            assert_eq!(got.as_raw(), &expected.bytes, "{name}");
        }
    }
}
