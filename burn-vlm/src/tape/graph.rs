//! The body of the model as one autodiff graph.

use super::{
    Grads,
    reach::{Reach, Stage},
};
use crate::{input::VlmInput, model::Vlm, models::VisionFeatures};
use burn::{module::Module, tensor::Tensor};

/// The forward pass, under autodiff from the first stage that is trained.
pub(super) struct Graph {
    /// None where nothing is trained.
    live: Option<Live>,
}

struct Live {
    model: Vlm,
    selected: Tensor<2>,
}

impl Graph {
    /// Runs the body; also gives the selected hidden states without autodiff, `[N, D]`.
    pub fn record(
        plain: &Vlm,
        input: &VlmInput,
        reach: &Reach,
        select: impl FnOnce(Tensor<3>) -> Tensor<2>,
    ) -> (Self, Tensor<2>) {
        let tracked = plain.clone().train();
        let at = |stage: Stage| if stage.live() { &tracked } else { plain };
        let tower = |stage| at(stage).visual.as_ref();
        let features = input.vision.as_ref().and_then(|vision| {
            if let (false, Some(known)) = (reach.features_live(), &vision.features) {
                return Some(known.clone());
            }
            let mut x = tower(reach.stem)?.stem(vision.patches.clone(), &vision.plan);
            let mut taps = vec![None; reach.taps.len()];
            for (i, stage) in reach.blocks.iter().enumerate() {
                x = tower(*stage)?.blocks()[i].forward(x, &vision.plan);
                for (index, _) in plain.visual.as_ref()?.taps_of_block(i) {
                    let tower = tower(reach.taps[index])?;
                    taps[index] = Some(tower.tap(index, x.clone(), &vision.plan));
                }
            }
            Some(VisionFeatures {
                tokens: tower(reach.finish)?.finish(x, &vision.plan),
                taps: taps.into_iter().flatten().collect(),
            })
        });
        let tokens = features.as_ref().map(|own| own.tokens.clone());
        let mut x = at(reach.embed).embed(input, tokens);
        for (i, stage) in reach.layers.iter().enumerate() {
            x = input.through(&at(*stage).model.layers[i], x);
            x = plain.add_taps(i, x, input, features.as_ref());
        }
        let selected = select(at(reach.norm).model.norm.forward(x));
        if !reach.norm.live() {
            return (Self { live: None }, selected);
        }
        let values = selected.clone().inner();
        let live = Some(Live {
            model: tracked,
            selected,
        });
        (Self { live }, values)
    }

    /// # Shapes
    /// - hidden: `[N, D]`
    pub fn backward(self, hidden: Tensor<2>, grads: &mut Grads) {
        if let Some(live) = self.live {
            let loss = (live.selected * hidden.autodiff()).sum();
            grads.collect(&mut loss.backward(), &live.model);
        }
    }
}
