//! Combinations that make no sense, refused before anything runs.

use super::Composition;
use crate::{
    advantage::Baseline,
    error::RlError,
    loss::RatioLevel,
    recipe::{RatioReference, Recipe},
    reduce::LossReduction,
};

/// Where a ratio is the geometric mean of a response's, bounds above this never act: GSPO's own are
/// 3e-4 and 4e-4, two orders below those of a token
/// ([arXiv:2507.18071](https://arxiv.org/abs/2507.18071), section 5.1).
const MAX_SEQUENCE_BOUND: f64 = 0.05;

fn refuse(message: String) -> Result<(), RlError> {
    Err(RlError::Config(message))
}

/// Refuses a number that must not be negative or is not finite.
pub(super) fn non_negative(name: &str, value: f64) -> Result<f64, RlError> {
    match value >= 0.0 && value.is_finite() {
        true => Ok(value),
        false => Err(RlError::Config(format!(
            "algo.{name} is {value}, expected 0 or more"
        ))),
    }
}

/// Refuses a number outside a range.
pub(super) fn between(name: &str, value: f64, low: f64, high: f64) -> Result<f64, RlError> {
    match (low..=high).contains(&value) {
        true => Ok(value),
        false => Err(RlError::Config(format!(
            "algo.{name} is {value}, expected {low} to {high}"
        ))),
    }
}

/// Refuses a number that is not above 0.
pub(super) fn above_zero(name: &str, value: f64) -> Result<f64, RlError> {
    match value > 0.0 && value.is_finite() {
        true => Ok(value),
        false => Err(RlError::Config(format!(
            "algo.{name} is {value}, expected more than 0"
        ))),
    }
}

/// Refuses values of the axes that make no sense, alone or together.
pub(super) fn values(c: &Composition) -> Result<(), RlError> {
    for (name, value) in [
        ("reward_clip", c.reward_clip),
        ("overlong_penalty", c.overlong_penalty),
        ("std_epsilon", c.std_epsilon),
        ("adora_lambda", c.adora_lambda),
        ("adora_max_tokens", c.adora_max_tokens),
        ("clip_filter_cap", c.clip_filter_cap),
        ("score_clip", c.score_clip),
        ("value_clip", c.value_clip),
        ("correction_low", c.correction_low),
        ("correction_high", c.correction_high),
        ("beta", c.beta),
        ("kl_target", c.kl_target),
        ("drift", c.drift),
        ("drift_cap", c.drift_cap),
    ] {
        non_negative(name, value)?;
    }
    for (name, value) in [
        ("outcome_weight", c.outcome_weight),
        ("length_reward", c.length_reward),
        ("adora_success_above", c.adora_success_above),
        ("entropy_bonus", c.entropy_bonus),
    ] {
        between(name, value, f64::MIN, f64::MAX)?;
    }
    for (name, value) in [
        ("baseline_decay", c.baseline_decay),
        ("gamma", c.gamma),
        ("lambda", c.lambda),
        ("accuracy_low", c.accuracy_low),
        ("accuracy_high", c.accuracy_high),
        ("std_ddof", f64::from(c.std_ddof)),
        ("whiten_ddof", f64::from(c.whiten_ddof)),
    ] {
        between(name, value, 0.0, 1.0)?;
    }
    above_zero("horizon", c.horizon)?;
    above_zero("kl_horizon", c.kl_horizon)?;
    above_zero("entropy_top_share", c.entropy_top_share)?;
    between("entropy_top_share", c.entropy_top_share, 0.0, 1.0)?;
    together(c)
}

fn together(c: &Composition) -> Result<(), RlError> {
    if c.accuracy_low > c.accuracy_high {
        return refuse(format!(
            "algo.accuracy_low is {}, expected at most algo.accuracy_high, which is {}",
            c.accuracy_low, c.accuracy_high
        ));
    }
    if c.correction_low > c.correction_high {
        return refuse(format!(
            "algo.correction_low is {}, expected at most algo.correction_high, which is {}",
            c.correction_low, c.correction_high
        ));
    }
    if c.overlong_penalty > 0.0 && c.overlong_horizon < c.overlong_buffer.max(1) {
        return refuse(format!(
            "algo.overlong_horizon is {}, below algo.overlong_buffer, which is {}: the penalty \
             grows over the buffer before the horizon, expected a horizon of at least the buffer",
            c.overlong_horizon, c.overlong_buffer
        ));
    }
    if c.overlong_penalty > 0.0 && c.overlong_buffer == 0 {
        return refuse("algo.overlong_buffer is 0, expected at least 1 token".into());
    }
    if c.baseline == Baseline::Critic && !c.critic {
        return refuse(
            "algo.critic is false, but algo.baseline is `critic`: advantages over a critic's \
             values need a critic, expected algo.critic = true or another baseline"
                .into(),
        );
    }
    if c.critic && c.baseline != Baseline::Critic {
        return refuse(
            "algo.critic is true, but algo.baseline is not `critic`: nothing would read its \
             values, expected algo.critic = false or algo.baseline = \"critic\""
                .into(),
        );
    }
    if c.beta == 0.0 && c.kl_target > 0.0 {
        return refuse(format!(
            "algo.kl_target is {}, but algo.beta is 0, so no reference model is built: a KL needs \
             a reference, expected algo.beta above 0",
            c.kl_target
        ));
    }
    if c.horizon != 1.0 && c.reduction != LossReduction::SequenceSum {
        return refuse(format!(
            "algo.horizon is {}, but only algo.reduction = \"sequence_sum\" divides by it",
            c.horizon
        ));
    }
    Ok(())
}

/// Refuses parts that do not go together.
pub(super) fn parts(recipe: &Recipe) -> Result<(), RlError> {
    let reads_ratio = recipe.loss.needs().old_logp;
    let other_ratio =
        recipe.ratio != RatioLevel::Token || recipe.ratio_reference != RatioReference::Old;
    if other_ratio && !reads_ratio {
        return refuse(
            "algo.ratio_level or algo.ratio_anchor is set, but the loss of this algorithm takes no \
             ratio: expected `token` and `old`"
                .into(),
        );
    }
    if let (RatioLevel::Sequence, Some((low, high))) = (recipe.ratio, recipe.loss.bounds())
        && low.max(high) > MAX_SEQUENCE_BOUND
    {
        return refuse(format!(
            "algo.ratio_level is `sequence`, but the bounds of the ratio, {low} and {high}, are \
             those of a token: the mean over a response moves by far less and would never be \
             clipped, expected at most {MAX_SEQUENCE_BOUND} (GSPO has clip_low = 0.0003 and \
             clip_high = 0.0004)"
        ));
    }
    if recipe.ratio == RatioLevel::Geometric && !recipe.loss.clips_before_mean() {
        return refuse(
            "algo.ratio_level is `geometric`, but the loss of this algorithm does not clip tokens \
             before their mean is taken: expected `token` or `sequence`"
                .into(),
        );
    }
    if recipe.ratio_reference == RatioReference::Sampler && recipe.correction.is_some() {
        return refuse(
            "algo.ratio_anchor is `sampler` and algo.correction is set: both correct for the \
             sampler, expected one of them"
                .into(),
        );
    }
    if recipe.refill.is_some() && recipe.filters.is_empty() {
        return refuse(
            "algo.refill_rounds is set, but no filter leaves out a group: expected 0, or \
             algo.drop_zero_variance, algo.truncated or the bounds of accuracy"
                .into(),
        );
    }
    Ok(())
}
