//! The files of a demo run.

use super::{
    Split,
    dataset::{self, Rows},
    model,
};
use crate::config::Resolved;
use anyhow::{Context, Result};
use burn_rl::run_dir::RunDir;
use std::{fs, path::Path};

/// The model path that stands for the model in this binary.
pub const BUILTIN_MODEL: &str = "builtin:demo";

/// Points the configuration at files: writes the built-in model and the demo's data into the run
/// directory where it asks for them.
///
/// # Errors
/// Anything the file system refuses.
pub fn materialise(resolved: &mut Resolved, run: &RunDir) -> Result<()> {
    let config = &mut resolved.run;
    let models = [
        &mut config.model.path,
        &mut config.train.reference,
        &mut config.critic.model,
    ];
    let mut builtin = models
        .into_iter()
        .filter(|path| *path == BUILTIN_MODEL)
        .peekable();
    if builtin.peek().is_some() {
        let dir = run.root().join("base_model");
        model::write(&dir)?;
        builtin.for_each(|path| *path = path_text(&dir));
    }
    let Some(demo) = &resolved.demo else {
        return Ok(());
    };
    let (data, seed) = (run.root().join("data"), config.seed);
    let write = |dir: &Path, split, range, rows| {
        let path = dataset::write_dataset(dir, split, seed, range, rows);
        path.context("writing the demo's data")
    };
    if demo.train > 0 {
        let path = write(&data, Split::Train, 0..demo.train as u64, Rows::Questions)?;
        config.data.train = path_text(&path);
    }
    if demo.eval > 0 {
        let path = write(&data, Split::Eval, 0..demo.eval as u64, Rows::Questions)?;
        config.eval.data = path_text(&path);
    }
    if !demo.sft.is_empty() {
        let (mut first, mut lines) = (0, vec![]);
        for phase in &demo.sft {
            let range = first..first + phase.rows as u64;
            first = range.end;
            let rows = Rows::Sft {
                looking_share: phase.looking_share,
            };
            lines.extend(fs::read(write(&data, Split::Sft, range, rows)?)?.repeat(phase.repeat));
        }
        let path = data.join("sft.jsonl");
        fs::write(&path, lines).with_context(|| path_text(&path))?;
        config.data.train = path_text(&path);
    }
    Ok(())
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
