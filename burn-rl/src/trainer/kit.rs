//! What a run needs to know of its kind of policy.

use crate::{
    config::RunConfig,
    data::{Encoder, Room},
    dist::{Workers, engine_on},
    error::RlError,
    learner::Policy,
    rollout::{LocalEngine, RolloutEngine},
    trainable::make_trainable,
};
use burn_vlm::{Processor, ValueHead, Vlm, generate::StopStrings};
use std::sync::Arc;

/// What only the kind of policy knows.
pub(super) trait Kit<P: Policy> {
    /// The policy as it is trained, once it and what belongs to it are checked.
    fn prepare(&mut self, policy: P, _: &RunConfig) -> Result<P, RlError> {
        Ok(policy)
    }

    /// A critic that starts from the policy.
    fn critic(&self, _: &P, _: &RunConfig) -> Result<Vlm, RlError> {
        Err(RlError::Config(
            "the algorithm has a critic, and this policy cannot be one: give it with \
             .critic(model)"
                .into(),
        ))
    }

    /// What turns data rows into prompts, if anything does.
    fn encoder(&self, _: &RunConfig) -> Option<Encoder> {
        None
    }

    /// Saved beside weights, if there is one.
    fn processor(&self) -> Option<Arc<Processor>> {
        None
    }

    /// What samples where no engine is given.
    fn engine(
        &self,
        workers: Option<&Arc<Workers>>,
        replicas: &[&P],
        config: &RunConfig,
    ) -> Result<Box<dyn RolloutEngine<P>>, RlError>;

    fn set_stop_tokens(&mut self, _: Vec<u32>) {}
}

/// A policy that nothing is known of.
pub(super) struct Plain;

impl<P: Policy> Kit<P> for Plain {
    fn engine(
        &self,
        _: Option<&Arc<Workers>>,
        _: &[&P],
        _: &RunConfig,
    ) -> Result<Box<dyn RolloutEngine<P>>, RlError> {
        let message = "nothing samples completions: give an engine with .engine(…)";
        Err(RlError::Config(message.into()))
    }
}

/// A vision-language model that is sampled from in this process.
pub(super) struct Local {
    processor: Arc<Processor>,
    stop: Vec<u32>,
    /// Those of the model.
    positions: usize,
}

impl Local {
    pub fn new(processor: Arc<Processor>) -> Self {
        Self {
            processor,
            stop: vec![],
            positions: usize::MAX,
        }
    }
}

impl Kit<Vlm> for Local {
    fn prepare(&mut self, model: Vlm, config: &RunConfig) -> Result<Vlm, RlError> {
        let fits = self.processor.check_fit(model.config());
        fits.map_err(RlError::Config)?;
        if self.stop.is_empty() {
            let found = self.processor.stop_token_ids();
            self.stop = found.map_err(|e| {
                let fix = "give the tokens that end a response with .stop_tokens(ids)";
                RlError::Config(format!("{e}; {fix}"))
            })?;
        }
        let rows = model.config().text.vocab_size;
        if let Some(id) = self.stop.iter().find(|id| **id as usize >= rows) {
            return Err(RlError::Config(format!(
                "eos_token_id is {id}, expected less than vocab_size, which is {rows}"
            )));
        }
        self.positions = model.config().max_positions();
        make_trainable(model, &config.lora, &config.model.freeze, config.seed)
    }

    fn critic(&self, model: &Vlm, config: &RunConfig) -> Result<Vlm, RlError> {
        let (section, device) = (&config.critic, model.device());
        let mut critic = model.without_lora();
        let (width, seed) = (critic.width(), config.seed);
        critic.lm_head = None;
        critic.value_head = Some(ValueHead::new(
            width,
            section.bias,
            section.init,
            seed,
            &device,
        ));
        Ok(critic)
    }

    fn encoder(&self, config: &RunConfig) -> Option<Encoder> {
        let (processor, system) = (self.processor.clone(), &config.model.system);
        let limit = config.data.max_prompt_tokens;
        Some(Encoder {
            room: Some(Room {
                positions: self.positions,
                max_new_tokens: config.rollout.sampling.max_new_tokens,
                key: "rollout.sampling.max_new_tokens",
            }),
            ..Encoder::new(processor, system, limit, *self.stop.first()?)
        })
    }

    fn processor(&self) -> Option<Arc<Processor>> {
        Some(self.processor.clone())
    }

    fn engine(
        &self,
        workers: Option<&Arc<Workers>>,
        replicas: &[&Vlm],
        config: &RunConfig,
    ) -> Result<Box<dyn RolloutEngine<Vlm>>, RlError> {
        // Found now rather than when the first completion is drawn.
        for stop in [&config.rollout.stop, &config.eval.stop] {
            StopStrings::new(stop, false, self.processor.tokenizer())?;
        }
        let build = |model: &Vlm| {
            let (processor, stop) = (self.processor.clone(), self.stop.clone());
            let (limits, seed) = (config.rollout.limits(), config.seed);
            LocalEngine::new(model.for_sampling(), processor, stop, limits, seed)
        };
        engine_on(workers, replicas, build)
    }

    fn set_stop_tokens(&mut self, ids: Vec<u32>) {
        self.stop = ids;
    }
}
