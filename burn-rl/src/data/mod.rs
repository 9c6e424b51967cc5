//! From a data file to prompts, in an order that a resumed run repeats.

mod blend;
mod columns;
mod context;
mod dataset;
mod encode;
mod fingerprint;
mod order;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "no_parquet.rs"]
mod parquet;
mod picture;
mod row;
mod source;

pub use blend::Blend;
pub use columns::Columns;
pub use dataset::{OnError, RowDataset, read_records};
pub use encode::{Encoder, GoldCheck, PromptSet, RowSource, Walk};
pub use fingerprint::{DataFingerprint, SetFingerprint};
pub use order::{Curriculum, Order};
pub use picture::picture_bytes;
pub use row::{DataRow, QUESTION_MARK, Record, RowFormat, RowKind, image_files};
pub use source::{Drawn, PromptList, PromptSource};
