//! Two tapes: the model's backward pass, apart from the loss's.
//!
//! [`Tape::record`] runs the model and keeps what its backward needs; [`Tape::scores`] gives
//! log-probability and entropy of the completion tokens, a few hundred rows at a time, so that a
//! `[B, T, V]` tensor never exists. The caller differentiates any loss of those numbers, and
//! [`Tape::backward`] turns its gradients into gradients of the parameters: in closed form through
//! the head, then block by block.

mod blocks;
mod grads;
mod graph;
mod head;
mod layer;
mod reach;
mod rows;
mod targets;
mod vjp;

pub use grads::Grads;
pub use head::{TILE_COLUMNS, TILE_ROWS, TokenScores};
pub use reach::{Reach, Stage};
pub use targets::Targets;

use crate::{
    freeze::{is_trainable, is_trained},
    input::VlmInput,
    model::Vlm,
};
use blocks::Blocks;
use burn::tensor::Tensor;
use graph::Graph;
use head::{FlatScores, Head, HeadUpstream};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// What is kept between the forward and the backward pass of the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    scores: OnceLock<FlatScores>,
}

/// The gradient of what the heads read.
pub struct HiddenGrads(Tensor<2>);

enum Body {
    Blocks(Box<Blocks>),
    Graph(Box<Graph>),
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
        let reach = Reach::new(model, input);
        let (body, selected) = match recompute {
            ActivationRecompute::Block => {
                let (blocks, hidden) = Blocks::record(model, input, reach);
                (Body::Blocks(Box::new(blocks)), targets.select(hidden))
            }
            ActivationRecompute::None => {
                let select = |hidden| targets.select(hidden);
                let (graph, selected) = Graph::record(model, input, &reach, select);
                (Body::Graph(Box::new(graph)), selected)
            }
        };
        Self {
            model,
            input,
            body,
            selected,
            targets,
            temperature,
            scores: OnceLock::new(),
        }
    }

    /// Log-probability and entropy of every target.
    ///
    /// # Shapes
    /// - output: `[B, R]` each, zero where a row has no target
    pub fn scores(&self) -> TokenScores {
        let flat = self.flat_scores();
        TokenScores {
            logp: self.targets.unflatten(flat.logp.clone()),
            entropy: self.targets.unflatten(flat.entropy.clone()),
        }
    }

    fn flat_scores(&self) -> &FlatScores {
        self.scores.get_or_init(|| self.head().scores())
    }

    fn head(&self) -> Head<'_> {
        Head {
            hidden: &self.selected,
            weight: self.model.head_weight(),
            ids: self.targets.ids(),
            temperature: self.temperature,
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
        self.backward_into(upstream, &mut grads);
        grads
    }

    /// Adds the gradients of [`backward`](Self::backward) to others.
    pub fn backward_into(self, upstream: Upstream, grads: &mut Grads) {
        if let Some(hidden) = self.heads_backward(upstream, grads) {
            self.body_backward(hidden, grads);
        }
    }

    /// The first part of [`backward_into`](Self::backward_into): adds the gradients of the heads.
    /// What it returns is for [`body_backward`](Self::body_backward); none where there is nothing to
    /// go on with.
    pub fn heads_backward(&self, upstream: Upstream, grads: &mut Grads) -> Option<HiddenGrads> {
        let mut parts = vec![];
        if upstream.logp.is_some() || upstream.entropy.is_some() {
            parts.push(self.head_backward(upstream.logp, upstream.entropy, grads));
        }
        if let (Some(d_values), Some(head)) = (upstream.values, &self.model.value_head) {
            let found = head.backward(&self.selected, self.targets.flatten(d_values));
            if is_trainable(head) {
                grads.add(head.score.weight.id, found.weight);
                if let Some(bias) = &head.score.bias {
                    grads.add(bias.id, found.bias);
                }
            }
            parts.push(found.hidden);
        }
        parts.into_iter().reduce(|a, b| a + b).map(HiddenGrads)
    }

    /// The second part of [`backward_into`](Self::backward_into): adds the gradients of the blocks.
    pub fn body_backward(self, hidden: HiddenGrads, grads: &mut Grads) {
        match self.body {
            Body::Graph(graph) => graph.backward(hidden.0, grads),
            Body::Blocks(blocks) => {
                let hidden = self.targets.unselect(hidden.0, self.input);
                blocks.backward(self.model, self.input, hidden, grads);
            }
        }
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
        let weight = match &self.model.lm_head {
            Some(head) => &head.weight,
            None => &self.model.model.embed_tokens.weight,
        };
        let upstream = HeadUpstream {
            logp: d_logp.map_or_else(none, flat),
            entropy: d_entropy.map(flat),
        };
        let (head, scores) = (self.head(), self.flat_scores());
        if !is_trained(weight) {
            return head.backward(scores, &upstream, None);
        }
        grads.add_rows(weight, |sum| head.backward(scores, &upstream, Some(sum)))
    }
}
