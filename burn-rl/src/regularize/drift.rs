//! Staying near the policy before the update.

use super::Regularizer;
use crate::{
    loss::{LossInput, TokenLoss},
    types::Needs,
};

/// `α · min(sg(ρ) − 1, c) · log π` with the ratio of each token: its gradient is that of the forward
/// KL's k3 estimator, cut where the ratio explodes
/// ([arXiv:2505.12504](https://arxiv.org/abs/2505.12504)).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyDrift {
    /// α
    pub coef: f64,
    /// c: the ratio counts up to 1 + c.
    pub cap: f64,
}

impl Regularizer for PolicyDrift {
    fn needs(&self) -> Needs {
        Needs {
            old_logp: true,
            ..Needs::default()
        }
    }

    fn token_loss(&self, x: &LossInput) -> TokenLoss {
        let excess = x.token_log_ratio().detach().exp().sub_scalar(1.0);
        let excess = excess.clamp_max(self.cap);
        TokenLoss {
            loss: (excess.clone() * x.logp.clone()).mul_scalar(self.coef),
            stats: vec![("policy/drift", excess.inner())],
        }
    }
}
