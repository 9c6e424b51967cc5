//! Sampling in this process, from the very weights that are trained.

use super::RolloutEngine;
use crate::{
    error::RlError,
    types::{Group, Prompt, Rollout},
};
use burn_rewards::Reward;
use burn_vlm::{
    Processor, Vlm,
    generate::{Completion, Generator, Request, SampleKey, Sampling},
};
use std::sync::Arc;

/// An engine that shares the trainer's process, device and model definition.
pub struct LocalEngine {
    model: Vlm,
    processor: Arc<Processor>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    stop: Vec<u32>,
    max_batch: usize,
    seed: u64,
}

impl LocalEngine {
    /// An engine that samples from `model`.
    pub fn new(
        model: Vlm,
        processor: Arc<Processor>,
        sampling: Sampling,
        stop: Vec<u32>,
        max_batch: usize,
        seed: u64,
    ) -> Self {
        Self {
            model,
            processor,
            sampling,
            stop,
            max_batch,
            seed,
        }
    }

    /// The same engine with other sampling parameters.
    pub fn with_sampling(&self, sampling: Sampling) -> Self {
        Self {
            model: self.model.clone(),
            processor: self.processor.clone(),
            sampling,
            stop: self.stop.clone(),
            max_batch: self.max_batch,
            seed: self.seed,
        }
    }

    fn rollout(&self, completion: Completion) -> Result<Rollout, RlError> {
        Ok(Rollout {
            text: self.processor.decode(&completion.tokens, true)?,
            tokens: completion.tokens,
            sample_logprobs: completion.logprobs,
            finish: completion.finish,
            reward: Reward::default(),
        })
    }
}

impl RolloutEngine for LocalEngine {
    fn generate(
        &self,
        prompts: &[Arc<Prompt>],
        n: usize,
        step: u64,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Group>, RlError> {
        let request = |prompt: &Arc<Prompt>, draw| Request {
            prompt: prompt.encoded.clone(),
            key: SampleKey {
                seed: self.seed,
                step,
                prompt: prompt.key,
                draw,
            },
        };
        let requests: Vec<Request> = prompts
            .iter()
            .flat_map(|p| (0..n as u64).map(move |draw| request(p, draw)))
            .collect();
        let generator = Generator {
            model: &self.model,
            sampling: self.sampling,
            stop: &self.stop,
            max_batch: self.max_batch,
        };
        let mut done = generator.generate(&requests, finished)?.into_iter();
        let group = |prompt: &Arc<Prompt>| {
            let rollouts = done.by_ref().take(n).map(|c| self.rollout(c));
            Ok(Group {
                prompt: prompt.clone(),
                rollouts: rollouts.collect::<Result<_, RlError>>()?,
            })
        };
        prompts.iter().map(group).collect()
    }

    fn sync(&mut self, model: &Vlm) {
        self.model = model.clone();
    }
}
