//! Sums over tokens and updates that become the means of a step.

use crate::metrics::Metrics;

/// Collects what the updates of one step report.
#[derive(Debug, Clone, Default)]
pub(super) struct Stats {
    sums: Vec<(&'static str, f64)>,
    tokens: f64,
    pub loss: f64,
    pub grad_norm: f64,
    pub updates: f64,
    pub skipped: f64,
}

impl Stats {
    /// Adds the sum over some tokens of a number.
    pub fn add(&mut self, name: &'static str, sum: f64) {
        match self.sums.iter_mut().find(|(n, _)| *n == name) {
            Some((_, total)) => *total += sum,
            None => self.sums.push((name, sum)),
        }
    }

    /// Counts the tokens that sums were over.
    pub fn add_tokens(&mut self, n: usize) {
        self.tokens += n as f64;
    }

    pub fn merge(&mut self, other: Self) {
        for (name, sum) in other.sums {
            self.add(name, sum);
        }
        self.tokens += other.tokens;
        self.loss += other.loss;
    }

    /// Means over tokens and over optimiser steps.
    pub fn into_metrics(self) -> Metrics {
        let mut metrics = Metrics::new();
        let updates = self.updates.max(1.0);
        metrics.set("policy/loss", self.loss / updates);
        for (name, sum) in self.sums {
            metrics.set(name, sum / self.tokens.max(1.0));
        }
        metrics.set("optim/grad_norm", self.grad_norm / updates);
        metrics.set("optim/skipped_updates", self.skipped);
        metrics
    }
}
