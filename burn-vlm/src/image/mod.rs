//! Pictures on the host: a file becomes RGB bytes, resized bytes, normalised numbers, patches.
//!
//! Everything here reproduces Pillow's and `transformers`' arithmetic, because a vision tower was
//! trained on exactly those numbers.

pub mod decode;
#[cfg(test)]
pub(crate) mod golden;
mod jpeg;
pub mod normalize;
mod orientation;
pub mod patchify;
pub mod resize;
pub mod smart_resize;

pub use ::image::RgbImage;
pub use decode::{Alpha, Decoding, MAX_PIXELS, decode, load, probe};
pub use normalize::Normalization;
pub use patchify::{ImagePatches, PatchLayout, patchify};
pub use resize::{resize_bicubic, resize_lanczos};
pub use smart_resize::{check_aspect_ratio, smart_resize};
