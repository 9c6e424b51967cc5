//! The clipped surrogate of PPO.

use super::{LossInput, PolicyLoss, TokenLoss};
use crate::types::Needs;

/// `−min(ρA, clip(ρ, 1 − low, 1 + high)·A)` with `ρ = exp(log p − log p_old)`
/// ([arXiv:1707.06347](https://arxiv.org/abs/1707.06347), equation 7; two bounds as in
/// [arXiv:2503.14476](https://arxiv.org/abs/2503.14476)).
#[derive(Debug, Clone, Copy)]
pub struct PpoClip {
    /// How far the ratio may fall below 1.
    pub low: f64,
    /// How far the ratio may rise above 1.
    pub high: f64,
}

impl PolicyLoss for PpoClip {
    fn needs(&self) -> Needs {
        Needs {
            old_logp: true,
            ..Needs::default()
        }
    }

    fn token_loss(&self, x: &LossInput) -> TokenLoss {
        let ratio = (x.logp.clone() - x.old_logp.clone()).exp();
        let advantages = x.advantages.clone();
        // The minimum is the clipped, constant branch exactly where the ratio has left its bound
        // in the direction the advantage pushes it.
        let above = ratio.clone().greater_elem(1.0 + self.high);
        let below = ratio.clone().lower_elem(1.0 - self.low);
        let high = above.bool_and(advantages.clone().greater_elem(0.0));
        let low = below.bool_and(advantages.clone().lower_elem(0.0));
        let bounded = ratio
            .clone()
            .mask_fill(high.clone(), 1.0 + self.high)
            .mask_fill(low.clone(), 1.0 - self.low);
        TokenLoss {
            loss: (bounded * advantages).neg(),
            stats: vec![
                ("policy/ratio_mean", ratio.inner()),
                ("policy/clip_high", high.float().inner()),
                ("policy/clip_low", low.float().inner()),
            ],
        }
    }
}
