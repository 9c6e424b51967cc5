//! Advantages and loss of a recipe on plain numbers.

use super::BatchFile;
use crate::input_error::InputError;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use burn_rl::{
    filter::Verdict,
    learner::tape::{TapeInput, ValueInput, differentiate, differentiate_values},
    recipe::Recipe,
    select::StepScores,
    types::{Advantages, Sample, ScoredBatch},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// `[group][rollout][token]`
pub type Ragged = Vec<Vec<Vec<f32>>>;

/// What an algorithm makes of a batch that is one optimiser step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Applied {
    /// What each token is worth.
    pub advantages: Ragged,
    /// What the critic's values should have been; none without a critic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returns: Option<Ragged>,
    /// The loss of each token, neither weighted nor reduced, zero where masked.
    pub token_loss: Ragged,
    /// The reduced loss of the policy.
    pub loss: f32,
    /// The reduced loss of the critic; none without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_loss: Option<f32>,
    /// Derivative of the loss by the log-probability of each token.
    pub d_logp: Ragged,
    /// Derivative of the loss by the entropy at each token.
    pub d_entropy: Ragged,
    /// Derivative of the critic's loss by the value at each token; none without a critic.
    pub d_values: Option<Ragged>,
    /// Means over the tokens that take part.
    pub stats: BTreeMap<&'static str, f64>,
}

/// Runs advantages and loss of a recipe, forward and backward, on a batch that is one optimiser
/// step. With `filter`, the recipe's filters judge its groups first.
///
/// # Errors
/// A list that the algorithm needs and the batch does not have.
pub fn apply(
    recipe: &Recipe,
    batch: &BatchFile,
    filter: bool,
    device: &Device,
) -> Result<Applied, InputError> {
    let needs = recipe.needs();
    let mut scored = batch.scored(needs)?;
    let everything = scored.clone();
    if filter {
        leave_out(recipe, &mut scored);
    }
    let kept: Vec<usize> = scored.groups.iter().cloned().flatten().collect();
    let advantages = advantages(recipe, &scored);
    let mut weights = vec![vec![]; scored.samples.len()];
    for (i, weight) in recipe.weights(&scored, &scored.groups) {
        weights[i] = vec![weight as f32; scored.samples[i].len()];
    }
    let padding = Padding {
        rows: scored.samples.len(),
        width: scored.samples.iter().map(Sample::len).max().unwrap_or(0),
        device,
    };
    let samples = |list: fn(&Sample) -> &[f32]| padding.floats(scored.samples.iter().map(list));
    let entropies: Vec<&[f32]> = batch
        .rollouts()
        .map(|(_, r)| r.entropy.as_deref().unwrap_or(&[]))
        .collect();
    let logp = || batch.rollouts().map(|(_, r)| r.logp.as_slice());
    let without_entropy = batch.rollouts().find(|(_, r)| r.entropy.is_none());
    let no_entropy = |place: &str| {
        let message = format!("{place} has no `entropy`, which this algorithm needs");
        InputError::new(message)
    };
    if let (Some(_), Some((place, _))) = (&recipe.trained_tokens, &without_entropy) {
        return Err(no_entropy(place));
    }
    let scores = StepScores {
        samples: kept.clone(),
        logp: logp()
            .enumerate()
            .filter(|(i, _)| kept.contains(i))
            .map(|(_, l)| l.to_vec())
            .collect(),
        entropy: kept.iter().map(|i| entropies[*i].to_vec()).collect(),
    };
    let selected = recipe.select(&scored, &advantages, &scores);
    let flags = |lists: Vec<Vec<bool>>| {
        let mut all = vec![vec![]; scored.samples.len()];
        for (i, list) in kept.iter().zip(lists) {
            all[*i] = list;
        }
        padding.flags(all.iter().map(Vec::as_slice))
    };
    let out = differentiate(
        recipe,
        TapeInput {
            logp: padding.floats(logp()),
            entropy: padding.floats(entropies.iter().copied()),
            old_logp: needs.old_logp.then(|| samples(|s| &s.old_logp)),
            sample_logp: needs.sample_logp.then(|| samples(|s| &s.sample_logp)),
            ref_logp: needs.ref_logp.then(|| samples(|s| &s.ref_logp)),
            advantages: padding.floats(advantages.per_token.iter().map(Vec::as_slice)),
            mask: padding.flags(scored.samples.iter().map(|s| s.mask.as_slice())),
            weights: padding.floats(weights.iter().map(Vec::as_slice)),
            special_tokens: selected.special_tokens.map(flags),
            trained_tokens: selected.trained_tokens.map(flags),
            kl_coef: None,
        },
    );
    if let (Some(_), Some((place, _))) = (&out.d_entropy, without_entropy) {
        return Err(no_entropy(&place));
    }
    let values = recipe.critic.map(|critic| {
        let returns = padding.floats(advantages.returns.iter().map(Vec::as_slice));
        differentiate_values(
            &critic,
            ValueInput {
                values: samples(|s| &s.values),
                old_values: samples(|s| &s.values),
                returns,
                mask: padding.flags(scored.samples.iter().map(|s| s.mask.as_slice())),
                weights: padding.floats(weights.iter().map(Vec::as_slice)),
            },
        )
    });
    let tokens: usize = scored.samples.iter().map(Sample::active).sum();
    let mean = |stat: Tensor<2>| f64::from(scalar(stat.sum())) / tokens.max(1) as f64;
    let ragged = |lists: Vec<Vec<f32>>| {
        let lists = lists.into_iter().zip(&scored.samples);
        let mut lists = lists.map(|(mut list, sample)| {
            list.resize(sample.len(), 0.0);
            list
        });
        everything
            .groups
            .iter()
            .map(|g| lists.by_ref().take(g.len()).collect())
            .collect::<Ragged>()
    };
    let rows = |x: Tensor<2>| {
        let values: Vec<f32> = x.into_data().iter().collect();
        ragged(values.chunks(padding.width).map(<[f32]>::to_vec).collect())
    };
    let d_entropy = out.d_entropy.unwrap_or_else(|| out.d_logp.zeros_like());
    let (value_loss, d_values) = values.unzip();
    Ok(Applied {
        advantages: ragged(advantages.per_token.clone()),
        returns: recipe.critic.map(|_| ragged(advantages.returns.clone())),
        token_loss: rows(out.token_loss),
        loss: scalar(out.loss),
        value_loss: value_loss.map(scalar),
        d_logp: rows(out.d_logp),
        d_entropy: rows(d_entropy),
        d_values: d_values.map(rows),
        stats: out
            .stats
            .into_iter()
            .map(|(name, stat)| (name, mean(stat)))
            .collect(),
    })
}

/// Takes groups and completions that filters leave out out of the loss and out of all counts.
fn leave_out(recipe: &Recipe, batch: &mut ScoredBatch) {
    for group in std::mem::take(&mut batch.groups) {
        match recipe.verdict(&batch.samples[group.clone()]) {
            Verdict::Keep => batch.groups.push(group),
            Verdict::Drop(_) => batch.mask_out(group),
            Verdict::Mask(_, indices) => {
                batch.mask_out(indices.iter().map(|index| group.start + index));
                batch.groups.push(group);
            }
        }
    }
}

/// The advantages of the groups that are left; other samples have none.
fn advantages(recipe: &Recipe, batch: &ScoredBatch) -> Advantages {
    let kept = batch
        .groups
        .iter()
        .map(|g| batch.samples[g.clone()].to_vec());
    let mut alone = ScoredBatch::from_groups(kept);
    alone.carried = batch.carried;
    let found = recipe.advantages(&alone);
    let mut all = Advantages {
        per_token: batch.samples.iter().map(|s| vec![0.0; s.len()]).collect(),
        returns: vec![vec![]; batch.samples.len()],
        ..Advantages::default()
    };
    for (position, i) in batch.groups.iter().cloned().flatten().enumerate() {
        all.per_token[i].clone_from(&found.per_token[position]);
        if let Some(returns) = found.returns.get(position) {
            all.returns[i].clone_from(returns);
        }
    }
    all
}

fn scalar(x: Tensor<1>) -> f32 {
    x.into_scalar::<f32>()
}

/// Ragged lists as the rows of a tensor `[B, R]`.
struct Padding<'a> {
    rows: usize,
    width: usize,
    device: &'a Device,
}

impl Padding<'_> {
    /// Zero after the end of each list.
    fn floats<'a>(&self, lists: impl Iterator<Item = &'a [f32]>) -> Tensor<2> {
        Tensor::from_data(self.data(lists), self.device)
    }

    /// False after the end of each list.
    fn flags<'a>(&self, lists: impl Iterator<Item = &'a [bool]>) -> Tensor<2, Bool> {
        Tensor::from_data(self.data(lists), self.device)
    }

    fn data<'a, T>(&self, lists: impl Iterator<Item = &'a [T]>) -> TensorData
    where
        T: burn::tensor::Element + Default,
    {
        let mut values = Vec::with_capacity(self.rows * self.width);
        for (row, list) in lists.enumerate() {
            values.extend_from_slice(list);
            values.resize((row + 1) * self.width, T::default());
        }
        TensorData::new(values, [self.rows, self.width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_rl::config::AlgoConfig;

    fn batch(text: &str) -> BatchFile {
        BatchFile::parse(text).unwrap()
    }

    fn grpo(options: &str) -> Recipe {
        let options = toml::from_str(options).unwrap();
        AlgoConfig {
            name: "grpo".into(),
            options,
        }
        .recipe()
        .unwrap()
    }

    #[track_caller]
    fn close(found: &Ragged, expected: &[&[&[f32]]]) {
        let shape = |x: &[&[&[f32]]]| -> Vec<Vec<usize>> {
            x.iter()
                .map(|g| g.iter().map(|r| r.len()).collect())
                .collect()
        };
        let lens: Vec<Vec<usize>> = found
            .iter()
            .map(|g| g.iter().map(Vec::len).collect())
            .collect();
        assert_eq!(lens, shape(expected));
        let expected = expected
            .iter()
            .flat_map(|g| g.iter().flat_map(|r| r.iter()));
        for (a, b) in found.iter().flatten().flatten().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{found:?}: {a} instead of {b}");
        }
    }

    /// Rewards 2 and 0: mean 1, standard deviation √2, advantages ±1/√2 = ±0.7071068.
    ///
    /// Rollout 0 has ratios e^0.1 = 1.1051709 and e^0.5, which is beyond 1.2 and clipped; rollout
    /// 1 has ratio 1, a masked token, and ratio e^-0.5, which is below 0.8 and clipped.
    /// Each sequence has two active tokens, so each token weighs 1/2 · 1/2.
    const TWO: &str = r#"{"groups":[{"rollouts":[
        {"reward":2.0,"parts":{"accuracy":1.0},"truncated":false,
         "logp":[-1.0,-0.5],"old_logp":[-1.1,-1.0],"ref_logp":[-1.0,-0.5]},
        {"reward":0.0,"mask":[1,0,1],
         "logp":[-2.0,-9.0,-1.5],"old_logp":[-2.0,-1.0,-1.0],"ref_logp":[-2.0,0.0,-1.5]}]}]}"#;

    #[test]
    fn grpo_by_hand() {
        let out = apply(
            &grpo("beta = 0.0\nstd_epsilon = 0.0"),
            &batch(TWO),
            false,
            &Device::flex(),
        );
        let out = out.unwrap();
        let a = std::f32::consts::FRAC_1_SQRT_2;
        close(&out.advantages, &[&[&[a, a], &[-a, -a, -a]]]);
        let (inside, high, low) = (1.105_170_9 * a, 1.2 * a, 0.8 * a);
        close(&out.token_loss, &[&[&[-inside, -high], &[a, 0.0, low]]]);
        close(
            &out.d_logp,
            &[&[&[-inside / 4.0, 0.0], &[a / 4.0, 0.0, 0.0]]],
        );
        close(&out.d_entropy, &[&[&[0.0, 0.0], &[0.0, 0.0, 0.0]]]);
        assert!(
            (out.loss - (a + low - inside - high) / 4.0).abs() < 1e-6,
            "{}",
            out.loss
        );
        assert_eq!(out.d_values, None);
        assert_eq!(out.stats["policy/clip_high"], 0.25);
        assert_eq!(out.stats["policy/clip_low"], 0.25);
    }

    #[test]
    fn the_kl_of_the_mean_over_tokens_by_hand() {
        // One rollout alone has advantage 0: what is left is β·KL with d = 0.5,
        // e^-0.5 − 1 + 0.5 = 0.1065307, and its derivative β(1 − e^-0.5) = β·0.3934693.
        let text = r#"{"groups":[{"rollouts":[
            {"reward":1.0,"logp":[-1.0],"sample_logp":[-1.0],"ref_logp":[-1.5]}]}]}"#;
        let recipe = grpo("beta = 0.1\nreduction = \"token_mean\"");
        let out = apply(&recipe, &batch(text), false, &Device::flex()).unwrap();
        close(&out.token_loss, &[&[&[0.010_653_07]]]);
        close(&out.d_logp, &[&[&[0.039_346_93]]]);
        assert!((out.stats["policy/kl_ref"] - 0.106_530_7).abs() < 1e-6);
    }

    #[test]
    fn what_filters_leave_out_is_not_counted() {
        // The second group teaches nothing; without it four tokens are two.
        let text = r#"{"groups":[
            {"rollouts":[{"reward":1,"logp":[-1],"old_logp":[-1]},{"reward":0,"logp":[-1],"old_logp":[-1]}]},
            {"rollouts":[{"reward":1,"logp":[-1,-2],"old_logp":[-1,-2],"mask":[1.0,1.0]}]}]}"#;
        let mut recipe = grpo(
            "beta = 0.0\nstd_epsilon = 0.0\nreduction = \"token_mean\"\ndrop_zero_variance = true",
        );
        let run =
            |recipe: &Recipe, filter| apply(recipe, &batch(text), filter, &Device::flex()).unwrap();
        let a = std::f32::consts::FRAC_1_SQRT_2;
        let whole = run(&recipe, false);
        close(&whole.d_logp, &[&[&[-a / 4.0], &[a / 4.0]], &[&[0.0, 0.0]]]);
        let kept = run(&recipe, true);
        close(&kept.d_logp, &[&[&[-a / 2.0], &[a / 2.0]], &[&[0.0, 0.0]]]);
        close(&kept.advantages, &[&[&[a], &[-a]], &[&[0.0, 0.0]]]);
        recipe.filters.clear();
        assert_eq!(run(&recipe, true), whole);
    }

    #[test]
    fn a_critic_has_a_loss_of_its_own() {
        let text = r#"{"groups":[{"rollouts":[
            {"reward":2,"logp":[-1,-1],"old_logp":[-1,-1],"values":[0.5,1.0]}]}]}"#;
        let config = AlgoConfig {
            name: "ppo".into(),
            options: toml::from_str("whiten = \"none\"\nlambda = 1.0").unwrap(),
        };
        let recipe = config.recipe().unwrap();
        let out = apply(&recipe, &batch(text), false, &Device::flex()).unwrap();
        close(&out.advantages, &[&[&[1.5, 1.0]]]);
        close(out.returns.as_ref().unwrap(), &[&[&[2.0, 2.0]]]);
        // ½ (1.5² + 1²) / 2 and (V − R) / 2.
        assert!((out.value_loss.unwrap() - 0.8125).abs() < 1e-6);
        close(out.d_values.as_ref().unwrap(), &[&[&[-0.75, -0.5]]]);
        assert!((out.loss + 1.25).abs() < 1e-6, "{}", out.loss);
    }

    #[test]
    fn what_is_missing_or_ragged_is_named() {
        let missing = |text: &str| {
            apply(&grpo(""), &batch(text), false, &Device::flex())
                .unwrap_err()
                .to_string()
        };
        let old = missing(r#"{"groups":[{"rollouts":[{"reward":1,"logp":[-1]}]}]}"#);
        assert!(
            old.starts_with("groups[0].rollouts[0] has no `old_logp`"),
            "{old}"
        );
        let reference =
            missing(r#"{"groups":[{"rollouts":[{"reward":1,"logp":[-1],"old_logp":[-1]}]}]}"#);
        assert!(reference.contains("no `ref_logp`"), "{reference}");
        let wrong = |text: &str| BatchFile::parse(text).unwrap_err();
        assert_eq!(
            wrong(r#"{"groups":[{"rollouts":[{"reward":1,"logp":[-1],"mask":[1,1]}]}]}"#),
            "groups[0].rollouts[0].mask has 2 numbers, expected 1 as `logp` has"
        );
        let typo = wrong(r#"{"groups":[{"rollouts":[{"reward":1,"logp":[-1],"mask":[2]}]}]}"#);
        assert!(
            typo.starts_with("groups[0].rollouts[0].mask[0]: ") && typo.contains("0 or 1"),
            "{typo}"
        );
        let key = wrong(r#"{"groups":[{"rollouts":[{"reward":1,"logprob":[-1]}]}]}"#);
        assert!(key.contains("unknown field `logprob`"), "{key}");
    }
}
