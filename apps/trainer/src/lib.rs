//! The application: arguments, configuration files, progress, exit codes. No algorithm, no loss.
#![warn(missing_docs)]

pub mod cli;
pub mod cmd;
pub mod config;
pub mod demo;
pub mod device;
pub mod exit;
pub mod input_error;
pub mod model_dir;
pub mod output;
pub mod plan;
pub mod progress;
pub mod setup;
