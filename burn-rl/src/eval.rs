//! Measuring a policy: completions of held-out rows, one greedy one or several drawn.

use crate::{
    config::EvalConfig,
    error::RlError,
    metrics::Metrics,
    rollout::{self, GenerationParams, GenerationRequest, Sampler, records},
    types::{Group, Prompt, Rollout},
};
use burn_rewards::RewardFn;
use burn_vlm::generate::{FinishReason, Purpose};
use run_log::RolloutRecord;
use std::sync::{Arc, atomic::AtomicBool};

/// What an evaluation found.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// `eval/<set>/…` numbers.
    pub metrics: Metrics,
    /// Every completion with its reward.
    pub records: Vec<RolloutRecord>,
}

/// Completes every prompt as often as the configuration says and scores the completions.
///
/// Greedy sampling makes `pass@1` the greedy accuracy.
/// Rewards of programs and servers are not waited for once `cancel` is true.
/// With several draws, `pass@k` is there for every power of two up to their number, and for it.
///
/// # Errors
/// A prompt that does not fit the model, or a rule that cannot judge.
pub fn evaluate(
    config: &EvalConfig,
    engine: &dyn Sampler,
    prompts: &[Arc<Prompt>],
    rule: &dyn RewardFn,
    step: u64,
    cancel: Option<&AtomicBool>,
    finished: &mut dyn FnMut(usize),
) -> Result<Evaluation, RlError> {
    let (set, draws) = (&config.name, config.draws);
    let requests = GenerationRequest::first(prompts, draws, Purpose::Evaluate);
    let mut groups = engine.complete(
        &requests,
        &GenerationParams {
            stop: config.stop_texts(),
            ..GenerationParams::new(config.sampling(), step)
        },
        finished,
    )?;
    // No step: what is measured is the same at every step of a run.
    rollout::reward(&mut groups, rule, None, cancel)?;
    let rollouts: Vec<&Rollout> = groups.iter().flat_map(|g| &g.rollouts).collect();
    let mean = |f: &dyn Fn(&Rollout) -> f64| {
        rollouts.iter().map(|r| f(r)).sum::<f64>() / rollouts.len().max(1) as f64
    };
    let share = |yes: bool| f64::from(u8::from(yes));
    let mut metrics = Metrics::new();
    let mut set_metric = |name: &str, value| metrics.set(format!("eval/{set}/{name}"), value);
    for k in ks(draws) {
        let right = |g: &Group| {
            let right = g.rollouts.iter().filter(|r| r.reward.correct == Some(true));
            right.count()
        };
        let passed = groups
            .iter()
            .map(|g| pass_at_k(g.rollouts.len(), right(g), k));
        let sum: f64 = passed.sum();
        set_metric(&format!("pass@{k}"), sum / groups.len().max(1) as f64);
    }
    set_metric("reward", mean(&|r| r.reward.value));
    set_metric("tokens", mean(&|r| r.tokens.len() as f64));
    set_metric(
        "truncated",
        mean(&|r| share(r.finish == FinishReason::Length)),
    );
    let records = groups
        .iter()
        .flat_map(|g| records(g, step, true, &[]))
        .collect();
    Ok(Evaluation { metrics, records })
}

/// The `k` that pass@k is estimated for: the powers of two up to `draws`, and `draws` itself.
pub fn ks(draws: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(1_usize), |k| k.checked_mul(2));
    let mut ks: Vec<usize> = powers.take_while(|k| *k < draws).collect();
    ks.push(draws);
    ks
}

/// The chance that at least one of `k` draws is right, estimated without bias from `n` draws of
/// which `right` were: `1 − C(n − right, k) / C(n, k)`
/// ([arXiv:2107.03374](https://arxiv.org/abs/2107.03374), equation 1, in the form of its figure 3,
/// which does not overflow).
pub fn pass_at_k(n: usize, right: usize, k: usize) -> f64 {
    if n < right + k {
        return 1.0;
    }
    let all_wrong: f64 = (n - right + 1..=n)
        .map(|i| 1.0 - k as f64 / i as f64)
        .product();
    1.0 - all_wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: over all subsets of `k` of `n` draws, the share with a right one.
    fn by_counting(n: usize, right: usize, k: usize) -> f64 {
        let (mut all, mut passed) = (0, 0);
        for subset in 0_u32..1 << n {
            if subset.count_ones() as usize == k {
                all += 1;
                passed += u32::from(subset & ((1 << right) - 1) != 0);
            }
        }
        f64::from(passed) / f64::from(all)
    }

    #[test]
    fn pass_at_k_is_the_share_of_subsets_with_a_right_draw() {
        for n in 1..=8 {
            for right in 0..=n {
                for k in 1..=n {
                    let (found, expected) = (pass_at_k(n, right, k), by_counting(n, right, k));
                    let case = format!("{right} of {n} right, k = {k}");
                    assert!(
                        (found - expected).abs() < 1e-12,
                        "{case}: {found} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn powers_of_two_and_all() {
        assert_eq!(ks(1), [1]);
        assert_eq!(ks(6), [1, 2, 4, 6]);
        assert_eq!(ks(8), [1, 2, 4, 8]);
    }
}
