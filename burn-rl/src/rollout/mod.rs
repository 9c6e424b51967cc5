//! Where completions come from: an engine that samples, or the data that demonstrate.

mod collect;
mod local;
mod train_group;

pub use collect::{CollectInputs, Collected, Collector, Sampled};
pub use local::LocalEngine;
pub use train_group::{SamplingState, TrainGroup};

use crate::{
    error::RlError,
    types::{Group, Prompt, Rollout},
};
use burn_rewards::{Reward, RewardFn, RewardInput};
use burn_vlm::{
    Vlm,
    generate::{FinishReason, Purpose, Sampling},
};
use std::{ops::Range, sync::Arc};

/// Completions of a prompt that are asked for.
#[derive(Debug, Clone)]
pub struct GenerationRequest {
    /// The prompt.
    pub prompt: Arc<Prompt>,
    /// Which of its draws in this step: a prompt that comes twice in a step asks for others the
    /// second time.
    pub draws: Range<u64>,
    /// What they are drawn for.
    pub purpose: Purpose,
}

impl GenerationRequest {
    /// The first `n` draws of every prompt.
    pub fn first(prompts: &[Arc<Prompt>], n: usize, purpose: Purpose) -> Vec<Self> {
        let request = |prompt: &Arc<Prompt>| Self {
            prompt: prompt.clone(),
            draws: 0..n as u64,
            purpose,
        };
        prompts.iter().map(request).collect()
    }

    pub(crate) fn len(&self) -> usize {
        (self.draws.end - self.draws.start) as usize
    }
}

/// Samples completions from the policy it was last given.
pub trait RolloutEngine: Send {
    /// Draws the completions that are asked for, one group a request; their rewards are still empty.
    ///
    /// A completion depends on the policy, the seed, `step`, the prompt, the draw and its purpose
    /// alone.
    /// `finished` is called with the number of completions done so far.
    ///
    /// # Errors
    /// A prompt that does not fit the model.
    fn generate(
        &self,
        requests: &[GenerationRequest],
        sampling: Sampling,
        step: u64,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Group>, RlError>;

    /// Takes new weights: the policy on every device that has it, or the one copy there is.
    ///
    /// # Errors
    /// A device that fails.
    fn sync(&mut self, replicas: &[&Vlm]) -> Result<(), RlError>;

    /// Lets go of the weights until the next [`sync`](Self::sync), so that an update has their room.
    fn release(&mut self);
}

/// The responses that the data demonstrate, one a prompt.
///
/// # Errors
/// A row without a response.
pub fn demonstrations(prompts: &[Arc<Prompt>]) -> Result<Vec<Group>, RlError> {
    let group = |prompt: &Arc<Prompt>| {
        let tokens = prompt.target.clone().ok_or_else(|| {
            let id = &prompt.id;
            RlError::Config(format!(
                "data row `{id}` ends without an assistant turn to learn from"
            ))
        })?;
        let rollout = Rollout {
            tokens,
            sample_logprobs: vec![],
            finish: FinishReason::Stop,
            text: String::new(),
            reward: Reward::default(),
        };
        Ok(Group {
            prompt: prompt.clone(),
            first_draw: 0,
            rollouts: vec![rollout],
        })
    };
    prompts.iter().map(group).collect()
}

/// Scores every completion, all of them as one batch.
///
/// # Errors
/// A reward that cannot judge; where the data are at fault, with the id of the row.
pub fn reward(groups: &mut [Group], rule: &dyn RewardFn) -> Result<(), RlError> {
    let rows = groups.iter().flat_map(|group| {
        group
            .rollouts
            .iter()
            .map(|rollout| (&*group.prompt, rollout))
    });
    let inputs: Vec<RewardInput<'_>> = rows
        .map(|(prompt, rollout)| RewardInput {
            prompt: &prompt.text,
            response: &rollout.text,
            answer: &prompt.answer,
            response_tokens: Some(rollout.tokens.len()),
            truncated: rollout.finish == FinishReason::Length,
        })
        .collect();
    let mut scored = rule.score_batch(&inputs).into_iter();
    for group in groups {
        let id = &group.prompt.id;
        for (rollout, scored) in group.rollouts.iter_mut().zip(&mut scored) {
            rollout.reward = scored.map_err(|error| match error.is_input() {
                true => RlError::Config(format!("data row `{id}`: {error}")),
                false => error.into(),
            })?;
        }
    }
    Ok(())
}
