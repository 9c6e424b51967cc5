//! What a learner asks of the policy it trains.

use super::{
    batch::MicroBatch,
    weights::{load_weights, save_weights},
};
use crate::error::RlError;
use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use burn_vlm::{
    EncodedPrompt, ImageFeatures,
    tape::{ActivationRecompute, Grads, TokenScores, Upstream},
};
use std::path::Path;

/// How a micro-batch is run.
#[derive(Debug, Clone, Copy)]
pub struct PassOptions {
    /// Divides the logits before log-probabilities are taken.
    pub temperature: f64,
    /// What is kept for the backward pass, for policies that have the choice.
    pub recompute: ActivationRecompute,
    /// What the masks of dropout depend on beside the sample; none for a pass without dropout.
    pub dropout_key: Option<u64>,
}

/// A policy that can be trained: a Burn module that scores the tokens of responses.
///
/// [`Vlm`](burn_vlm::Vlm) is one, with a backward pass of its own. Any other module becomes one by
/// [`scores`](Self::scores) alone: its gradients then come from Burn's autodiff, and its weights are
/// saved as safetensors by parameter name.
///
/// ```
/// use burn::{module::{Module, Param}, tensor::{Int, Tensor, TensorData, activation::log_softmax}};
/// use burn_rl::{RlError, learner::{MicroBatch, PassOptions, Policy}};
/// use burn_vlm::tape::TokenScores;
///
/// /// A table of logits `[V, V]`: the token before decides about the next.
/// #[derive(Module, Debug)]
/// struct Bigram {
///     logits: Param<Tensor<2>>,
/// }
///
/// impl Policy for Bigram {
///     fn scores(&self, batch: &MicroBatch<'_>, options: &PassOptions) -> Result<TokenScores, RlError> {
///         let [b, r] = batch.shape();
///         let (mut before, mut chosen) = (vec![0_i64; b * r], vec![0_i64; b * r]);
///         for (i, row) in batch.rows.iter().enumerate() {
///             let mut last = row.prompt.tokens.last().copied().unwrap_or(0);
///             for (j, token) in row.response.iter().enumerate() {
///                 (before[i * r + j], chosen[i * r + j]) = (last.into(), (*token).into());
///                 last = *token;
///             }
///         }
///         let logits = self.logits.val();
///         let ids = |x: Vec<i64>| Tensor::<1, Int>::from_data(TensorData::new(x, [b * r]), &logits.device());
///         let logp = log_softmax(logits.clone().select(0, ids(before)) / options.temperature, 1);
///         let entropy = -(logp.clone().exp() * logp.clone()).sum_dim(1);
///         Ok(TokenScores {
///             logp: logp.gather(1, ids(chosen).unsqueeze_dim(1)).reshape([b, r]),
///             entropy: entropy.reshape([b, r]),
///         })
///     }
/// }
/// ```
pub trait Policy: Module + Sync + 'static {
    /// Log-probability and entropy of every response token of a micro-batch. Of a module under
    /// autodiff they are differentiable by its parameters.
    ///
    /// # Shapes
    /// - output: `[B, R]` each, as [`MicroBatch::shape`]; what stands after the end of a response
    ///   does not matter
    ///
    /// # Errors
    /// A prompt or a response that the policy cannot read.
    fn scores(&self, batch: &MicroBatch<'_>, options: &PassOptions)
    -> Result<TokenScores, RlError>;

    /// Adds to `grads` the gradients of a loss that `loss` differentiates by the scores, which it
    /// is given as plain tensors.
    ///
    /// # Errors
    /// As [`scores`](Self::scores), and what `loss` says.
    fn gradients(
        &self,
        batch: &MicroBatch<'_>,
        options: &PassOptions,
        loss: &mut dyn FnMut(TokenScores) -> Result<Upstream, RlError>,
        grads: &mut Grads,
    ) -> Result<(), RlError> {
        let tracked = self.clone().train();
        let TokenScores { logp, entropy } = tracked.scores(batch, options)?;
        let upstream = loss(TokenScores {
            logp: logp.clone().inner(),
            entropy: entropy.clone().inner(),
        })?;
        let parts = [(logp, upstream.logp), (entropy, upstream.entropy)];
        let terms = parts
            .into_iter()
            .filter_map(|(x, d)| Some((x * d?.autodiff()).sum()));
        if let Some(sum) = terms.reduce(|a: Tensor<1>, b| a + b) {
            grads.collect(&mut sum.backward(), &tracked);
        }
        Ok(())
    }

    /// [`gradients`](Self::gradients) of several micro-batches, added in their order; `loss` is also
    /// told which of them the scores are of. On a host they may be worked on at a time.
    ///
    /// # Errors
    /// As [`gradients`](Self::gradients).
    fn gradients_of(
        &self,
        batches: &[MicroBatch<'_>],
        options: &PassOptions,
        loss: &mut dyn FnMut(usize, TokenScores) -> Result<Upstream, RlError>,
        grads: &mut Grads,
    ) -> Result<(), RlError> {
        for (i, batch) in batches.iter().enumerate() {
            self.gradients(batch, options, &mut |scores| loss(i, scores), grads)?;
        }
        Ok(())
    }

    /// The device the parameters are on.
    fn device(&self) -> Device {
        self.devices().into_iter().next().unwrap_or_default()
    }

    /// The policy as a reference to which a KL is measured. `_moves` says that it will be mixed with
    /// later policies, so that it has to keep their precision.
    fn reference(&self, _moves: bool) -> Self {
        self.clone()
    }

    /// Moves the policy out, so that nothing holds the old weights while new ones are made of them.
    /// What is left is replaced before it is used. The default leaves a copy.
    fn take(&mut self) -> Self {
        self.clone()
    }

    /// Whether [`PassOptions::dropout_key`] changes anything.
    fn has_dropout(&self) -> bool {
        false
    }

    /// Encodes the pictures of some prompts once for all passes of a step; none where that is not
    /// possible, because there are none or the encoder is trained.
    fn encode_pictures(
        &self,
        _prompts: &mut dyn Iterator<Item = &EncodedPrompt>,
    ) -> Option<ImageFeatures> {
        None
    }

    /// Writes the weights into a directory.
    ///
    /// # Errors
    /// Anything the file system refuses.
    fn save(&self, dir: &Path) -> Result<(), RlError> {
        save_weights(self, dir)
    }

    /// The policy that [`save`](Self::save) wrote at another time of the same training.
    ///
    /// # Errors
    /// Files that are missing, or of another policy.
    fn reload(&self, dir: &Path) -> Result<Self, RlError> {
        load_weights(self.clone(), dir)
    }
}
