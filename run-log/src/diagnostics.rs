//! Known failure patterns of a run (entropy collapse, growing length, …), found in its numbers, each with what to do about it.
//!
//! A detector is a pure function of the numbers of all steps so far. Thresholds are coarse on
//! purpose: a warning asks a person to look, it decides nothing.

use crate::error::LogError;
use crate::metrics::Metrics;
use crate::step_log;
use std::{collections::BTreeMap, path::Path};

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// The step at which it was first seen.
    pub step: u64,
    /// A short name.
    pub name: &'static str,
    /// What is seen, with numbers.
    pub finding: String,
    /// What to do.
    pub advice: &'static str,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}. {}", self.finding, self.advice)
    }
}

/// Watches the numbers of a run. A pattern is reported when it begins, and again only after it
/// has been gone for [`QUIET_STEPS`].
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    series: Series,
    /// The last step at which each pattern was seen.
    seen: BTreeMap<&'static str, u64>,
}

/// Steps without a pattern after which it counts as a new one.
pub const QUIET_STEPS: u64 = 20;

impl Diagnostics {
    /// Reads the numbers that a run has written so far: gives the watch to go on with, and the
    /// warnings of those steps.
    ///
    /// # Errors
    /// As [`step_log::read`].
    pub fn of_run(metrics: &Path) -> Result<(Self, Vec<Warning>), LogError> {
        let (mut diagnostics, mut warnings) = (Self::default(), vec![]);
        for (step, metrics) in step_log::read(metrics)? {
            warnings.extend(diagnostics.observe(step, &metrics));
        }
        Ok((diagnostics, warnings))
    }

    /// Takes the numbers of a step, and gives the patterns that begin with it.
    pub fn observe(&mut self, step: u64, metrics: &Metrics) -> Vec<Warning> {
        if step == 0 {
            // Only the evaluation before training.
            return vec![];
        }
        self.series.push(metrics);
        let mut warnings = vec![];
        for pattern in PATTERNS {
            let Some(finding) = (pattern.detect)(&self.series) else {
                continue;
            };
            let before = self.seen.insert(pattern.name, step);
            if before.is_none_or(|last| step - last > QUIET_STEPS) {
                warnings.push(Warning {
                    step,
                    name: pattern.name,
                    finding,
                    advice: pattern.advice,
                });
            }
        }
        warnings
    }
}

/// A failure pattern, how it is found and what helps.
pub struct Pattern {
    /// A short name.
    pub name: &'static str,
    /// What is seen, if it is there.
    pub detect: fn(&Series) -> Option<String>,
    /// What to do.
    pub advice: &'static str,
}

/// Every pattern that is looked for.
pub const PATTERNS: &[Pattern] = &[
    Pattern {
        name: "no_signal",
        detect: no_signal,
        advice: "Nothing can be learned from them: choose prompts of another difficulty \
                 (`trainer filter-difficulty`), draw more completions of each prompt, raise the \
                 temperature, or check that the reward can tell answers apart (rollouts/)",
    },
    Pattern {
        name: "reward_hacking",
        detect: reward_hacking,
        advice: "The policy may have found reward in length alone: read the longest completions in \
                 rollouts/, cap what length or format can earn, or use a reduction without length \
                 bias (algo.reduction)",
    },
    Pattern {
        name: "entropy_collapse",
        detect: entropy_collapse,
        advice: "The policy has stopped exploring: raise algo.clip_high, add an entropy bonus or a \
                 KL to the reference, or lower optim.lr",
    },
    Pattern {
        name: "sampler_gap",
        detect: sampler_gap,
        advice: "Sampler and trainer no longer agree about the same weights, which ends in \
                 collapse: turn on a rollout correction, compute in higher precision, or lower \
                 optim.lr",
    },
    Pattern {
        name: "truncation",
        detect: truncation,
        advice: "Right answers may be lost at the limit: raise rollout.sampling.max_new_tokens, add \
                 an overlong penalty, or mask such completions (algo.truncated = \"mask\")",
    },
    Pattern {
        name: "skipped_updates",
        detect: skipped_updates,
        advice: "The weights were left as they were: lower optim.lr or optim.max_grad_norm, and \
                 look for rewards or log-probabilities that are not finite",
    },
];

/// The numbers that detectors read, one a step; NaN where a step has none.
#[derive(Debug, Clone)]
pub struct Series {
    values: Vec<(&'static str, Vec<f64>)>,
}

impl Default for Series {
    fn default() -> Self {
        let names = [
            ZERO_STD, TOKENS, REWARD, ACCURACY, ENTROPY, GAP, TRUNCATED, SKIPPED,
        ];
        Self {
            values: names.map(|name| (name, vec![])).to_vec(),
        }
    }
}

const ZERO_STD: &str = "reward/zero_std_groups";
const TOKENS: &str = "response/tokens";
const REWARD: &str = "reward/mean";
const ACCURACY: &str = "reward/accuracy";
const ENTROPY: &str = "policy/entropy";
const GAP: &str = "policy/sampler_gap_max";
const TRUNCATED: &str = "response/truncated";
const SKIPPED: &str = "optim/skipped_updates";

impl Series {
    fn push(&mut self, metrics: &Metrics) {
        for (name, values) in &mut self.values {
            values.push(metrics.get(name).unwrap_or(f64::NAN));
        }
    }

    /// The finite numbers of a metric, in order.
    fn of(&self, name: &str) -> Vec<f64> {
        let found = self.values.iter().find(|(n, _)| *n == name);
        let finite = |values: &Vec<f64>| values.iter().copied().filter(|v| v.is_finite()).collect();
        found.map(|(_, values)| finite(values)).unwrap_or_default()
    }

    /// The last `n` numbers of a metric, if there are so many.
    fn last(&self, name: &str, n: usize) -> Option<Vec<f64>> {
        let all = self.of(name);
        (all.len() >= n).then(|| all[all.len() - n..].to_vec())
    }

    /// Means of the first and of the last `n` numbers, if they do not overlap.
    fn first_and_last(&self, name: &str, n: usize) -> Option<(f64, f64)> {
        let all = self.of(name);
        (all.len() >= 2 * n).then(|| (mean(&all[..n]), mean(&all[all.len() - n..])))
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn no_signal(series: &Series) -> Option<String> {
    const STEPS: usize = 3;
    let shares = series.last(ZERO_STD, STEPS)?;
    shares.iter().all(|s| *s >= 1.0).then(|| {
        format!("in each of the last {STEPS} steps, all completions of every prompt had one reward")
    })
}

fn reward_hacking(series: &Series) -> Option<String> {
    const STEPS: usize = 20;
    let halves = |name| {
        let values = series.last(name, STEPS)?;
        Some((mean(&values[..STEPS / 2]), mean(&values[STEPS / 2..])))
    };
    let (tokens, reward, accuracy) = (halves(TOKENS)?, halves(REWARD)?, halves(ACCURACY)?);
    let longer = tokens.1 > 1.1 * tokens.0;
    let richer = reward.1 - reward.0 > 0.05 * reward.0.abs().max(0.2);
    let no_better = accuracy.1 - accuracy.0 < 0.01 && accuracy.1 < 0.95;
    (longer && richer && no_better).then(|| {
        format!(
            "within {STEPS} steps, length rose from {:.0} to {:.0} tokens and reward from {:.2} to \
             {:.2}, while accuracy went from {:.2} to {:.2}",
            tokens.0, tokens.1, reward.0, reward.1, accuracy.0, accuracy.1
        )
    })
}

fn entropy_collapse(series: &Series) -> Option<String> {
    const STEPS: usize = 5;
    let (first, last) = series.first_and_last(ENTROPY, STEPS)?;
    let accuracy = series.last(ACCURACY, STEPS).map(|a| mean(&a));
    // A policy that is nearly always right has reason to be sure.
    let mastered = accuracy.is_some_and(|a| a >= 0.9);
    (last < 0.1 * first && !mastered)
        .then(|| format!("entropy fell from {first:.3} to {last:.3} nats a token"))
}

fn sampler_gap(series: &Series) -> Option<String> {
    const STEPS: usize = 10;
    let (first, last) = series.first_and_last(GAP, STEPS)?;
    (last > 3.0 * first && last > 0.02).then(|| {
        format!(
            "the largest difference of a token's log-probability between sampler and trainer grew \
             from {first:.4} to {last:.4} nats"
        )
    })
}

fn truncation(series: &Series) -> Option<String> {
    const STEPS: usize = 3;
    let share = mean(&series.last(TRUNCATED, STEPS)?);
    (share > 0.2).then(|| {
        format!(
            "{:.0} % of the completions of the last {STEPS} steps were cut off",
            100.0 * share
        )
    })
}

fn skipped_updates(series: &Series) -> Option<String> {
    let skipped = *series.last(SKIPPED, 1)?.first()?;
    (skipped > 0.0)
        .then(|| format!("{skipped} updates of a step had gradients that are not finite"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The warnings of a run by step and name, where `number` gives the value of a metric at a
    /// step.
    fn warnings(
        steps: u64,
        number: impl Fn(u64) -> Vec<(&'static str, f64)>,
    ) -> Vec<(u64, &'static str)> {
        let mut diagnostics = Diagnostics::default();
        let mut found = vec![];
        for step in 1..=steps {
            let mut metrics = Metrics::new();
            for (name, value) in number(step) {
                metrics.set(name, value);
            }
            found.extend(
                diagnostics
                    .observe(step, &metrics)
                    .iter()
                    .map(|w| (w.step, w.name)),
            );
        }
        found
    }

    #[test]
    fn groups_without_signal_are_reported_once_an_onset() {
        // Seen in steps 5..=7, then from 40 on, after more than 20 quiet steps.
        let share = |step: u64| f64::from(u8::from((5..=7).contains(&step) || step >= 40));
        let found = warnings(60, |step| vec![(ZERO_STD, share(step))]);
        assert_eq!(found, [(7, "no_signal"), (42, "no_signal")]);
        // A recovery of a few steps is no recovery.
        let share = |step: u64| f64::from(u8::from(!step.is_multiple_of(10)));
        let found = warnings(60, |step| vec![(ZERO_STD, share(step))]);
        assert_eq!(found, [(3, "no_signal")]);
    }

    #[test]
    fn length_and_reward_that_rise_without_accuracy() {
        let run = |accuracy_slope: f64, token_slope: f64| {
            warnings(30, |step| {
                let t = step as f64;
                vec![
                    (TOKENS, 100.0 + token_slope * t),
                    (REWARD, 0.5 + 0.02 * t),
                    (ACCURACY, 0.3 + accuracy_slope * t),
                ]
            })
        };
        assert_eq!(run(0.0, 4.0), [(20, "reward_hacking")]);
        assert_eq!(run(0.01, 4.0), []);
        assert_eq!(run(0.0, 0.0), []);
    }

    #[test]
    fn entropy_that_is_gone_before_the_task_is_solved() {
        let run = |accuracy: f64| {
            warnings(12, |step| {
                let entropy = if step <= 6 { 1.0 } else { 0.05 };
                vec![(ENTROPY, entropy), (ACCURACY, accuracy)]
            })
        };
        // The last five steps are those from 7 on.
        assert_eq!(run(0.4), [(11, "entropy_collapse")]);
        assert_eq!(run(0.95), []);
    }

    #[test]
    fn a_gap_that_grows_and_one_that_is_only_rounding() {
        let run = |scale: f64| {
            warnings(40, |step| {
                vec![(GAP, if step <= 15 { scale } else { 4.5 * scale })]
            })
        };
        // Step 21: six of the last ten are 4.5 times as large, and 6/10 · 4.5 + 4/10 = 3.1.
        assert_eq!(run(0.01), [(21, "sampler_gap")]);
        assert_eq!(run(1e-5), []);
    }

    #[test]
    fn completions_at_the_limit() {
        let run = |share: f64| warnings(5, |_| vec![(TRUNCATED, share)]);
        assert_eq!(run(0.21), [(3, "truncation")]);
        assert_eq!(run(0.19), []);
    }

    #[test]
    fn updates_that_were_skipped() {
        let found = warnings(5, |step| vec![(SKIPPED, if step == 4 { 2.0 } else { 0.0 })]);
        assert_eq!(found, [(4, "skipped_updates")]);
    }

    #[test]
    fn steps_without_a_number_do_not_count() {
        let found = warnings(8, |step| match step % 2 {
            0 => vec![(ZERO_STD, 1.0)],
            _ => vec![(ZERO_STD, f64::NAN)],
        });
        assert_eq!(found, [(6, "no_signal")]);
        assert_eq!(Diagnostics::default().observe(0, &Metrics::new()), []);
    }

    #[test]
    fn every_pattern_comes_with_advice() {
        for pattern in PATTERNS {
            assert!(pattern.advice.len() > 40, "{}", pattern.name);
            assert!(!pattern.advice.ends_with('.'), "{}", pattern.name);
        }
    }
}
