//! Rule rewards: a response and a gold answer in, a scored [`Reward`] with named parts out.
//!
//! No tensors, no tokenizer, and no clock that decides a verdict: the same response gets the same
//! reward on every thread and machine. The exception says so by name: `command`, `http` and
//! `chat_judge` ask another program.
//!
//! ```
//! use burn_rewards::{RewardConfig, RewardFn, RewardInput};
//!
//! let reward = RewardConfig::named(&["answer_exact", "answer_format"]).build()?;
//! let scored = reward.score(&RewardInput::new("<answer>red</answer>", "Red"))?;
//! assert_eq!(scored.value, 2.0);
//! assert_eq!(scored.part("accuracy"), Some(1.0));
//! # Ok::<(), burn_rewards::RewardError>(())
//! ```
#![warn(missing_docs)]

mod choices;
pub mod composite;
pub mod condition;
pub mod config;
pub mod error;
pub mod extract;
pub mod gold;
pub mod input;
pub mod math;
mod names;
mod remote;
pub mod reward;
pub mod rules;

pub use choices::choices;
pub use composite::{Composite, Part};
pub use condition::{Condition, OneOf};
pub use config::{PartConfig, RewardConfig};
pub use error::RewardError;
pub use gold::OnUnparsableGold;
pub use input::{BoxCoordinates, ImageSize, RewardInput};
pub use reward::{Notice, Reward, RewardFn};
pub use rules::{RULES, Registry, Rule};
