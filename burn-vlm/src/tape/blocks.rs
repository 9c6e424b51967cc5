//! The body of the model as a chain of stages, each run again when its turn comes.

use super::{
    Grads,
    layer::layer_backward,
    reach::{Reach, Stage},
    vjp::{of_parameters, vjp},
};
use crate::{
    input::{VisionInput, VlmInput},
    model::Vlm,
    models::{Vision, VisionFeatures},
};
use burn::{
    module::{Module, Param},
    tensor::{IndexingUpdateOp, Tensor},
};

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
    taps: Vec<Option<Tensor<2>>>,
    features: VisionFeatures,
}

/// The input of a stage, if its backward pass will ask for it.
fn keep<const D: usize>(x: &Tensor<D>, stage: Stage) -> Option<Tensor<D>> {
    stage.live().then(|| x.clone())
}

impl VisionBlocks {
    fn record(tower: &Vision, vision: &VisionInput, reach: &Reach) -> Self {
        let count = tower.taps().len();
        if let (false, Some(known)) = (reach.features_live(), &vision.features) {
            return Self {
                blocks: vec![],
                finish: None,
                taps: vec![None; count],
                features: known.clone(),
            };
        }
        let (mut taps, mut tapped) = (vec![None; count], vec![None; count]);
        let mut x = tower.stem(vision.patches.clone(), &vision.plan);
        let mut blocks = Vec::with_capacity(tower.blocks().len());
        for (i, (block, stage)) in tower.blocks().iter().zip(&reach.blocks).enumerate() {
            blocks.push(keep(&x, *stage));
            x = block.forward(x, &vision.plan);
            for (index, _) in tower.taps_of_block(i) {
                taps[index] = keep(&x, reach.taps[index]);
                tapped[index] = Some(tower.tap(index, x.clone(), &vision.plan));
            }
        }
        Self {
            blocks,
            finish: keep(&x, reach.finish),
            taps,
            features: VisionFeatures {
                tokens: tower.finish(x, &vision.plan),
                taps: tapped.into_iter().flatten().collect(),
            },
        }
    }

    /// From the gradients of the features to those of everything in the tower.
    fn backward(
        mut self,
        tower: &Vision,
        vision: &VisionInput,
        reach: &Reach,
        mut up: FeatureGrads,
        grads: &mut Grads,
    ) {
        let plan = &vision.plan;
        let finish = self.finish.take();
        let mut x = up.tokens.and_then(|up| {
            step(reach.finish, tower, finish, up, grads, |tower, x| {
                tower.finish(x, plan)
            })
        });
        let blocks = tower.blocks().iter().zip(&reach.blocks).enumerate();
        for ((i, (block, stage)), saved) in blocks.zip(self.blocks).rev() {
            for (index, _) in tower.taps_of_block(i) {
                let (read, up) = (self.taps[index].take(), up.taps[index].take());
                let own = up.and_then(|up| {
                    step(reach.taps[index], tower, read, up, grads, |tower, x| {
                        tower.tap(index, x, plan)
                    })
                });
                x = match (x, own) {
                    (Some(a), Some(b)) => Some(a + b),
                    (a, b) => a.or(b),
                };
            }
            x = x.and_then(|up| {
                step(*stage, block, saved, up, grads, |block, x| {
                    block.forward(x, plan)
                })
            });
        }
        if let Some(up) = x {
            of_parameters(tower, up, grads, |tower| {
                tower.stem(vision.patches.clone(), plan)
            });
        }
    }
}

/// Gradients of [`VisionFeatures`], as far as they are asked for.
struct FeatureGrads {
    tokens: Option<Tensor<2>>,
    taps: Vec<Option<Tensor<2>>>,
}

impl Blocks {
    /// Runs the body; also gives the hidden states after the final norm, `[B, T, D]`.
    pub fn record(model: &Vlm, input: &VlmInput, reach: Reach) -> (Self, Tensor<3>) {
        let pictures = model.visual.as_ref().zip(input.vision.as_ref());
        let vision = pictures.map(|(tower, vision)| VisionBlocks::record(tower, vision, &reach));
        let features = vision.as_ref().map(|own| &own.features);
        let mut x = model.embed(input, features.map(|own| own.tokens.clone()));
        let mut layers = Vec::with_capacity(model.model.layers.len());
        for (i, (layer, stage)) in model.model.layers.iter().zip(&reach.layers).enumerate() {
            layers.push(keep(&x, *stage));
            x = input.through(layer, x);
            x = model.add_taps(i, x, input, features);
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
        let mut up = step(reach.norm, &text.norm, self.norm, hidden, grads, norm);
        let pictures = model.visual.as_ref().zip(input.vision.as_ref());
        let mut features = FeatureGrads {
            tokens: None,
            taps: vec![None; reach.taps.len()],
        };
        let layers = text.layers.iter().zip(&reach.layers).enumerate();
        for ((i, (layer, stage)), x) in layers.zip(self.layers).rev() {
            // What is before here is not trained, the taps added after it aside.
            let Some(above) = up else { break };
            if let Some((tower, vision)) = pictures {
                for (index, _) in tower.taps_at_layer(i) {
                    if reach.taps[index].live() {
                        features.taps[index] = Some(feature_grads(&above, vision, model));
                    }
                }
            }
            up = match &input.shared {
                Some(shared) => x.and_then(|x| {
                    let (rope, segments) = (&input.ctx.rope, &shared.segments);
                    layer_backward(*stage, layer, x, above, grads, rope, segments)
                }),
                None => step(*stage, layer, x, above, grads, |layer, x| {
                    layer.forward(x, &input.ctx)
                }),
            };
        }
        let table = &text.embed_tokens.weight;
        let (Some(saved), Some((tower, vision))) = (self.vision, pictures) else {
            if let Some(up) = up.filter(|_| reach.embed.own) {
                read_backward(table, input, up, grads);
            }
            return;
        };
        if let Some(up) = up.filter(|_| reach.embed.live()) {
            if reach.embed.below {
                features.tokens = Some(feature_grads(&up, vision, model));
            }
            if reach.embed.own {
                let [b, t, d] = up.dims();
                let replaced = vision.is_image.clone().expand([b, t, d]);
                read_backward(table, input, up.mask_fill(replaced, 0.0), grads);
            }
        }
        saved.backward(tower, vision, reach, features, grads);
    }
}

/// Adds the gradient of the table from which tokens were read.
///
/// # Shapes
/// - up: `[B, T, D]`
fn read_backward(table: &Param<Tensor<2>>, input: &VlmInput, up: Tensor<3>, grads: &mut Grads) {
    let [b, t, d] = up.dims();
    let ids = input.tokens.clone().reshape([b * t]);
    grads.add_read(table, ids, up.reshape([b * t, d]));
}

/// The gradient of features that were put among, or added to, hidden states whose gradient is `up`.
///
/// # Shapes
/// - up: `[B, T, D]`
/// - output: `[N / merge², D]`
fn feature_grads(up: &Tensor<3>, vision: &VisionInput, model: &Vlm) -> Tensor<2> {
    let [b, t, d] = up.dims();
    let grids = vision.images.iter().map(|image| image.grid);
    let count: usize = grids.map(|grid| model.config().image_tokens(grid)).sum();
    let elsewhere = vision.is_image.clone().bool_not().expand([b, t, d]);
    let up = up.clone().mask_fill(elsewhere, 0.0).reshape([b * t, d]);
    Tensor::zeros([count, d], (&up.device(), up.dtype())).select_assign(
        0,
        vision.feature.clone(),
        up,
        IndexingUpdateOp::Add,
    )
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
