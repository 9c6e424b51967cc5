//! The files of a training run: written step by step, read back, checked and shown.
//!
//! A run is a directory ([`RunDir`]). What is in it, and what this crate does with it:
//!
//! | file | record | writes | reads |
//! |---|---|---|---|
//! | `metrics.jsonl` | [`Metrics`] of a step | [`step_log::JsonlWriter`] | [`step_log::read`], [`History`] |
//! | `rollouts/step_*.jsonl` | [`RolloutRecord`] | [`rollout_log::write_rollouts`] | [`rollout_log::read_rollouts`] |
//! | `eval/<set>/step_*.jsonl` | [`RolloutRecord`] | [`rollout_log::write_rollouts`] | [`completions::evaluations`] |
//! | `config.toml` | | the application | [`config_file::read`] |
//! | `events.out.tfevents.*` | | [`tensorboard::TensorBoardWriter`] | TensorBoard |
//! | `report.html` | | [`report::write_report`] | a browser |
//!
//! [`diagnostics`] finds known failure patterns in the numbers, and [`metric_help`] says what a
//! number is.
//!
//! There is no tensor and no model here: a page over runs needs only their files, and a program
//! that trains needs only the records and the writers.
#![warn(missing_docs)]

pub mod completions;
#[cfg(feature = "config")]
pub mod config_file;
pub mod diagnostics;
pub mod error;
pub mod files;
mod help;
pub mod history;
pub mod metrics;
#[cfg(feature = "report")]
pub mod report;
pub mod rollout_log;
pub mod run_dir;
pub mod settings;
pub mod step_log;
pub mod superseded;
#[cfg(feature = "tensorboard")]
pub mod tensorboard;

pub use error::LogError;
pub use help::metric_help;
pub use history::History;
pub use metrics::{Metrics, Sink};
pub use rollout_log::RolloutRecord;
pub use run_dir::RunDir;
