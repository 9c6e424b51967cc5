//! The small files of a model directory that describe its text and its pictures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::VlmError;

/// Files by name, with the bytes as they were read, so that an exported model carries exactly what
/// its training used. `config.json` is among them to be read; the model itself writes it.
#[derive(Debug, Clone, Default)]
pub struct ProcessorFiles {
    origin: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

impl ProcessorFiles {
    /// The model's configuration, which [`write_dir`](Self::write_dir) leaves out.
    pub const CONFIG: &str = "config.json";

    /// The names that are read from a model directory, where they exist.
    pub const NAMES: [&str; 13] = [
        Self::CONFIG,
        "tokenizer.json",
        "tokenizer.model",
        "vocab.json",
        "merges.txt",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "chat_template.json",
        "chat_template.jinja",
        "preprocessor_config.json",
        "processor_config.json",
        "generation_config.json",
    ];

    /// Files held in memory; none yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what exists of [`NAMES`](Self::NAMES) in `dir`, and the modules that transformers runs
    /// for a model whose code is not its own, which are carried along and never run here.
    ///
    /// # Errors
    /// A file exists and cannot be read.
    pub fn read_dir(dir: &Path) -> Result<Self, VlmError> {
        let mut files = Self {
            origin: dir.into(),
            ..Self::default()
        };
        let names = Self::NAMES.map(String::from);
        for name in names.into_iter().chain(modules(dir)) {
            let path = dir.join(&name);
            match std::fs::read(&path) {
                Ok(bytes) => files.insert(name, bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(VlmError::io(path, error)),
            }
        }
        Ok(files)
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(name.into(), bytes.into());
    }

    /// Where the file would be, for messages.
    pub fn path(&self, name: &str) -> PathBuf {
        self.origin.join(name)
    }

    /// The bytes of a file.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// Whether there is a tokenizer, in whatever form.
    pub fn have_tokenizer(&self) -> bool {
        ["tokenizer.json", "tokenizer.model", "vocab.json"]
            .iter()
            .any(|name| self.get(name).is_some())
    }

    /// The bytes of a file that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn require(&self, name: &str) -> Result<&[u8], VlmError> {
        let missing = || VlmError::config(self.path(name), "the file does not exist");
        self.get(name).ok_or_else(missing)
    }

    /// A file as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>, VlmError> {
        let wrong = |error| VlmError::config(self.path(name), format!("not UTF-8: {error}"));
        self.get(name)
            .map(std::str::from_utf8)
            .transpose()
            .map_err(wrong)
    }

    /// A file as JSON.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn json(&self, name: &str) -> Result<Option<Value>, VlmError> {
        let wrong = |error| VlmError::config(self.path(name), format!("not JSON: {error}"));
        self.get(name)
            .map(serde_json::from_slice)
            .transpose()
            .map_err(wrong)
    }

    /// Writes every file but the model's configuration into `dir`, which is created.
    ///
    /// # Errors
    /// The directory or a file cannot be written.
    pub fn write_dir(&self, dir: &Path) -> Result<(), VlmError> {
        std::fs::create_dir_all(dir).map_err(|error| VlmError::io(dir, error))?;
        for (name, bytes) in self.files.iter().filter(|(name, _)| *name != Self::CONFIG) {
            let path = dir.join(name);
            std::fs::write(&path, bytes).map_err(|error| VlmError::io(path, error))?;
        }
        Ok(())
    }
}

/// A token of a tokenizer's configuration: a string, or an object with `content`.
pub(super) fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value["content"].as_str())
}

/// Names of the Python modules in a directory; none in one that cannot be listed.
fn modules(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".py")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_byte_for_byte() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let odd = b"{ \"a\" :1,\r\n\t\"b\": [ ] }\n\n";
        std::fs::write(from.path().join("tokenizer_config.json"), odd).unwrap();
        std::fs::write(from.path().join("model.safetensors"), b"not ours").unwrap();
        std::fs::write(
            from.path().join("modeling_internvl_chat.py"),
            b"import torch",
        )
        .unwrap();
        let files = ProcessorFiles::read_dir(from.path()).unwrap();
        let out = to.path().join("new/dir");
        files.write_dir(&out).unwrap();
        assert_eq!(
            std::fs::read(out.join("tokenizer_config.json")).unwrap(),
            odd
        );
        assert!(out.join("modeling_internvl_chat.py").exists());
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2);
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tokenizer_config.json"), b"{").unwrap();
        let files = ProcessorFiles::read_dir(dir.path()).unwrap();
        let message = files.json("tokenizer_config.json").unwrap_err().to_string();
        assert!(
            message.contains("tokenizer_config.json: not JSON: "),
            "{message}"
        );
        let message = files.require("tokenizer.json").unwrap_err().to_string();
        assert!(
            message.ends_with("tokenizer.json: the file does not exist"),
            "{message}"
        );
    }
}
