//! The tables: one entry a benchmark.

mod seeds;
mod text;
mod vision;
mod vision_math;

use super::Bench;

/// All of them, by kind.
pub(super) const ALL: &[&[Bench]] = &[seeds::SETS, vision_math::SETS, vision::SETS, text::SETS];
