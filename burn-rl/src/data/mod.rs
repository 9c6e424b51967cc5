//! From a data file to prompts, in an order that a resumed run repeats.

mod encode;
mod jsonl;
mod order;

pub use encode::{Encoder, PromptSet};
pub use jsonl::{DataRow, JsonlDataset, RowKind, image_files};
pub use order::Order;
