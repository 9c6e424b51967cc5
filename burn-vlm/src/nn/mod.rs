//! Building blocks, one concept a file.
//!
//! Field names are the checkpoint's own, so that the path of a parameter in the module *is* its
//! tensor name. Shape letters: B batch, T sequence, S keys, D model, H heads, K key-value heads,
//! V vocabulary, N patches.

pub mod attention;
pub mod cache;
pub mod decoder;
pub mod linear;
pub mod mlp;
pub mod norm;
pub(crate) mod packing;
pub mod rope;
pub mod vision;

pub use cache::KvCache;
pub use decoder::{DecoderConfig, DecoderContext, DecoderLayer, TextDecoder};
pub use linear::Linear;
pub use mlp::SwiGlu;
pub use norm::RmsNorm;
pub use rope::{Position, Rope, RopeScaling, RopeTable};
pub use vision::{VisionBlock, VisionPlan};

use burn::{
    module::{Param, ParamId},
    tensor::{Device, Shape, Tensor},
};

/// A parameter of the given shape that costs no memory until it is loaded or initialised.
pub(crate) fn lazy_param<const D: usize>(
    shape: [usize; D],
    fill: f32,
    device: &Device,
) -> Param<Tensor<D>> {
    Param::uninitialized(
        ParamId::new(),
        move |device, require_grad| {
            let value = Tensor::full(shape, fill, device);
            if require_grad {
                value.require_grad()
            } else {
                value
            }
        },
        device.clone(),
        true,
        Shape::from(shape),
    )
}
