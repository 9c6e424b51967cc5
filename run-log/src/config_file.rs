//! `config.toml`: the resolved configuration of a run, under comments that say what wrote it.

use std::path::Path;

use toml::{Table, Value};

use crate::error::LogError;
use crate::files::read_text;

/// What `config.toml` says.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigFile {
    /// The file as it is.
    pub text: String,
    /// Its values. Which keys there are is known to the program that wrote them.
    pub values: Table,
}

impl ConfigFile {
    /// The comment lines at the top, without their marks: versions of what made the run, notes.
    pub fn comments(&self) -> impl Iterator<Item = &str> {
        self.text
            .lines()
            .map_while(|line| line.strip_prefix('#').map(str::trim))
    }

    /// The value of a dotted key, as `algo.name`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let mut parts = key.split('.');
        let first = self.values.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }
}

/// Reads the file; `None` if there is none.
///
/// # Errors
/// [`LogError::Line`] where it is not TOML; [`LogError::Io`].
pub fn read(path: &Path) -> Result<Option<ConfigFile>, LogError> {
    let Some(text) = read_text(path)? else {
        return Ok(None);
    };
    match text.parse() {
        Ok(values) => Ok(Some(ConfigFile { text, values })),
        Err(error) => {
            let error: toml::de::Error = error;
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or(&text);
            Err(LogError::Line {
                path: path.into(),
                line: before.matches('\n').count() + 1,
                message: format!("not TOML: {}", error.message()),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn values_and_comments_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        assert_eq!(read(&path).unwrap(), None);
        let text = "# trainer 1.0\n# a note\nname = \"x\" # no comment of the file\n[algo]\nname = \"grpo\"\n";
        fs::write(&path, text).unwrap();
        let config = read(&path).unwrap().unwrap();
        assert_eq!(
            config.comments().collect::<Vec<_>>(),
            ["trainer 1.0", "a note"]
        );
        assert_eq!(
            config.get("algo.name").and_then(Value::as_str),
            Some("grpo")
        );
        assert_eq!(config.get("name.of"), None);
        assert_eq!(config.text, text);
    }

    #[test]
    fn a_line_that_is_not_toml_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        fs::write(&path, "name = \"x\"\n[algo\n").unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, LogError::Line { line: 2, .. }), "{error}");
    }
}
