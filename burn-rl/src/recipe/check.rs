//! Values and combinations that make no sense, refused before anything runs.

use super::{RecipeBuilder, dry_run::Asked};
use crate::{
    error::RlError,
    loss::{RatioLevel, RatioReference},
    range::{above_zero, non_negative},
    reduce::LossReduction,
};

/// Where a ratio is the geometric mean of a response's, bounds above this never act: GSPO's own are
/// 3e-4 and 4e-4, two orders below those of a token
/// ([arXiv:2507.18071](https://arxiv.org/abs/2507.18071), section 5.1).
const MAX_SEQUENCE_BOUND: f64 = 0.05;

fn refuse(message: impl Into<String>) -> Result<(), RlError> {
    Err(RlError::Config(message.into()))
}

/// Refuses parts whose own values make no sense.
pub(super) fn values(parts: &RecipeBuilder) -> Result<(), RlError> {
    parts.loss.check()?;
    parts.advantage.check()?;
    parts.shapers.iter().try_for_each(|s| s.check())?;
    parts.filters.iter().try_for_each(|f| f.check())?;
    parts.regularizers.iter().try_for_each(|r| r.check())?;
    let selectors = [&parts.special_tokens, &parts.trained_tokens];
    selectors
        .into_iter()
        .flatten()
        .try_for_each(|s| s.check())?;
    if let Some(correction) = &parts.correction {
        correction.check()?;
    }
    if let Some((beta, control)) = &parts.kl_control {
        non_negative("beta", *beta)?;
        control.check()?;
    }
    if let Some(range) = parts.critic.and_then(|critic| critic.value_clip) {
        above_zero("value_clip", range)?;
    }
    if parts.refill.is_some_and(|refill| refill.max_rounds == 0) {
        return refuse("algo.refill_rounds is 0 in a refill, expected at least 1");
    }
    above_zero("horizon", parts.horizon)?;
    if parts.horizon != 1.0 && parts.reduction != LossReduction::SequenceSum {
        return refuse(format!(
            "algo.horizon is {}, but only algo.reduction = \"sequence_sum\" divides by it",
            parts.horizon
        ));
    }
    if parts.advantage.needs().values && parts.critic.is_none() {
        return refuse(
            "algo.critic is false, but algo.baseline is `critic`: advantages over a critic's \
             values need a critic, expected algo.critic = true or another baseline",
        );
    }
    Ok(())
}

/// Refuses parts that do not go together.
pub(super) fn parts(parts: &RecipeBuilder, asked: &Asked) -> Result<(), RlError> {
    let other_ratio =
        parts.ratio_level != RatioLevel::Token || parts.ratio_reference != RatioReference::Old;
    if other_ratio && !asked.loss.old_logp {
        return refuse(
            "algo.ratio_level or algo.ratio_anchor is set, but the loss of this algorithm takes no \
             ratio: expected `token` and `old`",
        );
    }
    if let (RatioLevel::Sequence, Some((low, high))) = (parts.ratio_level, parts.loss.bounds())
        && low.max(high) > MAX_SEQUENCE_BOUND
    {
        return refuse(format!(
            "algo.ratio_level is `sequence`, but the bounds of the ratio, {low} and {high}, are \
             those of a token: the mean over a response moves by far less and would never be \
             clipped, expected at most {MAX_SEQUENCE_BOUND} (GSPO has clip_low = 0.0003 and \
             clip_high = 0.0004)"
        ));
    }
    if parts.ratio_level == RatioLevel::Geometric && !parts.loss.clips_before_mean() {
        return refuse(
            "algo.ratio_level is `geometric`, but the loss of this algorithm does not clip tokens \
             before their mean is taken: expected `token` or `sequence`",
        );
    }
    if parts.ratio_reference == RatioReference::Sampler && parts.correction.is_some() {
        return refuse(
            "algo.ratio_anchor is `sampler` and algo.correction is set: both correct for the \
             sampler, expected one of them",
        );
    }
    if parts.refill.is_some() && parts.filters.is_empty() {
        return refuse(
            "algo.refill_rounds is set, but no filter leaves out a group: expected 0, or \
             algo.drop_zero_variance, algo.truncated or the bounds of accuracy",
        );
    }
    Ok(())
}
