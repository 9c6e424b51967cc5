//! Two tapes: the model's backward pass, apart from the loss's.
//!
//! [`Tape::record`] runs the model and keeps what its backward needs; [`Tape::scores`] gives
//! log-probability and entropy of the completion tokens, a few hundred rows at a time, so that a
//! `[B, T, V]` tensor never exists. The caller differentiates any loss of those numbers, and
//! [`Tape::backward`] turns its gradients into gradients of the parameters: in closed form through
//! the head, then block by block.

mod grads;
mod head;
mod targets;
mod vjp;

pub use grads::Grads;
pub use head::{HEAD_ROWS, TokenScores};
pub use targets::Targets;

use crate::{
    input::VlmInput,
    model::{Vlm, place_features},
};
use burn::{module::Module, tensor::Tensor};
use serde::{Deserialize, Serialize};
use vjp::vjp;

/// What is kept between the forward and the backward pass of the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActivationRecompute {
    /// Each block's input; a block is run again when its turn comes.
    #[default]
    Block,
    /// Everything, in one autodiff graph.
    None,
}

/// Derivatives of a loss by what a tape gave, plain tensors `[B, R]` each. What the loss does not
/// depend on stays none, and its part of the backward pass is not run.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// By the log-probability of each target.
    pub logp: Option<Tensor<2>>,
    /// By the entropy at each target.
    pub entropy: Option<Tensor<2>>,
    /// By the value of the state before each target.
    pub values: Option<Tensor<2>>,
}

/// A recorded forward pass.
pub struct Tape<'a> {
    model: &'a Vlm,
    input: &'a VlmInput,
    body: Body,
    /// `[N, D]`, hidden state of every target after the final norm.
    selected: Tensor<2>,
    targets: &'a Targets,
    temperature: f64,
}

enum Body {
    Blocks(Box<Blocks>),
    Graph(Box<Graph>),
}

/// The whole forward pass under autodiff.
struct Graph {
    model: Vlm,
    selected: Tensor<2>,
}

/// Inputs of every part of the model, without autodiff.
struct Blocks {
    vision: Option<VisionBlocks>,
    layers: Vec<Tensor<3>>,
    norm: Tensor<3>,
}

struct VisionBlocks {
    blocks: Vec<Tensor<2>>,
    merger: Tensor<2>,
    features: Tensor<2>,
}

impl<'a> Tape<'a> {
    /// Runs the model on a batch.
    ///
    /// `temperature` divides the logits: log-probabilities are those of the distribution that was
    /// sampled from, before any truncation.
    pub fn record(
        model: &'a Vlm,
        input: &'a VlmInput,
        targets: &'a Targets,
        temperature: f64,
        recompute: ActivationRecompute,
    ) -> Self {
        let (body, selected) = match recompute {
            ActivationRecompute::Block => {
                let blocks = Blocks::record(model, input);
                let hidden = model.model.norm.forward(blocks.norm.clone());
                (Body::Blocks(Box::new(blocks)), targets.select(hidden))
            }
            ActivationRecompute::None => {
                let tracked = model.clone().train();
                let selected = targets.select(tracked.hidden(input));
                let plain = selected.clone().inner();
                (
                    Body::Graph(Box::new(Graph {
                        model: tracked,
                        selected,
                    })),
                    plain,
                )
            }
        };
        Self {
            model,
            input,
            body,
            selected,
            targets,
            temperature,
        }
    }

    /// Log-probability and entropy of every target.
    ///
    /// # Shapes
    /// - output: `[B, R]` each, zero where a row has no target
    pub fn scores(&self) -> TokenScores {
        let weight = self.model.head_weight();
        let flat = head::forward(&self.selected, weight, self.targets.ids(), self.temperature);
        TokenScores {
            logp: self.targets.unflatten(flat.logp),
            entropy: self.targets.unflatten(flat.entropy),
        }
    }

    /// What the state before every target is worth; none for a model without a value head.
    ///
    /// # Shapes
    /// - output: `[B, R]`, zero where a row has no target
    pub fn values(&self) -> Option<Tensor<2>> {
        let head = self.model.value_head.as_ref()?;
        let flat = head.forward(self.selected.clone());
        Some(self.targets.unflatten(flat))
    }

    /// Gradients of a loss whose derivatives by [`scores`](Self::scores) and
    /// [`values`](Self::values) are given.
    pub fn backward(self, upstream: Upstream) -> Grads {
        let mut grads = Grads::new();
        let mut parts = vec![];
        if upstream.logp.is_some() || upstream.entropy.is_some() {
            parts.push(self.head_backward(upstream.logp, upstream.entropy, &mut grads));
        }
        if let (Some(d_values), Some(head)) = (upstream.values, &self.model.value_head) {
            let found = head.backward(&self.selected, self.targets.flatten(d_values));
            grads.add(head.score.weight.id, found.weight);
            if let Some(bias) = &head.score.bias {
                grads.add(bias.id, found.bias);
            }
            parts.push(found.hidden);
        }
        let Some(hidden) = parts.into_iter().reduce(|a, b| a + b) else {
            return grads;
        };
        match self.body {
            Body::Graph(graph) => {
                let loss = (graph.selected * hidden.autodiff()).sum();
                grads.collect(&mut loss.backward(), &graph.model);
            }
            Body::Blocks(blocks) => {
                let hidden = self.targets.unselect(hidden, self.input);
                blocks.backward(self.model, self.input, hidden, &mut grads);
            }
        }
        grads
    }

    /// Through the head that predicts tokens: `[N, D]`.
    fn head_backward(
        &self,
        d_logp: Option<Tensor<2>>,
        d_entropy: Option<Tensor<2>>,
        grads: &mut Grads,
    ) -> Tensor<2> {
        let flat = |d: Tensor<2>| self.targets.flatten(d);
        let none = || Tensor::zeros([self.selected.dims()[0]], &self.selected.device());
        let found = head::backward(
            &self.selected,
            self.model.head_weight(),
            self.targets.ids(),
            self.temperature,
            d_logp.map_or_else(none, flat),
            d_entropy.map(flat),
        );
        let head = match &self.model.lm_head {
            Some(head) => &head.weight,
            None => &self.model.model.embed_tokens.weight,
        };
        grads.add(head.id, found.weight);
        found.hidden
    }
}

impl Blocks {
    fn record(model: &Vlm, input: &VlmInput) -> Self {
        let pictures = model.visual.as_ref().zip(input.vision.as_ref());
        let vision = pictures.map(|(tower, vision)| {
            let mut x = tower.stem(vision.patches.clone(), &vision.plan);
            let mut blocks = Vec::with_capacity(tower.blocks().len());
            for block in tower.blocks() {
                blocks.push(x.clone());
                x = block.forward(x, &vision.plan);
            }
            let features = tower.finish(x.clone(), &vision.plan);
            VisionBlocks {
                blocks,
                merger: x,
                features,
            }
        });
        let mut x = model.embed(input, vision.as_ref().map(|v| v.features.clone()));
        let mut layers = Vec::with_capacity(model.model.layers.len());
        for layer in &model.model.layers {
            layers.push(x.clone());
            x = layer.forward(x, &input.ctx, None);
        }
        Self {
            vision,
            layers,
            norm: x,
        }
    }

    /// Blocks in reverse: each is run again on its saved input, and the gradient of its input is
    /// what the block before it is given.
    fn backward(self, model: &Vlm, input: &VlmInput, hidden: Tensor<3>, grads: &mut Grads) {
        let text = &model.model;
        let mut up = vjp(&text.norm, self.norm, hidden, grads, |norm, x| {
            norm.forward(x)
        });
        for (layer, x) in text.layers.iter().zip(self.layers).rev() {
            up = vjp(layer, x, up, grads, |layer, x| {
                layer.forward(x, &input.ctx, None)
            });
        }
        let embed = |table: &crate::nn::decoder::Embedding| table.forward(input.tokens.clone());
        let (Some(saved), Some(vision), Some(tower)) = (self.vision, &input.vision, &model.visual)
        else {
            vjp::of_parameters(&text.embed_tokens, up, grads, embed);
            return;
        };
        let up = vjp(
            &text.embed_tokens,
            saved.features,
            up,
            grads,
            |table, features| place_features(embed(table), vision, features),
        );
        let mut up = vjp(tower, saved.merger, up, grads, |t, x| {
            t.finish(x, &vision.plan)
        });
        for (block, x) in tower.blocks().iter().zip(saved.blocks).rev() {
            up = vjp(block, x, up, grads, |block, x| {
                block.forward(x, &vision.plan)
            });
        }
        vjp::of_parameters(tower, up, grads, |t| {
            t.stem(vision.patches.clone(), &vision.plan)
        });
    }
}
