//! All rows of a file, of several, or of a directory of parquet files.

use super::{
    SetFingerprint, json_rows, parquet,
    record::Record,
    row::{DataRow, RowFormat, RowKind},
    row_pictures::PictureDirs,
    tsv,
};
use crate::{digest::Digest, error::RlError};
use burn::data::dataset::Dataset;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// What becomes of a row that cannot be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It ends the run with file and line.
    #[default]
    Error,
    /// It is left out and counted; all rows are read through before the first step.
    Skip,
}

/// What the rows of a set are made into before they are read: another row of the same file.
///
/// # Errors
/// A row that is not as the set's are.
pub type Reshape<'a> = &'a dyn Fn(Record, &PictureDirs) -> Result<Record, String>;

/// Rows of JSONL, of a JSON list, of TSV, or of parquet; pictures stay where they are until a row is used.
pub struct RowDataset {
    path: PathBuf,
    rows: Vec<DataRow>,
    /// Where each row stands among all that there are, those left out included.
    places: Vec<usize>,
    /// How many there are.
    total: usize,
    digest: Digest,
    /// Rows left out, each with its reason.
    pub skipped: Vec<RlError>,
}

impl RowDataset {
    /// Reads a file; pictures stay on disk, but must exist.
    ///
    /// A `.parquet` file, or a directory of them, is read as parquet; a `.tsv` file as VLMEvalKit's
    /// tables with pictures inside; a file that begins with `[` as one JSON list; anything else
    /// line by line.
    ///
    /// # Errors
    /// A row that cannot be used, with its line, unless `on_error` skips it; a file without rows.
    pub fn open(
        path: &Path,
        format: &RowFormat,
        on_error: OnError,
        kind: RowKind,
    ) -> Result<Self, RlError> {
        let files = files(path)?;
        Self::of_files(path, &files, format, on_error, kind, &|record, _| {
            Ok(record)
        })
    }

    /// Reads the `files` of a set that is called `path`, each row after `reshape`.
    ///
    /// # Errors
    /// As [`open`](Self::open), and those of `reshape`.
    pub fn of_files(
        path: &Path,
        files: &[PathBuf],
        format: &RowFormat,
        on_error: OnError,
        kind: RowKind,
        reshape: Reshape<'_>,
    ) -> Result<Self, RlError> {
        let mut set = Self {
            path: path.into(),
            rows: vec![],
            places: vec![],
            total: 0,
            digest: Digest::new(),
            skipped: vec![],
        };
        for file in files {
            let file: Arc<Path> = file.as_path().into();
            let dirs = PictureDirs::new(&file, &format.picture_roots).map_err(RlError::Config)?;
            for record in records_of(&file)? {
                set.digest = match &record {
                    Ok(record) => record.digest(set.digest),
                    Err(error) => set.digest.text(&error.to_string()),
                };
                let row = record.and_then(|record| {
                    let line = record.line;
                    let record = reshape(record, &dirs).map_err(|message| RlError::Data {
                        path: file.to_path_buf(),
                        line,
                        message,
                    })?;
                    format.row(record, &file, &dirs, kind)
                });
                match row {
                    Ok(row) => {
                        set.rows.push(row);
                        set.places.push(set.total);
                    }
                    Err(error) if on_error == OnError::Skip => set.skipped.push(error),
                    Err(error) => return Err(error),
                }
                set.total += 1;
            }
        }
        set.check_not_empty()?;
        Ok(set)
    }

    /// Rows that were made in code.
    pub fn of_rows(rows: Vec<DataRow>) -> Self {
        Self {
            path: PathBuf::from(DataRow::IN_CODE),
            places: (0..rows.len()).collect(),
            total: rows.len(),
            digest: rows.iter().fold(Digest::new(), |d, row| row.digest(d)),
            rows,
            skipped: vec![],
        }
    }

    /// Refuses a set of which nothing is left.
    pub(super) fn check_not_empty(&self) -> Result<(), RlError> {
        let message = match self.skipped.as_slice() {
            _ if !self.rows.is_empty() => return Ok(()),
            [] => "no row in this file".into(),
            [first, ..] => format!("none of {} rows can be used: {first}", self.skipped.len()),
        };
        Err(RlError::Data {
            path: self.path.clone(),
            line: 1,
            message,
        })
    }

    /// The file or directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All rows.
    pub fn rows(&self) -> &[DataRow] {
        &self.rows
    }

    /// Where each of [`rows`](Self::rows) stands in the files, from 0. Rows that are left out keep
    /// their place, so that leaving out one more moves no other.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// How many rows the files have, those that are left out included.
    pub fn total(&self) -> usize {
        self.total
    }

    /// What the files hold, whether it can be used or not.
    pub fn fingerprint(&self) -> SetFingerprint {
        SetFingerprint {
            name: self
                .path
                .file_name()
                .map_or_else(|| "data".into(), |n| n.to_string_lossy().into()),
            rows: self.total,
            digest: self.digest.hex(),
        }
    }

    /// Keeps the first `n` rows.
    pub fn truncate(&mut self, n: usize) {
        self.rows.truncate(n);
        self.places.truncate(n);
    }

    /// Keeps the rows that `keep` says; the others are counted as skipped, with the reason.
    pub fn retain(&mut self, mut check: impl FnMut(&DataRow) -> Result<(), RlError>) {
        let rows = std::mem::take(&mut self.rows);
        let places = std::mem::take(&mut self.places);
        for (row, place) in rows.into_iter().zip(places) {
            match check(&row) {
                Ok(()) => {
                    self.rows.push(row);
                    self.places.push(place);
                }
                Err(error) => self.skipped.push(error),
            }
        }
    }
}

impl Dataset<DataRow, RlError> for RowDataset {
    fn get(&self, index: usize) -> Result<DataRow, RlError> {
        Ok(self.rows[index].clone())
    }

    fn len(&self) -> usize {
        self.rows.len()
    }
}

/// The files of a data set: the path itself, or the parquet files of a directory in their order.
fn files(path: &Path) -> Result<Vec<PathBuf>, RlError> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let mut files = vec![];
    for entry in std::fs::read_dir(path).map_err(|e| RlError::io(path, e))? {
        let file = entry.map_err(|e| RlError::io(path, e))?.path();
        if is_parquet(&file) {
            files.push(file);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(RlError::Config(format!(
            "{} is a directory without a .parquet file, expected some, or a JSONL file",
            path.display()
        ))),
        false => Ok(files),
    }
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "parquet")
}

/// The rows of a file, or of a directory of parquet files, as they stand.
///
/// # Errors
/// A file that cannot be read; a row that is no object, with its line.
pub fn read_records(path: &Path) -> Result<Vec<Record>, RlError> {
    let mut all = vec![];
    for file in files(path)? {
        for record in records_of(&file)? {
            all.push(record?);
        }
    }
    Ok(all)
}

/// The rows of a file as they stand, in order.
fn records_of(path: &Path) -> Result<Vec<Result<Record, RlError>>, RlError> {
    let refuse = |line, message| RlError::Data {
        path: path.into(),
        line,
        message,
    };
    if is_parquet(path) {
        let rows = parquet::read_rows(path).map_err(|message| refuse(1, message))?;
        let record = |(i, row): (usize, parquet::ParquetRow)| {
            Ok(Record {
                fields: row.fields,
                pictures: row.pictures,
                line: i + 1,
            })
        };
        return Ok(rows.into_iter().enumerate().map(record).collect());
    }
    let bytes = std::fs::read(path).map_err(|e| RlError::io(path, e))?;
    if tsv::is_tsv(path) {
        return tsv::records(path, &bytes);
    }
    json_rows::records(path, &bytes)
}
