//! Reinforcement learning of vision-language models as parts that compose.
//!
//! To train, assemble a [`Trainer`] and run it:
//!
//! ```no_run
//! use burn_rl::{NoObserver, Trainer};
//! # let dir = std::path::Path::new("model");
//! # let model = burn_vlm::Vlm::from_dir(dir, &burn::tensor::Device::default())?;
//! # let processor = burn_vlm::Processor::from_dir(dir)?;
//! let mut trainer = Trainer::builder(model, processor)
//!     .prompts(vec![("What is 2 + 2?", "4")])
//!     .reward_fn(|x| f64::from(u8::from(x.response.trim() == x.answer)))
//!     .algorithm("grpo")
//!     .steps(50)
//!     .build()?;
//! println!("{:?}", trainer.run(&mut NoObserver)?.history.get("reward/mean"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The modules, in the order in which a step walks through them:
//!
//! 1. [`data`]: rows become [`Prompt`](types::Prompt)s, in an order that a resumed run repeats.
//! 2. [`rollout`]: a [`RolloutEngine`] samples a group of completions for each, and rewards score
//!    them.
//! 3. [`filter`], [`shape`], [`advantage`]: which groups are kept, what is done to their rewards, and
//!    what each token is worth.
//! 4. [`loss`], [`correction`], [`regularize`], [`select`], [`reduce`]: what is minimised.
//! 5. [`recipe`]: a [`Recipe`] is a list of these parts; a named algorithm is one file in [`algo`]
//!    that lists its own.
//! 6. [`learner`]: [`PolicyGradient`](learner::PolicyGradient) updates a [`Policy`] by a recipe;
//!    [`dist`] does it on several devices.
//! 7. [`trainer`]: the loop over all of them, with [`eval`], [`checkpoint`], [`run_dir`] and
//!    [`metrics`].
//!
//! [`config`] is the same as settings, section by section.
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
mod digest;
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
mod reward_names;
pub mod rollout;
pub mod select;
pub mod shape;
pub mod step_metrics;
pub mod stop;
pub mod trainable;
pub mod trainer;
pub mod types;

pub use config::RunConfig;
pub use error::RlError;
pub use learner::{Learner, Policy};
pub use loss::{LossInput, PolicyLoss, TokenLoss};
pub use metrics::Metrics;
pub use observer::{NoObserver, Observer};
pub use recipe::Recipe;
pub use rollout::RolloutEngine;
/// The files of a run.
pub use run_log::{LogError, metrics, run_dir};
pub use stop::StopFlag;
pub use trainer::{Outcome, Trainer, TrainerBuilder};
