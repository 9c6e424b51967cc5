//! How far a backward pass goes.

use crate::{
    Vlm, VlmInput,
    freeze::{is_trainable, is_trained},
    models::Tap,
    nn::DecoderLayer,
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
    /// The taps of the vision tower.
    pub taps: Vec<Stage>,
    /// The embedding table, with image features in the positions of their tokens.
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
        let stem = next(tower.is_some_and(|t| t.stem_is_trainable()));
        let blocks: Vec<Stage> = tower
            .iter()
            .flat_map(|t| t.blocks())
            .map(|block| next(is_trainable(block)))
            .collect();
        let taps = tower.map_or(&[][..], |t| t.taps());
        let tap = |(index, tap): (usize, &Tap)| Stage {
            own: tower.is_some_and(|t| t.tap_is_trainable(index)),
            below: blocks.get(tap.block).is_some_and(|block| block.live()),
        };
        let taps: Vec<Stage> = taps.iter().enumerate().map(tap).collect();
        let finish = next(tower.is_some_and(|t| t.finish_is_trainable()));
        let embed = next(is_trained(&model.model.embed_tokens.weight));
        let layer = |(i, layer): (usize, &DecoderLayer)| {
            let stage = next(is_trainable(layer));
            // What is added after a block is before all that follow.
            let mut added = tower.iter().flat_map(|t| t.taps_at_layer(i));
            if added.any(|(index, _)| taps[index].live()) {
                next(true);
            }
            stage
        };
        Self {
            layers: model.model.layers.iter().enumerate().map(layer).collect(),
            norm: next(is_trainable(&model.model.norm)),
            stem,
            blocks,
            finish,
            taps,
            embed,
        }
    }

    /// Whether the backward pass goes through the tower's features.
    pub(super) fn features_live(&self) -> bool {
        self.finish.live() || self.taps.iter().any(|tap| tap.live())
    }
}
