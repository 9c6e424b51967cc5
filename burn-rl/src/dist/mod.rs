//! Data parallel training: the same model on several devices of one machine.
//!
//! Every device has a replica of the learner and of the engine, and one thread that works on it.
//! Rollouts are shared out by completions, passes over a batch by tokens. The normalisers of a loss
//! (token and sequence counts) are computed over the global batch ([`reduce`](crate::reduce)), so
//! summing the replicas' gradients gives the single-device gradient. Each replica then takes the
//! same step with the same sum.
//!
//! ```text
//!             ┌ replica 0: its samples ─► scores ┐        ┌ its samples ─► gradients ┐
//!   batch ────┤                                  ├─ all ──┤                          ├─ Σ ─► the same step
//!             └ replica 1: its samples ─► scores ┘        └ its samples ─► gradients ┘
//! ```
//!
//! The loop knows nothing of it: [`DataParallel`] is a [`Learner`](crate::learner::Learner) and
//! [`ParallelEngine`] a [`RolloutEngine`](crate::rollout::RolloutEngine). An algorithm neither: a
//! learner shares out, gathers and sums through its [`Replica`](crate::learner::Replica), which does nothing where it is
//! alone.

mod engine;
mod gradients;
mod learner;
mod rendezvous;
mod replica;
mod workers;

pub use engine::{ParallelEngine, engine_on};
pub use learner::DataParallel;
pub use workers::{DeviceKind, DeviceSpec, Workers};
