//! The rewards of R1-V: `src/r1-v/src/open_r1/grpo.py` of Deep-Agent/R1-V.

mod accuracy;
mod format;

pub use accuracy::R1vAccuracy;
pub use format::R1vFormat;

pub(super) use accuracy::{Judged, judge, judge_compat};
pub(super) use format::{holds, holds_compat};
