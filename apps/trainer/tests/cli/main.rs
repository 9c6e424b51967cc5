//! Training from the command line, as a user calls it.

#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod bad_models;
mod data_parallel;
mod eval;
mod faults;
mod files;
mod finetuning;
mod interrupted;
mod kills;
mod replay;
mod runs;
