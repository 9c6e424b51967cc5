//! Every algorithm of the slice: its numbers, what they may and may not depend on, and what it
//! refuses.

#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

mod docs;
mod extension;
mod harness;
mod invariants;
mod model;
mod oracle;
mod own_loss;
mod refusals;
