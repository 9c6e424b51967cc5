//! How far a backward pass goes.

use crate::{
    Vlm, VlmInput,
    freeze::{is_trainable, is_trained},
};

/// One part of the model, on the way from the input to the hidden states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Whether it has parameters that are trained.
    pub own: bool,
    /// Whether anything before it has.
    pub below: bool,
}

/// What of a model is trained, stage by stage: a backward pass visits the stages in reverse and
/// ends at the first one that is not [`live`](Stage::live), and a forward pass keeps the inputs of
/// live stages only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// What the vision tower does before its blocks.
    pub stem: Stage,
    /// The blocks of the vision tower.
    pub blocks: Vec<Stage>,
    /// What the vision tower does after its blocks, projector included.
    pub finish: Stage,
    /// The embedding table, with image features in their places.
    pub embed: Stage,
    /// The blocks of the decoder.
    pub layers: Vec<Stage>,
    /// The norm before the heads.
    pub norm: Stage,
}

impl Stage {
    /// Whether the backward pass comes here.
    pub fn live(self) -> bool {
        self.own || self.below
    }
}

impl Reach {
    /// The reach of a backward pass through `model` for `input`: a batch without pictures never
    /// goes through the vision tower.
    pub fn new(model: &Vlm, input: &VlmInput) -> Self {
        let mut below = false;
        let mut next = |own: bool| {
            let stage = Stage { own, below };
            below |= own;
            stage
        };
        let tower = model.visual.as_ref().filter(|_| input.vision.is_some());
        Self {
            stem: next(tower.is_some_and(|t| t.stem_is_trainable())),
            blocks: tower
                .iter()
                .flat_map(|t| t.blocks())
                .map(|block| next(is_trainable(block)))
                .collect(),
            finish: next(tower.is_some_and(|t| t.finish_is_trainable())),
            embed: next(is_trained(&model.model.embed_tokens.weight)),
            layers: model
                .model
                .layers
                .iter()
                .map(|layer| next(is_trainable(layer)))
                .collect(),
            norm: next(is_trainable(&model.model.norm)),
        }
    }
}
