//! From a data file to prompts, in an order that a resumed run repeats.

mod blend;
mod columns;
mod context;
mod dataset;
mod encode;
mod order;
mod parquet;
mod picture;
mod row;

pub use blend::Blend;
pub use columns::Columns;
pub use dataset::{OnError, RowDataset, read_records};
pub use encode::{Encoder, GoldCheck, PromptSet, RowSource, Walk};
pub use order::{Curriculum, Order};
pub use picture::picture_bytes;
pub use row::{DataRow, QUESTION_MARK, Record, RowFormat, RowKind, image_files};
