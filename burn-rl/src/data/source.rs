//! Where prompts come from.

use super::{Curriculum, DataFingerprint, Order, SetFingerprint};
use crate::{digest::Digest, error::RlError, types::Prompt};
use std::sync::Arc;

/// A prompt and where in the walk it stands.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// Its position.
    pub position: u64,
    /// The prompt.
    pub prompt: Arc<Prompt>,
}

/// An endless walk over prompts: what is at a position depends on the position alone, so that a run
/// can be continued anywhere.
pub trait PromptSource: Send {
    /// The first `n` prompts at or after the position `first`, in order. A position may hold none,
    /// because its row was left out; it is passed over, and no other changes its meaning.
    ///
    /// # Errors
    /// A row that cannot be used.
    fn draw(&mut self, first: u64, n: usize) -> Result<Vec<Drawn>, RlError>;

    /// What the walk goes over, by which a resumed run finds that it is another; none where that is
    /// not known.
    fn fingerprint(&self) -> Option<DataFingerprint> {
        None
    }
}

/// Prompts in memory, for policies that read tokens and nothing else.
///
/// ```
/// use burn_rl::{data::{PromptList, PromptSource}, types::Prompt};
///
/// let prompts = (0..3).map(|token| Prompt::of_tokens(token.to_string(), vec![token], ""));
/// let mut list = PromptList::new(prompts.collect(), false, 0)?;
/// let drawn = list.draw(2, 2)?;
/// assert_eq!((drawn[1].position, drawn[1].prompt.id.as_str()), (3, "0"));
/// # Ok::<(), burn_rl::RlError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PromptList {
    prompts: Vec<Arc<Prompt>>,
    order: Order,
    shuffle: bool,
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
            shuffle,
            prompts: prompts.into_iter().map(Arc::new).collect(),
        })
    }
}

impl PromptSource for PromptList {
    fn draw(&mut self, first: u64, n: usize) -> Result<Vec<Drawn>, RlError> {
        let at = |position| Drawn {
            position,
            prompt: self.prompts[self.order.row(position)].clone(),
        };
        Ok((first..first + n as u64).map(at).collect())
    }

    fn fingerprint(&self) -> Option<DataFingerprint> {
        let all = self.prompts.iter();
        let digest = all.fold(Digest::new(), |digest, prompt| {
            digest.text(&prompt.digest())
        });
        Some(DataFingerprint {
            sets: vec![SetFingerprint {
                name: "prompts made in code".into(),
                rows: self.prompts.len(),
                digest: digest.hex(),
            }],
            weights: vec![1.0],
            shuffle: self.shuffle,
            curriculum: Curriculum::None,
        })
    }
}
