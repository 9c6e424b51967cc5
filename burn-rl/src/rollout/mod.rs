//! Where completions come from: an engine that samples, or the data that demonstrate.

mod collect;
mod local;
mod record;
mod train_group;

pub use collect::{CollectInputs, Collected, Collector, Sampled};
pub use local::LocalEngine;
pub use record::{make_portable, records};
pub use train_group::{OtherRows, SamplingState, TrainGroup};

use crate::{
    error::RlError,
    observer::{Event, Observer},
    reward_names::check_parts,
    stop::StopFlag,
    types::{Group, Prompt, Rollout, StopTexts},
};
use burn_rewards::{Reward, RewardFn, RewardInput};
use burn_vlm::{
    Vlm,
    generate::{FinishReason, Purpose, Sampling},
};
use run_log::diagnostics::Warning;
use std::{
    ops::Range,
    sync::{Arc, atomic::AtomicBool},
};

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

/// How the completions of one call are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationParams {
    /// Temperature, truncation and length.
    pub sampling: Sampling,
    /// Temperature at which [`Rollout::logprobs`] are reported: that at which the learner takes
    /// log-probabilities. It does not change what is drawn.
    pub logprob_temperature: f64,
    /// The step, which random draws depend on.
    pub step: u64,
    /// Texts that end a completion.
    pub stop: StopTexts,
}

impl GenerationParams {
    /// Completions of `step`, with log-probabilities at temperature 1.
    pub fn new(sampling: Sampling, step: u64) -> Self {
        Self {
            sampling,
            logprob_temperature: 1.0,
            step,
            stop: StopTexts::default(),
        }
    }
}

/// Samples completions.
pub trait Sampler: Send {
    /// Draws the completions that are asked for, one group a request; their rewards are still empty.
    ///
    /// A completion depends on the policy, the seed, the step, the prompt, the draw and its purpose
    /// alone.
    /// `finished` is called with the number of completions done so far.
    ///
    /// # Errors
    /// A prompt that does not fit the model.
    fn generate(
        &self,
        requests: &[GenerationRequest],
        params: &GenerationParams,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Group>, RlError>;

    /// Is given what asks the run to stop, before the first call: a sampler that looks at it between
    /// tokens ends [`generate`](Self::generate) with [`RlError::Stopped`], and the run need not wait.
    fn stop_on(&mut self, _stop: &StopFlag) {}
}

impl dyn Sampler + '_ {
    /// [`generate`](Sampler::generate), with an answer that is what was asked for.
    ///
    /// # Errors
    /// As there; [`RlError::Training`] for other groups, another number of completions, or
    /// log-probabilities that are not one a token.
    pub fn complete(
        &self,
        requests: &[GenerationRequest],
        params: &GenerationParams,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Group>, RlError> {
        let groups = self.generate(requests, params, finished)?;
        let wrong = |what: &str, found: usize, expected: usize| {
            Err(RlError::Training(format!(
                "the engine gave {found} {what}, expected {expected}"
            )))
        };
        if groups.len() != requests.len() {
            return wrong("groups", groups.len(), requests.len());
        }
        for (group, request) in groups.iter().zip(requests) {
            if group.rollouts.len() != request.len() {
                let what = format!("completions of `{}`", request.prompt.id);
                return wrong(&what, group.rollouts.len(), request.len());
            }
            for rollout in &group.rollouts {
                let expected = rollout.tokens.len();
                for (name, found) in [
                    ("logprobs", rollout.logprobs.len()),
                    ("behaviour_logprobs", rollout.behaviour_logprobs.len()),
                ] {
                    if found != expected {
                        let what = format!("{name} for a completion of `{}`", request.prompt.id);
                        return wrong(&what, found, expected);
                    }
                }
            }
        }
        Ok(groups)
    }
}

/// A sampler that follows the policy `P` as it is trained.
///
/// One in this process shares the weights it is given. One in another process or on another machine
/// serves any policy: it writes them where its server finds them
/// ([`Policy::save`](crate::learner::Policy::save)) and waits until they are loaded.
pub trait RolloutEngine<P = Vlm>: Sampler {
    /// Takes new weights: the policy on every device that has it, or the one copy there is.
    ///
    /// # Errors
    /// A device or a server that fails.
    fn sync(&mut self, replicas: &[&P]) -> Result<(), RlError>;

    /// Lets go of the weights until the next [`sync`](Self::sync), so that an update has their
    /// memory. An engine that has no memory of this process has nothing to do.
    fn release(&mut self) {}
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
            logprobs: vec![],
            behaviour_logprobs: vec![],
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

/// Scores every completion, all of them as one batch; at training step `step`, or outside of
/// training. Programs and servers are not waited for once `cancel` is true.
///
/// # Errors
/// A reward that cannot judge; where the data are at fault, with the id of the row.
pub fn reward(
    groups: &mut [Group],
    rule: &dyn RewardFn,
    step: Option<u64>,
    cancel: Option<&AtomicBool>,
) -> Result<(), RlError> {
    let rows = groups.iter().flat_map(|group| {
        group
            .rollouts
            .iter()
            .map(|rollout| (&*group.prompt, rollout))
    });
    let inputs: Vec<RewardInput<'_>> = rows
        .map(|(prompt, rollout)| {
            let mut input = prompt.reward_input(rollout);
            (input.step, input.cancel) = (step, cancel);
            input
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
            // Programs and servers name parts that nobody knows before.
            let parts: Vec<&str> = rollout
                .reward
                .parts
                .iter()
                .map(|(n, _)| n.as_str())
                .collect();
            check_parts(&parts)?;
        }
    }
    Ok(())
}

/// Tells what a person should know of a reward that goes on, and how many such things there were.
pub(crate) fn tell_notices(rule: &dyn RewardFn, step: u64, watch: &mut dyn Observer) -> usize {
    let notices = rule.take_notices();
    for notice in &notices {
        watch.event(Event::Warned(&Warning {
            step,
            name: "reward_program",
            finding: format!("reward `{}`: {}", notice.rule, notice.message),
            advice: "Its last lines on standard error say why",
        }));
    }
    notices.len()
}
