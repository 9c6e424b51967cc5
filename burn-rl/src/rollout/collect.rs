//! From prompts to a batch that an update can learn from: sampling, rewarding and filtering, again
//! and again where the batch is to be refilled.

use super::{
    GenerationParams, GenerationRequest, OtherRows, Sampler, SamplingState, TrainGroup,
    demonstrations, reward, tell_notices,
};
use crate::{
    clock::Clock,
    config::{FilterConfig, RolloutConfig},
    data::PromptSource,
    error::RlError,
    filter::{GroupBuffer, ShortBatch, Verdict},
    observer::{Event, Observer, Phase},
    recipe::{CompletionSource, Recipe},
    stop::StopFlag,
    types::{Group, Prompt, Sample, ScoredBatch},
};
use burn_rewards::RewardFn;
use burn_vlm::generate::{Purpose, Sampling};
use std::{collections::HashMap, path::Path, sync::Arc};

/// What sampling works with.
pub struct CollectInputs<'a> {
    /// Rows.
    pub train: &'a mut dyn PromptSource,
    /// Samples completions.
    pub engine: &'a dyn Sampler,
    /// Scores them.
    pub reward: &'a dyn RewardFn,
    /// Filters them.
    pub recipe: &'a Recipe,
    /// How many completions, and how they are sampled.
    pub rollout: &'a RolloutConfig,
    /// Temperature at which the learner takes log-probabilities.
    pub logprob_temperature: f64,
    /// What becomes of a batch in which filters leave gaps.
    pub filter: &'a FilterConfig,
    /// Asks to stop.
    pub stop: &'a StopFlag,
}

/// Where sampling stands: how far the walk over the data has come, and which groups wait.
///
/// Clone it before a step and drop the clone to roll back: an interrupted step then samples the
/// same prompts again.
#[derive(Debug, Clone)]
pub struct Collector {
    drawn: u64,
    batch: GroupBuffer<TrainGroup>,
    short_batch: ShortBatch,
    mini_batch: usize,
    max_rounds: usize,
}

/// A group that was sampled in this step.
#[derive(Debug, Clone)]
pub struct Sampled {
    /// Position of its prompt in the walk over the data.
    pub position: u64,
    /// The group.
    pub group: Group,
    /// What the filters said of it.
    pub verdict: Verdict,
}

/// What the sampling of a step has brought.
#[derive(Debug, Default)]
pub struct Collected {
    /// Every group that was sampled, kept or not.
    pub sampled: Vec<Sampled>,
    /// The groups of the update; none where the batch is not full yet.
    pub groups: Vec<TrainGroup>,
    /// Groups that passed the filters and are thrown away, with the reason.
    pub thrown_away: Option<(&'static str, usize)>,
    /// Rewards of greedy completions, where some part reads them: one a prompt.
    pub greedy_rewards: Vec<f64>,
    /// Rollouts.
    pub rounds: usize,
    /// Groups that wait for the next update; none where the batch is not refilled.
    pub waiting: Option<usize>,
    /// How often a program that gives rewards was started again.
    pub restarts: usize,
    /// Seconds spent sampling.
    pub rollout_s: f64,
    /// Seconds spent grading.
    pub reward_s: f64,
}

impl Collected {
    /// Tokens that were sampled; none where the data demonstrate.
    pub fn sampled_tokens(&self) -> usize {
        let rollouts = self.sampled.iter().flat_map(|s| &s.group.rollouts);
        let sampled = rollouts.filter(|r| !r.logprobs.is_empty());
        sampled.map(|r| r.tokens.len()).sum()
    }
}

impl Collector {
    /// Sampling from the start of the walk.
    pub fn new(
        rollout: &RolloutConfig,
        filter: &FilterConfig,
        mini_batches: usize,
        recipe: &Recipe,
    ) -> Self {
        let short_batch = filter.short_batch(recipe);
        let size = rollout.prompts_per_step;
        let mini_batch = size / mini_batches.max(1);
        Self {
            drawn: 0,
            batch: GroupBuffer::new(short_batch, size, mini_batch),
            short_batch,
            mini_batch,
            max_rounds: filter.max_rounds(recipe),
        }
    }

    /// What a checkpoint keeps of it.
    pub fn state(&self) -> SamplingState {
        SamplingState::new(self.drawn, &self.batch)
    }

    /// Continues from a state that was read from `path`. Groups that wait on rows that are no longer
    /// as they were are left out where that is allowed; gives their number.
    ///
    /// # Errors
    /// Such a group where it is not allowed.
    pub fn restore(
        &mut self,
        state: SamplingState,
        train: &mut dyn PromptSource,
        other_rows: OtherRows,
        path: &Path,
    ) -> Result<usize, RlError> {
        let (drawn, left_out) = state.restore(&mut self.batch, train, other_rows, path)?;
        self.drawn = drawn;
        Ok(left_out)
    }

    /// Whether the group of the prompt at `position` waits for an update.
    pub fn is_waiting(&self, position: u64) -> bool {
        self.waiting().iter().any(|l| l.position == position)
    }

    /// Groups that wait for the next update.
    pub fn waiting(&self) -> &[TrainGroup] {
        self.batch.waiting()
    }

    /// Gives the groups that wait new scores.
    pub fn set_scores(&mut self, scored: ScoredBatch) {
        let mut samples = scored.samples.into_iter();
        for group in self.batch.waiting_mut() {
            let n = group.samples.len();
            group.samples = samples.by_ref().take(n).collect();
        }
    }

    /// Groups of each mini-batch, where their number does not follow from that of the groups.
    pub fn mini_batch(&self) -> Option<usize> {
        (self.short_batch == ShortBatch::FewerUpdates).then_some(self.mini_batch)
    }

    /// Samples until there is a batch, or until the step has had its rollouts; none if the run was
    /// asked to stop, whatever was left undone.
    ///
    /// # Errors
    /// Rows and rewards that cannot be used; [`RlError::Training`] if the filters have left no
    /// batch for too long.
    pub fn collect(
        &mut self,
        from: &mut CollectInputs<'_>,
        step: u64,
        watch: &mut dyn Observer,
    ) -> Result<Option<Collected>, RlError> {
        match self.sample(from, step, watch) {
            Err(error) if from.stop.is_requested() => {
                tracing::info!("step {step} was stopped while it sampled: {error}");
                Ok(None)
            }
            found => found,
        }
    }

    fn sample(
        &mut self,
        from: &mut CollectInputs<'_>,
        step: u64,
        watch: &mut dyn Observer,
    ) -> Result<Option<Collected>, RlError> {
        let size = from.rollout.prompts_per_step;
        let mut found = Collected::default();
        let mut draws = DrawCounter::default();
        loop {
            if from.stop.is_requested() {
                return Ok(None);
            }
            let mut clock = Clock::start();
            let drawn = from.train.draw(self.drawn, size)?;
            let positions: Vec<u64> = drawn.iter().map(|d| d.position).collect();
            let prompts: Vec<_> = drawn.into_iter().map(|d| d.prompt).collect();
            let mut groups = match from.recipe.source() {
                CompletionSource::Data => demonstrations(&prompts)?,
                CompletionSource::Policy => from.rollouts(&prompts, &mut draws, step, watch)?,
            };
            let greedy = from.greedy_rewards(&prompts, step)?;
            found.rollout_s += clock.lap();
            if from.recipe.source() == CompletionSource::Policy {
                let scored = from.score(&mut groups, step);
                found.restarts += tell_notices(from.reward, step, watch);
                scored?;
            }
            found.reward_s += clock.lap();
            if from.stop.is_requested() {
                return Ok(None);
            }

            let (mut kept, mut dropped) = (vec![], vec![]);
            for (index, group) in groups.into_iter().enumerate() {
                let position = positions[index];
                let mut samples = group.samples();
                let verdict = match step <= from.recipe.filter_after() {
                    true => Verdict::Keep,
                    false => from.recipe.verdict(&samples),
                };
                if let Some(greedy) = &greedy {
                    let set = |sample: &mut Sample| sample.greedy_reward = Some(greedy[index]);
                    samples.iter_mut().for_each(set);
                }
                match &verdict {
                    Verdict::Drop(reason) => dropped.push(*reason),
                    Verdict::Keep => kept.push(TrainGroup::new(position, &group, samples)),
                    Verdict::Mask(_, indices) => {
                        indices.iter().for_each(|i| samples[*i].mask.fill(false));
                        kept.push(TrainGroup::new(position, &group, samples));
                    }
                }
                found.sampled.push(Sampled {
                    position,
                    group,
                    verdict,
                });
            }
            found.greedy_rewards.extend(greedy.into_iter().flatten());
            self.drawn = positions.last().map_or(self.drawn, |last| last + 1);
            self.batch.add(kept, &dropped);
            found.rounds += 1;
            if let Some(filled) = self.batch.take() {
                found.groups = filled.groups;
                found.thrown_away = filled.thrown_away;
                break;
            }
            let refills = self.batch.refills();
            if refills.rounds >= self.max_rounds {
                let message = refills.message(self.batch.waiting().len(), size);
                return Err(RlError::Training(message));
            }
            let limit = from.filter.rounds_per_step;
            if !self.short_batch.refills() || limit > 0 && found.rounds >= limit {
                break;
            }
        }
        let refills = self.short_batch.refills();
        found.waiting = refills.then(|| self.batch.waiting().len());
        Ok(Some(found))
    }
}

/// How often each prompt was asked in this step, so that none is given the same draws twice.
#[derive(Default)]
struct DrawCounter(HashMap<u64, u64>);

impl DrawCounter {
    fn request(&mut self, prompt: &Arc<Prompt>, n: usize) -> GenerationRequest {
        let next = self.0.entry(prompt.key).or_default();
        let draws = *next..*next + n as u64;
        *next = draws.end;
        GenerationRequest {
            prompt: prompt.clone(),
            draws,
            purpose: Purpose::Train,
        }
    }
}

impl CollectInputs<'_> {
    fn params(&self, sampling: Sampling, step: u64) -> GenerationParams {
        GenerationParams {
            logprob_temperature: self.logprob_temperature,
            stop: self.rollout.stop_texts(),
            ..GenerationParams::new(sampling, step)
        }
    }

    fn rollouts(
        &self,
        prompts: &[Arc<Prompt>],
        draws: &mut DrawCounter,
        step: u64,
        watch: &mut dyn Observer,
    ) -> Result<Vec<Group>, RlError> {
        let rollout = self.rollout;
        let n = rollout.samples_per_prompt;
        let requests: Vec<GenerationRequest> =
            prompts.iter().map(|p| draws.request(p, n)).collect();
        let total = prompts.len() * n;
        watch.event(Event::Progress(Phase::Rollout, 0, total));
        self.engine.complete(
            &requests,
            &self.params(rollout.sampling, step),
            &mut |done| {
                watch.event(Event::Progress(Phase::Rollout, done, total));
            },
        )
    }

    fn score(&self, groups: &mut [Group], step: u64) -> Result<(), RlError> {
        let cancel = self.stop.requested();
        reward(groups, self.reward, Some(step), Some(cancel))
    }

    /// The reward of a greedy completion of every prompt, if some part reads it.
    fn greedy_rewards(
        &self,
        prompts: &[Arc<Prompt>],
        step: u64,
    ) -> Result<Option<Vec<f64>>, RlError> {
        if !self.recipe.needs().greedy_reward {
            return Ok(None);
        }
        let sampling = Sampling {
            temperature: 0.0,
            ..self.rollout.sampling
        };
        let requests = GenerationRequest::first(prompts, 1, Purpose::Train);
        let mut groups =
            self.engine
                .complete(&requests, &self.params(sampling, step), &mut |_| {})?;
        self.score(&mut groups, step)?;
        let rewards = groups.iter().map(|g| g.rollouts[0].reward.value);
        Ok(Some(rewards.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_vlm::EncodedPrompt;

    #[test]
    fn a_prompt_that_comes_twice_in_a_step_asks_for_other_draws() {
        let prompt = |key| {
            Arc::new(Prompt {
                id: String::new(),
                key,
                text: String::new(),
                images: vec![],
                answer: String::new(),
                target: None,
                context: Default::default(),
                encoded: Arc::new(EncodedPrompt {
                    tokens: vec![1],
                    images: vec![],
                }),
            })
        };
        let mut draws = DrawCounter::default();
        let asked: Vec<_> = [7, 8, 7, 7]
            .map(|key| draws.request(&prompt(key), 4).draws)
            .into();
        assert_eq!(asked, [0..4, 0..4, 4..8, 8..12]);
    }
}
