//! From a data file to prompts, in an order that a resumed run repeats.

mod blend;
mod columns;
mod context;
mod dataset;
mod encode;
mod encoder;
mod fingerprint;
mod json_rows;
mod order;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "no_parquet.rs"]
mod parquet;
mod picture;
mod record;
mod row;
mod row_pictures;
mod source;
mod tsv;

pub use blend::Blend;
pub use columns::Columns;
pub use dataset::{OnError, Reshape, RowDataset, read_records};
pub use encode::{GoldCheck, PromptSet, RowSource, Walk};
pub use encoder::{CheckProgress, DataCheck, Encoder, Room};
pub use fingerprint::{DataFingerprint, SetFingerprint};
pub use order::{Curriculum, Order};
pub use picture::picture_bytes;
pub use record::Record;
pub use row::{DataRow, QUESTION_MARK, RowFormat, RowKind};
pub use row_pictures::PictureDirs;
pub use source::{Drawn, PromptList, PromptSource};
