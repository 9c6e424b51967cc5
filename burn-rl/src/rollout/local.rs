//! Sampling in this process, from the very weights that are trained.

use super::{GenerationParams, GenerationRequest, RolloutEngine, Sampler};
use crate::{
    error::RlError,
    stop::StopFlag,
    types::{Group, Rollout, StopTexts},
};
use burn_rewards::Reward;
use burn_vlm::{
    Processor, Vlm,
    generate::{Completion, Generator, Limits, Request, SampleKey, StopStrings},
};
use std::sync::Arc;

/// An engine that shares the trainer's process, device and model definition.
pub struct LocalEngine {
    /// None between release and synchronisation.
    model: Option<Vlm>,
    processor: Arc<Processor>,
    stop: Vec<u32>,
    limits: Limits,
    seed: u64,
    stop_flag: StopFlag,
}

impl LocalEngine {
    /// An engine that samples from `model`.
    pub fn new(
        model: Vlm,
        processor: Arc<Processor>,
        stop: Vec<u32>,
        limits: Limits,
        seed: u64,
    ) -> Self {
        Self {
            model: Some(model),
            processor,
            stop,
            limits,
            seed,
            stop_flag: StopFlag::new(),
        }
    }

    fn rollout(&self, completion: Completion, stop: StopStrings) -> Result<Rollout, RlError> {
        let text = self.processor.decode(&completion.tokens, true)?;
        Ok(Rollout {
            text: stop.cut(&text).into(),
            tokens: completion.tokens,
            logprobs: completion.logprobs,
            behaviour_logprobs: completion.behaviour_logprobs,
            finish: completion.finish,
            reward: Reward::default(),
        })
    }
}

impl Sampler for LocalEngine {
    fn generate(
        &self,
        requests: &[GenerationRequest],
        params: &GenerationParams,
        finished: &mut dyn FnMut(usize),
    ) -> Result<Vec<Group>, RlError> {
        let of_draw = |request: &GenerationRequest, draw| Request {
            prompt: request.prompt.encoded.clone(),
            key: SampleKey {
                purpose: request.purpose,
                seed: self.seed,
                step: params.step,
                prompt: request.prompt.key,
                draw,
            },
        };
        let draws: Vec<Request> = requests
            .iter()
            .flat_map(|request| request.draws.clone().map(|draw| of_draw(request, draw)))
            .collect();
        let model = self.model.as_ref().ok_or_else(|| {
            RlError::Training(
                "the engine was asked to sample after it let go of its weights".into(),
            )
        })?;
        let generator = Generator {
            model,
            sampling: params.sampling,
            stop: &self.stop,
            limits: self.limits,
            logprob_temperature: params.logprob_temperature,
        };
        let StopTexts { strings, include } = &params.stop;
        let stop = StopStrings::new(strings, *include, self.processor.tokenizer())?;
        let ends = |tokens: &[u32]| stop.end(tokens);
        let mut done = generator
            .generate_ending(self.stop_flag.requested(), &draws, &ends, finished)?
            .into_iter();
        let group = |request: &GenerationRequest| {
            let rollouts = done
                .by_ref()
                .take(request.len())
                .map(|c| self.rollout(c, stop));
            Ok(Group {
                prompt: request.prompt.clone(),
                first_draw: request.draws.start,
                rollouts: rollouts.collect::<Result<_, RlError>>()?,
            })
        };
        requests.iter().map(group).collect()
    }

    fn stop_on(&mut self, stop: &StopFlag) {
        self.stop_flag = stop.clone();
    }
}

impl RolloutEngine for LocalEngine {
    fn sync(&mut self, replicas: &[&Vlm]) -> Result<(), RlError> {
        self.model = replicas.first().map(|model| model.for_sampling());
        Ok(())
    }

    fn release(&mut self) {
        self.model = None;
    }
}
