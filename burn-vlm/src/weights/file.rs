//! A checkpoint's safetensors files: one, or shards with an index.

use crate::error::VlmError;
use burn::tensor::{bf16, f16};
use memmap2::Mmap;
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
};

/// Weights in one file.
pub(crate) const SINGLE: &str = "model.safetensors";

/// What says in which shard a tensor is.
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// The name of shard `i`, from 1, of `count`.
pub(super) fn shard_name(i: usize, count: usize) -> String {
    format!("model-{i:05}-of-{count:05}.safetensors")
}

/// Whether a file's name is one that [`shard_name`] gives.
pub(crate) fn is_shard(name: &str) -> bool {
    let numbers = name
        .strip_prefix("model-")
        .and_then(|rest| rest.strip_suffix(".safetensors")?.split_once("-of-"));
    let number = |text: &str| text.parse().unwrap_or_default();
    numbers.is_some_and(|(i, count)| name == shard_name(number(i), number(count)))
}

/// Memory-mapped weight files; a tensor is read only when asked for.
pub struct WeightFiles {
    dir: PathBuf,
    maps: Vec<(PathBuf, Mmap)>,
    index: BTreeMap<String, Entry>,
}

/// Where a tensor is.
struct Entry {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    /// In the file.
    bytes: Range<usize>,
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

impl WeightFiles {
    /// Whether a directory has weights.
    pub fn are_in(dir: &Path) -> bool {
        [SINGLE, INDEX].iter().any(|file| dir.join(file).exists())
    }

    /// Opens `model.safetensors` or the shards that `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// No weights, a missing shard, a truncated file, or a tensor that is not in the shard the
    /// index names.
    pub fn open(dir: &Path) -> Result<Self, VlmError> {
        let index_path = dir.join(INDEX);
        if index_path.exists() {
            return Self::open_sharded(dir, &index_path);
        }
        let single = dir.join(SINGLE);
        if !single.exists() {
            let expected = format!("no weights here, expected {SINGLE} or {INDEX}");
            return Err(VlmError::weights(dir, expected));
        }
        Self::open_files(dir, vec![single])
    }

    fn open_sharded(dir: &Path, index_path: &Path) -> Result<Self, VlmError> {
        let bytes = std::fs::read(index_path).map_err(|e| VlmError::io(index_path, e))?;
        let index: ShardIndex = serde_json::from_slice(&bytes)
            .map_err(|e| VlmError::weights(index_path, e.to_string()))?;
        let mut shards: Vec<&String> = index.weight_map.values().collect();
        shards.sort();
        shards.dedup();
        for shard in &shards {
            if !dir.join(shard).exists() {
                let message = format!("names the shard {shard}, which is missing");
                return Err(VlmError::weights(index_path, message));
            }
        }
        let files = Self::open_files(dir, shards.iter().map(|s| dir.join(s)).collect())?;
        for (name, shard) in &index.weight_map {
            let found = files.index.get(name).map(|entry| &files.maps[entry.file].0);
            if found != Some(&dir.join(shard)) {
                let message = format!("says {name} is in {shard}, but it is not");
                return Err(VlmError::weights(index_path, message));
            }
        }
        Ok(files)
    }

    /// Opens one safetensors file of any name.
    ///
    /// # Errors
    /// A missing or truncated file.
    pub fn open_file(path: &Path) -> Result<Self, VlmError> {
        let dir = path.parent().unwrap_or(Path::new("."));
        Self::open_files(dir, vec![path.into()])
    }

    fn open_files(dir: &Path, paths: Vec<PathBuf>) -> Result<Self, VlmError> {
        let mut files = Self {
            dir: dir.into(),
            maps: vec![],
            index: BTreeMap::new(),
        };
        for path in paths {
            let file = File::open(&path).map_err(|e| VlmError::io(&path, e))?;
            // SAFETY: the map is read-only; a file that another process truncates meanwhile
            // would end this one with SIGBUS, as with every loader of memory-mapped weights.
            #[allow(unsafe_code)]
            let map = unsafe { Mmap::map(&file) }.map_err(|e| VlmError::io(&path, e))?;
            let parsed = SafeTensors::deserialize(&map).map_err(|e| {
                VlmError::weights(&path, format!("not a whole safetensors file: {e}"))
            })?;
            for (name, view) in parsed.iter() {
                let start = view.data().as_ptr() as usize - map.as_ptr() as usize;
                let entry = Entry {
                    file: files.maps.len(),
                    dtype: view.dtype(),
                    shape: view.shape().to_vec(),
                    bytes: start..start + view.data().len(),
                };
                files.index.insert(name.to_owned(), entry);
            }
            files.maps.push((path, map));
        }
        Ok(files)
    }

    /// The directory the files are in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file, or the first of several.
    pub fn path(&self) -> &Path {
        self.maps.first().map_or(&self.dir, |(path, _)| path)
    }

    /// Every tensor: name, dtype as the file spells it, and shape.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, String, &[usize])> {
        self.index.iter().map(|(name, entry)| {
            let dtype = format!("{:?}", entry.dtype);
            (name.as_str(), dtype, entry.shape.as_slice())
        })
    }

    /// The shape of `name` in the file.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.index.get(name).map(|entry| entry.shape.as_slice())
    }

    /// The precision of `name` in the file.
    pub(super) fn dtype(&self, name: &str) -> Option<Dtype> {
        self.index.get(name).map(|entry| entry.dtype)
    }

    /// The bytes of `name` as they stand in the file. They stay in memory until they are
    /// [released](Self::release).
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        let entry = self.index.get(name)?;
        Some(&self.maps[entry.file].1[entry.bytes.clone()])
    }

    /// Lets go of the memory behind a tensor whose bytes have been looked at.
    pub fn release(&self, name: &str) {
        if let Some(entry) = self.index.get(name) {
            release(&self.maps[entry.file].1, entry.bytes.clone());
        }
    }

    /// The text that the files' metadata have under `key`.
    pub fn metadata(&self, key: &str) -> Option<String> {
        self.maps.iter().find_map(|(_, map)| {
            let (_, header) = SafeTensors::read_metadata(map).ok()?;
            header.metadata().as_ref()?.get(key).cloned()
        })
    }

    /// Reads the values of a tensor as f32.
    ///
    /// # Errors
    /// A tensor that is not there, or whose dtype is not f32, f16 or bf16.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, VlmError> {
        let mut values = vec![];
        self.read_rows(name, 0..usize::MAX, &mut values)?;
        Ok(values)
    }

    /// Appends the values of some rows of a tensor as f32; rows past its end are none.
    ///
    /// # Errors
    /// As [`read_f32`](Self::read_f32).
    pub fn read_rows(
        &self,
        name: &str,
        rows: Range<usize>,
        values: &mut Vec<f32>,
    ) -> Result<(), VlmError> {
        self.with_rows(name, rows, |dtype, bytes| append(dtype, bytes, values))
    }

    /// Calls `take` with the precision and the bytes of some rows of a tensor, whose memory is then
    /// let go of; false from it means a precision that it does not take.
    pub(super) fn with_rows(
        &self,
        name: &str,
        rows: Range<usize>,
        take: impl FnOnce(Dtype, &[u8]) -> bool,
    ) -> Result<(), VlmError> {
        let missing = || VlmError::weights(&self.dir, format!("no tensor is called {name}"));
        let entry = self.index.get(name).ok_or_else(missing)?;
        let (path, map) = &self.maps[entry.file];
        let count = entry.shape.first().copied().unwrap_or(1);
        let row_bytes = entry.bytes.len().checked_div(count).unwrap_or(0);
        let start = entry.bytes.start + rows.start.min(count) * row_bytes;
        let end = entry.bytes.start + rows.end.min(count) * row_bytes;
        if !take(entry.dtype, &map[start..end]) {
            let found = entry.dtype;
            let expected = format!("{name} is {found:?}, expected F32, F16 or BF16");
            return Err(VlmError::weights(path, expected));
        }
        release(map, start..end);
        Ok(())
    }
}

/// Appends numbers of any of the three precisions; false for another one.
fn append(dtype: Dtype, bytes: &[u8], values: &mut Vec<f32>) -> bool {
    let pairs = bytes.par_chunks_exact(2).map(|b| [b[0], b[1]]);
    match dtype {
        Dtype::F32 => values.par_extend(
            bytes
                .par_chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        ),
        Dtype::F16 => values.par_extend(pairs.map(|b| f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => values.par_extend(pairs.map(|b| bf16::from_le_bytes(b).to_f32())),
        _ => return false,
    }
    true
}

/// Lets go of the memory behind bytes that have been read: else the whole file would stay resident
/// beside the tensors made from it. They are read again if they are asked for again.
fn release(map: &Mmap, bytes: Range<usize>) {
    #[cfg(unix)]
    {
        // SAFETY: the map is a read-only view of a file, whose pages can be dropped at any time.
        #[allow(unsafe_code)]
        let advised = unsafe {
            map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, bytes.start, bytes.len())
        };
        // It is advice: without it, loading takes more memory and is otherwise the same.
        let _ = advised;
    }
    #[cfg(not(unix))]
    let _ = (map, bytes);
}
