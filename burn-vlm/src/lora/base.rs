//! What a model knows of its adapters and of the weights they are beside.

use super::LoraConfig;
use crate::weights::WeightFiles;
use std::path::PathBuf;

/// The LoRA configuration of a model and the base weights that its adapters belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct Lora {
    /// How they were made.
    pub config: LoraConfig,
    /// Where the frozen weights are from; none where they are from no file.
    pub base: Option<BaseModel>,
}

/// A model directory, and what its weights are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseModel {
    /// The directory.
    pub path: PathBuf,
    /// As [`WeightFiles::fingerprint`] gives it.
    pub fingerprint: String,
}

impl BaseModel {
    /// The weights of `files`, under their absolute path.
    pub fn of(files: &WeightFiles) -> Self {
        let path = std::path::absolute(files.dir());
        Self {
            path: path.unwrap_or_else(|_| files.dir().to_owned()),
            fingerprint: files.fingerprint(),
        }
    }
}
