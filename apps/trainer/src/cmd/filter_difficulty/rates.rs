//! The pass rate of every row, in a file that grows while they are measured.

use crate::input_error::InputError;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

/// What the rates depend on: the first line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The model.
    pub model: String,
    /// The data files.
    pub data: Vec<String>,
    /// Completions of each row.
    pub n: usize,
    /// The part of the reward.
    pub part: String,
    /// The seed.
    pub seed: u64,
    /// Temperature, nucleus and limits, as TOML.
    pub sampling: String,
    /// The rules of the reward, as TOML.
    pub reward: String,
}

/// One row's rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Id of the row.
    pub id: String,
    /// Its file.
    pub file: String,
    /// Its line there.
    pub line: usize,
    /// Mean of the part over its completions; none where no completion has it.
    pub pass_rate: Option<f64>,
}

/// The file.
pub struct Rates {
    path: PathBuf,
    file: File,
    done: HashMap<(String, usize), Option<f64>>,
}

impl Rates {
    /// Starts the file, or continues it.
    ///
    /// # Errors
    /// A file that is there although it is not to be continued, or that was written with other
    /// settings.
    pub fn open(path: PathBuf, settings: &Settings, resume: bool) -> Result<Self> {
        let mut done = HashMap::new();
        if path.exists() {
            if !resume {
                return Err(InputError::new(format!(
                    "{}: exists already, expected a new file; --resume continues it",
                    path.display()
                ))
                .into());
            }
            for rate in read(&path, settings)? {
                done.insert((rate.file, rate.line), rate.pass_rate);
            }
            truncate_torn_line(&path)?;
        }
        let is_new = !path.exists();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| path.display().to_string())?;
        let mut rates = Self { path, file, done };
        if is_new {
            rates.line(settings)?;
        }
        Ok(rates)
    }

    /// Whether the rate of a row is known.
    pub fn has(&self, file: &str, line: usize) -> bool {
        self.done.contains_key(&(file.to_owned(), line))
    }

    /// The rate of a row; none if it is not known or the row could not be judged.
    pub fn get(&self, file: &str, line: usize) -> Option<f64> {
        self.done.get(&(file.to_owned(), line)).copied().flatten()
    }

    /// Number of rows whose rate is known.
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Adds a rate; it is in the file when this returns.
    ///
    /// # Errors
    /// Anything the file system refuses.
    pub fn add(&mut self, rate: Rate) -> Result<()> {
        self.line(&rate)?;
        self.done.insert((rate.file, rate.line), rate.pass_rate);
        Ok(())
    }

    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        let written = self.file.write_all(&line);
        written.with_context(|| self.path.display().to_string())
    }
}

/// The whole lines of the file; a torn last one is measured again.
fn read(path: &Path, settings: &Settings) -> Result<Vec<Rate>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut lines = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
    let found: Settings = parse(path, 1, lines.next().unwrap_or_default())?;
    if found != *settings {
        return Err(InputError::new(format!(
            "{}: the rates were measured with other settings, expected the same:\n  found    {}\n  \
             expected {}",
            path.display(),
            serde_json::to_string(&found)?,
            serde_json::to_string(settings)?
        ))
        .into());
    }
    lines
        .enumerate()
        .map(|(i, line)| parse(path, i + 2, line))
        .collect()
}

fn parse<T: DeserializeOwned>(path: &Path, line: usize, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| InputError::new(format!("{}:{line}: {e}", path.display())).into())
}

fn truncate_torn_line(path: &Path) -> Result<()> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let whole = bytes
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    if whole < bytes.len() {
        let file = OpenOptions::new().write(true).open(path);
        let cut = file.and_then(|file| file.set_len(whole as u64));
        cut.with_context(|| path.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(n: usize) -> Settings {
        Settings {
            model: "m".into(),
            data: vec!["d".into()],
            n,
            part: "accuracy".into(),
            seed: 0,
            sampling: String::new(),
            reward: String::new(),
        }
    }

    fn rate(line: usize, pass_rate: Option<f64>) -> Rate {
        Rate {
            id: format!("row-{line}"),
            file: "d".into(),
            line,
            pass_rate,
        }
    }

    #[test]
    fn an_interrupted_file_is_continued_and_no_other_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.rates.jsonl");
        let mut rates = Rates::open(path.clone(), &settings(8), false).unwrap();
        rates.add(rate(1, Some(0.125))).unwrap();
        rates.add(rate(2, None)).unwrap();
        drop(rates);
        let whole = fs::read(&path).unwrap();
        let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(b"{\"id\":\"row-3\",").unwrap();

        let refused = |settings: &Settings, resume| {
            let error = Rates::open(path.clone(), settings, resume).err().unwrap();
            error.to_string()
        };
        assert!(refused(&settings(8), false).contains("exists already"));
        assert!(refused(&settings(4), true).contains("other settings"));
        let rates = Rates::open(path.clone(), &settings(8), true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
        assert_eq!((rates.len(), rates.get("d", 1)), (2, Some(0.125)));
        assert!(rates.has("d", 2) && rates.get("d", 2).is_none() && !rates.has("d", 3));
    }
}
