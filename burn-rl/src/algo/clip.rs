//! How far a ratio may move: the options that most algorithms have.

use crate::loss::PpoClip;
use serde::{Deserialize, Serialize};

/// The bounds of a ratio, in a configuration `clip_low`, `clip_high` and, where the algorithm has it,
/// `dual_clip`.
///
/// ```
/// use burn_rl::algo::Clip;
///
/// let clip = Clip { high: 0.28, ..Clip::symmetric(0.2).with_dual() };
/// let table = toml::Table::try_from(clip)?;
/// assert_eq!(table["clip_high"].as_float(), Some(0.28));
/// assert_eq!(clip.ppo().dual, None, "0 stands for no end");
/// # Ok::<(), toml::ser::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// How far the ratio may fall below 1.
    #[serde(rename = "clip_low")]
    pub low: f64,
    /// How far the ratio may rise above 1.
    #[serde(rename = "clip_high")]
    pub high: f64,
    /// Where the advantage is negative, the loss ends at this times the advantage; 0 for no end.
    /// None where the algorithm has no such option.
    #[serde(rename = "dual_clip", skip_serializing_if = "Option::is_none")]
    pub dual: Option<f64>,
}

impl Clip {
    /// The same bound in both directions.
    pub const fn symmetric(bound: f64) -> Self {
        Self::new(bound, bound)
    }

    /// A bound below 1 and one above.
    pub const fn new(low: f64, high: f64) -> Self {
        Self {
            low,
            high,
            dual: None,
        }
    }

    /// The same with the option `dual_clip`, which is off.
    pub const fn with_dual(self) -> Self {
        Self {
            dual: Some(0.0),
            ..self
        }
    }

    /// PPO's clipped surrogate with these bounds.
    pub fn ppo(self) -> PpoClip {
        PpoClip {
            low: self.low,
            high: self.high,
            dual: self.dual.filter(|dual| *dual != 0.0),
            ratio_cap: None,
        }
    }
}

impl Default for Clip {
    /// PPO's own ([arXiv:1707.06347](https://arxiv.org/abs/1707.06347), section 6.1).
    fn default() -> Self {
        Self::symmetric(0.2)
    }
}
