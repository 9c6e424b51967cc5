//! One token out of one row of logits.

use crate::error::VlmError;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, cell::OnceCell};

/// Tokens that top-p sorts before it looks whether they suffice.
const SORTED_AT_FIRST: usize = 256;

/// How tokens are drawn: temperature, then the `top_k` largest, then the smallest set that holds
/// `top_p` of the mass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Divides the logits; 0 is greedy.
    pub temperature: f64,
    /// Mass of the most likely tokens that are kept, in (0, 1].
    pub top_p: f64,
    /// Number of the most likely tokens that are kept; 0 keeps all.
    pub top_k: usize,
    /// Divides positive logits of tokens that the prompt or the completion already holds, and
    /// multiplies negative ones, before all else ([arXiv:1909.05858](https://arxiv.org/abs/1909.05858));
    /// 1 is off.
    pub repetition_penalty: f64,
    /// A completion is cut after this many tokens.
    pub max_new_tokens: usize,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            repetition_penalty: 1.0,
            max_new_tokens: 512,
        }
    }
}

impl Sampling {
    /// The most likely token every time.
    pub fn greedy(max_new_tokens: usize) -> Self {
        Self {
            temperature: 0.0,
            max_new_tokens,
            ..Self::default()
        }
    }

    /// # Errors
    /// A value outside its range, by name.
    pub fn check(&self) -> Result<(), VlmError> {
        let refuse = |message: String| Err(VlmError::Request(message));
        // What the logits are divided by is f32.
        let temperature = self.temperature;
        if !(temperature == 0.0 || temperature > 0.0 && (temperature as f32).is_normal()) {
            return refuse(format!(
                "temperature is {temperature:?}, expected 0, or a number from {:e} to {:e}",
                f32::MIN_POSITIVE,
                f32::MAX
            ));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse(format!(
                "top_p is {}, expected a number in (0, 1]",
                self.top_p
            ));
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            let found = self.repetition_penalty;
            return refuse(format!(
                "repetition_penalty is {found}, expected more than 0"
            ));
        }
        if self.max_new_tokens == 0 {
            return refuse("max_new_tokens is 0, expected at least 1".into());
        }
        Ok(())
    }
}

/// A token and how likely it was, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampled {
    /// The token.
    pub id: u32,
    /// Its log-probability under the policy at the reporting temperature: no penalty and no
    /// truncation.
    pub logprob: f32,
    /// Its log-probability under the distribution that was sampled from.
    pub behaviour_logprob: f32,
}

/// Draws a token by inverting the cumulative distribution at `u` in `[0, 1)`.
///
/// `history` are the tokens that `repetition_penalty` looks at. `logprob_temperature` is the one
/// that [`Sampled::logprob`] is reported at; it changes nothing else.
pub(super) fn sample(
    logits: &[f32],
    history: impl Iterator<Item = u32>,
    sampling: &Sampling,
    logprob_temperature: f64,
    u: f64,
) -> Sampled {
    let (_, max) = argmax(logits);
    // Both the policy's own weights and those that are drawn from, where nothing is changed.
    let plain = OnceCell::new();
    let plain = || plain.get_or_init(|| weights(logits, max, 1.0));
    let policy = |id: usize| match logprob_temperature {
        1.0 => log_share(logits[id], max, plain().iter().sum()),
        temperature => {
            // Divided in f32, as a tape divides before its log-softmax.
            let scale = |z: f32| z / temperature as f32;
            let max = scale(max);
            let scaled = logits.iter().map(|z| scale(*z));
            log_share(
                scale(logits[id]),
                max,
                scaled.map(|z| weight(z, max, 1.0)).sum(),
            )
        }
    };
    let penalised = penalise(logits, history, sampling.repetition_penalty);
    if sampling.temperature == 0.0 {
        let (best, _) = argmax(&penalised);
        return Sampled {
            id: best as u32,
            logprob: policy(best),
            behaviour_logprob: 0.0,
        };
    }
    let tempered;
    let weights = match (&penalised, sampling.temperature) {
        (Cow::Borrowed(_), 1.0) => plain(),
        (changed, temperature) => {
            tempered = weights(changed, argmax(changed).1, temperature);
            &tempered
        }
    };
    let truncated = sampling.top_p < 1.0 || (1..logits.len()).contains(&sampling.top_k);
    let (id, share) = match truncated {
        true => invert(most_likely(weights, sampling).into_iter(), weights, u),
        false => invert(0..logits.len(), weights, u),
    };
    Sampled {
        id: id as u32,
        logprob: policy(id),
        behaviour_logprob: share.ln() as f32,
    }
}

/// Log-probability of a logit, where `sum` is that of `exp(z − max)` over all of them.
fn log_share(z: f32, max: f32, sum: f64) -> f32 {
    let lse = f64::from(max) + sum.ln();
    (f64::from(z) - lse) as f32
}

/// `exp((z − max) / temperature)`
fn weight(z: f32, max: f32, temperature: f64) -> f64 {
    (f64::from(z - max) / temperature).exp()
}

/// The same of every logit.
fn weights(logits: &[f32], max: f32, temperature: f64) -> Vec<f64> {
    logits
        .iter()
        .map(|z| weight(*z, max, temperature))
        .collect()
}

fn penalise(logits: &[f32], history: impl Iterator<Item = u32>, penalty: f64) -> Cow<'_, [f32]> {
    if penalty == 1.0 {
        return Cow::Borrowed(logits);
    }
    let mut changed = logits.to_vec();
    for id in history.map(|id| id as usize) {
        let factor = if logits[id] > 0.0 {
            1.0 / penalty
        } else {
            penalty
        };
        changed[id] = (f64::from(logits[id]) * factor) as f32;
    }
    Cow::Owned(changed)
}

fn argmax(logits: &[f32]) -> (usize, f32) {
    let mut best = (0, logits[0]);
    for (id, z) in logits.iter().enumerate() {
        if *z > best.1 {
            best = (id, *z);
        }
    }
    best
}

/// The tokens left by top-k and then top-p, most likely first; ties go to the smaller id.
fn most_likely(weights: &[f64], sampling: &Sampling) -> Vec<usize> {
    let limit = match sampling.top_k {
        0 => weights.len(),
        k => k.min(weights.len()),
    };
    let mut ids: Vec<usize> = (0..weights.len()).collect();
    let order = |a: &usize, b: &usize| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b));
    if limit < ids.len() {
        ids.select_nth_unstable_by(limit, order);
        ids.truncate(limit);
    }
    let enough = sampling.top_p * ids.iter().map(|id| weights[*id]).sum::<f64>();
    // The mass is in few tokens: more and more of them are sorted until it is there.
    let (mut sorted, mut mass) = (0, 0.0);
    while sorted < ids.len() {
        let end = (4 * sorted).max(SORTED_AT_FIRST).min(ids.len());
        if end < ids.len() {
            ids[sorted..].select_nth_unstable_by(end - sorted, order);
        }
        ids[sorted..end].sort_unstable_by(order);
        for at in sorted..end {
            mass += weights[ids[at]];
            if mass >= enough {
                ids.truncate(at + 1);
                return ids;
            }
        }
        sorted = end;
    }
    ids
}

/// The token at which the cumulative weights of `ids` pass the share `u` of their sum, and its own
/// share.
fn invert(
    ids: impl DoubleEndedIterator<Item = usize> + Clone,
    weights: &[f64],
    u: f64,
) -> (usize, f64) {
    let total: f64 = ids.clone().map(|id| weights[id]).sum();
    let (at, mut mass) = (u * total, 0.0);
    let passed = ids.clone().find(|id| {
        mass += weights[*id];
        at < mass
    });
    // Rounding may leave `at` a hair beyond the sum: the last token that has any mass.
    let last = || ids.rev().find(|id| weights[*id] > 0.0);
    let id = passed.or_else(last).unwrap_or(0);
    (id, weights[id] / total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;

    /// Probabilities 0.5, 0.3, 0.15, 0.05 in the order 2, 0, 3, 1.
    fn logits() -> Vec<f32> {
        [0.3_f32, 0.05, 0.5, 0.15].map(f32::ln).to_vec()
    }

    fn with(temperature: f64, top_p: f64, top_k: usize) -> Sampling {
        Sampling {
            temperature,
            top_p,
            top_k,
            repetition_penalty: 1.0,
            max_new_tokens: 1,
        }
    }

    #[test]
    fn greedy_takes_the_largest_and_reports_the_policy() {
        let got = sample(&logits(), iter::empty(), &Sampling::greedy(1), 1.0, 0.99);
        assert_eq!(got.id, 2);
        assert!((got.logprob - 0.5_f32.ln()).abs() < 1e-6);
        assert_eq!(got.behaviour_logprob, 0.0);
    }

    #[test]
    fn draws_follow_the_distribution() {
        let mut counts = [0; 4];
        for i in 0..1000 {
            counts[sample(
                &logits(),
                iter::empty(),
                &with(1.0, 1.0, 0),
                1.0,
                (f64::from(i) + 0.5) / 1000.0,
            )
            .id as usize] += 1;
        }
        assert_eq!(counts, [300, 50, 500, 150]);
    }

    #[test]
    fn top_k_and_top_p_renormalise_what_they_keep() {
        for sampling in [with(1.0, 1.0, 2), with(1.0, 0.7, 0)] {
            let got = sample(&logits(), iter::empty(), &sampling, 1.0, 0.9);
            assert_eq!(got.id, 0);
            assert!((got.behaviour_logprob - (0.3_f32 / 0.8).ln()).abs() < 1e-6);
            assert!((got.logprob - 0.3_f32.ln()).abs() < 1e-6);
        }
    }

    #[test]
    fn top_p_is_measured_after_top_k() {
        // Within the two kept, 0.5 / 0.8 = 0.625 reaches 0.6: only the first stays.
        assert_eq!(
            sample(&logits(), iter::empty(), &with(1.0, 0.6, 2), 1.0, 0.999).id,
            2
        );
    }

    #[test]
    fn top_p_and_top_k_of_many_tokens_keep_what_a_full_sort_keeps() {
        // Weights of a permutation of 1 to 2,000: the largest k of n have a known share.
        let n = 2000_u64;
        let logits: Vec<f32> = (0..n).map(|i| ((i * 733 % n + 1) as f32).ln()).collect();
        let weights = weights(&logits, (n as f32).ln(), 1.0);
        for (top_p, top_k) in [
            (0.1, 0),
            (0.5, 0),
            (0.999, 0),
            (1.0, 0),
            (1.0, 700),
            (0.5, 700),
        ] {
            let mut sorted: Vec<u64> = (1..=n).rev().collect();
            sorted.truncate(if top_k == 0 { n as usize } else { top_k });
            let total: u64 = sorted.iter().sum();
            let mut mass = 0;
            let short = |w: &&u64| {
                let short = (mass as f64) < top_p * total as f64 - 1e-3;
                mass += **w;
                short
            };
            let expected = sorted.iter().take_while(short).count();
            let kept = most_likely(&weights, &with(1.0, top_p, top_k));
            assert_eq!(kept.len(), expected, "{top_p} {top_k}");
            assert!(kept.is_sorted_by(|a, b| weights[*a] > weights[*b]));
            assert_eq!(kept[0] as u64 * 733 % n + 1, n);
        }
    }

    #[test]
    fn temperature_sharpens_what_is_sampled_and_not_the_policy() {
        let got = sample(&logits(), iter::empty(), &with(0.5, 1.0, 0), 1.0, 0.0);
        let squares = [0.09_f32, 0.0025, 0.25, 0.0225];
        assert_eq!(got.id, 0);
        assert!((got.behaviour_logprob - (0.09 / squares.iter().sum::<f32>()).ln()).abs() < 1e-5);
        assert!((got.logprob - 0.3_f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn the_reporting_temperature_changes_no_draw_and_knows_no_truncation() {
        let squares: f32 = [0.09_f32, 0.0025, 0.25, 0.0225].iter().sum();
        for sampling in [with(1.0, 1.0, 0), with(0.7, 0.9, 2), Sampling::greedy(1)] {
            for u in [0.0, 0.4, 0.8] {
                let at_one = sample(&logits(), iter::empty(), &sampling, 1.0, u);
                let at_half = sample(&logits(), iter::empty(), &sampling, 0.5, u);
                assert_eq!(at_half.id, at_one.id);
                assert_eq!(at_half.behaviour_logprob, at_one.behaviour_logprob);
                let p = at_one.logprob.exp();
                let expected = (p * p / squares).ln();
                assert!(
                    (at_half.logprob - expected).abs() < 1e-5,
                    "{sampling:?} {u}"
                );
            }
        }
    }

    #[test]
    fn repeated_tokens_are_less_likely_whatever_their_sign() {
        let sampling = Sampling {
            repetition_penalty: 2.0,
            ..Sampling::greedy(1)
        };
        let pick = |logits: &[f32], seen: &[u32]| {
            sample(logits, seen.iter().copied(), &sampling, 1.0, 0.0).id
        };
        assert_eq!(pick(&[3.0, 2.0], &[]), 0);
        assert_eq!(pick(&[3.0, 2.0], &[0, 0]), 1);
        assert_eq!(pick(&[-1.0, -1.5], &[0]), 1);
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        for (sampling, name) in [
            (with(-1.0, 1.0, 0), "temperature"),
            (with(f64::NAN, 1.0, 0), "temperature"),
            (with(1.0, 0.0, 0), "top_p"),
            (with(1.0, 1.1, 0), "top_p"),
            (Sampling::greedy(0), "max_new_tokens"),
        ] {
            assert!(sampling.check().unwrap_err().to_string().contains(name));
        }
    }
}
