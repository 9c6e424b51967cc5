//! Keys and values of the tokens read so far: a prompt's once for all sequences that continue it,
//! and each sequence's own.
//!
//! A sequence's queries see its prompt and its own tokens. Two caches answer alike: on a host
//! [`PagedCache`] keeps what there is in pages, and a kernel reads each key once for all of a
//! prompt's queries; elsewhere [`SlotCache`] keeps tensors whose shapes hardly ever change, so that
//! a device compiles few kernels.

mod kernel;
mod pages;
mod slots;

use crate::device::runs_on_host;
use burn::tensor::{DType, Device, Tensor};
pub(crate) use kernel::PAGE;
pub use pages::PagedCache;
pub use slots::SlotCache;
use std::ops::Range;

/// Sizes of a model's keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSizes {
    /// Number of blocks.
    pub layers: usize,
    /// K, key-value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Precision of keys and values.
    pub dtype: DType,
}

/// A prompt of a cache. Numbers of removed ones are given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PromptId(usize);

/// A sequence of a cache. Numbers of removed ones are given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowId(usize);

/// What decoding asks of a cache. Ids are those that it gave and that were not removed since.
pub trait KvCache: Send {
    /// Positions for which there is room, used or not.
    fn positions(&self) -> usize;

    /// The same if a sequence of `new_tokens` positions and, where it has a length, its prompt were
    /// there too.
    fn positions_with(&self, prompt: Option<usize>, new_tokens: usize) -> usize;

    /// The same of an empty cache with one sequence and its prompt.
    fn positions_alone(&self, prompt: usize, new_tokens: usize) -> usize;

    /// Makes room for a prompt of `len` tokens.
    fn add_prompt(&mut self, len: usize) -> PromptId;

    /// Keeps a layer's keys and values of prompts that lie at the given places, each as long as it
    /// was said to be.
    ///
    /// # Shapes
    /// - k, v: `[1, K, N, head_dim]`
    fn write_prompts(
        &mut self,
        layer: usize,
        prompts: &[(PromptId, Range<usize>)],
        k: Tensor<4>,
        v: Tensor<4>,
    );

    /// Forgets a prompt that no sequence continues.
    fn remove_prompt(&mut self, prompt: PromptId);

    /// Makes room for a sequence of at most `new_tokens` positions that continues `prompt`.
    fn add_row(&mut self, prompt: PromptId, new_tokens: usize) -> RowId;

    /// Forgets a sequence; what it held is free at once, and nothing is copied.
    fn remove_row(&mut self, row: RowId);

    /// Gives room back that is no longer used, where that is worth a copy.
    fn shrink(&mut self);

    /// Begins one more token of `rows`, and says which of them each row of the batch is to be: the
    /// batch may have rows that are nobody's.
    fn arrange(&mut self, rows: &[RowId]) -> Vec<Option<usize>>;

    /// Keeps a layer's keys and values of the token that was begun, and attends to all that its
    /// sequence has.
    ///
    /// # Shapes
    /// - q and output: `[B, H, 1, head_dim]`; k, v: `[B, K, 1, head_dim]`
    fn attend(&mut self, layer: usize, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4>;

    /// Ends the token, once every layer has attended.
    fn advance(&mut self);
}

/// An empty cache of at most `max_rows` sequences, as it is best for `device`.
pub fn new_cache(sizes: CacheSizes, max_rows: usize, device: &Device) -> Box<dyn KvCache> {
    match runs_on_host(device) && sizes.dtype == DType::F32 {
        true => Box::new(PagedCache::new(sizes)),
        false => Box::new(SlotCache::new(sizes, max_rows, SlotCache::BUCKET, device)),
    }
}

/// Values that keep their numbers while others come and go.
#[derive(Debug)]
struct Slab<T>(Vec<Option<T>>);

impl<T> Slab<T> {
    fn new() -> Self {
        Self(vec![])
    }

    /// Puts a value at the first free number.
    fn add(&mut self, value: T) -> usize {
        let free = self.0.iter().position(Option::is_none);
        let at = free.unwrap_or(self.0.len());
        match free {
            Some(at) => self.0[at] = Some(value),
            None => self.0.push(Some(value)),
        }
        at
    }

    fn remove(&mut self, at: usize) {
        self.0[at] = None;
    }

    fn get(&self, at: usize) -> &T {
        self.0[at].as_ref().expect("an id that was not removed")
    }

    fn get_mut(&mut self, at: usize) -> &mut T {
        self.0[at].as_mut().expect("an id that was not removed")
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests;
