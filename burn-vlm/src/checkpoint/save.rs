//! Writing a model's directory, so that it holds one model.
//!
//! A model is in one of several layouts: one file of weights, shards with an index, or an adapter,
//! with a value head or without. Loading goes by the files that are there, so those of another
//! layout must not stay beside the new ones.

use crate::{
    Vlm,
    error::VlmError,
    lora::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, BASE},
    value_head::VALUE_HEAD_FILE,
    weights::{self, ExportDtype, INDEX, SINGLE, WeightFiles, is_shard},
};
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// Largest shard that is written, in bytes, as transformers does.
const MAX_SHARD_BYTES: usize = 5_000_000_000;

/// Where files are written before they replace others.
const STAGING: &str = ".saving";

/// Files that mark a directory as a model. Removing them in this order means that an interrupted save
/// can never be read as another layout: an adapter is refused without its weights, and a single file
/// of weights is loaded before an index.
const ENTRIES: [&str; 4] = [ADAPTER_WEIGHTS, INDEX, SINGLE, ADAPTER_CONFIG];

/// What goes with them.
const PARTS: [&str; 2] = [BASE, VALUE_HEAD_FILE];

impl Vlm {
    /// Writes `config.json` and the weights into an existing directory, as transformers loads
    /// them, or, of a model with adapters, those alone, in f32, as PEFT loads them. The value head,
    /// if there is one, goes into a file of its own.
    ///
    /// A model that was saved there before is replaced, whatever its layout; other files stay. The
    /// new files are written in `.saving` first. Until they are complete, the directory is unchanged;
    /// while they are being renamed into place, loading fails with "no weights".
    ///
    /// # Errors
    /// An adapter that would replace the weights it is beside, and anything the file system
    /// refuses.
    pub fn save(&self, dir: &Path, dtype: ExportDtype) -> Result<(), VlmError> {
        self.check_not_base(dir)?;
        let staging = dir.join(STAGING);
        let io = |e| VlmError::io(&staging, e);
        if staging.exists() {
            // Left over from a process that was killed.
            fs::remove_dir_all(&staging).map_err(io)?;
        }
        fs::create_dir(&staging).map_err(io)?;
        if let Err(error) = self.write(&staging, dtype) {
            // The first error is the one to report, whether or not the remains can be removed.
            let _ = fs::remove_dir_all(&staging);
            return Err(error);
        }
        remove_model(dir)?;
        move_model(&staging, dir)?;
        fs::remove_dir(&staging).map_err(io)
    }

    /// Writes all files of the model.
    fn write(&self, dir: &Path, dtype: ExportDtype) -> Result<(), VlmError> {
        if let Some(head) = &self.value_head {
            head.save(dir)?;
        }
        let path = dir.join("config.json");
        let mut config = self.config.raw.clone();
        if self.lora.is_none() {
            weights::name_dtype(&mut config, dtype);
        }
        fs::write(&path, format!("{config:#}\n")).map_err(|e| VlmError::io(&path, e))?;
        if self.lora.is_some() {
            return self.save_adapter(dir);
        }
        let body = Self {
            value_head: None,
            ..self.clone()
        };
        weights::save(&body, &self.keys(), dtype, MAX_SHARD_BYTES, dir)
    }

    /// An adapter without the weights it is beside would be lost.
    fn check_not_base(&self, dir: &Path) -> Result<(), VlmError> {
        let base = self.lora.as_ref().and_then(|lora| lora.base.as_ref());
        let real = |path: &Path| path.canonicalize().ok();
        match base {
            Some(base) if WeightFiles::are_in(dir) && real(&base.path) == real(dir) => {
                Err(VlmError::Request(format!(
                    "{} holds the weights that the adapter is beside, expected another directory \
                     to save it in",
                    dir.display()
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Removes a saved model, of whatever layout, and nothing else.
fn remove_model(dir: &Path) -> Result<(), VlmError> {
    let shards = file_names(dir)?.into_iter();
    let shards = shards.filter(|name| name.to_str().is_some_and(is_shard));
    let named = ENTRIES.iter().chain(&PARTS).map(OsString::from);
    for path in named.chain(shards).map(|name| dir.join(name)) {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(VlmError::io(&path, e)),
            _ => {}
        }
    }
    Ok(())
}

/// Moves every file of a model, those by which it is one last.
fn move_model(from: &Path, to: &Path) -> Result<(), VlmError> {
    let mut names = file_names(from)?;
    names.sort_by_key(|name| ENTRIES.iter().any(|entry| name == entry));
    for name in names {
        let path: PathBuf = to.join(&name);
        fs::rename(from.join(&name), &path).map_err(|e| VlmError::io(&path, e))?;
    }
    Ok(())
}

fn file_names(dir: &Path) -> Result<Vec<OsString>, VlmError> {
    let io = |e| VlmError::io(dir, e);
    let entries = fs::read_dir(dir).map_err(io)?;
    let names = entries.map(|entry| Ok(entry?.file_name()));
    names.collect::<io::Result<_>>().map_err(io)
}
