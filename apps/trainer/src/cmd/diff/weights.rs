//! The first tensor of checkpoints that differs: weights, then moments.

use super::{Compared, Parting};
use anyhow::Result;
use burn_rl::run_dir::{RunDir, by_step};
use burn_vlm::weights::WeightFiles;
use run_log::files::list;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub fn compare(a: &RunDir, b: &RunDir) -> Result<Compared> {
    let (ours, theirs) = (
        by_step(&a.checkpoints_dir(), "")?,
        by_step(&b.checkpoints_dir(), "")?,
    );
    let mut compared = Compared::of_steps(&ours, &theirs);
    let others: BTreeMap<u64, PathBuf> = theirs.into_iter().collect();
    for (step, dir) in ours {
        let Some(other) = others.get(&step) else {
            continue;
        };
        if let Some(said) = checkpoints(&dir, other)? {
            compared.first = Some(Parting { step, said });
            break;
        }
    }
    Ok(compared)
}

/// The first tensor file of two checkpoints that differs.
fn checkpoints(a: &Path, b: &Path) -> Result<Option<String>> {
    let names = |dir: &Path| -> Result<Vec<PathBuf>> {
        let below = |file: PathBuf| {
            file.strip_prefix(dir)
                .map_or_else(|_| file.clone(), Into::into)
        };
        Ok(tensor_files(dir)?.into_iter().map(below).collect())
    };
    let (ours, theirs) = (names(a)?, names(b)?);
    for name in &ours {
        let said = match theirs.contains(name) {
            false => Some("only in the first".to_owned()),
            true => difference(&a.join(name), &b.join(name))?,
        };
        if let Some(said) = said {
            return Ok(Some(format!("{}: {said}", name.display())));
        }
    }
    let other = theirs.iter().find(|name| !ours.contains(name));
    Ok(other.map(|name| format!("{}: only in the second", name.display())))
}

/// The safetensors files below a directory: those of the policy, then its moments, then others.
fn tensor_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut below) = (vec![], vec![]);
    for path in list(dir)? {
        match path.is_dir() {
            true => below.extend(tensor_files(&path)?),
            false if path.extension().is_some_and(|e| e == "safetensors") => files.push(path),
            false => {}
        }
    }
    files.extend(below);
    Ok(files)
}

fn difference(a: &Path, b: &Path) -> Result<Option<String>> {
    let (a, b) = (WeightFiles::open_file(a)?, WeightFiles::open_file(b)?);
    let list = |files: &WeightFiles| -> Vec<_> {
        let own = |(name, dtype, shape): (&str, String, &[usize])| {
            (name.to_owned(), dtype, shape.to_vec())
        };
        files.tensors().map(own).collect()
    };
    let (ours, theirs) = (list(&a), list(&b));
    if let Some((x, y)) = ours.iter().zip(&theirs).find(|(x, y)| x != y) {
        return Ok(Some(format!(
            "{} {} {:?} | {} {} {:?}",
            x.0, x.1, x.2, y.0, y.1, y.2
        )));
    }
    if ours.len() != theirs.len() {
        return Ok(Some(format!("tensors: {} | {}", ours.len(), theirs.len())));
    }
    let (mut first, mut count) = (None, 0);
    for (name, dtype, _) in &ours {
        let (x, y) = (a.bytes(name), b.bytes(name));
        if let (Some(x), Some(y)) = (x, y)
            && x != y
        {
            count += 1;
            first.get_or_insert_with(|| match dtype.as_str() {
                "F32" => format!("{name}, largest difference {:e}", largest(x, y)),
                _ => name.clone(),
            });
        }
        a.release(name);
        b.release(name);
    }
    Ok(first.map(|first| format!("{count} of {} tensors, first {first}", ours.len())))
}

/// The largest difference of two lists of f32 as bytes.
fn largest(a: &[u8], b: &[u8]) -> f32 {
    let values = |bytes: &[u8]| -> Vec<f32> {
        let words = bytes.chunks_exact(4);
        words
            .map(|w| f32::from_le_bytes([w[0], w[1], w[2], w[3]]))
            .collect()
    };
    let pairs = values(a).into_iter().zip(values(b));
    pairs.fold(0.0, |largest: f32, (x, y)| {
        let difference = (x - y).abs();
        if difference.is_nan() {
            f32::NAN
        } else {
            largest.max(difference)
        }
    })
}
