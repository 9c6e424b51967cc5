//! Sums over tokens and updates that become the means of a step.

use crate::metrics::Metrics;
use std::borrow::Cow;

/// Collects what the updates of one step report.
#[derive(Debug, Clone, Default)]
pub(super) struct Stats {
    sums: Vec<(Cow<'static, str>, f64)>,
    tokens: f64,
    pub loss: f64,
    pub grad_norm: f64,
    pub updates: f64,
    pub skipped: f64,
    /// Sum over updates of the mean loss of demonstrations beside rewards.
    pub demonstration_loss: Option<f64>,
    /// Largest difference of a token's log-probability between sampler and trainer.
    sampler_gap: Option<f64>,
}

impl Stats {
    /// Adds the sum over some tokens of a number.
    pub fn add(&mut self, name: impl Into<Cow<'static, str>>, sum: f64) {
        let name = name.into();
        match self.sums.iter_mut().find(|(n, _)| *n == name) {
            Some((_, total)) => *total += sum,
            None => self.sums.push((name, sum)),
        }
    }

    /// Counts the tokens that sums were over.
    pub fn add_tokens(&mut self, n: usize) {
        self.tokens += n as f64;
    }

    /// The mean over tokens of a number, if it was added.
    pub fn mean(&self, name: &str) -> Option<f64> {
        let found = self.sums.iter().find(|(n, _)| *n == name);
        found.map(|(_, sum)| sum / self.tokens.max(1.0))
    }

    /// Compares log-probabilities of sampler and trainer.
    pub fn compare(&mut self, sampler: &[f32], trainer: &[f32]) {
        let pairs = sampler.iter().zip(trainer);
        let gap = pairs.map(|(a, b)| f64::from((a - b).abs()));
        self.sampler_gap = gap.chain(self.sampler_gap).reduce(worst);
    }

    pub fn merge(&mut self, other: Self) {
        for (name, sum) in other.sums {
            self.add(name, sum);
        }
        self.tokens += other.tokens;
        self.loss += other.loss;
        let gaps = self.sampler_gap.into_iter().chain(other.sampler_gap);
        self.sampler_gap = gaps.reduce(worst);
    }

    /// Means over tokens and over optimiser steps; a step without any has none of theirs.
    pub fn into_metrics(self) -> Metrics {
        let mut metrics = Metrics::new();
        if self.updates > 0.0 {
            metrics.set("policy/loss", self.loss / self.updates);
        }
        // A mean over nothing is none, and no 0.
        for (name, sum) in self.sums.into_iter().filter(|_| self.tokens > 0.0) {
            metrics.set(name, sum / self.tokens);
        }
        if let Some(gap) = self.sampler_gap {
            metrics.set("policy/sampler_gap_max", gap);
        }
        if self.updates > 0.0 {
            if let Some(loss) = self.demonstration_loss {
                metrics.set("policy/demonstration_loss", loss / self.updates);
            }
            let taken = (self.updates - self.skipped).max(1.0);
            metrics.set("optim/grad_norm", self.grad_norm / taken);
            metrics.set("optim/skipped_updates", self.skipped);
            metrics.set("optim/updates", self.updates);
        }
        metrics
    }
}

/// The larger; what is not a number is worse than any.
fn worst(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_over_no_token_is_left_out() {
        let mut stats = Stats::default();
        stats.add("policy/entropy", 0.0);
        assert_eq!(stats.clone().into_metrics().get("policy/entropy"), None);
        stats.add("policy/entropy", 3.0);
        stats.add_tokens(2);
        assert_eq!(stats.into_metrics().get("policy/entropy"), Some(1.5));
    }

    #[test]
    fn skipped_updates_have_no_norm_and_a_gap_that_is_none_shows() {
        let mut stats = Stats {
            updates: 4.0,
            skipped: 2.0,
            grad_norm: 3.0,
            ..Stats::default()
        };
        stats.compare(&[0.0, -1.0], &[f32::NAN, -1.5]);
        stats.merge(Stats {
            sampler_gap: Some(7.0),
            ..Stats::default()
        });
        let metrics = stats.into_metrics();
        assert_eq!(metrics.get("optim/grad_norm"), Some(1.5));
        assert!(
            metrics
                .get("policy/sampler_gap_max")
                .is_some_and(f64::is_nan)
        );
    }
}
