//! Building blocks, one concept a file.
//!
//! Field names are the checkpoint's own, so that the path of a parameter in the module *is* its
//! tensor name. Shape letters: B batch, T sequence, S keys, D model, H heads, K key-value heads,
//! V vocabulary, N patches.

pub mod adapter;
pub mod attention;
pub mod cache;
pub mod decoder;
mod dropout;
pub mod linear;
pub mod mlp;
pub mod norm;
pub mod packing;
pub mod rope;
pub mod segments;
mod tensors;
pub mod vision;

pub use adapter::Adapter;
pub use cache::{CacheSizes, KvCache};
pub use decoder::{DecoderConfig, DecoderContext, DecoderLayer, TextDecoder};
pub use dropout::{Dropout, PositionKeys};
pub use linear::{Linear, Linears, linears};
pub use mlp::SwiGlu;
pub use norm::RmsNorm;
pub use rope::{Position, Rope, RopeScaling, RopeTable};
pub use segments::{Segment, Segments};
pub(crate) use tensors::rounded;
pub use tensors::{int_tensor, lazy_param};
pub use vision::{Resampling, VisionBlock, VisionPlan};
