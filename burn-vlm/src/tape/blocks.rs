//! The body of the model as a chain of stages, each run again when its turn comes.

use super::{
    Grads,
    reach::{Reach, Stage},
    vjp::{of_parameters, vjp},
};
use crate::{
    input::VlmInput,
    model::{Vlm, place_features},
    nn::decoder::Embedding,
};
use burn::{module::Module, tensor::Tensor};

/// Inputs of every live stage, without autodiff.
pub(super) struct Blocks {
    reach: Reach,
    vision: Option<VisionBlocks>,
    layers: Vec<Option<Tensor<3>>>,
    norm: Option<Tensor<3>>,
}

struct VisionBlocks {
    blocks: Vec<Option<Tensor<2>>>,
    finish: Option<Tensor<2>>,
    features: Tensor<2>,
}

/// The input of a stage, if its backward pass will ask for it.
fn keep<const D: usize>(x: &Tensor<D>, stage: Stage) -> Option<Tensor<D>> {
    stage.live().then(|| x.clone())
}

impl Blocks {
    /// Runs the body; also gives the hidden states after the final norm, `[B, T, D]`.
    pub fn record(model: &Vlm, input: &VlmInput, reach: Reach) -> (Self, Tensor<3>) {
        let pictures = model.visual.as_ref().zip(input.vision.as_ref());
        let vision = pictures.map(|(tower, vision)| {
            if let (false, Some(known)) = (reach.finish.live(), &vision.features) {
                return VisionBlocks {
                    blocks: vec![],
                    finish: None,
                    features: known.clone(),
                };
            }
            let mut x = tower.stem(vision.patches.clone(), &vision.plan);
            let mut blocks = Vec::with_capacity(tower.blocks().len());
            for (block, stage) in tower.blocks().iter().zip(&reach.blocks) {
                blocks.push(keep(&x, *stage));
                x = block.forward(x, &vision.plan);
            }
            let finish = keep(&x, reach.finish);
            VisionBlocks {
                blocks,
                finish,
                features: tower.finish(x, &vision.plan),
            }
        });
        let mut x = model.embed(input, vision.as_ref().map(|v| v.features.clone()));
        let mut layers = Vec::with_capacity(model.model.layers.len());
        for (layer, stage) in model.model.layers.iter().zip(&reach.layers) {
            layers.push(keep(&x, *stage));
            x = layer.forward(x, &input.ctx, None);
        }
        let norm = keep(&x, reach.norm);
        let hidden = model.model.norm.forward(x);
        let blocks = Self {
            reach,
            vision,
            layers,
            norm,
        };
        (blocks, hidden)
    }

    /// Stages in reverse: each is run again on its saved input, and the gradient of its input is
    /// what the stage before it is given. Ends where nothing is trained any more.
    pub fn backward(self, model: &Vlm, input: &VlmInput, hidden: Tensor<3>, grads: &mut Grads) {
        let (text, reach) = (&model.model, &self.reach);
        let norm = |norm: &_, x| crate::nn::RmsNorm::forward(norm, x);
        let Some(mut up) = step(reach.norm, &text.norm, self.norm, hidden, grads, norm) else {
            return;
        };
        let layers = text.layers.iter().zip(&reach.layers);
        for ((layer, stage), x) in layers.zip(self.layers).rev() {
            let next = step(*stage, layer, x, up, grads, |layer, x| {
                layer.forward(x, &input.ctx, None)
            });
            let Some(next) = next else { return };
            up = next;
        }
        let embed = |table: &Embedding| table.forward(input.tokens.clone());
        let (Some(saved), Some(vision), Some(tower)) = (self.vision, &input.vision, &model.visual)
        else {
            if reach.embed.own {
                of_parameters(&text.embed_tokens, up, grads, embed);
            }
            return;
        };
        let features = keep(&saved.features, reach.embed);
        let table = &text.embed_tokens;
        let next = step(
            reach.embed,
            table,
            features,
            up,
            grads,
            |table, features| place_features(embed(table), vision, features),
        );
        let Some(up) = next else { return };
        let next = step(reach.finish, tower, saved.finish, up, grads, |tower, x| {
            tower.finish(x, &vision.plan)
        });
        let Some(mut up) = next else { return };
        let blocks = tower.blocks().iter().zip(&reach.blocks);
        for ((block, stage), x) in blocks.zip(saved.blocks).rev() {
            let next = step(*stage, block, x, up, grads, |block, x| {
                block.forward(x, &vision.plan)
            });
            let Some(next) = next else { return };
            up = next;
        }
        of_parameters(tower, up, grads, |tower| {
            tower.stem(vision.patches.clone(), &vision.plan)
        });
    }
}

/// The backward pass of one stage: gradients of what it trains go to `grads`, that of its input is
/// returned if anything before it is trained.
fn step<M: Module, const X: usize, const Y: usize>(
    stage: Stage,
    module: &M,
    x: Option<Tensor<X>>,
    upstream: Tensor<Y>,
    grads: &mut Grads,
    f: impl Fn(&M, Tensor<X>) -> Tensor<Y>,
) -> Option<Tensor<X>> {
    let x = x?;
    if stage.below {
        return Some(vjp(module, x, upstream, grads, f));
    }
    of_parameters(module, upstream, grads, |module| f(module, x.clone()));
    None
}
