//! The clipped surrogate of PPO.

use super::{LossInput, PolicyLoss, RatioLevel, TokenLoss};
use crate::{
    error::RlError,
    range::{above_zero, non_negative},
};
use burn::tensor::Tensor;

/// `−min(ρA, clip(ρ, 1 − low, 1 + high)·A)` with `ρ = exp(log p − log p_old)`
/// ([arXiv:1707.06347](https://arxiv.org/abs/1707.06347), equation 7; two bounds as in
/// [arXiv:2503.14476](https://arxiv.org/abs/2503.14476)).
///
/// At the recipe's geometric level `low` and `high` bound the log of each token's ratio, and the
/// mean is taken of what the minimum has left of it
/// ([arXiv:2507.20673](https://arxiv.org/abs/2507.20673)).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PpoClip {
    /// How far the ratio may fall below 1.
    pub low: f64,
    /// How far the ratio may rise above 1.
    pub high: f64,
    /// Where the advantage is negative, the loss ends at `−c·A`
    /// ([arXiv:1912.09729](https://arxiv.org/abs/1912.09729)); none for no end.
    pub dual: Option<f64>,
    /// The ratio itself ends here, whatever the advantage
    /// (<https://github.com/ModalMinds/MM-EUREKA>, `openrlhf/models/loss.py`); none for no end.
    pub ratio_cap: Option<f64>,
}

impl PolicyLoss for PpoClip {
    fn check(&self) -> Result<(), RlError> {
        non_negative("clip_low", self.low)?;
        non_negative("clip_high", self.high)?;
        if let Some(dual) = self.dual {
            above_zero("dual_clip", dual)?;
        }
        if let Some(cap) = self.ratio_cap {
            above_zero("ratio_cap", cap)?;
        }
        Ok(())
    }

    fn bounds(&self) -> Option<(f64, f64)> {
        Some((self.low, self.high))
    }

    fn clips_before_mean(&self) -> bool {
        true
    }

    fn token_loss(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        if x.ratio_level() == RatioLevel::Geometric {
            return self.geometric(x);
        }
        let ratio = x.ratio()?;
        let capped = match self.ratio_cap {
            Some(cap) => ratio.clone().clamp_max(cap),
            None => ratio.clone(),
        };
        let advantages = x.advantages();
        let negative = advantages.clone().lower_elem(0.0);
        // The minimum is the clipped, constant branch exactly where the ratio has left its bound
        // in the direction the advantage pushes it.
        let above = capped.clone().greater_elem(1.0 + self.high);
        let below = capped.clone().lower_elem(1.0 - self.low);
        let high = above.bool_and(advantages.clone().greater_elem(0.0));
        let low = below.bool_and(negative.clone());
        let mut bounded = capped
            .clone()
            .mask_fill(high.clone(), 1.0 + self.high)
            .mask_fill(low.clone(), 1.0 - self.low);
        if let Some(c) = self.dual {
            bounded = bounded.mask_fill(capped.greater_elem(c).bool_and(negative), c);
        }
        Ok(TokenLoss::new((bounded * advantages).neg())
            .stat("policy/ratio_mean", ratio)
            .stat("policy/clip_high", high.float())
            .stat("policy/clip_low", low.float()))
    }
}

impl PpoClip {
    fn geometric(&self, x: &LossInput) -> Result<TokenLoss, RlError> {
        let log_ratio = x.token_log_ratio()?;
        let advantages = x.advantages();
        let above = log_ratio.clone().greater_elem(self.high);
        let below = log_ratio.clone().lower_elem(-self.low);
        let high = above.bool_and(advantages.clone().greater_elem(0.0));
        let low = below.bool_and(advantages.clone().lower_elem(0.0));
        let bounded = log_ratio
            .clone()
            .mask_fill(high.clone(), self.high)
            .mask_fill(low.clone(), -self.low);
        let shape = bounded.dims();
        let mean: Tensor<2> = x.row_mean(bounded).exp().expand(shape);
        Ok(TokenLoss::new((mean.clone() * advantages).neg())
            .stat("policy/ratio_mean", mean)
            .stat("policy/clip_high", high.float())
            .stat("policy/clip_low", low.float()))
    }
}
