//! The memory that a run holds at its fullest moment.

use super::{Lengths, Target};
use burn_rl::{config::RunConfig, recipe::Recipe, trainable::ParameterCounts};
use burn_vlm::{
    Compute, ModelConfig,
    footprint::{BatchSizes, CacheLoad, Footprint, TrainedSizes},
};

/// Bytes of a number.
const F32: f64 = 4.0;
const BF16: f64 = 2.0;

/// What the process holds beside tensors on the host: the program, the tokenizer, rows of text.
const PROGRAM_BYTES: f64 = 48.0 * (1 << 20) as f64;

/// Bytes that a run holds: what is always there, and what its phases add in turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// The program itself, where it shares the device's memory.
    pub program: f64,
    /// Replicas that share the device's memory.
    pub replicas: usize,
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
    /// What a run of `config` takes on each device of `target`, or on the host they share.
    pub fn of(
        config: &RunConfig,
        recipe: &Recipe,
        model: &ModelConfig,
        counts: &ParameterCounts,
        lengths: &Lengths,
        target: Target,
    ) -> Self {
        let passes = Footprint::new(model);
        let is_adapter = config.lora.is_on() || counts.adapted > 0;
        let trained = counts.trained.all as f64;
        // What is frozen, and copies that are not trained, are in the compute precision.
        let plain = match model.compute {
            Compute::F32 => F32,
            Compute::Bf16 => BF16,
        };
        let critic = recipe.critic().map_or(0, |_| counts.total - counts.head) as f64;
        let reference = match (recipe.needs().ref_logp, config.train.reference.is_empty()) {
            (true, false) => plain * counts.total as f64,
            // Frozen parameters are shared, and an adapter is left out of its own reference.
            (true, true) if !is_adapter => plain * trained,
            _ => 0.0,
        };
        let average = match config.train.average_decay > 0.0 {
            true => F32 * trained,
            false => 0.0,
        };
        // What is sampled from and is not shared with what is trained.
        let is_merged = is_adapter && config.lora.merges_rollouts(model.compute);
        let copied = match (is_merged, model.compute) {
            (true, _) => plain * counts.adapted as f64,
            (false, Compute::F32) => 0.0,
            (false, Compute::Bf16) => BF16 * trained,
        };

        let is_paged = !target.is_gpu && model.compute == Compute::F32;
        let rollout = |prompts: usize, samples: usize, new_tokens: usize| {
            let load = |rows: usize| CacheLoad {
                prompts: rows.div_ceil(samples.max(1)),
                prompt_len: lengths.prompt,
                rows,
                new_tokens,
                is_paged,
            };
            let most = config.rollout.max_batch.min(prompts * samples);
            let fits = |rows: &usize| load(*rows).positions() <= config.rollout.max_tokens;
            let rows = (1..=most).rev().find(fits).unwrap_or(most.min(1));
            let load = load(rows);
            let prefill = BatchSizes {
                rows: load.prompts,
                width: lengths.prompt,
                tokens: load.prompts * lengths.prompt,
                targets: 0,
                pictures: load.prompts * lengths.segments,
                patches: lengths.patches,
            };
            let cache = passes.cache(load.positions());
            // Pages are there once they are used.
            let begun = CacheLoad {
                new_tokens: 0,
                ..load
            };
            let begun = if is_paged { begun } else { load };
            let reading = passes.cache(begun.positions()) + passes.prefill(&prefill);
            reading.max(cache + passes.decode(rows))
        };
        let own = &config.rollout;
        // Every replica has its share of the prompts.
        let prompts = own.prompts_per_step.div_ceil(target.replicas);
        let held_out = lengths.held_out.div_ceil(target.replicas);
        let sampled = rollout(prompts, own.samples_per_prompt, own.sampling.max_new_tokens);
        let measured = rollout(held_out, config.eval.draws, config.eval.max_new_tokens);

        let micro = micro_batch(config, lengths);
        let completions = prompts * own.samples_per_prompt;
        let per_update = completions.div_ceil(config.train.mini_batches);
        let parts = per_update.div_ceil(micro.rows.max(1));
        let concurrent = target.concurrent.min(parts).max(1);
        // Beside the gradients of each micro-batch at work there is on a host their sum, once there
        // is more than one round.
        let sums = if parts > concurrent && !target.is_gpu {
            F32
        } else {
            0.0
        };
        let recompute = config.train.activation_recompute;
        let gradients = passes.gradients(&micro, &counts.trained, recompute);
        let mut update = concurrent as f64 * gradients + sums * trained;
        if !target.is_gpu {
            // The gradient of the matrix that predicts tokens exists once.
            let copies = concurrent - 1 + usize::from(sums > 0.0);
            update -= F32 * (counts.trained.head * copies) as f64;
        }
        // On a host it moves what there is; elsewhere one matrix at a time is made anew.
        let moved = if target.is_gpu { 6.0 } else { 0.0 };
        update = update.max(F32 * (trained + moved * counts.largest as f64));
        if critic > 0.0 {
            let whole = TrainedSizes {
                all: critic as usize,
                head: 0,
                tower: true,
            };
            let without_head = BatchSizes {
                targets: 0,
                ..micro
            };
            let critic_update = passes.gradients(&without_head, &whole, recompute);
            update = update.max(concurrent as f64 * critic_update + sums * critic);
        }
        let shown = (own.prompts_per_step + lengths.held_out) * lengths.segments;
        // Patches wait on the host.
        let shown = if target.is_gpu { 0 } else { shown };
        let shown = BatchSizes {
            pictures: shown,
            patches: lengths.patches,
            ..micro
        };
        let frozen = counts.total as f64 - trained;
        Self {
            program: if target.is_gpu { 0.0 } else { PROGRAM_BYTES },
            replicas: target.sharing,
            weights: F32 * (trained + critic) + plain * frozen + reference + average,
            moments: F32 * 2.0 * (trained + critic),
            pictures: passes.pixels(&shown),
            rollout: copied + sampled.max(measured),
            score: concurrent as f64 * passes.score(&micro),
            update,
        }
    }

    /// Tensors and pictures at the fullest moment: phases take turns.
    pub fn tensors(&self) -> f64 {
        let phase = self.rollout.max(self.score).max(self.update);
        self.replicas as f64 * (self.weights + self.moments + phase) + self.pictures
    }

    /// The same with the program itself.
    pub fn peak(&self) -> f64 {
        self.program + self.tensors()
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
    // Rows of one prompt are neighbours.
    let samples = rollout.samples_per_prompt.max(1);
    let tokens_of = |rows: usize| rows.div_ceil(samples) * lengths.prompt + rows * response;
    let mut rows = rows.max(1);
    if train.micro_batch_tokens > 0 {
        while rows > 1 && tokens_of(rows) > train.micro_batch_tokens {
            rows -= 1;
        }
    }
    BatchSizes {
        rows,
        width,
        tokens: tokens_of(rows),
        targets: rows * response,
        pictures: rows.div_ceil(samples) * lengths.segments,
        patches: lengths.patches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use burn_rl::algo::Registry;
    use std::path::Path;

    #[test]
    fn merged_weights_are_counted_where_rollouts_are_sampled_from_them() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/qwen2_5_vl");
        let model = ModelConfig::from_dir(&golden).unwrap();
        let lengths = Lengths {
            prompt: 40,
            segments: 1,
            patches: 16,
            seen: None,
            held_out: 0,
        };
        let plan = |device: &str, choice: Option<bool>| {
            let mut config = RunConfig::default();
            config.lora.rank = 4;
            config.lora.merge_rollouts = choice;
            let target = Target::named(device).unwrap();
            Plan::new(&config, &model, lengths, target, &Registry::builtin()).unwrap()
        };
        let beside = plan("flex", Some(false));
        let adapted = beside.counts.adapted as f64;
        let trained = beside.counts.trained.all as f64;
        let copied = |plan: &Plan, other: &Plan| plan.memory.rollout - other.memory.rollout;
        assert_eq!(copied(&plan("flex", None), &beside), F32 * adapted);
        assert_eq!(copied(&plan("flex", Some(true)), &beside), F32 * adapted);
        // In bf16 the adapter itself is rounded, if nothing is merged.
        let beside = plan("cuda:0", None);
        let merged = plan("cuda:0", Some(true));
        assert_eq!(copied(&merged, &beside), BF16 * (adapted - trained));
        assert_eq!(plan("cuda:0", Some(false)), beside);
    }
}
