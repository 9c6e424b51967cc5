//! Which files of a directory are a benchmark's.

use burn_rl::RlError;
use std::path::{Path, PathBuf};

/// Forms in which rows are published.
const FORMS: [&str; 4] = ["parquet", "jsonl", "json", "tsv"];

/// The files of a set in their order.
#[derive(Debug, PartialEq, Eq)]
pub struct Files(pub Vec<PathBuf>);

impl Files {
    /// A file is itself. Of a directory, and its `data/` where the hub's layout has one, it is the
    /// files whose names begin with `split`; where there is none, the only file, or all parquet
    /// files.
    ///
    /// # Errors
    /// A directory in which it is not clear what is meant.
    pub fn of(path: &Path, split: &str) -> Result<Self, RlError> {
        if !path.is_dir() {
            return Ok(Self(vec![path.into()]));
        }
        let mut all = within(path)?;
        let data = path.join("data");
        if data.is_dir() {
            all.extend(within(&data)?);
        }
        all.sort();
        let of_split = |file: &&PathBuf| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let rest = name.strip_prefix(split);
            rest.is_some_and(|rest| rest.starts_with(['-', '.', '_']))
        };
        let named: Vec<PathBuf> = all.iter().filter(of_split).cloned().collect();
        let parquet = all
            .iter()
            .all(|file| file.extension().is_some_and(|e| e == "parquet"));
        match named.is_empty() {
            false => Ok(Self(named)),
            true if all.len() == 1 || parquet && !all.is_empty() => Ok(Self(all)),
            true => Err(RlError::Config(format!(
                "{} holds {} files of rows and none that is called {split}, expected one, or its \
                 name in place of the directory's ({})",
                path.display(),
                all.len(),
                FORMS.join(", ")
            ))),
        }
    }
}

fn within(dir: &Path) -> Result<Vec<PathBuf>, RlError> {
    let mut files = vec![];
    for entry in std::fs::read_dir(dir).map_err(|e| RlError::io(dir, e))? {
        let file = entry.map_err(|e| RlError::io(dir, e))?.path();
        let form = file.extension().and_then(|e| e.to_str());
        if file.is_file() && form.is_some_and(|form| FORMS.contains(&form)) {
            files.push(file);
        }
    }
    Ok(files)
}
