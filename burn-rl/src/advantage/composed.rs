//! Advantages out of the usual parts: score, returns, whitening.

use super::{AdvantageEstimator, Baseline, Score, Whiten, gae, to_go, whiten};
use crate::{
    error::RlError,
    range::between,
    types::{Advantages, Needs, Rewards, ScoredBatch},
};

/// The score of a response arrives at its last token; rewards of single tokens are added where they
/// fall; a token is worth what follows it, over the critic's value where there is one.
pub struct Composed {
    /// The response against others.
    pub score: Score,
    /// Discount a token.
    pub gamma: f64,
    /// λ of generalised advantage estimation, where the baseline is a critic.
    pub lambda: f64,
    /// What is done to all advantages together.
    pub whiten: Whiten,
    /// Whitening divides by `n − ddof`.
    pub whiten_ddof: u8,
}

impl AdvantageEstimator for Composed {
    fn needs(&self) -> Needs {
        Needs {
            values: self.score.baseline == Baseline::Critic,
            ..self.score.needs()
        }
    }

    fn check(&self) -> Result<(), RlError> {
        self.score.check()?;
        between("gamma", self.gamma, 0.0, 1.0)?;
        between("lambda", self.lambda, 0.0, 1.0)?;
        between("whiten_ddof", f64::from(self.whiten_ddof), 0.0, 1.0)?;
        Ok(())
    }

    fn estimate(&self, batch: &ScoredBatch, rewards: &Rewards) -> Result<Advantages, RlError> {
        let scores = self.score.of(batch, &rewards.outcomes)?;
        let mut advantages = Vec::with_capacity(scores.len());
        let mut returns = vec![];
        for ((sample, score), tokens) in batch.samples.iter().zip(scores).zip(&rewards.tokens) {
            let mut rewards = tokens.clone();
            if let Some(last) = sample.last_active() {
                rewards[last] += score;
            }
            if self.score.baseline == Baseline::Critic {
                if sample.values.len() < sample.len() {
                    return Err(RlError::NotProvided("values"));
                }
                let (found, targets) = gae(
                    &rewards,
                    &sample.values,
                    &sample.mask,
                    self.gamma,
                    self.lambda,
                )?;
                advantages.push(found);
                returns.push(targets.into_iter().map(|x| x as f32).collect());
            } else {
                let mut found = to_go(&rewards, &sample.mask, self.gamma)?;
                if sample.last_active().is_none() {
                    // Masked out whole: the score is still what the response is worth.
                    found.fill(score);
                }
                advantages.push(found);
            }
        }
        whiten(batch, &mut advantages, self.whiten, self.whiten_ddof);
        let narrow = |row: Vec<f64>| row.into_iter().map(|a| a as f32).collect();
        Ok(Advantages {
            per_token: advantages.into_iter().map(narrow).collect(),
            returns,
            reward_average: self.score.average(batch, &rewards.outcomes),
        })
    }
}
