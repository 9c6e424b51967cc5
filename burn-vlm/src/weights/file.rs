//! A checkpoint's safetensors files: one, or shards with an index.

use super::convert::{not_finite, to_f32};
use crate::{dir, error::VlmError};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    ops::Range,
    path::{Component, Path, PathBuf},
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
    /// Tensors of a name that another file has too.
    doubles: Vec<(String, Entry)>,
}

/// Where a tensor is.
#[derive(Clone)]
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

    /// Opens `model.safetensors`, or the shards that `model.safetensors.index.json` lists. Where a
    /// directory has both, the single file counts, as for transformers.
    ///
    /// # Errors
    /// No weights, a missing shard, a truncated file, or a tensor that is not in the shard the
    /// index names, or in another one too with other numbers.
    pub fn open(dir: &Path) -> Result<Self, VlmError> {
        let (single, index) = (dir.join(SINGLE), dir.join(INDEX));
        if single.exists() {
            Self::open_files(dir, vec![single])
        } else if index.exists() {
            Self::open_sharded(dir, &index)
        } else {
            Err(VlmError::weights(dir, nothing_here(dir)))
        }
    }

    fn open_sharded(dir: &Path, index_path: &Path) -> Result<Self, VlmError> {
        let wrong = |message: String| VlmError::weights(index_path, message);
        let index: ShardIndex = dir::fields(&dir::json(index_path)?).map_err(wrong)?;
        let mut shards: Vec<&String> = index.weight_map.values().collect();
        shards.sort();
        shards.dedup();
        for shard in &shards {
            let mut parts = Path::new(shard).components();
            let plain = matches!(
                (parts.next(), parts.next()),
                (Some(Component::Normal(_)), None)
            );
            if !plain {
                let message = format!("names the shard {shard}, expected the name of a file");
                return Err(wrong(message));
            }
            if !dir.join(shard).exists() {
                return Err(wrong(format!("names the shard {shard}, which is missing")));
            }
        }
        let mut files = Self::open_files(dir, shards.iter().map(|s| dir.join(s)).collect())?;
        for (name, shard) in &index.weight_map {
            let path = dir.join(shard);
            let named = files.maps.iter().position(|(file, _)| *file == path);
            let Some(at) = files
                .copies(name)
                .into_iter()
                .find(|at| Some(at.file) == named)
            else {
                return Err(wrong(format!("says {name} is in {shard}, but it is not")));
            };
            let other = files.index.insert(name.clone(), at);
            if let Some(other) = other.filter(|other| Some(other.file) != named) {
                files.doubles.push((name.clone(), other));
            }
        }
        files.refuse_other_copies(&wrong)?;
        Ok(files)
    }

    /// Refuses tensors that several files have, unless all have the same numbers.
    fn refuse_other_copies(&mut self, wrong: &dyn Fn(String) -> VlmError) -> Result<(), VlmError> {
        let names: BTreeSet<&String> = self.doubles.iter().map(|(name, _)| name).collect();
        for name in names {
            let Some(ours) = self.index.get(name) else {
                continue;
            };
            let copies = self.copies(name);
            let other = copies.iter().find(|copy| {
                let same = (copy.dtype, &copy.shape) == (ours.dtype, &ours.shape);
                !same || self.stored(copy) != self.stored(ours)
            });
            if let Some(other) = other {
                let file = |entry: &Entry| {
                    let name = self.maps[entry.file].0.file_name().unwrap_or_default();
                    name.to_string_lossy().into_owned()
                };
                return Err(wrong(format!(
                    "says {name} is in {}, but {} has it too, with other numbers: one of them is \
                     left over from another model",
                    file(ours),
                    file(other)
                )));
            }
        }
        self.doubles.clear();
        Ok(())
    }

    /// Every file that has a tensor, and where in it.
    fn copies(&self, name: &str) -> Vec<Entry> {
        let doubles = self.doubles.iter().filter(|(double, _)| double == name);
        let doubles = doubles.map(|(_, entry)| entry.clone());
        self.index
            .get(name)
            .cloned()
            .into_iter()
            .chain(doubles)
            .collect()
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
            doubles: vec![],
        };
        for path in paths {
            let io = |e| VlmError::io(&path, e);
            if !std::fs::metadata(&path).map_err(io)?.is_file() {
                return Err(VlmError::weights(&path, "is no file, expected safetensors"));
            }
            let file = File::open(&path).map_err(io)?;
            // SAFETY: the map is read-only; a file that another process truncates meanwhile
            // would end this one with SIGBUS, as with every loader of memory-mapped weights.
            #[allow(unsafe_code)]
            let map = unsafe { Mmap::map(&file) }.map_err(io)?;
            if dir::is_lfs_pointer(&map) {
                return Err(VlmError::weights(&path, dir::LFS_MESSAGE));
            }
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
                if let Some(double) = files.index.insert(name.to_owned(), entry) {
                    files.doubles.push((name.to_owned(), double));
                }
            }
            files.maps.push((path, map));
        }
        Ok(files)
    }

    /// Calls a tensor by another name, as if its file did. False where there is none, or where the
    /// other name is taken.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> bool {
        if self.index.contains_key(to) {
            return false;
        }
        let entry = self.index.remove(from);
        entry.is_some_and(|entry| self.index.insert(to.to_owned(), entry).is_none())
    }

    /// Looks at every number of the files, and lets go of them again.
    ///
    /// # Errors
    /// The first tensor, by name, of which some are infinite or NaN.
    pub fn check_finite(&self) -> Result<(), VlmError> {
        for (name, entry) in &self.index {
            let found = not_finite(entry.dtype, self.stored(entry));
            self.release(name);
            if found.is_some() {
                return Err(self.is_not_finite(name));
            }
        }
        Ok(())
    }

    /// The error that some numbers of a tensor are not finite.
    pub(super) fn is_not_finite(&self, name: &str) -> VlmError {
        let Some(entry) = self.index.get(name) else {
            return VlmError::weights(&self.dir, format!("{name} is not finite"));
        };
        let (count, first) = not_finite(entry.dtype, self.stored(entry)).unwrap_or_default();
        let mut index = vec![0; entry.shape.len()];
        let mut rest = first;
        for (at, size) in index.iter_mut().zip(&entry.shape).rev() {
            (*at, rest) = (rest % size.max(&1), rest / size.max(&1));
        }
        let total: usize = entry.shape.iter().product();
        VlmError::weights(
            &self.maps[entry.file].0,
            format!(
                "{name}: {count} of {total} numbers are not finite (NaN or infinite; the first at \
                 {index:?}): the model is broken, as a training that diverged or an overflow of \
                 f16 leaves it"
            ),
        )
    }

    fn stored(&self, entry: &Entry) -> &[u8] {
        &self.maps[entry.file].1[entry.bytes.clone()]
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
    /// A tensor that is not there, whose dtype is not f32, f16 or bf16, or that is not finite.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, VlmError> {
        let mut values = vec![0.0; self.shape(name).unwrap_or_default().iter().product()];
        self.read_rows(name, 0..usize::MAX, &mut values)?;
        Ok(values)
    }

    /// Writes some rows of a tensor, as f32, into `values`, which is as long; there are no rows past
    /// its end.
    ///
    /// # Errors
    /// As [`read_f32`](Self::read_f32).
    pub(super) fn read_rows(
        &self,
        name: &str,
        rows: Range<usize>,
        values: &mut [f32],
    ) -> Result<(), VlmError> {
        self.with_rows(name, rows, |dtype, bytes| to_f32(dtype, bytes, values))
    }

    /// Calls `take` with the precision and the bytes of some rows of a tensor, whose memory is then
    /// let go of. It says whether all numbers are finite, or none for a precision that it does not
    /// take.
    pub(super) fn with_rows(
        &self,
        name: &str,
        rows: Range<usize>,
        take: impl FnOnce(Dtype, &[u8]) -> Option<bool>,
    ) -> Result<(), VlmError> {
        let missing = || VlmError::weights(&self.dir, format!("no tensor is called {name}"));
        let entry = self.index.get(name).ok_or_else(missing)?;
        let (path, map) = &self.maps[entry.file];
        let count = entry.shape.first().copied().unwrap_or(1);
        let row_bytes = entry.bytes.len().checked_div(count).unwrap_or(0);
        let start = entry.bytes.start + rows.start.min(count) * row_bytes;
        let end = entry.bytes.start + rows.end.min(count) * row_bytes;
        match take(entry.dtype, &map[start..end]) {
            None => {
                let found = entry.dtype;
                let expected = format!("{name} is {found:?}, expected F32, F16 or BF16");
                Err(VlmError::weights(path, expected))
            }
            Some(false) => Err(self.is_not_finite(name)),
            Some(true) => {
                release(map, start..end);
                Ok(())
            }
        }
    }
}

/// What to say of a directory without weights that are read.
fn nothing_here(dir: &Path) -> String {
    /// Ends of other files' names, and what they are.
    const OTHERS: [(&str, &str); 7] = [
        (".bin", "PyTorch's own form"),
        (".bin.index.json", "PyTorch's own form"),
        (".pth", "PyTorch's own form"),
        (".pt", "PyTorch's own form"),
        (".gguf", "the form of llama.cpp"),
        (".h5", "TensorFlow's form"),
        (".msgpack", "Flax's form"),
    ];
    let expected = format!("no weights here, expected {SINGLE} or {INDEX}");
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    let other = names.iter().find_map(|name| {
        let form = OTHERS.iter().find(|(end, _)| name.ends_with(end));
        // PyTorch's are also what trainers keep of their state.
        form.filter(|_| !name.starts_with("training_args") && !name.starts_with("optimizer"))
            .map(|(_, form)| format!("{name} is {form}"))
    });
    let shard = names.iter().find(|name| is_shard(name));
    match (other, shard) {
        (_, Some(shard)) => format!("{expected}: {shard} is a shard, whose index is missing"),
        (Some(other), None) => format!(
            "{expected}: {other}; AutoModelForCausalLM.from_pretrained(…).save_pretrained(…) of \
             transformers writes safetensors"
        ),
        (None, None) => expected,
    }
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
