//! Advantages and loss of a recipe on a batch from a file.

use super::BatchFile;
use crate::input_error::InputError;
use burn::tensor::Device;
use burn_rl::{
    filter::Verdict,
    learner::StepNumbers,
    recipe::Recipe,
    types::{Sample, ScoredBatch},
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
    pub stats: BTreeMap<String, f64>,
}

/// Runs advantages and loss of a recipe, forward and backward, on a batch that is one optimiser
/// step. With `filter`, the recipe's filters judge its groups first: what they leave out has zeros.
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
    let whole = batch.scored(needs)?;
    let groups = whole.groups.iter().enumerate();
    let kept: Vec<(usize, Vec<Sample>)> = groups
        .map(|(g, group)| (g, whole.samples[group.clone()].to_vec()))
        .filter_map(|(g, group)| match filter {
            true => judged(recipe, group).map(|group| (g, group)),
            false => Some((g, group)),
        })
        .collect();
    let samples = |g: usize| &batch.groups[g].rollouts;
    let rollouts = || kept.iter().flat_map(|(g, _)| samples(*g));
    let entropy = rollouts().map(|r| r.entropy.clone().unwrap_or_default());
    let mut numbers = StepNumbers {
        logp: rollouts().map(|r| r.logp.clone()).collect(),
        entropy: match needs.entropy {
            true => entropy.collect(),
            false => vec![],
        },
        batch: ScoredBatch::from_groups(kept.iter().map(|(_, group)| group.clone())),
    };
    numbers.batch.carried = whole.carried;
    let found = recipe
        .apply(&numbers, device)
        .map_err(|e| InputError::new(e.to_string()))?;
    // By group of the file; groups that were dropped have zeros.
    let ragged = |lists: Vec<Vec<f32>>| -> Ragged {
        let zeros = |group: &std::ops::Range<usize>| {
            let samples = &whole.samples[group.clone()];
            samples.iter().map(|s| vec![0.0; s.len()]).collect()
        };
        let mut all: Ragged = whole.groups.iter().map(zeros).collect();
        let mut lists = lists.into_iter();
        for (g, group) in &kept {
            all[*g] = lists.by_ref().take(group.len()).collect();
        }
        all
    };
    let (value_loss, d_values) = found.critic.unzip();
    Ok(Applied {
        advantages: ragged(found.advantages.per_token),
        returns: recipe.critic().map(|_| ragged(found.advantages.returns)),
        token_loss: ragged(found.token_loss),
        loss: found.loss,
        value_loss,
        d_logp: ragged(found.d_logp),
        d_entropy: ragged(found.d_entropy),
        d_values: d_values.map(ragged),
        stats: found.stats,
    })
}

/// A group as the recipe's filters leave it, if they do.
fn judged(recipe: &Recipe, group: Vec<Sample>) -> Option<Vec<Sample>> {
    match recipe.verdict(&group) {
        Verdict::Keep => Some(group),
        Verdict::Drop(_) => None,
        Verdict::Mask(_, indices) => {
            let mut alone = ScoredBatch::from_groups([group]);
            alone.mask_out(indices);
            Some(alone.samples)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_rl::{algo::Registry, config::AlgoConfig};

    fn batch(text: &str) -> BatchFile {
        BatchFile::parse(text).unwrap()
    }

    fn grpo(options: &str) -> Recipe {
        let options = toml::from_str(options).unwrap();
        AlgoConfig {
            name: "grpo".into(),
            options,
        }
        .recipe(&Registry::builtin())
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
        let unfiltered = "beta = 0.0\nstd_epsilon = 0.0\nreduction = \"token_mean\"";
        let recipe = grpo(&format!("{unfiltered}\ndrop_zero_variance = true"));
        let run =
            |recipe: &Recipe, filter| apply(recipe, &batch(text), filter, &Device::flex()).unwrap();
        let a = std::f32::consts::FRAC_1_SQRT_2;
        let whole = run(&recipe, false);
        close(&whole.d_logp, &[&[&[-a / 4.0], &[a / 4.0]], &[&[0.0, 0.0]]]);
        let kept = run(&recipe, true);
        close(&kept.d_logp, &[&[&[-a / 2.0], &[a / 2.0]], &[&[0.0, 0.0]]]);
        close(&kept.advantages, &[&[&[a], &[-a]], &[&[0.0, 0.0]]]);
        assert_eq!(run(&grpo(unfiltered), true), whole);
    }

    #[test]
    fn a_critic_has_a_loss_of_its_own() {
        let text = r#"{"groups":[{"rollouts":[
            {"reward":2,"logp":[-1,-1],"old_logp":[-1,-1],"values":[0.5,1.0]}]}]}"#;
        let config = AlgoConfig {
            name: "ppo".into(),
            options: toml::from_str("whiten = \"none\"\nlambda = 1.0").unwrap(),
        };
        let recipe = config.recipe(&Registry::builtin()).unwrap();
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
