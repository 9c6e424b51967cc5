//! The picture files that a row names, and where they may be.

use super::{
    columns::{Columns, lookup},
    record::{Record, kind_of},
};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where the pictures of a data file are looked for, and the directories that they may be in: that
/// of the file, and others that are named. So a file from a stranger shows no picture of yours.
#[derive(Debug)]
pub struct PictureDirs {
    /// What paths are relative to.
    dir: PathBuf,
    /// Without symbolic links.
    allowed: Vec<PathBuf>,
}

impl PictureDirs {
    /// For the rows of `file`: its directory and `roots`. Where `file` is a symbolic link, the
    /// directory that it leads to is one of them too.
    ///
    /// # Errors
    /// One of `roots` that is not there.
    pub fn new(file: &Path, roots: &[PathBuf]) -> Result<Self, String> {
        let parent = |path: &Path| match path.parent() {
            None => PathBuf::from("."),
            Some(dir) if dir == Path::new("") => PathBuf::from("."),
            Some(dir) => dir.into(),
        };
        let mut allowed = vec![];
        allowed.extend(parent(file).canonicalize());
        allowed.extend(file.canonicalize().map(|file| parent(&file)));
        for root in roots {
            let found = root.canonicalize();
            let refuse = |what: &str| {
                let root = root.display();
                format!("data.picture_roots names {root}: {what}, expected a directory")
            };
            let found = found.map_err(|e| refuse(&e.to_string()))?;
            if !found.is_dir() {
                return Err(refuse("it is a file"));
            }
            allowed.push(found);
        }
        let dir = file.parent().unwrap_or(Path::new("")).into();
        Ok(Self { dir, allowed })
    }

    /// The picture files at `urls`: each a path relative to the data file, or a `file://` address.
    ///
    /// # Errors
    /// A file that does not exist, or that is in none of the directories.
    pub fn files(&self, urls: &[String]) -> Result<Vec<PathBuf>, String> {
        urls.iter().map(|url| self.file(url)).collect()
    }

    fn file(&self, url: &str) -> Result<PathBuf, String> {
        if url.starts_with("data:") {
            return Err(format!(
                "an image is a data: URI of {} characters, expected the path of a file (pictures \
                 inside a table are read from parquet)",
                url.len()
            ));
        }
        if url.starts_with("http://") || url.starts_with("https://") {
            return Err(format!(
                "image {url} is on the web, expected the path of a file: nothing is downloaded"
            ));
        }
        let file = self.dir.join(url.strip_prefix("file://").unwrap_or(url));
        if !file.is_file() {
            return Err(format!("image {} does not exist", file.display()));
        }
        let real = file.canonicalize();
        let real = real.map_err(|e| format!("image {}: {e}", file.display()))?;
        match self.allowed.iter().any(|dir| real.starts_with(dir)) {
            true => Ok(file),
            false => Err(format!(
                "image {} is {}, outside of the data file's directory: expected it inside, or its \
                 directory named in data.picture_roots (on the command line --picture-root)",
                file.display(),
                real.display()
            )),
        }
    }
}

/// The pictures of a row, from its parts or from a field of their own.
pub(super) fn pictures(
    record: &Record,
    columns: &Columns,
    dirs: &PictureDirs,
    addresses: Vec<String>,
) -> Result<Vec<PathBuf>, String> {
    let names = columns.image_names();
    let inside = record
        .pictures
        .iter()
        .find(|(name, list)| names.contains(&name.as_str()) && !list.is_empty());
    if let Some((_, list)) = inside {
        return Ok(list.clone());
    }
    let mut urls = vec![];
    let fields = names
        .iter()
        .filter_map(|name| Some((name, lookup(&record.fields, name)?)));
    let field = fields.into_iter().find(|(_, value)| !value.is_null());
    match field {
        None => {}
        Some((name, Value::Array(list))) => {
            for item in list {
                urls.push(path_of(item).ok_or_else(|| wrong_picture(name, item))?);
            }
        }
        Some((name, one)) => urls.push(path_of(one).ok_or_else(|| wrong_picture(name, one))?),
    }
    match (urls.is_empty(), addresses.is_empty()) {
        (_, true) => dirs.files(&urls),
        (true, false) => dirs.files(&addresses),
        (false, false) => Err(format!(
            "pictures are named in the conversation and in `{}`, expected one of them",
            field.map_or("", |(name, _)| name)
        )),
    }
}

fn path_of(value: &Value) -> Option<String> {
    let path = value.get("path").unwrap_or(value);
    let path = path.as_str().filter(|path| !path.is_empty());
    path.map(str::to_owned)
}

fn wrong_picture(name: &str, value: &Value) -> String {
    let found = match value {
        Value::Object(fields) if fields.get("bytes").is_some_and(|b| !b.is_null()) => {
            "an object with `bytes` and no `path`"
        }
        Value::String(_) => "an empty text",
        other => kind_of(other),
    };
    format!(
        "`{name}`: a picture is {found}, expected a path (pictures inside a table are read from \
         parquet)"
    )
}
