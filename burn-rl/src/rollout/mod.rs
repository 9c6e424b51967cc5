//! Where completions come from: an engine that samples, or the data that demonstrate.

mod local;

pub use local::LocalEngine;

use crate::{
    error::RlError,
    types::{Group, Prompt, Rollout},
};
use burn_rewards::{Reward, RewardFn, RewardInput};
use burn_vlm::{Vlm, generate::FinishReason};
use rayon::prelude::*;
use std::sync::Arc;

/// Samples completions from the policy it was last given.
pub trait RolloutEngine: Send {
    /// Draws `n` completions of each prompt; their rewards are still empty.
    ///
    /// `finished` is called with the number of completions done so far.
    ///
    /// # Errors
    /// A prompt that does not fit the model.
    fn generate(
        &self,
        prompts: &[Arc<Prompt>],
        n: usize,
        step: u64,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Group>, RlError>;

    /// Takes new weights.
    fn sync(&mut self, model: &Vlm);
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
            rollouts: vec![rollout],
        })
    };
    prompts.iter().map(group).collect()
}

/// Scores every completion, in parallel.
///
/// # Errors
/// A rule that cannot judge, with the id of the row.
pub fn reward(groups: &mut [Group], rule: &dyn RewardFn) -> Result<(), RlError> {
    groups.par_iter_mut().try_for_each(|group| {
        for rollout in &mut group.rollouts {
            rollout.reward = rule.score(&RewardInput {
                prompt: &group.prompt.text,
                response: &rollout.text,
                answer: &group.prompt.answer,
                response_tokens: rollout.tokens.len(),
                truncated: rollout.finish == FinishReason::Length,
            })?;
        }
        Ok(())
    })
}
