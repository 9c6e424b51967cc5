//! Where prompts come from.

use super::Order;
use crate::{error::RlError, types::Prompt};
use std::sync::Arc;

/// An endless walk over prompts: what is at a position depends on the position alone, so that a run
/// can be continued anywhere.
pub trait PromptSource: Send {
    /// The prompts at positions `first..first + n` of the walk.
    ///
    /// # Errors
    /// A row that cannot be used.
    fn draw(&mut self, first: u64, n: usize) -> Result<Vec<Arc<Prompt>>, RlError>;
}

/// Prompts in memory, for policies that read tokens and nothing else.
///
/// ```
/// use burn_rl::{data::{PromptList, PromptSource}, types::Prompt};
///
/// let prompts = (0..3).map(|token| Prompt::of_tokens(token.to_string(), vec![token], ""));
/// let mut list = PromptList::new(prompts.collect(), false, 0)?;
/// assert_eq!(list.draw(2, 2)?[1].id, "0");
/// # Ok::<(), burn_rl::RlError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PromptList {
    prompts: Vec<Arc<Prompt>>,
    order: Order,
}

impl PromptList {
    /// A walk over `prompts`, in a new order every epoch if `shuffle`.
    ///
    /// # Errors
    /// [`RlError::Config`] without a prompt.
    pub fn new(prompts: Vec<Prompt>, shuffle: bool, seed: u64) -> Result<Self, RlError> {
        if prompts.is_empty() {
            let message = "the list of prompts is empty, expected at least one";
            return Err(RlError::Config(message.into()));
        }
        Ok(Self {
            order: Order::new(prompts.len(), shuffle, seed),
            prompts: prompts.into_iter().map(Arc::new).collect(),
        })
    }
}

impl PromptSource for PromptList {
    fn draw(&mut self, first: u64, n: usize) -> Result<Vec<Arc<Prompt>>, RlError> {
        let at = |position| self.prompts[self.order.row(position)].clone();
        Ok((first..first + n as u64).map(at).collect())
    }
}
