//! The small files of a model directory that describe its text and its pictures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{dir, error::VlmError};

/// Files by name, with the bytes as they were read, so that an exported model carries exactly what
/// its training used. `config.json` is among them to be read; the model itself writes it.
#[derive(Debug, Clone, Default)]
pub struct ProcessorFiles {
    origin: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
    /// The tokenizer is an adapter's own, newer than the other files.
    own_tokenizer: bool,
}

/// What a tokenizer is made of.
const TOKENIZER: [&str; 7] = [
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// Where a chat template is, beside `tokenizer_config.json`.
pub(super) const TEMPLATE: &str = "chat_template.jinja";
pub(super) const OLD_TEMPLATE: &str = "chat_template.json";

/// Under which key it is in JSON.
pub(super) const TEMPLATE_KEY: &str = "chat_template";

/// Where templates for other purposes are, which are carried along.
const MORE_TEMPLATES: &str = "additional_chat_templates";

impl ProcessorFiles {
    /// The model's configuration, which [`write_dir`](Self::write_dir) leaves out.
    pub const CONFIG: &str = "config.json";

    /// The names that are read from a model directory, where they exist.
    pub const NAMES: [&str; 14] = [
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
        "video_preprocessor_config.json",
        "processor_config.json",
        "generation_config.json",
    ];

    /// Files held in memory; none yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what exists of [`NAMES`](Self::NAMES) in `dir`; besides, to be carried along, the
    /// templates in `additional_chat_templates` and the modules that transformers runs for a model
    /// whose code is not its own, which are never run here.
    ///
    /// # Errors
    /// A file exists and cannot be read, is a pipe or a device, or a link to a file of another name
    /// outside the directory.
    pub fn read_dir(dir: &Path) -> Result<Self, VlmError> {
        let mut files = Self {
            origin: dir.into(),
            ..Self::default()
        };
        let names = Self::NAMES.map(String::from);
        let templates = names_in(&dir.join(MORE_TEMPLATES), ".jinja");
        let templates = templates.map(|name| format!("{MORE_TEMPLATES}/{name}"));
        let carried = names_in(dir, ".py").chain(templates);
        for name in names.into_iter().chain(carried) {
            if let Some(bytes) = dir::read_optional(&dir.join(&name))? {
                files.insert(name, bytes);
            }
        }
        Ok(files)
    }

    /// These files of a model with those of an adapter that is beside it in their places: what the
    /// adapter was trained with. A tokenizer is taken whole, and so is a chat template, in whichever
    /// file it is.
    ///
    /// # Errors
    /// A file that may hold a template is no JSON object.
    pub fn with_own(mut self, own: Self) -> Result<Self, VlmError> {
        if own.has_template()? {
            self.remove_templates()?;
        }
        if own.have_tokenizer() {
            self.files
                .retain(|name, _| !TOKENIZER.contains(&name.as_str()));
        }
        let has = |name: &str| own.files.contains_key(name);
        self.own_tokenizer = has("tokenizer_config.json") && !has("generation_config.json");
        self.files.extend(own.files);
        Ok(self)
    }

    /// The files that hold a chat template among other things, parsed.
    fn with_template_inside(&self) -> Result<Vec<(&'static str, Value)>, VlmError> {
        let mut found = vec![];
        for name in ["tokenizer_config.json", "processor_config.json"] {
            let json = self.object(name)?.unwrap_or_default();
            if !json[TEMPLATE_KEY].is_null() {
                found.push((name, json));
            }
        }
        Ok(found)
    }

    fn has_template(&self) -> Result<bool, VlmError> {
        let of_its_own = [TEMPLATE, OLD_TEMPLATE]
            .iter()
            .any(|name| self.get(name).is_some());
        Ok(of_its_own || !self.with_template_inside()?.is_empty())
    }

    /// Takes the chat template out of every file that may hold one.
    fn remove_templates(&mut self) -> Result<(), VlmError> {
        for (name, mut json) in self.with_template_inside()? {
            json[TEMPLATE_KEY] = Value::Null;
            self.insert(name, format!("{json:#}\n"));
        }
        self.files.remove(TEMPLATE);
        self.files.remove(OLD_TEMPLATE);
        Ok(())
    }

    /// Whether the tokenizer is an adapter's own, and so newer than the generation settings.
    pub(super) fn have_own_tokenizer(&self) -> bool {
        self.own_tokenizer
    }

    /// Makes `source` the chat template in every file that may hold one, so that no reader, whatever
    /// it prefers, finds another.
    ///
    /// # Errors
    /// A file that may hold one is no JSON object.
    pub fn set_chat_template(&mut self, source: &str) -> Result<(), VlmError> {
        let inside = self.with_template_inside()?;
        self.remove_templates()?;
        self.insert(TEMPLATE, source);
        for (name, mut json) in inside {
            json[TEMPLATE_KEY] = source.into();
            self.insert(name, format!("{json:#}\n"));
        }
        Ok(())
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(name.into(), bytes.into());
    }

    /// Where they were read; empty for files held in memory.
    pub fn dir(&self) -> &Path {
        &self.origin
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
        self.get(name).ok_or_else(|| self.missing(name))
    }

    /// What is said of a file that must be there and is not.
    pub(crate) fn missing(&self, name: &str) -> VlmError {
        VlmError::config(self.path(name), "the file does not exist")
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

    /// A file as the JSON object that every file here is which is JSON.
    ///
    /// # Errors
    /// It is not JSON, or another value.
    pub fn object(&self, name: &str) -> Result<Option<Value>, VlmError> {
        let Some(bytes) = self.get(name) else {
            return Ok(None);
        };
        let path = self.path(name);
        match dir::parse(bytes, &path)? {
            object @ Value::Object(_) => Ok(Some(object)),
            other => {
                let message = format!("holds {}, expected an object", dir::kind(&other));
                Err(VlmError::config(path, message))
            }
        }
    }

    /// Writes every file but the model's configuration into `dir`, which is created.
    ///
    /// # Errors
    /// The directory or a file cannot be written.
    pub fn write_dir(&self, dir: &Path) -> Result<(), VlmError> {
        std::fs::create_dir_all(dir).map_err(|error| VlmError::io(dir, error))?;
        for (name, bytes) in self.files.iter().filter(|(name, _)| *name != Self::CONFIG) {
            let path = dir.join(name);
            if name.starts_with(MORE_TEMPLATES) {
                let inner = dir.join(MORE_TEMPLATES);
                std::fs::create_dir_all(&inner).map_err(|error| VlmError::io(inner, error))?;
            }
            std::fs::write(&path, bytes).map_err(|error| VlmError::io(path, error))?;
        }
        Ok(())
    }
}

/// The tokens of a tokenizer's configuration that have a key of their own, in the order in which
/// transformers looks at them.
pub(super) const NAMED_TOKENS: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// A token of a tokenizer's configuration: a string, or an object with `content`; none for null.
///
/// # Errors
/// Another value, which is said to be `key`'s.
pub(super) fn token_text<'a>(value: &'a Value, key: &str) -> Result<Option<&'a str>, String> {
    match (value, value["content"].as_str()) {
        (Value::Null, _) => Ok(None),
        (Value::String(token), _) => Ok(Some(token)),
        (_, Some(token)) => Ok(Some(token)),
        _ => Err(format!(
            "{key} is {value}, expected a token: a string, or an object with content"
        )),
    }
}

/// Names in a directory that end so; none in one that cannot be listed.
fn names_in(dir: &Path, end: &'static str) -> impl Iterator<Item = String> + use<> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(move |name| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::ChatTemplate;

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
    fn templates_of_a_folder_are_carried_along() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(from.path().join(MORE_TEMPLATES)).unwrap();
        let rag = Path::new(MORE_TEMPLATES).join("rag.jinja");
        std::fs::write(from.path().join(&rag), "{{ messages }}").unwrap();
        let files = ProcessorFiles::read_dir(from.path()).unwrap();
        files.write_dir(to.path()).unwrap();
        assert!(to.path().join(&rag).exists());
    }

    #[test]
    fn an_adapters_own_files_replace_those_of_its_model() {
        let files = |named: &[(&str, &str)]| {
            let mut files = ProcessorFiles::new();
            for (name, text) in named {
                files.insert(*name, *text);
            }
            files
        };
        let base = files(&[
            ("tokenizer.json", "base"),
            ("added_tokens.json", "{}"),
            ("chat_template.json", "{}"),
            ("generation_config.json", "{}"),
        ]);
        let own = files(&[("tokenizer.json", "own"), ("chat_template.jinja", "own")]);
        let both = base.clone().with_own(own).unwrap();
        assert_eq!(both.get("tokenizer.json"), Some(b"own".as_slice()));
        assert!(both.get("generation_config.json").is_some());
        for gone in ["added_tokens.json", "chat_template.json"] {
            assert!(both.get(gone).is_none(), "{gone}");
        }
        let inner = r#"{"chat_template": "x"}"#;
        let own = files(&[("tokenizer_config.json", inner)]);
        let both = base.clone().with_own(own).unwrap();
        assert!(both.get("chat_template.json").is_none());
        assert!(both.have_own_tokenizer() && both.get("tokenizer.json").is_some());
        assert!(
            base.clone()
                .with_own(ProcessorFiles::new())
                .unwrap()
                .get("chat_template.json")
                .is_some()
        );
    }

    #[test]
    fn an_adapters_own_template_is_the_only_one() {
        const TEMPLATES: [(&str, &str); 4] = [
            ("chat_template.jinja", "TEXT"),
            ("chat_template.json", r#"{"chat_template": "TEXT"}"#),
            (
                "tokenizer_config.json",
                r#"{"eos_token": "</s>", "chat_template": "TEXT"}"#,
            ),
            (
                "processor_config.json",
                r#"{"image_processor": {}, "chat_template": "TEXT"}"#,
            ),
        ];
        for (of_base, base) in TEMPLATES {
            for (of_own, own) in TEMPLATES {
                let (mut files, mut theirs) = (ProcessorFiles::new(), ProcessorFiles::new());
                files.insert(of_base, base.replace("TEXT", "base"));
                theirs.insert(of_own, own.replace("TEXT", "own"));
                let files = files.with_own(theirs).unwrap();
                // Nobody looks into the processor's file for a model that reads text.
                let readers: &[bool] = match of_own {
                    "processor_config.json" => &[true],
                    _ => &[false, true],
                };
                for &reads_pictures in readers {
                    let template = ChatTemplate::from_files(&files, reads_pictures).unwrap();
                    assert_eq!(template.source(), "own", "{of_base} {of_own}");
                }
                assert!(files.get(of_base).is_some() || of_base.starts_with("chat_template"));
            }
        }
    }

    #[test]
    fn a_new_template_is_the_only_one() {
        let mut files = ProcessorFiles::new();
        files.insert("chat_template.json", r#"{"chat_template": "old"}"#);
        files.insert(
            "tokenizer_config.json",
            r#"{"b": 1, "chat_template": "old", "a": 2}"#,
        );
        files.insert("processor_config.json", r#"{"image_processor": {}}"#);
        files.set_chat_template("new").unwrap();
        assert!(files.get("chat_template.json").is_none());
        assert_eq!(files.text("chat_template.jinja").unwrap(), Some("new"));
        let config = files.text("tokenizer_config.json").unwrap().unwrap();
        assert_eq!(
            config,
            "{\n  \"b\": 1,\n  \"chat_template\": \"new\",\n  \"a\": 2\n}\n"
        );
        let untouched = files.text("processor_config.json").unwrap();
        assert_eq!(untouched, Some(r#"{"image_processor": {}}"#));
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tokenizer_config.json"), b"{").unwrap();
        let files = ProcessorFiles::read_dir(dir.path()).unwrap();
        let message = files
            .object("tokenizer_config.json")
            .unwrap_err()
            .to_string();
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
