//! What a vision tower is to the rest of a model.

use crate::nn::{Linears, VisionBlock, VisionPlan};
use burn::tensor::Tensor;
use serde::Deserialize;
use std::fmt::Debug;

/// A vision tower. Between [`stem`](Self::stem) and [`finish`](Self::finish) every block maps
/// `[N', E]` to `[N', E]`, so that a tape can stop at each of them.
///
/// The type is a [`Module`](burn::module::Module) beside this, and its parameters are in the stem, in the blocks, in the
/// finish or in a tap. [`Vision::new`](super::Vision::new) makes it a part of a model.
pub trait VisionTower: Linears + Debug + Send + Sync {
    /// The blocks, first to last.
    fn blocks(&self) -> &[VisionBlock];

    /// Patches to what the first block reads.
    ///
    /// # Shapes
    /// - patches: `[N, C·T·P·P]`
    /// - output: `[N', E]`; N' is N, and more where a tower has tokens of its own
    fn stem(&self, patches: Tensor<2>, plan: &VisionPlan) -> Tensor<2>;

    /// From what the last block wrote to image features, in the order of the pictures.
    ///
    /// # Shapes
    /// - x: `[N', E]`
    /// - output: `[N / merge², D]`
    fn finish(&self, x: Tensor<2>, plan: &VisionPlan) -> Tensor<2>;

    /// Whether anything before the blocks is trained.
    fn stem_is_trainable(&self) -> bool;

    /// Whether anything after the blocks is trained, taps aside.
    fn finish_is_trainable(&self) -> bool;

    /// The features of [tap](super::VisionConfig::taps) number `index`, in the order of the
    /// pictures.
    ///
    /// # Shapes
    /// - x: `[N', E]`, what the tap's block wrote
    /// - output: `[N / merge², D]`
    fn tap(&self, index: usize, x: Tensor<2>, plan: &VisionPlan) -> Tensor<2> {
        let _ = index;
        self.finish(x, plan)
    }

    /// Whether anything of a tap is trained.
    fn tap_is_trainable(&self, index: usize) -> bool {
        let _ = index;
        false
    }
}

/// What a block of the tower wrote is added, through the tower's own layers, to the hidden states
/// of image tokens after a block of the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tap {
    /// Index of the tower's block.
    pub block: usize,
    /// Index of the decoder's block.
    pub layer: usize,
}
