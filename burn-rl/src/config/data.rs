//! What a run is trained on.

use crate::{
    data::{Columns, Curriculum, DataCheck, OnError, RowFormat, RowSource, Walk},
    error::RlError,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What the model is trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// A file of rows: JSONL, a JSON list, or parquet; or a directory of parquet files.
    pub train: String,
    /// Name of that set in `when.set` of rewards; that of the file if empty.
    pub name: String,
    /// Which field of a row means what, where the usual names do not say.
    pub columns: Columns,
    /// What the last question of a row is put into, at `{question}`. Where it has `<image>` marks
    /// of its own, those of the question are left out. Empty to leave questions as they are.
    pub template: String,
    /// Several sets in place of `train`.
    pub blend: Vec<SetConfig>,
    /// Whether each epoch is in an order of its own; else rows come as they stand in the file.
    pub shuffle: bool,
    /// Whether an epoch goes by how hard its rows are.
    pub curriculum: Curriculum,
    /// Longest prompt in tokens, pictures included.
    pub max_prompt_tokens: usize,
    /// What a row that cannot be used does.
    pub on_error: OnError,
    /// How closely rows are looked at before the first step. With `on_error = "skip"` all rows are
    /// read whole unless this is `none`.
    pub check: DataCheck,
    /// Directories that pictures may be in beside that of their data file; what a symbolic link
    /// leads to counts. A row that names another picture cannot be used.
    pub picture_roots: Vec<String>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            train: String::new(),
            name: String::new(),
            columns: Columns::default(),
            template: String::new(),
            blend: vec![],
            shuffle: true,
            curriculum: Curriculum::None,
            max_prompt_tokens: 4096,
            on_error: OnError::Error,
            check: DataCheck::default(),
            picture_roots: vec![],
        }
    }
}

/// One set of a blend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetConfig {
    /// Name of the set in `when.set` of rewards; that of the file if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// As `data.train`.
    pub path: String,
    /// How often a prompt is from this set, relative to the others.
    #[serde(default = "one")]
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0)))]
    pub weight: f64,
    /// As `data.columns`.
    #[serde(default)]
    pub columns: Columns,
    /// As `data.template`.
    #[serde(default)]
    pub template: String,
    /// Directories that its pictures may be in beside those of `data.picture_roots`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub picture_roots: Vec<String>,
}

fn one() -> f64 {
    1.0
}

impl SetConfig {
    /// Name of the set, in the configuration or from its path without the extension.
    pub fn name(&self) -> &str {
        let stem = || Path::new(&self.path).file_stem()?.to_str();
        match self.name.as_str() {
            "" => stem().unwrap_or_default(),
            name => name,
        }
    }

    /// Where its rows are and how they are read.
    pub fn source(&self) -> RowSource {
        RowSource {
            path: self.path.clone().into(),
            weight: self.weight,
            format: self.format(),
        }
    }

    /// How its rows are read.
    pub fn format(&self) -> RowFormat {
        RowFormat {
            columns: self.columns.clone(),
            template: self.template.clone(),
            keep: vec![],
            set: self.name().into(),
            picture_roots: self.picture_roots.iter().map(Into::into).collect(),
        }
    }
}

impl DataConfig {
    /// The sets that are trained on: those of the blend, or the one.
    pub fn sets(&self) -> Vec<SetConfig> {
        match self.blend.is_empty() {
            true => vec![SetConfig {
                name: self.name.clone(),
                ..self.set(&self.train)
            }],
            false => self.blend.iter().map(|set| self.with_roots(set)).collect(),
        }
    }

    /// A file that is read as `train` is.
    pub fn set(&self, path: &str) -> SetConfig {
        SetConfig {
            name: String::new(),
            path: path.into(),
            weight: 1.0,
            columns: self.columns.clone(),
            template: self.template.clone(),
            picture_roots: self.picture_roots.clone(),
        }
    }

    /// A set whose pictures may also be where those of all sets may be.
    fn with_roots(&self, set: &SetConfig) -> SetConfig {
        let mut set = set.clone();
        set.picture_roots.extend_from_slice(&self.picture_roots);
        set
    }

    /// In which order rows come, and what becomes of those that cannot be used.
    pub fn walk(&self, seed: u64) -> Walk {
        Walk {
            on_error: self.on_error,
            shuffle: self.shuffle,
            curriculum: self.curriculum,
            seed,
            check: self.check,
        }
    }

    pub(super) fn check(&self) -> Result<(), RlError> {
        let refuse = |message: String| Err(RlError::Config(message));
        if !self.blend.is_empty() && !self.train.is_empty() {
            return refuse("data.train and data.blend are both set, expected one of them".into());
        }
        if self.blend.is_empty() && self.train.is_empty() {
            return refuse("data.train is empty, expected a path".into());
        }
        if !self.blend.is_empty() && !self.name.is_empty() {
            return refuse(format!(
                "data.name is {:?}, but data.blend has sets with names of their own: expected no \
                 such key",
                self.name
            ));
        }
        self.set("").format().check("data.template")?;
        for (i, set) in self.blend.iter().enumerate() {
            if !(set.weight > 0.0 && set.weight.is_finite()) {
                let weight = set.weight;
                return refuse(format!(
                    "data.blend[{i}].weight is {weight}, expected above 0"
                ));
            }
            set.format().check(&format!("data.blend[{i}].template"))?;
        }
        Ok(())
    }
}
