//! The memory that a run holds at its fullest moment.

use super::Lengths;
use burn_rl::{adapt::ParameterCounts, config::RunConfig, recipe::Recipe};
use burn_vlm::{
    ModelConfig,
    footprint::{BatchSizes, Footprint},
};

/// Bytes of an f32.
const F32: f64 = 4.0;

/// What the process holds beside tensors on the host: the program, the tokenizer, rows of text.
const PROGRAM_BYTES: f64 = 48.0 * (1 << 20) as f64;

/// Bytes that a run holds: what is always there, and what its phases add in turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// Weights of the policy and of what is beside it: reference, average, critic.
    pub weights: f64,
    /// Moments of what is trained.
    pub moments: f64,
    /// Pictures of a step's prompts and of the held-out ones, on the host.
    pub pictures: f64,
    /// Sampling: the key-value cache, logits, and merged weights of an adapter.
    pub rollout: f64,
    /// Log-probabilities of what was sampled.
    pub score: f64,
    /// Gradients, what the backward pass keeps, and its fullest block.
    pub update: f64,
}

impl Memory {
    /// What a run of `config` takes where `lanes` micro-batches are at work at a time.
    pub fn of(
        config: &RunConfig,
        recipe: &Recipe,
        model: &ModelConfig,
        counts: &ParameterCounts,
        lengths: &Lengths,
        lanes: usize,
    ) -> Self {
        let passes = Footprint::new(model);
        let is_adapter = config.lora.is_on() || counts.adapted > 0;
        let trained = counts.trained.all;
        let critic = recipe.critic.map_or(0, |_| counts.total - counts.head);
        let reference = match (recipe.needs().ref_logp, config.train.reference.is_empty()) {
            (true, false) => counts.total,
            // Frozen parameters are shared, and an adapter is left out of its own reference.
            (true, true) if !is_adapter => trained,
            _ => 0,
        };
        let average = if config.train.average_decay > 0.0 {
            trained
        } else {
            0
        };
        let merged = match is_adapter && config.lora.merge_rollouts {
            true => counts.adapted,
            false => 0,
        };

        let rollout = |prompts: usize, samples: usize, max_new: usize| {
            let rows = config.rollout.max_batch.min(prompts * samples);
            let read = rows.div_ceil(samples.max(1));
            let prefill = BatchSizes {
                rows: read,
                width: lengths.prompt,
                targets: 0,
                pictures: read * lengths.segments,
                patches: lengths.patches,
            };
            let cache = passes.cache(rows, lengths.prompt + max_new);
            let reading = passes.cache(read, lengths.prompt) + passes.prefill(&prefill);
            reading.max(cache + passes.decode(rows))
        };
        let own = &config.rollout;
        let sampled = rollout(
            own.prompts_per_step,
            own.samples_per_prompt,
            own.sampling.max_new_tokens,
        );
        let measured = rollout(
            lengths.held_out,
            config.eval.draws,
            config.eval.max_new_tokens,
        );

        let micro = micro_batch(config, lengths);
        let completions = own.prompts_per_step * own.samples_per_prompt;
        let per_update = completions.div_ceil(config.train.mini_batches);
        let parts = per_update.div_ceil(micro.rows.max(1));
        let lanes = lanes.min(parts).max(1);
        // Beside the lanes' own gradients there is their sum, once there is more than one round.
        let sum = if parts > lanes && lanes > 1 {
            trained
        } else {
            0
        };
        let recompute = config.train.activation_recompute;
        let gradients = passes.gradients(&micro, &counts.trained, recompute);
        let mut update = lanes as f64 * gradients + sum as f64;
        // The optimiser moves one matrix at a time.
        update = update.max((trained + 6 * counts.largest) as f64);
        if critic > 0 {
            let trained = burn_vlm::footprint::TrainedSizes {
                all: critic,
                head: 0,
                tower: true,
            };
            let without_head = BatchSizes {
                targets: 0,
                ..micro
            };
            let critic_update = passes.gradients(&without_head, &trained, recompute);
            let sum = if sum > 0 { critic } else { 0 };
            update = update.max(lanes as f64 * critic_update + sum as f64);
        }
        let shown = (own.prompts_per_step + lengths.held_out) * lengths.segments;
        let shown = BatchSizes {
            pictures: shown,
            patches: lengths.patches,
            ..micro
        };
        Self {
            weights: F32 * (counts.total + reference + average + critic) as f64,
            moments: F32 * 2.0 * (trained + critic) as f64,
            pictures: F32 * passes.pixels(&shown),
            rollout: F32 * (merged as f64 + sampled.max(measured)),
            score: F32 * lanes as f64 * passes.score(&micro),
            update: F32 * update,
        }
    }

    /// Tensors and pictures at the fullest moment: phases take turns.
    pub fn tensors(&self) -> f64 {
        let phase = self.rollout.max(self.score).max(self.update);
        self.weights + self.moments + self.pictures + phase
    }

    /// The same with the program itself.
    pub fn peak(&self) -> f64 {
        PROGRAM_BYTES + self.tensors()
    }
}

/// A micro-batch of the longest sequences.
fn micro_batch(config: &RunConfig, lengths: &Lengths) -> BatchSizes {
    let (train, rollout) = (&config.train, &config.rollout);
    let response = rollout.sampling.max_new_tokens;
    let width = lengths.prompt + response;
    let completions = rollout.prompts_per_step * rollout.samples_per_prompt;
    let rows = train
        .micro_batch
        .min(completions.div_ceil(train.mini_batches));
    let rows = match train.micro_batch_tokens {
        0 => rows,
        tokens => rows.min((tokens / width).max(1)),
    };
    BatchSizes {
        rows,
        width,
        targets: rows * response,
        pictures: rows.min(rollout.prompts_per_step) * lengths.segments,
        patches: lengths.patches,
    }
}
