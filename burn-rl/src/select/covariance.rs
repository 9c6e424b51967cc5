//! Tokens by the covariance of their advantage and log-probability, which is what makes entropy
//! fall ([arXiv:2505.22617](https://arxiv.org/abs/2505.22617), section 4).

use super::{StepScores, TokenSelector};
use crate::{
    error::RlError,
    range::{above_zero, between, non_negative},
    types::{Advantages, Needs, ScoredBatch},
};
use burn_vlm::rng::mix;

/// Which tokens of high covariance are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Covariance {
    /// At random `share` of all tokens, at least one, among those whose covariance lies strictly
    /// between `low` and `high` and whose ratio has not left its clip range.
    Band {
        /// Share of all tokens.
        share: f64,
        /// Lower bound of the covariance.
        low: f64,
        /// Upper bound of the covariance.
        high: f64,
        /// How far the ratio may fall below 1.
        clip_low: f64,
        /// How far the ratio may rise above 1.
        clip_high: f64,
    },
    /// The `share` of all tokens, at least one, with the greatest covariance.
    Top {
        /// Share of all tokens.
        share: f64,
    },
}

/// A token of the step that takes part.
struct Candidate {
    row: usize,
    t: usize,
    covariance: f64,
    /// What random choice goes by: a function of the token's log-probability, so that it does not
    /// depend on the order of samples.
    key: u64,
}

impl TokenSelector for Covariance {
    fn needs(&self) -> Needs {
        Needs {
            // Only the band leaves out tokens that are clipped anyway.
            old_logp_on_host: matches!(self, Self::Band { .. }),
            ..Needs::default()
        }
    }

    fn check(&self) -> Result<(), RlError> {
        let (Self::Band { share, .. } | Self::Top { share }) = *self;
        above_zero("cov_share", share)?;
        between("cov_share", share, 0.0, 1.0)?;
        if let Self::Band {
            low,
            high,
            clip_low,
            clip_high,
            ..
        } = *self
        {
            between("cov_low", low, f64::MIN, high)?;
            between("cov_high", high, low, f64::MAX)?;
            non_negative("clip_low", clip_low)?;
            non_negative("clip_high", clip_high)?;
        }
        Ok(())
    }

    fn select(
        &self,
        batch: &ScoredBatch,
        advantages: &Advantages,
        scores: &StepScores,
    ) -> Result<Vec<Vec<bool>>, RlError> {
        let mut chosen: Vec<Vec<bool>> = scores.logp.iter().map(|l| vec![false; l.len()]).collect();
        let mut tokens = vec![];
        for (row, i) in scores.samples.iter().enumerate() {
            for t in (0..scores.logp[row].len()).filter(|t| batch.samples[*i].mask[*t]) {
                tokens.push((row, *i, t));
            }
        }
        let n = tokens.len() as f64;
        let logp = |row: usize, t: usize| f64::from(scores.logp[row][t]);
        let advantage = |i: usize, t: usize| f64::from(advantages.per_token[i][t]);
        let mean_logp = tokens.iter().map(|(row, _, t)| logp(*row, *t)).sum::<f64>() / n;
        let mean_advantage = tokens
            .iter()
            .map(|(_, i, t)| advantage(*i, *t))
            .sum::<f64>()
            / n;
        let candidate = |(row, i, t): (usize, usize, usize)| Candidate {
            row,
            t,
            covariance: (advantage(i, t) - mean_advantage) * (logp(row, t) - mean_logp),
            key: mix(0xc0_7a11, logp(row, t).to_bits()),
        };
        let (mut candidates, share): (Vec<Candidate>, f64) = match *self {
            Self::Top { share } => {
                let mut all: Vec<Candidate> = tokens.into_iter().map(candidate).collect();
                all.sort_by(|a, b| {
                    b.covariance
                        .total_cmp(&a.covariance)
                        .then(a.key.cmp(&b.key))
                });
                (all, share)
            }
            Self::Band {
                share,
                low,
                high,
                clip_low,
                clip_high,
            } => {
                if tokens
                    .iter()
                    .any(|(_, i, t)| batch.samples[*i].old_logp.len() <= *t)
                {
                    return Err(RlError::NotProvided("old_logp"));
                }
                let inside = |(row, i, t): &(usize, usize, usize)| {
                    let old = f64::from(batch.samples[*i].old_logp[*t]);
                    let log_ratio = logp(*row, *t) - old;
                    let (ratio, a) = (log_ratio.exp(), advantage(*i, *t));
                    !(a > 0.0 && ratio > 1.0 + clip_high || a < 0.0 && ratio < 1.0 - clip_low)
                };
                let tokens = tokens.into_iter().filter(inside).map(candidate);
                let mut band: Vec<Candidate> = tokens
                    .filter(|c| c.covariance > low && c.covariance < high)
                    .collect();
                band.sort_by_key(|c| c.key);
                (band, share)
            }
        };
        candidates.truncate(((share * n) as usize).max(1));
        for c in candidates {
            chosen[c.row][c.t] = true;
        }
        Ok(chosen)
    }
}
