//! The rewards of VisualThinker-R1-Zero (arXiv:2503.05132): `src/open_r1/grpo.py` of
//! turningpoint-ai/VisualThinker-R1-Zero. Its length reward is [`crate::rules::Length`].

mod accuracy;
mod format;

pub use accuracy::VisualThinkerAccuracy;
pub use format::VisualThinkerFormat;
