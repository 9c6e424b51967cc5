//! How long is trained, in which batches, and what is kept beside the policy.

use super::{LogprobTemperature, in_range};
use crate::{error::RlError, recipe::Recipe};
use burn_vlm::tape::ActivationRecompute;
use serde::{Deserialize, Serialize};

/// How long, and in which batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Steps: one batch of rollouts and its updates each.
    pub steps: u64,
    /// Passes over each batch.
    pub epochs: usize,
    /// Optimiser steps a pass.
    pub mini_batches: usize,
    /// Most sequences that are differentiated together; the result does not depend on it.
    pub micro_batch: usize,
    /// Most tokens that are differentiated together, a prompt counted once for its responses; a
    /// longer sequence goes alone. 0 for no limit; the result does not depend on it.
    pub micro_batch_tokens: usize,
    /// Temperature at which log-probabilities and entropies are taken, those of the reference
    /// included: `sampling`, that at which completions are drawn (1 for demonstrations), or a
    /// number.
    pub logprob_temperature: LogprobTemperature,
    /// What is kept for the backward pass.
    pub activation_recompute: ActivationRecompute,
    /// Steps at the start in which only the critic learns.
    pub freezing_actor_steps: u64,
    /// Ends a step's updates before one whose tokens have moved further than this from the policy
    /// that sampled, in nats a token; 0 for no such end.
    pub target_kl: f64,
    /// Decay of a moving average of the weights, which is saved beside them; 0 for none.
    pub average_decay: f64,
    /// A model directory of the reference, which may be another model with the same tokenizer: a
    /// teacher. Empty for the policy as it starts.
    pub reference: String,
    /// Steps after which the policy becomes the reference; 0 for never.
    pub reference_refresh_steps: u64,
    /// Share of the policy in the reference that a refresh makes; the rest is the one before.
    pub reference_mix: f64,
    /// Updates in a row with gradients that are not finite after which the run ends; until then
    /// they are skipped and counted.
    pub max_skipped_updates: u64,
    /// Steps after which replicas on several devices are compared, to the bit; 0 for no more often
    /// than checkpoints are written, before each of which they are.
    pub replica_check_steps: u64,
    /// Demonstrations learned from beside rewards.
    pub demonstrations: DemonstrationConfig,
}

/// A term of likelihood of demonstrated responses in every update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DemonstrationConfig {
    /// A JSONL file whose rows end with an assistant turn; empty for no such term.
    pub data: String,
    /// Weight of the mean loss of a response token.
    pub coefficient: f64,
    /// Rows of each update.
    pub rows: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 100,
            epochs: 1,
            mini_batches: 1,
            micro_batch: 16,
            micro_batch_tokens: 0,
            logprob_temperature: LogprobTemperature::default(),
            activation_recompute: ActivationRecompute::Block,
            freezing_actor_steps: 0,
            target_kl: 0.0,
            average_decay: 0.0,
            reference: String::new(),
            reference_refresh_steps: 0,
            reference_mix: 1.0,
            max_skipped_updates: 10,
            replica_check_steps: 20,
            demonstrations: DemonstrationConfig::default(),
        }
    }
}

impl Default for DemonstrationConfig {
    /// The weight is OpenRLHF's `ptx_coef`.
    fn default() -> Self {
        Self {
            data: String::new(),
            coefficient: 0.05,
            rows: 8,
        }
    }
}

impl TrainConfig {
    /// Refuses values out of range, and what makes no sense with the parts of `recipe`.
    pub(super) fn check(&self, recipe: &Recipe) -> Result<(), RlError> {
        in_range("train.target_kl", self.target_kl, 0.0, f64::MAX)?;
        in_range("train.average_decay", self.average_decay, 0.0, 0.999_999)?;
        in_range("train.reference_mix", self.reference_mix, 0.0, 1.0)?;
        let coefficient = self.demonstrations.coefficient;
        in_range(
            "train.demonstrations.coefficient",
            coefficient,
            0.0,
            f64::MAX,
        )?;
        self.logprob_temperature.check()?;
        let refuse = |message: &str| Err(RlError::Config(message.into()));
        if self.max_skipped_updates == 0 {
            return refuse("train.max_skipped_updates is 0, expected at least 1");
        }
        if self.demonstrations.rows == 0 {
            return refuse("train.demonstrations.rows is 0, expected at least 1");
        }
        if self.freezing_actor_steps > 0 && recipe.critic().is_none() {
            return refuse(
                "train.freezing_actor_steps freezes the policy while the critic learns, but this \
                 algorithm has no critic: expected 0",
            );
        }
        let reads_reference = recipe.needs().ref_logp;
        if self.reference_refresh_steps > 0 && !reads_reference {
            return refuse(
                "train.reference_refresh_steps renews the reference model, but no part of this \
                 algorithm reads one: expected 0, or a KL to the reference",
            );
        }
        if !self.reference.is_empty() && !reads_reference {
            return refuse(
                "train.reference names a reference model, but no part of this algorithm reads one: \
                 expected no such key, or a KL to the reference",
            );
        }
        if recipe.needs_teacher() && self.reference.is_empty() {
            return refuse(
                "train.reference is empty, but this algorithm rewards nothing but nearness to the \
                 reference model, which would be the policy itself: expected a teacher's directory",
            );
        }
        if self.reference_refresh_steps > 0 && !self.reference.is_empty() {
            return refuse(
                "train.reference_refresh_steps would replace the model of train.reference by the \
                 policy: expected only one of them",
            );
        }
        Ok(())
    }
}
