//! Reinforcement learning of vision-language models as parts that compose.
//!
//! A [`Recipe`](recipe::Recipe) is a list of parts: where completions come from, which are kept,
//! what they are worth, what is minimised and how it is reduced. A named algorithm is one file in
//! [`algo`] that lists its parts; the [`Trainer`](trainer::Trainer) runs any of them.
//!
//! Burn's own `burn-rl` and `burn::train` have a `Learner` too; do not glob-import both.
#![warn(missing_docs)]

pub mod advantage;
pub mod algo;
pub mod checkpoint;
mod clock;
pub mod config;
pub mod correction;
pub mod data;
pub mod dist;
pub mod error;
pub mod eval;
pub mod filter;
pub mod learner;
pub mod loss;
pub mod observer;
mod range;
pub mod recipe;
pub mod reduce;
pub mod regularize;
pub mod rescore;
pub mod rollout;
pub mod select;
pub mod shape;
pub mod step_metrics;
pub mod trainable;
pub mod trainer;
pub mod types;

pub use error::RlError;
/// The files of a run.
pub use run_log::{metrics, run_dir};
